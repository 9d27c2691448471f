"""What the engine tells a handler about the step it performs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

P = TypeVar("P")


class Checkpoint(Struct, frozen=True):
    """What a long operation has noted so far: the id, if known, and JSON data."""

    id: str | None = None
    data: Any = None


_NOTHING = Checkpoint()


def _no_checkpoint(_id: str | None, _data: Any) -> None:
    """Outside a step nothing needs to be durable."""


def _no_log(_message: str) -> None:
    """Outside a run nobody listens."""


class Context(Generic[P]):
    """One step, as its handler sees it.

    Args:
        address: The resource's address in its stack, such as ``net/vpc``.
        urn: ``project/stack:address``.
        stack: ``project/stack``.
        provider: The configured provider, or None for types without one.
        token: The step's idempotency token: 32 lower-case hex digits, the same
            for every retry, also by another engine.
        deadline: When the step must be done, in seconds of ``monotonic``.
        record: What state holds of the object, or None on create.
        on_delete: Delete parameters from the resource's options.
        repeated: On create: whether a call with this token may have been made
            before. A handler whose cloud knows no tokens looks only then for
            what such a call may have made.
        inputs: The inputs that the step is about as state holds them, on create
            too: secrets as ``Secret``, so that a handler can tell what to hide.
        dependencies: The addresses on which the resource depends directly.
        noted: What the step has noted so far, also before a kill.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what is told of one step
        self,
        address: str,
        urn: str,
        stack: str,
        provider: P,
        token: str = "",
        deadline: float = float("inf"),
        record: Any = None,
        on_delete: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        repeated: bool = True,
        dependencies: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        cancelled: Callable[[], bool] = bool,
        aborted: Callable[[], bool] = bool,
        log: Callable[[str], None] = _no_log,
        checkpoint: Callable[[str | None, Any], None] = _no_checkpoint,
        noted: Checkpoint = _NOTHING,
    ) -> None:
        self.address = address
        self.urn = urn
        self.stack = stack
        self.provider = provider
        self.token = token
        self.deadline = deadline
        self.record = record
        self.on_delete: Mapping[str, Any] = {} if on_delete is None else on_delete
        self.inputs: Mapping[str, Any] = {} if inputs is None else inputs
        self.repeated = repeated
        self.dependencies = dependencies
        self.monotonic = monotonic
        self._sleep = sleep
        self._cancelled = cancelled
        self._aborted = aborted
        self._log = log
        self._checkpoint = checkpoint
        self.noted = noted

    def __repr__(self) -> str:
        return f"<Context {self.urn}>"

    @property
    def cancelled(self) -> bool:
        """Whether the run is being stopped; a running step may still finish."""
        return self._cancelled()

    @property
    def aborted(self) -> bool:
        """Whether running steps are being given up: nothing of this one is recorded any more."""
        return self._aborted()

    @property
    def remaining(self) -> float:
        """Seconds left until the deadline, at least 0."""
        return max(0.0, self.deadline - self.monotonic())

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the deadline."""
        self._sleep(min(seconds, self.remaining))

    def log(self, message: str) -> None:
        """Say what is going on, for people; must not hold a secret."""
        self._log(message)

    def checkpoint(self, *, id: str | None = None, data: Any = None) -> None:
        """Note durably what the operation has learned so far.

        When this returns, a killed run's successor will get it in ``resume``
        (or use the id to ``read``). Call it as soon as an id is known and more
        calls follow.

        Args:
            id: The object's physical id, if known.
            data: Any JSON value, such as an operation's name to poll.
        """
        self._checkpoint(id, data)
