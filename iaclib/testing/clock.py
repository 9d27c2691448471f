"""Time that moves only when somebody waits, and calls that share it without threads.

Calls of one moment each begin at that moment, whatever the others take: what
runs at once takes as long as the longest of it. Everything happens in the
caller's thread, so the same program gives the same calls in the same order.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from typing import TYPE_CHECKING, Any

from iaclib.execute.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from iaclib.execute.task import Task

_START = 1_767_225_600.0  # the first second of 2026
_NESTED = 40  # calls that wait within each other; each takes a dozen frames of the stack


class VirtualClock:
    """Time without waiting: ``sleep`` moves it."""

    def __init__(self, start: float = _START) -> None:
        self.time = start
        self.turns: Turns | None = None  # whose calls run now
        self.inside = 0  # handler calls that are under way
        self.lock = threading.RLock()  # operations in several threads take turns

    def now(self) -> float:
        """Give seconds since the epoch."""
        return self.time

    def monotonic(self) -> float:
        """Give the same."""
        return self.time

    def sleep(self, seconds: float, wake: threading.Event | None = None) -> None:
        """Move on; what else was to run meanwhile runs now."""
        if wake is not None and wake.is_set():
            return
        until = self.time + max(0.0, seconds)
        if self.turns is not None and not self.inside:
            self.turns.until(until)
        self.time = until

    def spread(self, seconds: float) -> float:
        """Leave a wait as it is: the same test takes the same time."""
        return seconds


class Turns(Pool):
    """Makes calls in the caller's thread, each from the moment at which it was asked for.

    Args:
        size: Calls that may be under way at once.
        clock: Set to a call's own time while it runs, to the earliest end when outcomes arrive.
    """

    def __init__(self, size: int, clock: VirtualClock) -> None:
        super().__init__(max(1, size))
        self.threaded = False
        self._clock = clock
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Callable[[], Any], Callable[[Any], None]]] = []
        self._done: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._nested = 0

    def submit(self, call: Callable[[], Any], deliver: Callable[[Any], None]) -> None:
        """Have a call made in its turn."""
        heapq.heappush(self._waiting, (self._clock.time, next(self._numbers), call, deliver))

    def turn(self) -> None:
        """Make the calls that wait, and deliver what ends first."""
        with self._clock.lock:
            while self._waiting:
                self._next()
            if self._done:
                end = self._clock.time = self._done[0][0]
                while self._done and self._done[0][0] == end:
                    _, _, deliver, outcome = heapq.heappop(self._done)
                    deliver(outcome)

    def until(self, time: float) -> None:
        """Make the calls that begin before a time, while another one waits for it."""
        while self._waiting and self._waiting[0][0] < time and self._nested < _NESTED:
            self._next()

    def _next(self) -> None:
        start, number, call, deliver = heapq.heappop(self._waiting)
        before, self._clock.turns = self._clock.turns, self
        self._clock.time = start
        self._nested += 1
        try:
            outcome = call()
        finally:
            self._nested -= 1
            self._clock.turns = before
        heapq.heappush(self._done, (self._clock.time, number, deliver, outcome))


class ByAddress:
    """Gives tasks that are ready by address: first those that wait for nothing, then those that wait for them.

    Args:
        tasks: What is ready at first; what follows is found from there.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        level = list(tasks)
        first = list(level)
        self._depth: dict[Task, int] = {}
        left: dict[Task, int] = {}
        depth = 0
        while level:
            after: list[Task] = []
            for task in level:
                self._depth[task] = depth
                for other, _needed in task.next:
                    left[other] = left.get(other, other.waiting) - 1
                    if not left[other]:
                        after.append(other)
            level, depth = after, depth + 1
        self._numbers = itertools.count()
        self._heap: list[tuple[int, str, int, Task]] = []
        for task in first:
            self.append(task)

    def append(self, task: Task) -> None:
        """Add what has become ready."""
        heapq.heappush(self._heap, (self._depth.get(task, 0), task.address, next(self._numbers), task))

    def popleft(self) -> Task:
        """Take the next."""
        return heapq.heappop(self._heap)[-1]

    def __len__(self) -> int:
        return len(self._heap)
