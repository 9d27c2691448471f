"""A clock that only moves when somebody waits."""

from __future__ import annotations

import threading


class VirtualClock:
    """Time without waiting: ``sleep`` moves it, and is listed in ``slept``."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._time = start
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> float:
        """Give seconds since the epoch."""
        return self._time

    def monotonic(self) -> float:
        """Give the same."""
        return self._time

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Move on."""
        if wake is not None and wake.is_set():
            return
        with self._lock:
            self.slept.append(seconds)
            self._time += max(0.0, seconds)

    def spread(self, seconds: float) -> float:
        """Leave a wait as it is."""
        return seconds
