"""How many calls may run at once against one service of one account.

Additive rise, halved when the service throttles; a ``retry_after`` holds back
everybody who shares the limit.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iaclib.execute.clock import Clock


class Limit:
    """An adaptive limit on concurrent calls.

    Args:
        cap: It never rises above this.
        clock: Whose monotonic time ``retry_after`` counts in.
    """

    def __init__(self, cap: int, clock: Clock) -> None:
        self.cap = max(1, cap)
        self.allowed = float(self.cap)
        self._clock = clock
        self._running = 0
        self._not_before = 0.0
        self._free = threading.Condition()

    @contextmanager
    def slot(self, wake: threading.Event | None = None) -> Iterator[None]:
        """Hold one of the places, waiting for it as long as it takes."""
        pause = self._not_before - self._clock.monotonic()
        if pause > 0:
            self._clock.sleep(pause, wake)
        with self._free:
            while self._running >= max(1, int(self.allowed)):
                self._free.wait()
            self._running += 1
        try:
            yield
        finally:
            with self._free:
                self._running -= 1
                self._free.notify()

    def succeeded(self) -> None:
        """Rise a little after a call that was not throttled."""
        if self.allowed < self.cap:
            with self._free:
                self.allowed = min(float(self.cap), self.allowed + 1 / self.allowed)
                self._free.notify()

    def throttled(self, retry_after: float | None) -> None:
        """Halve, and hold everybody back for ``retry_after`` seconds."""
        with self._free:
            self.allowed = max(1.0, self.allowed / 2)
            if retry_after:
                self._not_before = max(self._not_before, self._clock.monotonic() + retry_after)


class Limits:
    """All limits of a run, by provider identity and service."""

    def __init__(self, parallelism: int, clock: Clock) -> None:
        self._parallelism = max(1, parallelism)
        self._clock = clock
        self._known: dict[tuple[str, ...], Limit] = {}
        self._lock = threading.Lock()

    def of(self, key: tuple[str, ...], cap: int | None) -> Limit:
        """Give the limit of (provider name, account, region, service)."""
        with self._lock:
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = Limit(min(cap or self._parallelism, self._parallelism), self._clock)
            return found
