"""One handler call with everything around it: retries, limits, deadlines, readiness.

Runs in a worker thread. Knows nothing of order, plans or state; what it must
make durable on the way goes through ``World.checkpoint``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from iaclib.errors import (
    DependencyViolationError,
    NotFoundError,
    NotReadyError,
    OperationTimeoutError,
    PartialFailure,
    ThrottledError,
    UndecidedError,
)
from iaclib.execute.job import Abandoned, Job, Outcome, World
from iaclib.execute.observe import checked
from iaclib.execute.retry import REFUSALS, is_retryable, quickly, slowly
from iaclib.model.values import reveal
from iaclib.provider.context import Checkpoint, Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.provider.handler import Live

T = TypeVar("T")


_NO_PLACE = "{}: other calls to its service left it no turn within {:g} s, expected one; raise timeouts or limits"
_NOT_READY = 30.0  # seconds that NotReadyError is retried for types that settle at once


def perform(job: Job, world: World) -> Outcome:
    """Do a job; never raises."""
    began = world.clock.monotonic()
    try:
        outcome = _ACTIONS[job.action](_Call(job, world))
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is this step's failure
        outcome = Outcome(error=error)
    except BaseException as error:  # noqa: BLE001 - as a kill would, it leaves the intent
        outcome = Outcome(fatal=error)
    outcome.cause = outcome.error
    outcome.seconds = world.clock.monotonic() - began
    return outcome


class _Call:
    def __init__(self, job: Job, world: World) -> None:
        self.job = job
        self.world = world
        self.clock = world.clock
        self.unsure = False  # an earlier try failed in a way that may have left something
        self.began = False
        self.started = world.clock.monotonic()
        self.context: Context[Any] = Context(
            job.address,
            job.urn,
            job.stack,
            job.provider,
            token=job.token,
            deadline=self.started + job.timeout,
            record=job.record,
            on_delete=reveal(dict(job.on_delete)),
            inputs=job.guard.inputs if job.guard is not None else {},
            dependencies=job.guard.dependencies if job.guard is not None else (),
            monotonic=world.clock.monotonic,
            sleep=lambda seconds: world.clock.sleep(seconds, world.stop.woken if world.stop.level > 1 else None),
            cancelled=lambda: world.stop.asked,
            aborted=lambda: self.left_behind,
            log=lambda message: world.log(job, "log", message, 0),
            checkpoint=self.note,
            noted=job.noted,
        )

    def note(self, id: str | None, data: Any) -> None:
        self.world.checkpoint(self.job, id, data)
        noted = self.job.noted
        self.job.noted = self.context.noted = Checkpoint(id or noted.id, data if data is not None else noted.data)

    @property
    def left_behind(self) -> bool:
        """Whether nobody waits for this any more: no further call may be made."""
        stop = self.world.stop
        return stop.level > 1 or stop.lost is not None or self.job.abandoned

    @property
    def overdue(self) -> bool:
        return self.clock.monotonic() > self.job.deadline

    # ---------------------------------------------------------------------------------------------------- trying

    def begin(self) -> None:
        """Let time count from the first call: waiting for a place among others is not the step's fault."""
        if not self.began:
            self.began = True
            self.started = self.clock.monotonic()
            self.job.deadline = self.context.deadline = self.started + self.job.timeout

    def once(self, call: Callable[[], T], last: Exception | None) -> T:
        """Call, within the limit that the service has.

        Raises:
            Abandoned: Nobody waits for the outcome any more.
        """
        job = self.job
        try:
            entered = job.limit.enter(job, lambda: self.left_behind or self.overdue, self.world.stop.woken)
            if self.left_behind:
                raise Abandoned
            if not entered:
                raise last or OperationTimeoutError(_NO_PLACE.format(job.address, job.timeout))
            self.begin()
            return call()
        finally:
            job.limit.leave(job)

    def attempt(self, action: str, call: Callable[[], T]) -> T:
        """Call until it succeeds, fails for good, or time is over."""
        soon, late = quickly(self.clock.spread), slowly(self.job.timeout)
        last: Exception | None = None
        tries = 0
        while True:
            tries += 1
            try:
                result = self.once(call, last)
            except Exception as error:
                last = error
                if isinstance(error, ThrottledError):
                    self.job.limit.throttled(error.retry_after)
                if not is_retryable(error, action) or self.world.stop.asked:
                    raise
                self.unsure = self.unsure or not isinstance(error, REFUSALS)
                wait = next(late if isinstance(error, DependencyViolationError) else soon)
                if isinstance(error, ThrottledError) and error.retry_after:
                    wait = error.retry_after
                until = self.job.deadline
                if isinstance(error, NotReadyError):
                    until = min(until, self.started + (self.job.settle or _NOT_READY))
                if self.clock.monotonic() + wait > until:
                    raise self._out_of_time(error, tries, until) from None
                message = f"{type(error).__name__}: again in {wait:.1f} s"
                self.world.log(self.job, "retry", message, tries + 1)
                self.clock.sleep(wait, self.world.stop.woken)
                if self.world.stop.asked:
                    raise
            else:
                self.job.limit.succeeded()
                return result

    def _out_of_time(self, error: Exception, tries: int, until: float) -> Exception:
        if isinstance(error, DependencyViolationError):
            msg = (
                f"{error}; still in use after {self.job.timeout:g} s: delete what holds it, raise timeouts.delete, "
                "or set retain_on_delete to leave it in the cloud"
            )
            return DependencyViolationError(msg, **error.facts)
        if isinstance(error, ThrottledError | NotReadyError):
            msg = (
                f"{error}; still so at try {tries}, and {until - self.started:g} s leave no time for another, "
                "expected it to pass; run again later, or raise timeouts"
            )
            kind = ThrottledError if isinstance(error, ThrottledError) else NotReadyError
            return kind(msg, **error.facts)
        return error

    def settled(self, ask: Callable[[], Live | None]) -> Live | None:
        """Ask again while "not there" may only be "not there yet" (rule 25)."""
        waits = quickly(self.clock.spread, 0.5, 10.0)
        while True:
            live = self.attempt("read", ask)
            if live is not None:
                return checked(live, self.job.address)
            left = self.job.begun + self.job.settle - self.clock.now()
            if self.left_behind:
                raise Abandoned
            if left <= 0:
                return None
            self.clock.sleep(min(next(waits), left))

    def ready(self, live: Live) -> Outcome:
        """Poll until the object can be used; what exists is durable before (rule 25)."""
        live = checked(live, self.job.address)
        if live.ready:
            return Outcome(live=live)
        if self.job.action == "create":
            self.note(live.id, None)
        waits, known = quickly(self.clock.spread, 1.0, 15.0), live.id
        while True:
            wait = next(waits)
            if (
                self.clock.monotonic() + wait > self.job.deadline
                or self.world.stop.level > 1
                or self.world.stop.lost is not None
            ):
                msg = (
                    f"{self.job.address}: {known} is not ready after {self.job.timeout:g} s, expected it to be; "
                    "look at it in the cloud, or raise timeouts"
                )
                return Outcome(live=live, error=OperationTimeoutError(msg))
            self.clock.sleep(wait)
            seen = self.settled(lambda: self.job.handler.read(self.context, known))
            if seen is None:
                msg = (
                    f"{self.job.address}: {known} vanished while it was being made, expected it to become ready; "
                    "look into the cloud's log"
                )
                return Outcome(error=NotFoundError(msg), absent=True)
            live = seen
            if live.ready:
                return Outcome(live=live)

    # --------------------------------------------------------------------------------------------------- actions

    def create(self) -> Outcome:
        job = self.job
        try:
            live = self.attempt("create", self._create_once)
            return self.ready(live)
        except PartialFailure as error:
            if getattr(error.live, "id", None):
                return Outcome(live=checked(error.live, job.address), error=error, repairable=error.repairable)
            return self._after_failure(error)
        except REFUSALS as error:
            return self._after_failure(error) if job.noted.id or self.unsure else Outcome(error=error)
        except Exception as error:  # noqa: BLE001 - nobody knows what it left behind: look
            return self._after_failure(error)

    def _create_once(self) -> Live:
        self.context.repeated = not self.job.first
        self.job.first = False
        return self.job.handler.create(self.context, self.job.inputs)

    def _after_failure(self, error: Exception) -> Outcome:
        """Look at once whether a failed create made something all the same (rule 16)."""
        try:
            live, looked = self.locate(resume=False)
        except Exception as failure:  # noqa: BLE001 - it can't be told now; the intent stays
            error.add_note(f"whether it was made could not be asked: {type(failure).__name__}")
            return Outcome(error=error, undecided=True)
        if live is not None:
            return Outcome(live=live, error=error)
        return Outcome(error=error, absent=looked)

    def locate(self, *, resume: bool) -> tuple[Live | None, bool]:
        """Find what a create made: by what was noted, by its token, or by its identity.

        Returns:
            What there is, and whether there was a way to look.
        """
        job, handler = self.job, self.job.handler
        by_resume, by_token = getattr(handler, "resume", None), getattr(handler, "find", None)
        if resume and by_resume is not None and (job.noted.id or job.noted.data is not None):
            live = self.attempt("read", lambda: by_resume(self.context, job.noted))
            return (None if live is None else checked(live, job.address)), True
        if job.noted.id:
            known = job.noted.id
            return self.settled(lambda: handler.read(self.context, known)), True
        live = self.settled(lambda: by_token(self.context, job.inputs)) if by_token is not None else None
        if live is None and job.identity is not None:  # seen to be absent before the create: what is there now is ours
            identity = job.identity
            live = self.settled(lambda: handler.read(self.context, identity))
        return live, by_token is not None or job.identity is not None

    def update(self) -> Outcome:
        job = self.job
        try:
            live = self.attempt("update", lambda: job.handler.update(self.context, job.id, job.before, job.inputs))
            return self.ready(live)
        except PartialFailure as error:
            left = checked(error.live, job.address) if getattr(error.live, "id", None) else None
            return Outcome(live=left, error=error)

    def delete(self) -> Outcome:
        job = self.job
        with suppress(NotFoundError):
            self.attempt("delete", lambda: job.handler.delete(self.context, job.id))
        return Outcome()

    def probe(self) -> Outcome:
        identity = self.job.identity or ""
        return Outcome(live=self.attempt("read", lambda: self.job.handler.read(self.context, identity)))

    def hook(self) -> Outcome:
        self.begin()
        for function in self.job.hooks:
            if self.left_behind:
                raise Abandoned
            function(self.job.event)
        return Outcome()

    def read(self) -> Outcome:
        job = self.job
        return Outcome(live=self.settled(lambda: job.handler.read(self.context, job.id)))

    def read_many(self) -> Outcome:
        job, handler = self.job, self.job.handler
        ids = list(job.before["ids"])
        lives = self.attempt("read", lambda: handler.read_many(self.context, ids))  # type: ignore[attr-defined]
        return Outcome(many={known: checked(live, job.address) for known, live in lives.items() if live is not None})

    def lookup(self) -> Outcome:
        job, handler = self.job, self.job.handler
        found = self.attempt("read", lambda: handler.lookup(self.context, job.inputs))  # type: ignore[attr-defined]
        return Outcome(absent=True) if found is None else Outcome(many=found)

    def decide(self) -> Outcome:
        job = self.job
        if job.decides != "create":
            return self.read()
        live, looked = self.locate(resume=True)
        if live is None:
            if not looked:
                raise UndecidedError(_undecided(job), address=job.address)
            return Outcome(absent=True)
        return self.ready(live) if not live.ready else Outcome(live=live)


def way_out(job: Job, action: str) -> str:
    """Say how to decide an interrupted operation by hand."""
    call = f"engine.resolve({job.stack!r}, {job.address!r}, "
    if action == "create":
        return f"if it was made, {call}adopt='its id'), if not, {call}absent=True)"
    verb = "changed" if action == "update" else "deleted"
    return f"if it was {verb}, {call}done=True), if not, {call}absent=True)"


def _undecided(job: Job) -> str:
    return (
        f"{job.address}: a create was interrupted, and objects of its type can be found neither by token nor by "
        "identity, expected to learn whether it was made; look for it in the cloud "
        f"(token {job.token}): {way_out(job, 'create')}"
    )


_ACTIONS: dict[str, Callable[[_Call], Outcome]] = {
    "create": _Call.create,
    "update": _Call.update,
    "delete": _Call.delete,
    "hook": _Call.hook,
    "probe": _Call.probe,
    "read": _Call.read,
    "read_many": _Call.read_many,
    "lookup": _Call.lookup,
    "decide": _Call.decide,
}
