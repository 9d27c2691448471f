"""Options of a declaration: how its object is treated, apart from its properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from iaclib.errors import DeclarationError
from iaclib.provider.base import Provider

if TYPE_CHECKING:
    from iaclib.declare.base import Declaration


def _seconds(value: timedelta | float | None) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        msg = f"Timeouts: {value!r} is no duration, expected a timedelta or seconds above 0; correct it"
        raise DeclarationError(msg)
    return float(seconds)


@attrs.frozen
class Timeouts:
    """How long operations may take, as timedelta or seconds; None is the type's default."""

    create: float | None = attrs.field(default=None, converter=_seconds)
    update: float | None = attrs.field(default=None, converter=_seconds)
    delete: float | None = attrs.field(default=None, converter=_seconds)


def _declarations(value: Any) -> tuple[Any, ...]:
    found = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    for item in found:
        if not hasattr(item, "logical_name"):
            msg = f"Options(depends_on=...): {type(item).__name__} is given, expected resources or components; pass what the class call gave"
            raise DeclarationError(msg)
    return found


def _texts(value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value)
    for item in found:
        if not isinstance(item, str):
            msg = f"Options: a path is {type(item).__name__}, expected str such as 'tags.Name' or 'rules[0]'; write it as text"
            raise DeclarationError(msg)
    return found


def _provider(_options: Any, _attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, Provider):
        msg = f"Options(provider=...): {type(value).__name__} is given, expected a Provider such as aws.Provider(...), known when declaring; use two stacks where it depends on outputs"
        raise DeclarationError(msg)


def _flag(_options: Any, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, bool):
        msg = f"Options({attribute.name}=...): {type(value).__name__} is given, expected True or False, known when declaring; pass a bool"
        raise DeclarationError(msg)


def _mapping(_options: Any, _attribute: Any, value: Any) -> None:
    if not isinstance(value, Mapping):
        msg = f"Options(on_delete=...): {type(value).__name__} is given, expected a mapping of delete parameters; pass a dict"
        raise DeclarationError(msg)


@attrs.frozen
class Options:
    """How an object is treated.

    Args:
        depends_on: Resources and components that go first, beyond those whose
            outputs are used. On a component it counts for all in it.
        provider: Through what it is reached. Children take it over, for types
            of that provider.
        protect: Refuse to delete or replace it. Children take it over; None
            leaves it to the parent.
        ignore_changes: Paths such as ``tags.Name``, ``rules[0]`` or
            ``rules[*].port`` in which recorded values stay.
        delete_before_replace: Whether the old object goes before the new one
            comes; None decides by the type's unique fields.
        on_delete: Delete parameters, such as ``{"empty": True}`` of a bucket.
        secret_outputs: Properties whose values are secret.
        timeouts: How long operations may take.
    """

    depends_on: Sequence[Declaration] = attrs.field(default=(), converter=_declarations)
    provider: Provider | None = attrs.field(default=None, validator=_provider)
    protect: bool | None = attrs.field(default=None, validator=_flag)
    ignore_changes: Sequence[str] = attrs.field(default=(), converter=_texts)
    delete_before_replace: bool | None = attrs.field(default=None, validator=_flag)
    on_delete: Mapping[str, Any] = attrs.field(factory=dict, validator=_mapping)
    secret_outputs: Sequence[str] = attrs.field(default=(), converter=_texts)
    timeouts: Timeouts = attrs.field(factory=Timeouts)


#: What counts where nothing is said.
DEFAULT: Final = Options(protect=False)


def inherit(own: Options | None, parent: Options | None) -> Options:
    """Merge what a component hands down into a declaration's own options.

    Args:
        own: What was given, or None.
        parent: The effective options of the component around it, or None.
    """
    if own is None:
        return DEFAULT if parent is None or not parent.protect else _PROTECTED
    protect = own.protect if own.protect is not None else bool(parent is not None and parent.protect)
    return own if own.protect is protect else attrs.evolve(own, protect=protect)


_PROTECTED: Final = Options(protect=True)
