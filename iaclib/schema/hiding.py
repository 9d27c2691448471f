"""Secrets within values: what a nested shape says is secret, made so.

Knows shapes and values; what a secret is made of (a ``Secret``, or an
expression that will be one) is told by who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.model.expressions import Expr
from iaclib.model.values import UNKNOWN, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.schema.shapes import Shape


def hide(shape: Shape, value: Any, make: Callable[[Any], Any]) -> Any:
    """Make secret what a shape says is; gives the value itself where nothing is.

    Of a union every member counts: which one is meant may not be known yet.

    Args:
        shape: Of the value.
        value: Lowered, resolved or observed.
        make: Makes one value secret.
    """
    if not shape.hides or value is None or value is UNKNOWN or isinstance(value, Secret):
        return value
    if shape.secret:
        return make(value)
    if isinstance(value, Expr):
        return value
    for option in shape.options:
        value = hide(option, value, make)
    if isinstance(value, dict):
        return _mapping(shape, value, make)
    if isinstance(value, list) and shape.items is not None:
        items = shape.items
        found = [hide(items, item, make) for item in value]
        return value if all(map(_is, found, value)) else found
    return value


def could_hide(shape: Shape, value: Any) -> bool:
    """Tell whether a value that is not all known yet may turn out to have something secret in it."""
    if not shape.hides:
        return False
    if isinstance(value, Expr):
        return _says_so(shape, set())
    if any(could_hide(option, value) for option in shape.options):
        return True
    if isinstance(value, dict):
        parts = ((_part(shape, key), item) for key, item in value.items())
        return any(part is not None and could_hide(part, item) for part, item in parts)
    return isinstance(value, list) and shape.items is not None and any(could_hide(shape.items, item) for item in value)


def _says_so(shape: Shape, seen: set[int]) -> bool:
    """Look through a whole shape, which may hold itself."""
    if not shape.hides or id(shape) in seen:
        return False
    seen.add(id(shape))
    parts = (*shape.options, *(shape.properties or {}).values(), *(() if shape.items is None else (shape.items,)))
    return shape.secret or any(_says_so(part, seen) for part in parts)


def _part(shape: Shape, key: str) -> Shape | None:
    return shape.items if shape.properties is None else shape.properties.get(key)


def _mapping(shape: Shape, value: dict[str, Any], make: Callable[[Any], Any]) -> dict[str, Any]:
    found = value
    for key, item in value.items():
        part = _part(shape, key)
        new = item if part is None else hide(part, item, make)
        if new is not item:
            found = {**found, key: new}
    return found


def _is(one: Any, other: Any) -> bool:
    return one is other
