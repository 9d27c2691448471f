"""Which properties refer to objects of which type, by what names tell: ``vpc_id`` and ``subnet_ids``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.declare.registry import count_types, known_types, type_facts
from iaclib.testing.values import own_id_field

if TYPE_CHECKING:
    from collections.abc import Mapping

_cache: dict[str, tuple[int, Mapping[str, str]]] = {}


def referred(type_name: str) -> Mapping[str, str]:
    """Give the type that each property of a type refers to, of the same provider, where its name tells.

    ``vpc_id`` names an ``aws:ec2:VPC``, because that type is known by this
    name; where types of several services have it, the own service's counts.
    """
    number = count_types()
    found = _cache.get(type_name)
    if found is None or found[0] != number:
        found = _cache[type_name] = (number, _referred(type_name, known_types()))
    return found[1]


def _referred(type_name: str, types: tuple[str, ...]) -> Mapping[str, str]:
    facts = type_facts(type_name)
    if facts is None:
        return {}
    provider, service = type_name.partition(":")[0], type_name.rpartition(":")[0]
    by_name: dict[str, list[str]] = {}
    for other in types:
        if other.partition(":")[0] == provider and other != type_name:
            by_name.setdefault(own_id_field(other), []).append(other)
    found: dict[str, str] = {}
    for name, item in facts.properties.items():
        if item.computed:
            continue
        several = by_name.get(name) or by_name.get(name.removesuffix("s")) or ()
        near = [other for other in several if other.rpartition(":")[0] == service] if len(several) > 1 else several
        if len(near) == 1:
            found[name] = near[0]
    return found
