"""How events reach a listener: numbered by run, in order, in a thread of its own.

A slow listener holds up nothing and a failing one harms nothing. Knows
nothing of what the events say.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from iaclib.execute.events import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.execute.clock import Clock

_IDLE = 5.0  # seconds after which the thread ends; the next event starts another
_PATIENCE = 5.0  # seconds that an operation waits at its end for a slow listener


class Delivery:
    """Hands events to one listener.

    Args:
        listener: Called with each event; None if nobody listens.
    """

    def __init__(self, listener: Callable[[Event], object] | None) -> None:
        self._listener = listener
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._put = self._done = 0
        self._failed = False

    def __bool__(self) -> bool:
        return self._listener is not None

    def put(self, event: Event) -> None:
        """Have an event delivered, soon."""
        with self._changed:
            self._put += 1
            self._events.append(event)
            if self._thread is None or not self._thread.is_alive():  # not alive: after a fork
                context = contextvars.copy_context()
                self._thread = threading.Thread(
                    target=context.run, args=(self._work,), name="iaclib-events", daemon=True
                )
                self._thread.start()
            else:
                self._changed.notify_all()

    def flush(self) -> None:
        """Wait until what was put is delivered, but not for ever.

        The listener itself may run operations: they don't wait for it.
        """
        with self._changed:
            if threading.current_thread() is not self._thread:
                target = self._put
                self._changed.wait_for(lambda: self._done >= target, _PATIENCE)

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._events and not self._changed.wait_for(lambda: bool(self._events), _IDLE):
                    self._thread = None
                    return
                event = self._events.popleft()
            try:
                if self._listener is not None:
                    self._listener(event)
            except BaseException as error:  # noqa: BLE001 - the run must go on, also after SystemExit
                self._report(error)
            with self._changed:
                self._done += 1
                self._changed.notify_all()

    def _report(self, error: BaseException) -> None:
        """Say that the listener fails, once."""
        if self._failed:
            return
        self._failed = True
        import logging  # slow, and needed here alone

        logging.getLogger("iaclib").error(
            "on_event: %r raised %s, expected it to return; it goes on getting events, and is not reported again",
            self._listener,
            type(error).__name__,
            exc_info=error,
        )


class Reporter:
    """Stamps and numbers the events of one run.

    Args:
        delivery: Where they go.
        clock: Tells their time.
        stack: ``project/stack``.
        run: The run's id.
    """

    def __init__(self, delivery: Delivery, clock: Clock, stack: str, run: str = "") -> None:
        self._delivery = delivery
        self._clock = clock
        self._stack = stack
        self._run = run
        self._count = 0
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._delivery)

    def tell(self, kind: Kind, **facts: Any) -> None:
        """Tell what happened, if somebody listens.

        Args:
            kind: What happened.
            **facts: Further fields of ``Event``.
        """
        if not self._delivery:
            return
        with self._lock:  # so that numbers rise in the order of delivery
            self._count += 1
            self._delivery.put(
                Event(kind, self._stack, self._run, sequence=self._count, time=self._clock.now(), **facts)
            )
