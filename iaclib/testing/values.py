"""Values that the simulated cloud makes up: deterministic, and in the shape that a type's facts tell.

Knows shapes and the usual names of properties; knows nothing of the cloud.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from iaclib.model.addresses import kebab
from iaclib.schema.names import snake
from iaclib.testing.patterns import sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.schema.facts import TypeFacts
    from iaclib.schema.shapes import Shape

_ID = 17  # hex digits of an id
_DEEP = 3  # objects and lists within one another that are filled
_TRIES = 20
_LEAST, _MOST = 1, 9  # numbers where nothing is said of them
_HOST = re.compile(r"(^|_)(dns_name|domain_name|dns|host|hostname|domain|endpoint|fqdn)$")
_TIME = re.compile(r"(_at|_time|_date|^created|^updated)$")


class Birth(Struct, frozen=True):
    """What values are made from.

    Args:
        type: The object's type.
        id: Its id.
        mark: Hex digits that belong to the object alone: of its address and generation.
        account: Whose it is.
        region: Where it is.
    """

    type: str
    id: str
    mark: str
    account: str
    region: str


def mark(*parts: object) -> str:
    """Give hex digits that belong to these parts alone."""
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()


@cache
def slug(type_name: str) -> str:
    """Name a type as its ids do: ``internet-gateway`` of ``aws:ec2:InternetGateway``."""
    return kebab(type_name.rpartition(":")[2])


def own_id_field(type_name: str) -> str:
    """Name the property in which objects of a type usually show their id."""
    return f"{slug(type_name).replace('-', '_')}_id"


@cache
def _own_id_names(type_name: str) -> frozenset[str]:
    """List the names under which objects of a type may show their id: ``security_group_id``, ``group_id``."""
    words = slug(type_name).split("-")
    return frozenset({"id", "id_", *("_".join(words[at:]) + "_id" for at in range(len(words)))})


def new_id(facts: TypeFacts | None, type_name: str, inputs: Mapping[str, Any], digits: str) -> tuple[str, bool]:
    """Make an id; tell whether it belongs to this object alone, or is a name that somebody chose."""
    if facts is not None:
        name = _named_by(facts)
        if name is not None and isinstance(inputs.get(name), str):
            return inputs[name], False
        shape = facts.properties["id"].shape if "id" in facts.properties else None
        if shape is not None and not shape.plain_text and shape.kind == "str":
            return str(made(shape, "id", Birth(type_name, "", digits, "", ""))), True
    return f"{slug(type_name)}-{digits[:_ID]}", True


def _named_by(facts: TypeFacts) -> str | None:
    """Find the property that names objects: made by the engine where unset, unique by itself."""
    for fields in facts.unique:
        if len(fields) == 1 and facts.properties[fields[0]].generated:
            return fields[0]
    return None


def made(shape: Shape, name: str, birth: Birth, depth: int = 0) -> Any:
    """Make a value of a shape; what is deeper than a few objects has what it must have only, since shapes may hold themselves."""
    if shape.enum:
        return shape.enum[0]
    if shape.items is not None or shape.properties is not None or shape.options:
        return _nested(shape, name, birth, depth)
    match shape.kind:
        case "str":
            return _text(shape, name, birth)
        case "int" | "float":
            least, most = shape.range or (None, None)
            low = least if least is not None else min(_LEAST, most if most is not None else _LEAST)
            high = most if most is not None else max(_MOST, low)
            number = low + int(mark(birth.mark, name), 16) % (int(high - low) + 1)
            return int(number) if shape.kind == "int" else float(number)
        case "bool":
            return False
        case "list":
            return []
        case "map" | "object":
            return {}
    return _usual(snake(name), birth)  # what is known by the vendor's name only has no other shape


def _nested(shape: Shape, name: str, birth: Birth, depth: int) -> Any:
    if shape.options:
        return made(shape.options[0], name, birth, depth + 1)
    if shape.items is not None and shape.kind == "list":
        least = (shape.length[0] if shape.length is not None else None) or (1 if depth <= _DEEP else 0)
        return [made(shape.items, name.removesuffix("s"), birth, depth + 1) for _ in range(int(least))]
    if shape.items is not None:
        return {} if shape.items.kind == "any" else {"key": made(shape.items, name, birth, depth + 1)}
    keys = shape.properties or {}
    wanted = keys if depth <= _DEEP else [key for key in keys if key in shape.required]
    return {key: made(keys[key], key, birth, depth + 1) for key in wanted}


def _text(shape: Shape, name: str, birth: Birth) -> str:
    usual = _usual(name, birth)
    if shape.plain_text or shape.fault(usual) is None:
        return usual
    if shape.pattern is not None:
        chance = Random(mark(birth.mark, name))  # noqa: S311 - not for secrets
        for _ in range(_TRIES):  # a pattern says nothing of the length
            found = sample(shape.pattern, chance)
            if shape.fault(found) is None:
                return found
    least, most = shape.length or (0, None)
    text = usual.ljust(least or 0, "x")
    return text if most is None else text[:most]


def _usual(name: str, birth: Birth) -> str:  # noqa: PLR0911 - one for each kind of name
    if name in _own_id_names(birth.type):
        return birth.id
    if name == "arn" or name.endswith("_arn"):
        provider, _, rest = birth.type.partition(":")
        service = rest.partition(":")[0].lower()
        owner = birth.id if name in ("arn", own_id_field(birth.type)[:-2] + "arn") else f"{birth.id}/{name[:-4]}"
        return f"arn:{provider}:{service}:{birth.region}:{birth.account}:{slug(birth.type)}/{owner}"
    if name == "ip" or name.endswith(("_ip", "ip_address")):
        digits = mark(birth.mark, name)
        numbers = [int(digits[at : at + 2], 16) for at in (0, 2, 4)]
        return f"10.{numbers[0]}.{numbers[1]}.{numbers[2]}"
    if "cidr" in name:
        digits = mark(birth.mark, name)
        if "ipv6" in name:
            return f"fd{digits[:2]}:{digits[2:6]}:{digits[6:10]}::/64"
        return f"10.{int(digits[:2], 16)}.{int(digits[2:4], 16)}.0/24"
    host = f"{birth.id.lower()}.{birth.region}.simulated.test"
    if name == "url" or name.endswith(("_url", "_uri")):
        return f"https://{host}"
    if _HOST.search(name):
        return host
    if _TIME.search(name):
        return "2026-01-01T00:00:00Z"
    if name.endswith("zone"):
        return f"{birth.region}a"
    if name.endswith("region"):
        return birth.region
    if name.endswith(("account", "account_id", "owner_id")):
        return birth.account
    return f"{name.replace('_', '-')}-{mark(birth.mark, name)[:8]}"


def computed(facts: TypeFacts, birth: Birth) -> dict[str, Any]:
    """Make the properties that no program can give."""
    return {name: made(facts.properties[name].shape, name, birth) for name in _computed(_Facts(facts))}


class _Facts:
    """Facts as a key of a cache: by object."""

    __slots__ = ("facts",)

    def __init__(self, facts: TypeFacts) -> None:
        self.facts = facts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Facts) and other.facts is self.facts

    def __hash__(self) -> int:
        return id(self.facts)


@cache
def _computed(of: _Facts) -> tuple[str, ...]:
    return tuple(name for name, item in of.facts.properties.items() if item.computed and name != "id")


@cache
def _required(of: _Facts) -> tuple[str, ...]:
    return tuple(name for name, item in of.facts.properties.items() if item.required)


def required(facts: TypeFacts) -> tuple[str, ...]:
    """List the properties that have to be given."""
    return _required(_Facts(facts))
