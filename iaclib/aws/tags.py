"""Tags: a dict for users, key/value lists for AWS, and the two of our own.

``iaclib:urn`` says which resource an object belongs to, ``iaclib:token`` which
create call made it. They go into create calls only: they are never part of
inputs, outputs, diffs or drift, and updates leave them alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iaclib.provider.context import Context

URN = "iaclib:urn"
TOKEN = "iaclib:token"  # noqa: S105 - the key of a tag

#: AWS allows 256 characters in a value: letters, digits, spaces and these.
_MAX_VALUE = 256
_REFUSED = re.compile(r"[^\w +\-=.:/@]")


def own(ctx: Context[Any]) -> dict[str, str]:
    """Give the tags that mark an object as made by this step."""
    marks = {URN: _REFUSED.sub("_", ctx.urn)[:_MAX_VALUE]}
    if ctx.token:
        marks[TOKEN] = ctx.token
    return marks


def with_own(ctx: Context[Any], tags: Mapping[str, Any] | None) -> dict[str, str]:
    """Give the user's tags and our own, for a create call."""
    return {**{key: str(value) for key, value in (tags or {}).items()}, **own(ctx)}


def is_foreign(key: str) -> bool:
    """Whether a tag key is not the user's: ours, or one that AWS manages."""
    return key.startswith(("iaclib:", "aws:"))


def to_list(tags: Mapping[str, Any] | None, *, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Turn a dict into AWS's list; some services spell the keys in lower case."""
    return [{key: name, value: str(text)} for name, text in (tags or {}).items()]


def raw(tags: Iterable[Mapping[str, Any]] | None, *, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Turn AWS's list into a dict, with our own tags and AWS's."""
    return {tag[key]: tag.get(value) or "" for tag in tags or ()}


def users(tags: Mapping[str, str] | None) -> dict[str, str] | None:
    """Leave out what is not the user's; None if nothing remains.

    None means "observed unset", as an object without tags and one with an
    empty set of tags are the same to AWS.
    """
    return {name: text for name, text in (tags or {}).items() if not is_foreign(name)} or None


def from_list(
    tags: Iterable[Mapping[str, Any]] | None, *, key: str = "Key", value: str = "Value"
) -> dict[str, str] | None:
    """Turn AWS's list into the user's tags; None if there are none."""
    return users(raw(tags, key=key, value=value))


def is_own(ctx: Context[Any], tags: Mapping[str, str] | None) -> bool:
    """Whether raw tags say that this very step made the object."""
    return bool(ctx.token) and (tags or {}).get(TOKEN) == ctx.token


def changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, live: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    """Tell which tags to set and which keys to remove.

    Tags that somebody else added are left alone: only keys of ``before`` are
    removed. Keys of ours or of AWS's are never touched.

    Args:
        before: The user's tags as they were declared or observed.
        after: The user's tags as they shall be.
        live: What is there, if it was read; repeating an update then sends
            only what is still missing.

    Returns:
        Tags to add or change, and keys to remove, in sorted order.
    """
    old = {key: str(value) for key, value in (before or {}).items()}
    new = {key: str(value) for key, value in (after or {}).items()}
    there: Mapping[str, str] = old if live is None else live
    put = {key: value for key, value in sorted(new.items()) if there.get(key) != value and not is_foreign(key)}
    drop = [key for key in sorted(old) if key not in new and key in there and not is_foreign(key)]
    return put, drop
