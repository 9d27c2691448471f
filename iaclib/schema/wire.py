"""Values between Python's names and the vendor's, by what is known of a type.

Handlers get and give Python names; the cloud knows its own. Free-form values
(policies, maps, what no shape describes) pass as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iaclib.schema.facts import TypeFacts
from iaclib.schema.names import key_name
from iaclib.schema.shapes import Shape


def to_vendor(facts: TypeFacts, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Give properties as the cloud names them.

    Args:
        facts: Of a type that came from a pack.
        inputs: Values by Python name; names that the facts don't have are left
            out, since an older pack may have had them.
    """
    found = {}
    for name, value in inputs.items():
        one = facts.properties.get(name)
        if one is None or one.wire is None:
            continue
        found[one.wire] = _tags(facts, value) if name == facts.tags else _out(one.shape, value)
    return found


def from_vendor(facts: TypeFacts, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the cloud shows by Python names; properties that the facts don't have are left out."""
    names = {one.wire: one for one in facts.properties.values() if one.wire is not None}
    found = {}
    for wire, value in properties.items():
        one = names.get(wire)
        if one is not None:
            found[one.name] = _mapping(facts, value) if one.name == facts.tags else _in(one.shape, value)
    return found


def _tags(facts: TypeFacts, value: Any) -> Any:
    pair = facts.cloud.tags.pair if facts.cloud is not None and facts.cloud.tags is not None else None
    if pair is None or not isinstance(value, Mapping):
        return value
    return [{pair[0]: key, pair[1]: value[key]} for key in sorted(value)]


def _mapping(facts: TypeFacts, value: Any) -> Any:
    pair = facts.cloud.tags.pair if facts.cloud is not None and facts.cloud.tags is not None else None
    if pair is None or not isinstance(value, list):
        return value
    return {item[pair[0]]: item.get(pair[1], "") for item in value}


def _out(shape: Shape, value: Any) -> Any:
    if isinstance(value, list):
        items = _fitting(shape, "list", value).items
        return value if items is None else [_out(items, item) for item in value]
    if not isinstance(value, Mapping):
        return value
    shape = _fitting(shape, "object", value)
    if shape.wire is not None and shape.properties is not None:
        known = shape.properties
        return {
            shape.wire.get(key, key): _out(known[key], item) if key in known else item for key, item in value.items()
        }
    return value if shape.items is None else {key: _out(shape.items, item) for key, item in value.items()}


def _in(shape: Shape, value: Any) -> Any:
    if isinstance(value, list):
        items = _fitting(shape, "list", value).items
        return value if items is None else [_in(items, item) for item in value]
    if not isinstance(value, Mapping):
        return value
    shape = _fitting(shape, "object", value, shown=True)
    if shape.wire is not None and shape.properties is not None:
        known = shape.properties
        found = {}
        for wire, item in value.items():
            key = key_name(wire)
            found[key] = _in(known[key], item) if key in known else item
        return found
    return value if shape.items is None else {key: _in(shape.items, item) for key, item in value.items()}


def _fitting(shape: Shape, kind: str, value: Any, *, shown: bool = False) -> Shape:
    """Give the member of a union that a value is of: of objects the one that has most of its keys."""
    if shape.kind != "union":
        return shape
    if kind == "list":
        return next((option for option in shape.options if option.kind == "list"), shape)

    def missed(option: Shape) -> int:
        names = () if option.wire is None else option.wire.values() if shown else option.wire.keys()
        return sum(key not in names for key in value)

    objects = [option for option in shape.options if option.kind == "object"]
    maps = [option for option in shape.options if option.kind == "map"]
    best = min(objects, key=missed, default=None)
    if best is None or (maps and missed(best)):
        return maps[0] if maps else shape
    return best
