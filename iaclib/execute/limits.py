"""How many calls may run at once against one service of one account.

Additive rise, halved when the service throttles; a ``retry_after`` holds back
everybody who shares the limit.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.execute.clock import Clock

_LOOK = 0.5  # seconds after which one who waits for a place asks whether to go on


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
        self._inside: set[object] = set()
        self._not_before = 0.0
        self._free = threading.Condition()

    def enter(self, holder: object, give_up: Callable[[], bool], wake: threading.Event | None = None) -> bool:
        """Take one of the places, waiting for it as long as it takes.

        Args:
            holder: Whose place it is.
            give_up: Asked while waiting.
            wake: Ends the pause that ``retry_after`` asks for.

        Returns:
            Whether there is a place; False after giving up.
        """
        pause = self._not_before - self._clock.monotonic()
        if pause > 0:
            self._clock.sleep(pause, wake)
        with self._free:
            while len(self._inside) >= max(1, int(self.allowed)):
                if give_up():
                    return False
                self._free.wait(_LOOK)
            self._inside.add(holder)
        return True

    def leave(self, holder: object) -> None:
        """Give a place back; one that is not held any more doesn't matter."""
        with self._free:
            self._inside.discard(holder)
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
