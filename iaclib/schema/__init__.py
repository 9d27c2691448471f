"""What is known of resource types: facts and shapes. No classes, no instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iaclib.schema.searching import Matches

__all__ = ["search"]


def search(text: str) -> Matches:
    """Find types by words of their names and their properties', best first: ``search("bucket policy")``.

    Each match has ``type``, ``name`` (where the class is), ``vendor``, ``docs``
    and ``properties`` (those that were found by a word).
    """
    from iaclib.schema.searching import search as find

    return find(text)
