"""A backend whose writes fail when they are told to."""

from __future__ import annotations

from typing import Any

from iaclib.errors import StateError


class Flaky:
    """Passes everything on; appends fail while ``down``.

    Args:
        inner: The backend behind.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.down = False
        self.lost_answers = False  # what fails is written all the same
        self.tries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def append(self, *args: Any, **options: Any) -> int:
        if not self.down:
            return self.inner.append(*args, **options)
        self.tries += 1
        if self.lost_answers:
            self.lost_answers = False
            self.inner.append(*args, **options)
        raise StateError("the place of state does not answer, expected it to; wait")
