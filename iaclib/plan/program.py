"""What a program says, as JSON and as a digest: equal programs, equal digests, in any process.

Secrets count by a keyed digest that the caller brings, functions by module,
name and code. Where in the source something is declared, and through which
configured access it is reached, is not part of what the program says: the
first changes nothing, the second is compared by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import orjson

from iaclib.declare.options import DEFAULT, Options, Timeouts
from iaclib.model.values import plain
from iaclib.plan.writing import Writer, flag, text, texts

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared, Desired
    from iaclib.plan.writing import Reader

#: Options that come as addresses or providers in ``Declared`` itself.
ELSEWHERE: Final = frozenset({"depends_on", "provider"})


def _optional_flag(value: Any) -> bool | None:
    return None if value is None else flag(value)


def _timeouts(value: Any) -> Timeouts:
    create, update, delete = value
    return Timeouts(create, update, delete)


#: How each other option is read; all are written as their type says.
READ_OPTION: Final[Mapping[str, Callable[[Any], Any]]] = {
    "protect": _optional_flag,
    "ignore_changes": texts,
    "delete_before_replace": _optional_flag,
    "secret_outputs": texts,
    "timeouts": _timeouts,
    "on_delete": dict,
}


def write_options(options: Options, writer: Writer) -> dict[str, Any]:
    """Write the options that differ from the default."""
    if options is DEFAULT:
        return {}
    found: dict[str, Any] = {}
    for name in READ_OPTION:
        value = getattr(options, name)
        if value != getattr(DEFAULT, name):
            found[name] = (
                list(attrs.astuple(value))
                if isinstance(value, Timeouts)
                else writer.value(plain(value, f"option {name}"))
            )
    return found


def read_options(data: Mapping[str, Any], reader: Reader) -> Options:
    """Undo ``write_options``."""
    if not data:
        return DEFAULT
    return attrs.evolve(DEFAULT, **{name: READ_OPTION[name](reader.value(value)) for name, value in data.items()})


def write_declared(declared: Declared, writer: Writer) -> dict[str, Any]:
    """Write what a program says of a resource; what it leaves unsaid is left out."""
    said: dict[str, Any] = {"address": declared.address, "type": declared.type}
    if declared.inputs:
        said["inputs"] = writer.value(declared.inputs)
    if declared.parent:
        said["parent"] = declared.parent
    if declared.depends_on:
        said["depends_on"] = list(declared.depends_on)
    if options := write_options(declared.options, writer):
        said["options"] = options
    return said


def read_declared(data: Mapping[str, Any], declared: Declared, reader: Reader) -> None:
    """Undo ``write_declared``."""
    declared.address = text(data["address"])
    declared.type = text(data["type"])
    declared.inputs = reader.value(data.get("inputs", {}))
    declared.parent = text(data.get("parent", ""))
    declared.depends_on = texts(data.get("depends_on", []))
    declared.options = read_options(data.get("options", {}), reader)


def program_digests(desired: Desired, digest: Callable[[Any], str]) -> dict[str, str]:
    """Digest each part of a program: resources by address, exports as ``export <name>``.

    Args:
        desired: What the program declares.
        digest: A keyed digest, for secrets.
    """
    writer = Writer(lambda _subject, secret: digest(secret), _hash)
    found = {address: _hash(write_declared(declared, writer)) for address, declared in desired.resources.items()}
    found |= {f"export {name}": _hash(writer.value(value)) for name, value in desired.outputs.items()}
    return found


def program_digest(desired: Desired, digest: Callable[[Any], str]) -> str:
    """Digest all that a program says; the order in which it says it doesn't count."""
    return _hash([str(desired.ref), desired.raised, program_digests(desired, digest)])


def _hash(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
