"""Paths into what Cloud Control sends and takes: names joined by ``/``, with ``*`` for every element.

Works on plain JSON values in the cloud's own names; knows no types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EVERY = "*"


def values(document: Any, path: str) -> list[Any]:
    """Give what is at a path; where something opaque is in the way, such as a value not known yet, that.

    >>> values({"A": [{"B": 1}, {"C": 2}]}, "A/*/B")
    [1]
    """
    return list(_values(document, path.split("/")))


def _values(node: Any, parts: list[str]) -> Iterator[Any]:
    if not parts:
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from _values(item, parts[1:] if parts[0] == EVERY else parts)
    elif isinstance(node, dict):
        for key in list(node) if parts[0] == EVERY else [parts[0]]:
            if key in node:
                yield from _values(node[key], parts[1:])
    elif node is not None:
        yield node


def without(document: Any, paths: Iterable[str]) -> Any:
    """Give a copy that lacks what is at some paths.

    >>> without({"A": {"B": 1, "C": 2}}, ["A/B"])
    {'A': {'C': 2}}
    """
    for path in paths:
        document = _without(document, path.split("/"))
    return document


def _without(node: Any, parts: list[str]) -> Any:
    first, rest = parts[0], parts[1:]
    if isinstance(node, list):
        return [_without(item, rest if first == EVERY else parts) if first != EVERY or rest else item for item in node]
    if not isinstance(node, dict):
        return node
    if not rest:
        return {key: value for key, value in node.items() if first not in (EVERY, key)}
    return {key: _without(value, rest) if first in (EVERY, key) else value for key, value in node.items()}


def covered(steps: tuple[str, ...], paths: Iterable[str]) -> bool:
    """Tell whether a place is at or under one of some paths; positions in lists count as ``*``."""
    for path in paths:
        parts = path.split("/")
        if len(parts) <= len(steps) and all(part in (step, EVERY) for part, step in zip(parts, steps, strict=False)):
            return True
    return False


def pointer(steps: Iterable[str]) -> str:
    """Spell a place as a JSON pointer.

    >>> pointer(("Tags", "a/b"))
    '/Tags/a~1b'

    Source: https://www.rfc-editor.org/rfc/rfc6901
    """
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
