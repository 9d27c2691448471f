"""The names that a program gives: to what it declares, and to types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model.addresses import check_name
from iaclib.model.outputs import Output
from iaclib.model.tokens import PREFIX
from iaclib.model.values import MASK

if TYPE_CHECKING:
    from iaclib.model.scope import Location, Scope


def address_of(now: Scope, logical_name: Any, location: Location) -> str:
    """Give the address of a name in a scope.

    Raises:
        DeclarationError: The name can't be part of an address, or holds an
            output or secret.
    """
    if type(logical_name) is not str:
        if isinstance(logical_name, Output):
            msg = f"a logical name is the output {logical_name._expr.describe()}, expected text known when declaring; use a plain name in {location}"
            raise DeclarationError(msg)
        check_name(logical_name, "logical")
    if PREFIX in logical_name or MASK in logical_name:
        msg = f"{now.prefix}…: a logical name holds an output or a secret, expected text known when declaring; use a plain name in {location}"
        raise DeclarationError(msg)
    if len(now.collection.tokens):
        try:
            now.collection.tokens.refuse_any(logical_name, f"{now.prefix}…: logical name")
        except InvalidPropertyError as error:
            raise DeclarationError(f"{error.message}; in {location}") from None
    try:
        return now.prefix + check_name(logical_name, "logical")
    except DeclarationError as error:
        raise DeclarationError(f"{error.message} in {location}") from None


def check_type(name: str, cls: type) -> str:
    """Check the name of a type: parts joined by ``:``, the provider's first."""
    if not isinstance(name, str) or ":" not in name or not all(part.strip() == part != "" for part in name.split(":")):
        msg = f"{cls.__qualname__}: type={name!r}, expected 'provider:Name' or 'provider:module:Name'; correct it"
        raise DeclarationError(msg)
    return name
