"""What an engine stands on, made fragile and made to try every order without threads."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from faulty_cloud import Killed, Now
from iaclib.backends.memory import Memory
from iaclib.execute.pool import Pool


class Shuffled(deque):  # type: ignore[type-arg]
    """A queue that gives what is ready in any order, as threads would; drawn from a seed."""

    source = random.Random(0)

    def popleft(self) -> Any:
        self.rotate(-self.source.randrange(len(self)))
        return super().popleft()


class Inline(Pool):
    """Makes calls at once, in the caller's thread: several are begun, then made one by one."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.threaded = False


class FragileMemory:
    """State in memory whose writes can fail, or be the last thing that the process does."""

    def __init__(self) -> None:
        self.inner = Memory()
        self.kill_in = 0
        self.how = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def append(self, *args: Any, **options: Any) -> int:
        if Now.cloud.dead:
            raise Killed
        self.kill_in -= 1
        how = self.how if self.kill_in == 0 else ""
        if how == "refused":
            raise OSError("the disk is busy")
        self._end(how == "kill before")
        serial = self.inner.append(*args, **options)
        if how == "answer lost":
            raise OSError("the answer was lost")
        self._end(how == "kill after")
        return serial

    def _end(self, now: bool) -> None:
        if now:
            Now.cloud.dead = True
            raise Killed
