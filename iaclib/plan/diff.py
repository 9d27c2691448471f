"""The leaves in which two values differ; the only user of deepdiff.

Called for fields that are known to differ, and only when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from iaclib.model.assets import Asset
from iaclib.model.values import UNKNOWN, Secret
from iaclib.plan.compare import is_list, same, unknown_in

Path = tuple[str | int, ...]
Leaf = tuple[Path, Any, Any]

_MARK = "\0iaclib:"


def differences(before: Any, after: Any, *, unordered: bool = False) -> list[Leaf]:
    """List what differs between two values as (path, before, after), a leaf each.

    Args:
        before: A value, None for nothing.
        after: A value, possibly with unknown parts.
        unordered: Whether the order of lists counts for nothing.
    """
    if not unknown_in(after) and same(before, after, unordered=unordered):
        return []
    if isinstance(before, Mapping) and isinstance(after, Mapping) and before and after:
        return _deep(before, after, unordered=unordered)
    if is_list(before) and is_list(after) and before and after:
        return _deep(before, after, unordered=unordered)
    if before is None:
        return [(path, None, leaf) for path, leaf in leaves(after)]
    if after is None:
        return [(path, leaf, None) for path, leaf in leaves(before)]
    return [((), before, after)]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Walk the leaves of a value in order; empty containers are leaves too."""
    stack: list[tuple[Path, Any]] = [(path, value)]
    while stack:
        here, item = stack.pop()
        if isinstance(item, Mapping) and item:
            stack.extend(((*here, key), part) for key, part in reversed(list(item.items())))
        elif is_list(item) and item:
            stack.extend(((*here, index), part) for index, part in reversed(list(enumerate(item))))
        else:
            yield here, item


class _Stand:
    """Stands in for what deepdiff must not look into: secrets, assets, unknowns; and booleans, to it 0 and 1."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def hide(self, value: Any) -> Any:
        if isinstance(value, bool | Secret | Asset) or value is UNKNOWN:
            for index, known in enumerate(self.kept):
                if known is value or (isinstance(value, Secret | Asset) and known == value):
                    return f"{_MARK}{index}"
            self.kept.append(value)
            return f"{_MARK}{len(self.kept) - 1}"
        if isinstance(value, Mapping):
            return {key: self.hide(item) for key, item in value.items()}
        if is_list(value):
            return [self.hide(item) for item in value]
        return value

    def show(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_MARK):
            return self.kept[int(value.removeprefix(_MARK))]
        if isinstance(value, Mapping):
            return {key: self.show(item) for key, item in value.items()}
        if is_list(value):
            return [self.show(item) for item in value]
        return value


def _deep(before: Any, after: Any, *, unordered: bool) -> list[Leaf]:
    from deepdiff import DeepDiff
    from deepdiff.helper import NotPresent

    stand = _Stand()
    tree = DeepDiff(
        stand.hide(before),
        stand.hide(after),
        view="tree",
        ignore_order=unordered,
        report_repetition=unordered,
        threshold_to_diff_deeper=0,
        ignore_nan_inequality=True,
    )
    found: list[Leaf] = []
    for kind in tree:
        for level in tree[kind]:
            path: Path = tuple(level.path(output_format="list"))
            old = None if isinstance(level.t1, NotPresent) else stand.show(level.t1)
            new = None if isinstance(level.t2, NotPresent) else stand.show(level.t2)
            if kind == "repetition_change":
                found.extend(_repetitions(path, old, level.additional["repetition"]))
            elif not (old is not None and new is not None and same_or_unknown(old, new)):
                found.extend((path + rest, one, two) for rest, one, two in differences(old, new))
    return sorted(found, key=lambda leaf: _place(leaf[0], before, after))


def same_or_unknown(old: Any, new: Any) -> bool:
    """Tell whether two leaves are one value; an unknown is another."""
    return old is not UNKNOWN and new is not UNKNOWN and same(old, new)


def _repetitions(path: Path, value: Any, counts: Mapping[str, Any]) -> Iterator[Leaf]:
    """Show an element that an unordered list holds more or less often than before."""
    old, new = counts["old_repeat"], counts["new_repeat"]
    for _ in range(abs(new - old)):
        yield (path, None, value) if new > old else (path, value, None)


def _place(path: Path, before: Any, after: Any) -> tuple[tuple[int, str], ...]:
    """Give a sort key: the order of keys as declared, then as recorded."""
    places: list[tuple[int, str]] = []
    for part in path:
        if isinstance(part, int):
            places.append((part, ""))
        else:
            keys = [*after] if isinstance(after, Mapping) else []
            keys += [key for key in before if key not in keys] if isinstance(before, Mapping) else []
            places.append((keys.index(part) if part in keys else len(keys), part))
        before, after = _step(before, part), _step(after, part)
    return tuple(places)


def _step(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if is_list(value) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
