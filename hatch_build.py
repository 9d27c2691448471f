"""Writes the stubs of the classes that are made on demand when the package is built, editable or not."""

from __future__ import annotations

import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before hatchling gathers the wheel's files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the stubs beside their modules; they follow from the pack alone."""
        sys.path.insert(0, self.root)
        try:
            from iaclib.schema.build import stubs

            size = stubs.write()
        finally:
            sys.path.remove(self.root)
        self.app.display_info(f"stubs: {size:,} bytes")
