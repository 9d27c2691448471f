"""How a run is told to stop: by a signal, by ``engine.cancel()``, by a lost lease.

Knows the two levels (drain, abort) and who has to be woken; nothing of steps.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stop:
    """A request to stop that a run looks at between steps.

    ``level`` is 0 (go on), 1 (start nothing new, let running steps finish) or 2
    (abandon running steps; their intents stay). ``lost`` holds the error of a
    lost lease.
    """

    def __init__(self) -> None:
        self.level = 0
        self.lost: BaseException | None = None
        self.woken = threading.Event()
        self.on_request: Callable[[], None] | None = None
        self.interrupt_calls = False  # whether calls run in the thread that gets signals

    def request(self) -> None:
        """Ask to stop; a second request aborts."""
        self.level = min(2, self.level + 1)
        self._wake()

    def lose(self, error: BaseException) -> None:
        """Tell that the lease is gone: nothing may be called or written any more."""
        self.lost = error
        self._wake()

    def _wake(self) -> None:
        self.woken.set()
        if self.on_request is not None:
            self.on_request()

    @property
    def asked(self) -> bool:
        """Whether nothing new may be started."""
        return self.level > 0 or self.lost is not None

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM request the stop, in the main thread only; restored after."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        import signal

        before: dict[signal.Signals, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler is not None:  # None: set by C code, not ours to replace
                before[number] = handler
                signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: object) -> None:
        third = self.level >= 2  # noqa: PLR2004 - the level after two requests
        self.request()
        if third or (self.level > 1 and self.interrupt_calls):
            raise KeyboardInterrupt
