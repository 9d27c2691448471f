"""Which class declares which type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import DeclarationError, UnknownProviderError
from iaclib.model.addresses import near
from iaclib.provider.registry import import_declarations

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


def type_class(type: str) -> type:
    """Give the class of a type that is known."""
    return _types[type][0]


def count_types() -> int:
    """Tell how many types are known; it rises when classes are imported."""
    return len(_types)


def known_types() -> tuple[str, ...]:
    """List the types whose classes have been imported."""
    return tuple(_types)


def require_type(type: str, where: str, defined_by: str = "") -> tuple[type, TypeFacts]:
    """Give class and facts of a type, importing the declarations of an installed provider if need be.

    Args:
        type: The type's name.
        where: Whose type it is, for the message.
        defined_by: ``module:qualname`` of a class that brings its own handler;
            named in the message only, never imported.

    Raises:
        UnknownProviderError: Nothing that is imported or installed declares it.
    """
    found = _types.get(type)
    if found is None:
        import_declarations(type)
        found = _types.get(type)
    if found is None:
        home = defined_by.partition(":")[0] or f"the module that declares {type!r}"
        hint = "" if defined_by else near(type, _types)
        msg = f"{where}: the type {type!r} is not known here, expected its class to be imported{hint and f' ({hint})'}; import {home}"
        raise UnknownProviderError(msg, type=type)
    return found
