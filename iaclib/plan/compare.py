"""When two values count as equal: types, secrets, unordered lists, projections.

Knows values only. Recursion follows the depth of one value, which is bounded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from iaclib.model.values import UNKNOWN, Secret

_MISSING: Any = object()


def same(left: Any, right: Any, *, unordered: bool = False) -> bool:
    """Tell whether two values are equal; ``True`` is not 1, but 1.0 is.

    A Secret equals what it guards: making a value secret changes no object.

    Args:
        left: A value without unknowns.
        right: Another.
        unordered: Whether a list counts as a multiset.
    """
    if isinstance(left, Secret):
        left = left.reveal()
    if isinstance(right, Secret):
        right = right.reveal()
    if isinstance(left, Mapping):
        return (
            isinstance(right, Mapping)
            and len(left) == len(right)
            and all(key in right and same(item, right[key]) for key, item in left.items())
        )
    if is_list(left):
        if not is_list(right) or len(left) != len(right):
            return False
        if all(map(same, left, right)):
            return True
        return unordered and not _unmatched(left, right)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def same_kinds(left: Any, right: Any) -> bool:
    """Tell whether two values that are ``==`` have booleans in the same places."""
    if left is right:
        return True
    pending = [(left, right)]
    while pending:
        one, two = pending.pop()
        kind = type(one)
        if kind is dict:
            for key, item in one.items():
                if type(item) is not str:
                    pending.append((item, two[key]))
        elif kind is list:
            pending.extend(zip(one, two, strict=True))
        elif (kind is Secret and not same(one, two)) or ((kind is bool or type(two) is bool) and one is not two):
            return False
    return True


def is_list(value: Any) -> bool:
    """Tell whether a value is a JSON list."""
    return isinstance(value, list | tuple)


def _unmatched(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Tell whether some element of ``left`` has no partner of its own in ``right``."""
    return not _pair({}, left, right)


def canonical(value: Any) -> Any:
    """Turn a value into something hashable that is equal for equal values."""
    if isinstance(value, Secret):
        return canonical(value.reveal())
    if isinstance(value, Mapping):
        return frozenset((key, canonical(item)) for key, item in value.items()), "map"
    if is_list(value):
        return tuple(map(canonical, value)), "list"
    if isinstance(value, bool):
        return value, "bool"
    return value


def _pair(counts: dict[Any, int], left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Pair the known elements of ``left`` with those of ``right``, each once."""
    for item in right:
        key = canonical(item)
        counts[key] = counts.get(key, 0) + 1
    for item in left:
        key = canonical(item)
        if not counts.get(key):
            return False
        counts[key] -= 1
    return True


def may_equal(desired: Any, recorded: Any, *, unordered: bool = False) -> bool:
    """Tell whether a value with unknown parts could turn out equal to a recorded one."""
    if desired is UNKNOWN:
        return True
    if isinstance(desired, Secret):
        desired = desired.reveal()
    if isinstance(recorded, Secret):
        recorded = recorded.reveal()
    if isinstance(desired, Mapping):
        return (
            isinstance(recorded, Mapping)
            and len(desired) == len(recorded)
            and all(key in recorded and may_equal(item, recorded[key]) for key, item in desired.items())
        )
    if is_list(desired):
        if not is_list(recorded) or len(desired) != len(recorded):
            return False
        if unordered:
            return _pair({}, [item for item in desired if not unknown_in(item)], recorded)
        return all(map(may_equal, desired, recorded))
    return same(desired, recorded)


def unknown_in(value: Any) -> bool:
    """Tell whether a part of a value is unknown; quick for what has no parts."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return False
    if value is UNKNOWN:
        return True
    if kind is dict:
        return any(map(unknown_in, value.values()))
    if isinstance(value, Mapping):
        return any(map(unknown_in, value.values()))
    if is_list(value):
        return any(map(unknown_in, value))
    return isinstance(value, Secret) and unknown_in(value.reveal())


def project(value: Any, like: Any, *, unordered: bool = False) -> Any:
    """Reduce what the cloud shows to the shape that was declared.

    Keys that nobody declared drop out, so that what the cloud adds by itself
    is no drift. Elements of lists are projected by position; those of
    unordered ones onto all keys that are declared anywhere in the list.
    """
    if isinstance(value, Secret):  # what a plan shows of a secret stays masked
        return Secret(project(value.reveal(), like, unordered=unordered))
    if isinstance(like, Secret):
        return None if value is None else Secret(project(value, like.reveal(), unordered=unordered))
    if isinstance(value, Mapping) and isinstance(like, Mapping):
        return {key: project(value[key], item) for key, item in like.items() if value.get(key) is not None}
    if is_list(value) and is_list(like):
        if unordered:
            shape = union(like)
            return [project(item, shape) for item in value]
        return [project(item, like[index]) if index < len(like) else item for index, item in enumerate(value)]
    return value


def union(items: Sequence[Any]) -> Any:
    """Merge the shapes of a list's elements: all keys declared in any of them."""
    merged: dict[str, Any] = {}
    for item in items:
        plain = item.reveal() if isinstance(item, Secret) else item
        if isinstance(plain, Mapping):
            for key, value in plain.items():
                merged[key] = union([merged[key], value]) if isinstance(merged.get(key), Mapping) else value
    return merged or None


def drifted(
    inputs: Mapping[str, Any],
    baseline: Mapping[str, Any],
    observed: Mapping[str, Any],
    unordered: Collection[str] = (),
) -> list[str]:
    """Name the declared fields of which the cloud now shows something else.

    Args:
        inputs: As declared; only these fields count, in this shape.
        baseline: What the cloud showed right after the last write. A field
            that it lacks is not readable, so nothing can be said of it.
        observed: What it shows now; a missing field means the same.
        unordered: Fields whose lists are multisets.
    """
    found = []
    for name, like in inputs.items():
        was, now = baseline.get(name, _MISSING), observed.get(name, _MISSING)
        if was is _MISSING or now is _MISSING:
            continue
        loose = name in unordered
        if not same(project(was, like, unordered=loose), project(now, like, unordered=loose), unordered=loose):
            found.append(name)
    return found
