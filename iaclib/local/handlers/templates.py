"""Templates of requests, and paths through answers. Pure functions over JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD = re.compile(r"\{(id|token|address)\}")


def fill(value: Any, words: Mapping[str, str], *, url: bool = False) -> Any:
    """Put words into the places of ``{id}``, ``{token}`` and ``{address}``.

    A place without a word, like any other brace, stays as it is.

    >>> fill({"ref": "{token}", "css": "a{b}"}, {"token": "f00"})
    {'ref': 'f00', 'css': 'a{b}'}
    >>> fill("/things/{id}", {"id": "a/b"}, url=True)
    '/things/a%2Fb'

    Args:
        value: Text, or JSON that holds some.
        words: What is known.
        url: Whether to quote the words for a URL.
    """
    if isinstance(value, str):

        def word(match: re.Match[str]) -> str:
            found = words.get(match[1], match[0])
            return quote(found, safe="") if url and match[1] in words else found

        return _WORD.sub(word, value)
    if isinstance(value, dict):
        return {key: fill(item, words) for key, item in value.items()}
    return [fill(item, words) for item in value] if isinstance(value, list) else value


def walk(value: Any, path: str) -> Any:
    """Follow a path such as ``data.items.0.id``; None where it leads nowhere, the value itself for "".

    >>> walk({"data": [{"id": 7}]}, "data.0.id")
    7
    """
    for part in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def shaped(value: Any, like: Any) -> Any:
    """Keep of a mapping the keys that another has, also within, and in lists by position.

    Text that is a template counts as seen: what was filled in is not declared.

    >>> shaped({"name": "a", "etag": 3, "on": [{"x": 1, "y": 2}]}, {"name": "b", "on": [{"x": 0}]})
    {'name': 'a', 'on': [{'x': 1}]}
    """
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: shaped(value[key], item) for key, item in like.items() if key in value}
    if isinstance(like, str) and _WORD.search(like):
        return like
    if isinstance(value, list) and isinstance(like, list):
        return [shaped(item, like[n]) if n < len(like) else item for n, item in enumerate(value)]
    return value
