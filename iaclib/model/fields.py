"""What a program says about a field: ``iac.field``, ``iac.computed`` and constraints.

Only what was said; what it means for a type is in ``schema``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar, overload

from msgspec import Struct

from iaclib.errors import DeclarationError

T = TypeVar("T")


class _Missing:
    def __repr__(self) -> str:
        return "(no default)"


MISSING: Final = _Missing()


class FieldSpec(Struct, frozen=True):
    """One field as its class declares it; see ``field`` and ``computed``."""

    default: Any = MISSING
    factory: Callable[[], Any] | None = None
    replaces: bool | Literal["maybe"] = False
    unique: bool = False
    generated: bool = False
    secret: bool = False
    write_only: bool = False
    unordered: bool = False
    computed: bool = False
    stable: bool = False
    wire: str | None = None

    @property
    def required(self) -> bool:
        """Whether the field has to be given."""
        return not self.computed and self.default is MISSING and self.factory is None


class Pattern(Struct, frozen=True):
    """Constrains text to a regular expression, which has to be found in it (anchor it to match all).

    >>> import re
    >>> bool(re.search(Pattern("^[a-z]+$").regex, "abc"))
    True
    """

    regex: str

    def __post_init__(self) -> None:
        value = self.regex
        try:
            re.compile(value)
        except re.error as error:
            msg = f"Pattern({value!r}): not a regular expression ({error}), expected one that re.compile takes; correct it"
            raise DeclarationError(msg) from None


class Range(Struct, frozen=True):
    """Constrains a number to ``least`` to ``most``, both included; None is no limit."""

    least: float | None = None
    most: float | None = None


@overload
def field(
    *,
    default: T,
    replaces: bool | Literal["maybe"] = False,
    unique: bool = False,
    generated: bool = False,
    secret: bool = False,
    write_only: bool = False,
    unordered: bool = False,
    wire: str | None = None,
) -> T: ...
@overload
def field(
    *,
    factory: Callable[[], T],
    replaces: bool | Literal["maybe"] = False,
    unique: bool = False,
    generated: bool = False,
    secret: bool = False,
    write_only: bool = False,
    unordered: bool = False,
    wire: str | None = None,
) -> T: ...
@overload
def field(
    *,
    replaces: bool | Literal["maybe"] = False,
    unique: bool = False,
    generated: bool = False,
    secret: bool = False,
    write_only: bool = False,
    unordered: bool = False,
    wire: str | None = None,
) -> Any: ...
def field(
    *,
    default: Any = MISSING,
    factory: Callable[[], Any] | None = None,
    replaces: bool | Literal["maybe"] = False,
    unique: bool = False,
    generated: bool = False,
    secret: bool = False,
    write_only: bool = False,
    unordered: bool = False,
    wire: str | None = None,
) -> Any:
    """Declare an input.

    Args:
        default: The value of a field left unset; None leaves it to the cloud.
        factory: Makes the default, for lists and mappings.
        replaces: Whether a change replaces the object; "maybe" if the cloud
            decides by the value.
        unique: No two objects may have the same value at once. Several fields
            together: ``unique=(("zone", "name"),)`` on the class.
        generated: Left unset, the engine makes a name (with ``default=None``).
        secret: The value is sealed in state and masked everywhere.
        write_only: The cloud never shows it.
        unordered: The order of the list means nothing.
        wire: The cloud's own name, where it isn't the usual spelling.

    Raises:
        DeclarationError: The arguments contradict each other.
    """
    spec = FieldSpec(
        default=default,
        factory=factory,
        replaces=replaces,
        unique=unique,
        generated=generated,
        secret=secret,
        write_only=write_only,
        unordered=unordered,
        wire=wire,
    )
    if default is not MISSING and factory is not None:
        msg = "field: both default and factory are given, expected one; drop one"
        raise DeclarationError(msg)
    if isinstance(default, list | dict | set):
        msg = f"field: the default is a {type(default).__name__} that all instances would share, expected factory={type(default).__name__}; use a factory"
        raise DeclarationError(msg)
    if generated and default is not None:
        msg = "field: generated=True without default=None, expected both: a name is made when none is given; add default=None"
        raise DeclarationError(msg)
    if replaces not in (True, False, "maybe"):
        msg = f"field: replaces={replaces!r}, expected True, False or 'maybe'; choose one"
        raise DeclarationError(msg)
    return spec


def computed(
    *, stable: bool = False, secret: bool = False, wire: str | None = None, init: Literal[False] = False
) -> Any:
    """Declare an output: the cloud gives it, or a component assigns it in ``build()``.

    Args:
        stable: An update doesn't change it, so dependents keep its value in plans.
        secret: The value is sealed in state and masked everywhere.
        wire: The cloud's own name, where it isn't the usual spelling.
        init: Tells type checkers that calls don't take it; leave it out.
    """
    return FieldSpec(computed=True, stable=stable, secret=secret, wire=wire)


def positional(*, kw_only: bool = False) -> Any:
    """Tell type checkers that a field is the positional one (mypy wants ``kw_only`` said at the call)."""
    return FieldSpec()
