"""From lowered values to plain ones: what they refer to, and what they come to.

Knows nothing of where values are found; the caller brings a ``lookup``.
Shared parts of an expression are evaluated once, and nothing here recurses on
the depth of the dependency graph: a reference is a leaf.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model.expressions import (
    DictOf,
    Expr,
    Interpolation,
    Item,
    JsonText,
    ListOf,
    Literal,
    Looked,
    Map,
    Ref,
    Secretive,
)
from iaclib.model.values import UNKNOWN, Secret, has_secret, has_unknown, holds, leaves, plain, reveal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Lookup = Callable[[str, str], Any]


class TextError(InvalidPropertyError, TypeError):
    """A value that has no agreed text stands in text."""


def has_expr(value: Any) -> bool:
    """Tell whether a lowered value holds an expression."""
    return holds(value, Expr)


def expressions_in(inputs: Mapping[str, Any]) -> dict[str, list[Ref | Looked]]:
    """Name the lowered inputs that are, or hold, an expression, with what each is made of."""
    return {name: leaf_nodes(value) for name, value in inputs.items() if has_expr(value)}


def refs(value: Any) -> frozenset[tuple[str, str]]:
    """Give the (address, field) pairs that a lowered value refers to."""
    return frozenset((node.address, node.field) for node in ref_nodes(value))


def ref_nodes(value: Any) -> list[Ref]:
    """Give the references to resources in a lowered value, each once."""
    return [node for node in leaf_nodes(value) if isinstance(node, Ref)]


def leaf_nodes(value: Any) -> list[Ref | Looked]:
    """Give what a lowered value is made of: references to resources and to what is read before, each once."""
    if isinstance(value, Ref | Looked):
        return [value]
    found: list[Ref | Looked] = []
    seen: set[int] = set()
    pending = [value]
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind is str or kind is int or kind is bool or item is None:
            continue
        if kind is dict:
            pending.extend(item.values())
        elif kind is list:
            pending.extend(item)
        elif isinstance(item, Expr) and id(item) not in seen:
            seen.add(id(item))
            if isinstance(item, Ref | Looked):
                found.append(item)
            else:
                pending.extend(item.children())
    return found


def is_secret(value: Any) -> bool:
    """Tell whether a lowered value is secret, wholly or in part."""
    if isinstance(value, Expr):
        if value._secret is None:
            value._secret = any(map(is_secret, value.children()))
        return value._secret
    kind = type(value)
    if kind is dict:
        return any(map(is_secret, value.values()))
    if kind is list:
        return any(map(is_secret, value))
    return isinstance(value, Secret)


def resolve(value: Any, lookup: Lookup, memo: dict[int, Any] | None = None) -> Any:
    """Replace the expressions in a lowered value by what they come to.

    Args:
        value: JSON with Secret and expression leaves. Without expressions it
            is given back as it is.
        lookup: Gives the value of (address, field): plain JSON, possibly with
            Secret and UNKNOWN leaves.
        memo: What expressions came to, by their ids, shared by values that
            hold expressions.

    Returns:
        Plain JSON with Secret and UNKNOWN leaves. Functions are not called
        while any argument is unknown, and make secrets of secrets.

    Raises:
        InvalidPropertyError: An item is missing, a value can't stand in text
            (then also a TypeError), or a function gave what is no JSON.
    """
    if memo is not None:
        return _resolve(value, lookup, memo)
    return _resolve(value, lookup, {}) if has_expr(value) else value


def _resolve(value: Any, lookup: Lookup, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind is Ref:  # mostly
        found = lookup(value.address, value.field)
        return _guard(found) if value.secret else found
    if kind is dict:
        return {key: _resolve(item, lookup, memo) for key, item in value.items()}
    if kind is list:
        return [_resolve(item, lookup, memo) for item in value]
    if not isinstance(value, Expr):
        return value
    found = memo.get(id(value), memo)
    if found is memo:
        found = memo[id(value)] = _evaluate(value, lookup, memo)
    return found


def _evaluate(expr: Expr, lookup: Lookup, memo: dict[int, Any]) -> Any:
    match expr:
        case Ref() | Looked():
            value = lookup(expr.address, expr.field)
            return _guard(value) if expr.secret else value
        case Literal():
            return _resolve(expr.value, lookup, memo)
        case ListOf():
            return [_resolve(item, lookup, memo) for item in expr.items]
        case Secretive():
            return _guard(_resolve(expr.base, lookup, memo))
        case Item():
            return _item(expr, _resolve(expr.base, lookup, memo))
        case Interpolation():
            return _text(expr, lookup, memo)
        case DictOf():
            return _mapping(expr, lookup, memo)
        case JsonText():
            value = _resolve(expr.value, lookup, memo)
            return _with(
                value, lambda known: json.dumps(known, ensure_ascii=False, separators=(",", ":"), default=_no_json)
            )
        case Map():
            return _call(expr, _resolve(expr.base, lookup, memo))
        case _:
            raise TypeError(type(expr).__name__)


def _guard(value: Any) -> Any:
    """Make a secret of a known value."""
    if value is UNKNOWN or has_unknown(value):
        return UNKNOWN
    return value if isinstance(value, Secret) else Secret(reveal(value))


def _with(value: Any, function: Callable[[Any], Any]) -> Any:
    """Apply a function to a value once known; secret in, secret out."""
    if value is UNKNOWN or has_unknown(value):
        return UNKNOWN
    if has_secret(value):
        return Secret(function(reveal(value)))
    return function(value)


def _no_json(value: Any) -> Any:
    msg = f"{value!r} stands in iac.json, expected JSON values; use its .hash or .path"
    raise TextError(msg)


def _item(expr: Item, value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN
    container = value.reveal() if isinstance(value, Secret) else value
    try:
        if isinstance(container, dict) is not isinstance(expr.item, str):
            raise TypeError
        found = container[expr.item]
    except (TypeError, LookupError):
        msg = f"{expr.describe()}: there is no such item in the value, expected one; look at what the resource gives"
        raise InvalidPropertyError(msg) from None
    return Secret(found) if isinstance(value, Secret) else found


def _text(expr: Interpolation, lookup: Lookup, memo: dict[int, Any]) -> Any:
    pieces: list[str] = []
    secret = unknown = False
    for part in expr.parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        node, escapes = part
        value = _resolve(node, lookup, memo)
        if isinstance(value, Secret):
            secret, value = True, value.reveal()
        if value is UNKNOWN:
            unknown = True
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            shown = "None" if value is None else type(value).__name__
            msg = f"{node.describe()}: a value of type {shown} stands in text, expected str or a number; write iac.json(...) or .map(...) to say how it reads"
            raise TextError(msg)
        text = str(value)
        for _ in range(escapes):
            text = json.dumps(text, ensure_ascii=False)[1:-1]
        pieces.append(text)
    if unknown:
        return UNKNOWN
    text = plain("".join(pieces), "text with outputs")
    return Secret(text) if secret else text


def _mapping(expr: DictOf, lookup: Lookup, memo: dict[int, Any]) -> Any:
    found: dict[str, Any] = {}
    secret = False
    for key, item in expr.pairs:
        name = _resolve(key, lookup, memo)
        if name is UNKNOWN:
            return UNKNOWN
        if isinstance(name, Secret):  # a mapping can't hide one of its keys, so it is hidden as a whole
            secret, name = True, name.reveal()
        if name in found:
            msg = f"{expr.describe()}: two keys come to the same text, expected different ones; rename one"
            raise InvalidPropertyError(msg)
        found[name] = _resolve(item, lookup, memo)
    return _guard(found) if secret else found


def _call(expr: Map, value: Any) -> Any:
    if value is UNKNOWN or has_unknown(value):
        return UNKNOWN
    secret = has_secret(value)
    argument = reveal(value)
    if isinstance(expr.base, ListOf):
        argument = tuple(argument)
    try:
        result = expr.function(argument)
    except Exception as error:
        if secret:
            msg = f"{expr.describe()}: the function raised {type(error).__name__} (its text is kept back, the value is secret), expected a value; correct the function"
            raise DeclarationError(msg) from None
        error.add_note(f"in the function of {expr.describe()}")
        raise
    where = f"result of {expr.describe()}"
    result = _unwrap(result, where)
    if expr.tokens is not None:
        for leaf in leaves(result):
            text = leaf.reveal() if isinstance(leaf, Secret) else leaf
            if isinstance(text, str):
                expr.tokens.refuse_any(text, where)
    return Secret(reveal(result)) if secret else result


def _unwrap(result: Any, where: str) -> Any:
    if hasattr(result, "_expr"):
        msg = f"{where}: a function gave an output, expected a plain value; gather outputs first: iac.gather(a, b).map(...)"
        raise InvalidPropertyError(msg)
    return plain(result, where)
