"""What is known of resource types: facts and shapes. No classes, no instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iaclib.schema.searching import Match

__all__ = ["search"]


def search(text: str) -> tuple[Match, ...]:
    """Find types by words, best first: ``search("bucket policy")``."""
    from iaclib.schema.searching import search as find

    return find(text)
