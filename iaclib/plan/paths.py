"""Paths into a resource's properties, as ``ignore_changes`` and ``replace_on_changes`` write them.

Knows values only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from iaclib.errors import InvalidPropertyError
from iaclib.model.values import Secret

Path = tuple[str | int, ...]

_PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*)\]")


def parse_path(text: str) -> Path:
    """Read a path such as ``a.b``, ``b[1]`` or ``b[*]``; a bare ``*`` stands for any key.

    Raises:
        InvalidPropertyError: The text is no path.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            break
        key, index = match.groups()
        parts.append(key if key is not None else "*" if index == "*" else int(index))
        position = match.end()
    if not parts or position < len(text):
        msg = f"{text!r}: not a path, expected one such as 'a', 'a.b', 'b[1]' or 'b[*]'; correct the option"
        raise InvalidPropertyError(msg)
    return tuple(parts)


def keep_recorded(inputs: Mapping[str, Any], recorded: Mapping[str, Any], paths: Sequence[str]) -> Mapping[str, Any]:
    """Put the recorded value at each path: added, changed or removed there counts as unchanged."""
    result: Any = inputs
    for path in paths:
        kept = _keep(result, recorded, parse_path(path))
        result = {} if kept is _NOTHING else kept
    return result  # type: ignore[no-any-return]


_NOTHING: Any = object()


def _keep(value: Any, recorded: Any, path: Path) -> Any:
    """Give ``value`` with what ``recorded`` has at a path; ``_NOTHING`` for no value."""
    if not path:
        return recorded
    if isinstance(value, Secret) or isinstance(recorded, Secret):
        bare = value.reveal() if isinstance(value, Secret) else value
        kept = _keep(bare, recorded.reveal() if isinstance(recorded, Secret) else recorded, path)
        return kept if kept is _NOTHING else Secret(kept)
    part, rest = path[0], path[1:]
    if isinstance(value, Mapping) or (value is _NOTHING and isinstance(recorded, Mapping)):
        return _keep_in_map(value, recorded, part, rest)
    if isinstance(value, list) or (value is _NOTHING and isinstance(recorded, list)):
        return _keep_in_list(value, recorded, part, rest)
    return value


def _keep_in_map(value: Any, recorded: Any, part: str | int, rest: Path) -> Any:
    new = dict(value) if value is not _NOTHING else {}
    old = recorded if isinstance(recorded, Mapping) else {}
    for key in dict.fromkeys([*new, *old]) if part == "*" else (str(part),):
        kept = _keep(new.get(key, _NOTHING), old.get(key, _NOTHING), rest)
        if kept is _NOTHING:
            new.pop(key, None)
        else:
            new[key] = kept
    return new if new or value is not _NOTHING else _NOTHING


def _keep_in_list(value: Any, recorded: Any, part: str | int, rest: Path) -> Any:
    new = list(value) if value is not _NOTHING else []
    old = recorded if isinstance(recorded, list) else []
    if part == "*" and not rest:
        return list(old) if old or value is not _NOTHING else _NOTHING
    count = max(len(new), len(old) if not rest else 0)
    for index in range(count) if part == "*" else (part,):
        if not isinstance(index, int):
            return value
        have, had = _at(new, index), _at(old, index)
        kept = _keep(have, had, rest)
        if kept is _NOTHING:
            del new[index:]
        elif index < len(new):
            new[index] = kept
        elif index == len(new):
            new.append(kept)
    return new if new or value is not _NOTHING else _NOTHING


def _at(items: Sequence[Any], index: int) -> Any:
    return items[index] if index < len(items) else _NOTHING


# --------------------------------------------------------------------------------------------- replace_on_changes


def covers(paths: Sequence[str], leaf: Path) -> bool:
    """Tell whether a change at a leaf is one at any of the paths: above, at or below it."""
    for text in paths:
        path = parse_path(text)
        if all(part in ("*", here) for part, here in zip(path, leaf, strict=False)):
            return True
    return False
