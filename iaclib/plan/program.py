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

import orjson
from msgspec import structs

from iaclib.declare.options import DEFAULT, Hooks, Options, Timeouts
from iaclib.declare.sources import Query
from iaclib.model.values import plain
from iaclib.plan.writing import AbsentFunction, Writer, flag, function_parts, text, texts

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared, Desired
    from iaclib.plan.writing import Reader

#: Options that come as addresses, values or providers in ``Declared`` itself.
ELSEWHERE: Final = frozenset(
    {"depends_on", "provider", "replace_with", "deleted_with", "replacement_trigger", "aliases"}
)


def _optional_flag(value: Any) -> bool | None:
    return None if value is None else flag(value)


def _timeouts(value: Any) -> Timeouts:
    create, update, delete = value
    return Timeouts(create, update, delete)


def _write_hooks(value: Any) -> list[dict[str, list[str]]]:
    return [
        {name: function_parts(hook) for name, hook in structs.asdict(hooks).items() if hook is not None}
        for hooks in value
    ]


def _hooks(value: Any) -> tuple[Hooks, ...]:
    return tuple(Hooks(**{name: AbsentFunction(*texts(parts)) for name, parts in hooks.items()}) for hooks in value)


def _text(value: Any) -> str | None:
    return None if value is None else text(value)


#: How those are written that are no JSON by themselves.
_WRITE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "timeouts": lambda value: list(structs.astuple(value)),
    "hooks": _write_hooks,
}
#: How each other option is read.
READ_OPTION: Final[Mapping[str, Callable[[Any], Any]]] = {
    "protect": _optional_flag,
    "ignore_changes": texts,
    "delete_before_replace": _optional_flag,
    "secret_outputs": texts,
    "timeouts": _timeouts,
    "on_delete": dict,
    "retain_on_delete": _optional_flag,
    "replace_on_changes": texts,
    "import_id": _text,
    "adopt": _optional_flag,
    "hooks": _hooks,
}


def write_options(options: Options, writer: Writer) -> dict[str, Any]:
    """Write the options that differ from the default."""
    if options is DEFAULT:
        return {}
    found: dict[str, Any] = {}
    for name in READ_OPTION:
        value = getattr(options, name)
        if value != getattr(DEFAULT, name):
            as_json = _WRITE[name](value) if name in _WRITE else plain(value, f"option {name}")
            found[name] = writer.value(as_json)
    return found


def read_options(data: Mapping[str, Any], reader: Reader) -> Options:
    """Undo ``write_options``."""
    if not data:
        return DEFAULT
    return structs.replace(DEFAULT, **{name: READ_OPTION[name](reader.value(value)) for name, value in data.items()})


def write_declared(declared: Declared, writer: Writer) -> dict[str, Any]:
    """Write what a program says of a resource; what it leaves unsaid is left out."""
    said: dict[str, Any] = {"address": declared.address, "type": declared.type}
    if declared.inputs:
        said["inputs"] = writer.value(declared.inputs)
    if declared.parent:
        said["parent"] = declared.parent
    if declared.depends_on:
        said["depends_on"] = list(declared.depends_on)
    if declared.replace_with:
        said["replace_with"] = list(declared.replace_with)
    if declared.deleted_with:
        said["deleted_with"] = declared.deleted_with
    if declared.former:
        said["former"] = list(declared.former)
    if declared.trigger is not None:
        said["trigger"] = writer.value(declared.trigger)
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
    declared.replace_with = texts(data.get("replace_with", []))
    declared.deleted_with = text(data.get("deleted_with", ""))
    declared.former = texts(data.get("former", []))
    declared.trigger = reader.value(data.get("trigger"))
    declared.options = read_options(data.get("options", {}), reader)


def program_digests(desired: Desired, digest: Callable[[Any], str]) -> dict[str, str]:
    """Digest each part of a program: resources by address, ``lookup <address>``, ``export <name>``.

    Args:
        desired: What the program declares.
        digest: A keyed digest, for secrets.
    """
    writer = Writer(lambda _subject, secret: digest(secret), _hash, places=False)
    found = {address: _hash(write_declared(declared, writer)) for address, declared in desired.resources.items()}
    for source in desired.sources:
        if isinstance(source, Query):
            found[f"lookup {source.address}"] = _hash([source.type, source.action, writer.value(source.inputs)])
    found |= {f"export {name}": _hash(writer.value(value)) for name, value in desired.outputs.items()}
    return found


def program_digest(desired: Desired, digest: Callable[[Any], str]) -> str:
    """Digest all that a program says; the order in which it says it doesn't count."""
    return _hash([str(desired.ref), desired.raised, program_digests(desired, digest)])


def _hash(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
