"""What refers to what: by the names of properties (``vpc_id``, ``subnet_ids``), and by ids within text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from iaclib.declare.registry import count_types, known_types, type_class, type_facts
from iaclib.schema.facts import TypeFacts
from iaclib.testing.values import own_id_field

if TYPE_CHECKING:
    from collections.abc import Collection

    from iaclib.testing.objects import SimulatedObject


class _Targets(Struct, frozen=True):
    """What the properties of a type may refer to, while so many types are known.

    Args:
        known: How many.
        facts: The type's.
        beside: Types of its own module, by property.
        elsewhere: Types of other modules, by property.
    """

    known: int
    facts: TypeFacts
    beside: Mapping[str, str]
    elsewhere: Mapping[str, list[str]]


_cache: dict[str, _Targets] = {}


def referred(type_name: str, seen: Collection[str]) -> Mapping[str, str]:
    """Give the type that each property of a type refers to, of the same provider, where its name tells.

    ``vpc_id`` names an ``aws:ec2:VPC``, because that type is known by this
    name. Types of the same module count, and of others those that a simulator
    has seen: what else the process has imported must not make a difference.

    Args:
        type_name: The type.
        seen: The types of which there are or were objects.
    """
    facts = type_facts(type_name)
    if facts is None:
        return {}
    found = _cache.get(type_name)
    if found is None or found.known != count_types() or found.facts is not facts:
        found = _cache[type_name] = _targets(facts)
    if not found.elsewhere:
        return found.beside
    others = {name: [one for one in several if one in seen] for name, several in found.elsewhere.items()}
    return {**found.beside, **{name: several[0] for name, several in others.items() if len(several) == 1}}


def _targets(facts: TypeFacts) -> _Targets:
    provider, module = facts.type.partition(":")[0], type_class(facts.type).__module__
    by_name: dict[str, list[str]] = {}
    for other in known_types():
        if other.partition(":")[0] == provider and other != facts.type:
            by_name.setdefault(own_id_field(other), []).append(other)
    beside: dict[str, str] = {}
    elsewhere: dict[str, list[str]] = {}
    for name, item in facts.properties.items():
        several = [] if item.computed else by_name.get(name) or by_name.get(name.removesuffix("s")) or []
        own = [other for other in several if type_class(other).__module__ == module]
        if len(own) == 1:
            beside[name] = own[0]
        elif several and not own:
            elsewhere[name] = several
    return _Targets(count_types(), facts, beside, elsewhere)


def named_in(thing: SimulatedObject, text: str) -> bool:
    """Tell whether an object's id stands in a text, as a word of its own and whatever its case."""
    id = thing.id.lower()
    return id in text.lower() and re.search(rf"(?<![a-z0-9]){re.escape(id)}(?![a-z0-9])", text.lower()) is not None
