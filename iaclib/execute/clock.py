"""The seam through which the executor sees time.

Knows how to tell and to wait; tests and the simulated cloud give their own.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from random import Random


class Clock(Protocol):
    """Time, as the executor needs it."""

    def now(self) -> float:
        """Give seconds since the epoch, for what is recorded."""
        ...

    def monotonic(self) -> float:
        """Give seconds that only rise, for deadlines."""
        ...

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Wait, but not longer than until ``wake`` is set."""
        ...

    def spread(self, seconds: float) -> float:
        """Vary a wait, so that many who wait don't come back at the same moment."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Give seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Give seconds that only rise."""
        return time.monotonic()

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Wait, but not longer than until ``wake`` is set."""
        if seconds <= 0:
            return
        if wake is None:
            time.sleep(seconds)
        else:
            wake.wait(seconds)

    def spread(self, seconds: float) -> float:
        """Vary a wait by up to a fifth."""
        return seconds * _jitter().uniform(0.8, 1.2)


@cache
def _jitter() -> Random:
    """Give numbers of our own: those that a program draws stay as they are."""
    from random import Random

    return Random()  # noqa: S311 - spreads waits, guards nothing
