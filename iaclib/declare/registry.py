"""Which class declares which type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import DeclarationError

if TYPE_CHECKING:
    from iaclib.schema.facts import TypeFacts

_types: dict[str, tuple[type, TypeFacts]] = {}


def register(cls: type, facts: TypeFacts) -> None:
    """Make a type known; a class of the same module and name takes its place.

    Raises:
        DeclarationError: Another class declares the type.
    """
    known = _types.get(facts.type)
    if known is not None and (known[0].__module__, known[0].__name__) != (cls.__module__, cls.__name__):
        first = known[0]
        msg = f"type {facts.type!r}: declared by {first.__module__}.{first.__qualname__} and again by {cls.__module__}.{cls.__qualname__}, expected one class a type; rename the type of one"
        raise DeclarationError(msg)
    _types[facts.type] = (cls, facts)


def type_facts(type: str) -> TypeFacts | None:
    """Give the facts of a type whose class has been imported, or None."""
    found = _types.get(type)
    return None if found is None else found[1]
