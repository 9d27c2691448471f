"""From a declaration to the inputs that count: one function for plan and apply.

Knows references, default tags, generated names and ``ignore_changes``. Called
with what is known when planning, and again with all values when applying.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from iaclib.errors import InvalidPropertyError
from iaclib.model.outputs import resolve
from iaclib.model.values import UNKNOWN, Secret, plain
from iaclib.plan.compare import unknown_in
from iaclib.plan.facts import view
from iaclib.plan.names import generated_name

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared
    from iaclib.state.record import Record

Lookup = Callable[[str, str], Any]
Path = tuple[str | int, ...]

_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*)\]")


@attrs.frozen
class Naming:
    """What generated names and default tags are made of.

    Args:
        stack: The stack's name.
        lineage: The stack's lineage.
        generation: Of the object that will have these inputs.
        tags: The provider's default tags.
    """

    stack: str
    lineage: str
    generation: int
    tags: Mapping[str, Any] | None = None


def final_inputs(
    declared: Declared, lookup: Lookup, record: Record | None, naming: Naming, *, fresh: bool = False
) -> Mapping[str, Any]:
    """Give a resource's inputs as a handler would get them, with UNKNOWN leaves.

    What is unset is left out. Nothing is copied where nothing has to change.

    Args:
        declared: The declaration.
        lookup: Gives the value of (address, field), or UNKNOWN.
        record: What is recorded of the object, if it is of the same type.
        naming: For default tags and generated names.
        fresh: Whether generated names are to be new ones, as in a replacement.
    """
    facts = view(declared.facts)
    inputs: Mapping[str, Any] = declared.inputs
    if declared.has_expr:
        inputs = {name: value for name, value in resolve(inputs, lookup).items() if value is not None}
    if naming.tags and declared.facts.tags is not None:
        inputs = with_default_tags(inputs, declared.facts.tags, naming.tags)
    for name in facts.generated:
        if inputs.get(name) is None:
            inputs = {**inputs, name: _generate(declared, name, None if fresh else record, naming)}
    for name in facts.secret:
        value = inputs.get(name)
        if value is not None and value is not UNKNOWN and not isinstance(value, Secret):
            inputs = {**inputs, name: Secret(value)}
    if record is not None and declared.options.ignore_changes:
        inputs = keep_recorded(inputs, record.inputs, declared.options.ignore_changes)
    return inputs


def with_default_tags(inputs: Mapping[str, Any], field: str, tags: Mapping[str, Any]) -> Mapping[str, Any]:
    """Merge a provider's default tags into inputs; explicit keys win."""
    own = inputs.get(field)
    if own is UNKNOWN:
        return inputs
    if isinstance(own, Secret):
        return {**inputs, field: Secret({**tags, **own.reveal()})}
    return {**inputs, field: {**tags, **(own or {})}}


def _generate(declared: Declared, name: str, record: Record | None, naming: Naming) -> str:
    if record is not None and record.inputs.get(name) is not None:
        kept: str = record.inputs[name]
        return kept
    shape = declared.facts.properties[name].shape

    def fits(candidate: str) -> bool:
        try:
            shape.check(candidate, name)
        except InvalidPropertyError:
            return False
        return True

    return generated_name(naming.stack, declared.address, naming.lineage, naming.generation, fits)


def check_resolved(declared: Declared, inputs: Mapping[str, Any]) -> None:
    """Check what references came to: a declaration could not know it.

    Raises:
        InvalidPropertyError: A value is not what its field takes, or a
            required one turned out to be unset.
    """
    if not declared.has_expr:
        return
    for name, lowered in declared.inputs.items():
        one = declared.facts.properties.get(name)
        if one is None:
            continue
        value = inputs.get(name)
        if value is None:
            if one.required and lowered is not None:
                msg = (
                    f"{declared.address}: {name} is required, but what it refers to is unset, expected a value; "
                    f"refer to something else in {declared.location}"
                )
                raise InvalidPropertyError(msg, address=declared.address)
        elif not unknown_in(value):
            one.shape.check(value, f"{declared.address}: {name}")


def read_field(record: Record, field: str) -> Any:
    """Give what a reference to a recorded object's field reads.

    A field that is an input, such as a generated name, reads as what was sent;
    anything else as what the cloud showed, None if it showed nothing.
    """
    if field == "id":
        return record.id or UNKNOWN
    if field in record.inputs:
        return record.inputs[field]
    return record.outputs.get(field)


def recorded_options(declared: Declared) -> dict[str, Any]:
    """Give the options that a record keeps for when the declaration is gone."""
    options = declared.options
    kept: dict[str, Any] = {}
    if options.protect:
        kept["protect"] = True
    if options.on_delete:
        kept["on_delete"] = plain(options.on_delete, f"{declared.address}: on_delete")  # as state will give it back
    timeouts = options.timeouts
    if timeouts is not None:
        seconds = {name: _seconds(getattr(timeouts, name)) for name in ("create", "update", "delete")}
        given = {name: value for name, value in seconds.items() if value is not None}
        if given:
            kept["timeouts"] = given
    return kept


def _seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


# ------------------------------------------------------------------------------------------------- ignore_changes


def parse_path(text: str) -> Path:
    """Read a path such as ``a.b``, ``b[1]`` or ``b[*]``; a bare ``*`` stands for any key.

    Raises:
        InvalidPropertyError: The text is no path.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            break
        key, index = match.groups()
        parts.append(key if key is not None else "*" if index == "*" else int(index))
        position = match.end()
    if not parts or position < len(text):
        msg = f"{text!r}: not a path, expected one such as 'a', 'a.b', 'b[1]' or 'b[*]'; correct ignore_changes"
        raise InvalidPropertyError(msg)
    return tuple(parts)


def keep_recorded(inputs: Mapping[str, Any], recorded: Mapping[str, Any], paths: Sequence[str]) -> Mapping[str, Any]:
    """Put the recorded value at each path: added, changed or removed there counts as unchanged."""
    result: Any = inputs
    for path in paths:
        kept = _keep(result, recorded, parse_path(path))
        result = {} if kept is _NOTHING else kept
    return result  # type: ignore[no-any-return]


_NOTHING: Any = object()


def _keep(value: Any, recorded: Any, path: Path) -> Any:
    """Give ``value`` with what ``recorded`` has at a path; ``_NOTHING`` for no value."""
    if not path:
        return recorded
    if isinstance(value, Secret) or isinstance(recorded, Secret):
        bare = value.reveal() if isinstance(value, Secret) else value
        kept = _keep(bare, recorded.reveal() if isinstance(recorded, Secret) else recorded, path)
        return kept if kept is _NOTHING else Secret(kept)
    part, rest = path[0], path[1:]
    if isinstance(value, Mapping) or (value is _NOTHING and isinstance(recorded, Mapping)):
        return _keep_in_map(value, recorded, part, rest)
    if isinstance(value, list) or (value is _NOTHING and isinstance(recorded, list)):
        return _keep_in_list(value, recorded, part, rest)
    return value


def _keep_in_map(value: Any, recorded: Any, part: str | int, rest: Path) -> Any:
    new = dict(value) if value is not _NOTHING else {}
    old = recorded if isinstance(recorded, Mapping) else {}
    for key in dict.fromkeys([*new, *old]) if part == "*" else (str(part),):
        kept = _keep(new.get(key, _NOTHING), old.get(key, _NOTHING), rest)
        if kept is _NOTHING:
            new.pop(key, None)
        else:
            new[key] = kept
    return new if new or value is not _NOTHING else _NOTHING


def _keep_in_list(value: Any, recorded: Any, part: str | int, rest: Path) -> Any:
    new = list(value) if value is not _NOTHING else []
    old = recorded if isinstance(recorded, list) else []
    if part == "*" and not rest:
        return list(old) if old or value is not _NOTHING else _NOTHING
    count = max(len(new), len(old) if not rest else 0)
    for index in range(count) if part == "*" else (part,):
        if not isinstance(index, int):
            return value
        have, had = _at(new, index), _at(old, index)
        kept = _keep(have, had, rest)
        if kept is _NOTHING:
            del new[index:]
        elif index < len(new):
            new[index] = kept
        elif index == len(new):
            new.append(kept)
    return new if new or value is not _NOTHING else _NOTHING


def _at(items: Sequence[Any], index: int) -> Any:
    return items[index] if index < len(items) else _NOTHING
