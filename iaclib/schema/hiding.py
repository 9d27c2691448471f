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


def _mapping(shape: Shape, value: dict[str, Any], make: Callable[[Any], Any]) -> dict[str, Any]:
    found = value
    for key, item in value.items():
        part = shape.items if shape.properties is None else shape.properties.get(key)
        new = item if part is None else hide(part, item, make)
        if new is not item:
            found = {**found, key: new}
    return found


def _is(one: Any, other: Any) -> bool:
    return one is other
