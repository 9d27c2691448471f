"""One call as a value: what a worker is to do, how it went, and what surrounds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from iaclib.execute.clock import Clock
from iaclib.execute.events import Kind as EventKind
from iaclib.execute.limits import Limit
from iaclib.execute.stopping import Stop
from iaclib.model.redact import Redactor
from iaclib.provider.context import Checkpoint
from iaclib.provider.handler import Handler, Live
from iaclib.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator


_NO_SECRETS = Redactor()


class Abandoned(BaseException):
    """Ends a worker that nobody waits for any more: it makes no further call, and nothing that it says is written."""


class Job(Struct, eq=False):
    """What a worker is to do.

    Args:
        action: "create", "update", "delete", "probe" (is the identity free?),
            "read", "read_many", "lookup", "hook", or "decide" (an interrupted create, update or delete).
        inputs: For create and update: what to reach, for lookup: the query; secrets revealed.
        before: For update: what it starts from, secrets revealed.
        identity: For types that carry no token: the id that the inputs lead to.
        first: For create: whether nobody has called with its token yet.
        begun: When the intent was written, in seconds since the epoch.
        noted: What checkpoints noted so far.
        decides: For "decide": the action that was interrupted.
        guard: The record whose secrets must not show in messages.
        deadline: When it must be done, in monotonic seconds; set by its first call.
        abandoned: Whether it was given up, because its call hangs.
        secrets: Finds what must not show in messages; set when it starts.
        hooks: For "hook": functions of the program, called one after the other.
        event: For "hook": what they are told.
    """

    action: str
    step: str
    address: str
    urn: str
    stack: str
    handler: Handler[Any]
    provider: Any
    limit: Limit
    timeout: float
    settle: float = 0.0
    token: str = ""
    record: Record | None = None
    id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    on_delete: Mapping[str, Any] = field(default_factory=dict)
    identity: str | None = None
    first: bool = False
    begun: float = 0.0
    noted: Checkpoint = field(default_factory=Checkpoint)
    decides: str = ""
    guard: Record | None = None
    hooks: Sequence[Callable[[Any], None]] = ()
    event: Any = None
    deadline: float = float("inf")
    abandoned: bool = False
    secrets: Redactor = _NO_SECRETS

    def secretive(self) -> Iterator[Any]:
        """Go through the values in which there may be secrets that its handler is told."""
        for record in (self.guard, self.record):
            if record is not None:
                yield from secretive(record)
        yield self.on_delete


def said(cause: BaseException, address: str) -> str:
    """Give what an error says of an address, without the address at its beginning."""
    return str(cause).removeprefix(f"{address}: ") or type(cause).__name__


def secretive(record: Record) -> Iterator[Any]:
    """Go through the values of a record in which there may be secrets."""
    yield from (record.inputs, record.outputs, record.baseline, record.observed, record.options)
    if record.provider is not None:
        yield record.provider.config


class Outcome(Struct):
    """How a job went.

    Args:
        live: What exists now, or None.
        error: Why it failed, or None; as it is told once it was redacted.
        cause: The same as the handler raised it.
        repairable: With ``error`` and ``live``: an update can finish it.
        absent: For creates and lookups: it was looked for and is not there.
        undecided: Nobody knows; the intent stays.
        fatal: A BaseException out of the handler: as if the process was killed.
        many: For "read_many": what there is, by id. For "lookup": the answer, by field.
    """

    live: Live | None = None
    error: Exception | None = None
    cause: Exception | None = None
    repairable: bool = False
    absent: bool = False
    undecided: bool = False
    fatal: BaseException | None = None
    seconds: float = 0.0
    many: Mapping[str, Any] = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        """Whether something exists although the call failed."""
        return self.error is not None and self.live is not None


class World(Struct):
    """What surrounds all calls of a run."""

    clock: Clock
    stop: Stop
    checkpoint: Callable[[Job, str | None, Any], None]
    log: Callable[[Job, EventKind, str, int], None]  # (job, what, message, which try comes next)
