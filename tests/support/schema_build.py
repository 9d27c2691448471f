"""The generators of packs, which are not installed: found in the checkout, beside what is."""

from pathlib import Path

import iaclib.schema

_FOLDER = str(Path(__file__).parent.parent.parent / "iaclib" / "schema")
if _FOLDER not in iaclib.schema.__path__:
    iaclib.schema.__path__.append(_FOLDER)

from iaclib.schema.build import cloudformation, modules, nodes, pack, read_only, service_spec, stubs  # noqa: E402 - found now

__all__ = ["cloudformation", "modules", "nodes", "pack", "read_only", "service_spec", "stubs"]
