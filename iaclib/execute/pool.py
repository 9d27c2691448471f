"""A small pool of daemon threads.

Unlike ``concurrent.futures`` it never keeps the interpreter from ending: a run
that is aborted leaves its calls behind.
"""

from __future__ import annotations

import contextvars
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Pool:
    """Make calls in at most ``size`` threads, made when first needed.

    With ``size`` 0 calls are made at once, in the caller's thread. ``threaded``
    tells whether there are threads.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.threaded = size > 0
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = 0
        self._busy = 0
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], Any], deliver: Callable[[Any], None]) -> None:
        """Make a call, soon, and deliver what it gives; neither may raise."""

        def function() -> None:
            deliver(call())

        if not self.threaded:
            function()
            return
        with self._lock:
            self._busy += 1
            grow = self._busy > self._threads and self._threads < self.size
            if grow:
                self._threads += 1
        self._queue.put(function)
        if grow:
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(self._work,), name="iaclib-step", daemon=True).start()

    def _work(self) -> None:
        while (function := self._queue.get()) is not None:
            try:
                function()
            finally:
                with self._lock:
                    self._busy -= 1

    def turn(self) -> None:
        """Let what is due arrive; threads need no telling."""

    def abandon(self) -> None:
        """Let another thread take the place of one that doesn't come back."""
        with self._lock:
            self.size += 1

    def close(self) -> None:
        """Let the threads end after what they are doing."""
        for _ in range(self._threads):
            self._queue.put(None)
