"""The modules of a cloud's services: a few lines each, so that every way of importing works."""

from __future__ import annotations

from pathlib import Path

from iaclib.schema.archive import Archive
from iaclib.schema.build.pack import PACKS
from iaclib.schema.names import module_name

WING = Path(__file__).parent.parent.parent / "aws"
#: Services with classes of their own in `_<service>.py`; their modules name these and make the others on demand.
BY_HAND = frozenset({"dynamodb", "ec2", "iam", "logs", "s3", "sns", "sqs"})
_MARK = "made on demand.\n\nWritten by `nox -s schemas`.\n"


def texts() -> dict[str, str]:
    """Give the modules' text by file name; of services without a class there is none, nor of those written by hand."""
    archive = Archive(PACKS / "aws.pack")
    lacking = archive.about["lacking"]
    services = sorted({type.split("::")[1] for type in archive if type not in lacking})
    found = {}
    for service in services:
        name = module_name(service.lower())
        if name.removesuffix("_") in BY_HAND:
            continue
        found[f"{name}.py"] = (
            f'"""Declarations of {service} types, {_MARK}"""\n\n'
            "from iaclib.declare import generated as _generated\n\n"
            "__getattr__, __dir__ = _generated.service(__name__)\n"
        )
    return found


def write() -> int:
    """Write the modules and remove those of services that are no more; give how many there are."""
    wanted = texts()
    for path in WING.glob("*.py"):
        if path.name not in wanted and _MARK in path.read_text(encoding="utf-8"):
            path.unlink()
    for name, text in wanted.items():
        path = WING / name
        if path.exists() and _MARK not in path.read_text(encoding="utf-8"):
            msg = f"{path}: written by hand, expected its classes in _{name}; move them there"
            raise SystemExit(msg)
        path.write_text(text, encoding="utf-8")
    return len(wanted)
