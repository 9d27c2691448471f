"""The coordinator: carries out a step graph, in the calling thread.

One loop: take what has completed, write its outcomes and the intents of what
becomes ready in one durable commit, then hand the calls to worker threads. All
state is touched here only; workers see plain jobs.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import attrs

from iaclib.errors import IaclibError, OperationError
from iaclib.execute.calls import Job, Outcome, World, perform
from iaclib.execute.events import Event
from iaclib.execute.pool import Pool
from iaclib.execute.redact import redact_text, redacted
from iaclib.execute.results import Begun, Done, Failed
from iaclib.execute.run import Step
from iaclib.execute.steps import Kind, StepGraph, Task
from iaclib.execute.work import Work
from iaclib.state.journal import Noted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from iaclib.execute.clock import Clock
    from iaclib.execute.ledger import Ledger
    from iaclib.execute.stopping import Stop
    from iaclib.state.journal import Entry


class Abandoned(BaseException):
    """Ends a worker whose run is over: nothing that it says is written any more."""


class _Note:
    __slots__ = ("done", "entry")

    def __init__(self, entry: Noted) -> None:
        self.entry = entry
        self.done = threading.Event()


@attrs.define
class Result:
    """What the executor did.

    ``unfinished`` tells that steps were left undone (by a failure or a stop).
    """

    steps: list[Step]
    errors: list[Exception]
    unfinished: bool = False
    fatal: BaseException | None = None


class Calls:
    """Worker threads and the inbox in which their outcomes arrive.

    Args:
        parallelism: Threads; 0 makes calls in the coordinator's thread.
        emit: Told what happens.
    """

    def __init__(
        self, ledger: Ledger, clock: Clock, stop: Stop, parallelism: int, emit: Callable[[Event], None]
    ) -> None:
        self.clock = clock
        self.stop = stop
        self.size = max(1, parallelism)
        self.running = 0
        self._ledger = ledger
        self._emit = emit
        self._inbox: SimpleQueue[tuple[Any, Job, Outcome] | _Note | None] = SimpleQueue()
        self._pool = Pool(parallelism)
        self._world = World(clock, stop, self._checkpoint, self._log)
        self._home = threading.get_ident()
        stop.interrupt_calls = parallelism == 0
        stop.on_request = lambda: self._inbox.put(None)

    def _checkpoint(self, job: Job, id: str | None, data: Any) -> None:
        if not job.step or job.action == "decide":
            return
        entry = Noted(job.step, id, data)
        if threading.get_ident() == self._home:
            self._ledger.commit([entry])
            return
        note = _Note(entry)
        self._inbox.put(note)
        while not note.done.wait(0.5):
            if self.stop.level > 1 or self.stop.lost is not None:
                raise Abandoned
        if self.stop.lost is not None:
            raise Abandoned

    def _log(self, job: Job, kind: str, message: str) -> None:
        self._emit(Event(kind, job.stack, job.address, job.action, redact_text(message, job.secret_texts())))  # type: ignore[arg-type]

    def start(self, owner: Any, job: Job) -> None:
        """Have a job done; its outcome arrives in ``wait``."""
        self.running += 1
        self._pool.submit(lambda: self._inbox.put((owner, job, perform(job, self._world))))

    def wait(self) -> tuple[list[tuple[Any, Job, Outcome]], list[Noted], list[threading.Event]]:
        """Wait until something arrives, and take all that has."""
        done: list[tuple[Any, Job, Outcome]] = []
        notes: list[Noted] = []
        told: list[threading.Event] = []
        item = self._next()
        while True:
            if isinstance(item, _Note):
                notes.append(item.entry)
                told.append(item.done)
            elif item is not None:
                self.running -= 1
                done.append(item)
            try:
                item = self._inbox.get_nowait()
            except Empty:
                return done, notes, told

    def _next(self) -> tuple[Any, Job, Outcome] | _Note | None:
        # In slices, because a signal that the system gave to another thread doesn't end a wait.
        while True:
            with suppress(Empty):
                return self._inbox.get(timeout=0.5)

    def close(self) -> None:
        """Let threads end after what they are doing."""
        self.stop.on_request = None
        self._pool.close()


class Executor:
    """Carries out one step graph.

    Args:
        graph: What to do, in which order.
        work: Knows what each task means for state and cloud.
        ledger: The only writer of state.
        calls: The worker threads.
        stop: Asked between steps.
        continue_on_error: Go on with what a failure doesn't touch (rule 17).
        stack: ``project/stack``.
        emit: Told what happens.
    """

    def __init__(
        self,
        graph: StepGraph,
        work: Work,
        ledger: Ledger,
        calls: Calls,
        stop: Stop,
        *,
        continue_on_error: bool,
        stack: str,
        emit: Callable[[Event], None],
    ) -> None:
        self.graph = graph
        self.work = work
        self.ledger = ledger
        self.calls = calls
        self.stop = stop
        self.continue_on_error = continue_on_error
        self.stack = stack
        self.emit = emit
        self.steps: list[Step] = []
        self.errors: list[Exception] = []
        self.fatal: BaseException | None = None
        self._halted = False  # nothing new is started, whatever continue_on_error says
        self._ready: deque[Task] = deque(task for task in graph.tasks if not task.waiting)
        self._finished: set[Task] = set()
        self._entries: list[Entry] = []
        self._jobs: list[tuple[Begun, Job]] = []

    def run(self) -> Result:
        """Do all that can be done.

        Raises:
            LeaseLostError: The lease went while running; nothing was called after.
            StateError: State can't be written.
        """
        while True:
            self._start_ready()
            self._commit()
            if not self.calls.running or self.stop.level > 1:
                break
            if self.stop.lost is not None:
                raise self.stop.lost
            done, notes, told = self.calls.wait()
            if self.stop.level > 1:
                break
            self._entries.extend(notes)
            for begun, job, outcome in done:
                self._complete(begun, job, outcome)
            if told:
                self._commit()
                for event in told:
                    event.set()
        if self.stop.lost is not None:
            raise self.stop.lost
        self._skip_rest()
        left = any(task.kind is not Kind.GATE and task not in self._finished for task in self.graph.tasks)
        return Result(self.steps, self.errors, unfinished=left or self.stop.level > 1, fatal=self.fatal)

    def counts(self) -> dict[str, int]:
        """Count completed steps by action."""
        return dict(Counter(step.action for step in self.steps if step.error is None and not step.skipped))

    # ---------------------------------------------------------------------------------------------------- the loop

    @property
    def _stopping(self) -> bool:
        return self._halted or self.stop.asked or (bool(self.errors) and not self.continue_on_error)

    def _start_ready(self) -> None:
        while self._ready and not self._stopping and self.calls.running + len(self._jobs) < self.calls.size:
            self._start(self._ready.popleft())

    def _commit(self) -> None:
        """Make outcomes and intents durable, then make the calls."""
        if self._entries:
            entries, self._entries = self._entries, []
            self.ledger.commit(entries)
        jobs, self._jobs = self._jobs, []
        for begun, job in jobs:
            if self.stop.lost is not None:
                raise self.stop.lost
            self.emit(Event("step_started", self.stack, job.address, begun.action))
            self.calls.start(begun, job)

    def _start(self, task: Task) -> None:
        if task.kind is Kind.GATE:
            self._finish(task, ok=True)
            return
        try:
            result = self.work.begin(task)
        except IaclibError as error:
            self._fail(task, error, halt=True)
            return
        self._take(task, result)

    def _take(self, task: Task, result: Begun | Done | Failed) -> None:
        match result:
            case Begun():
                self._entries.extend(result.settled)
                self.steps.extend(result.steps)
                if self._stopping and not result.late:
                    self.work.open.discard(task.address)  # what came before is done, but nothing new is started
                    return
                self._entries.extend(result.entries)
                self._jobs.append((result, result.job))
            case Done():
                self._entries.extend(result.entries)
                if result.step is not None:
                    self.steps.append(result.step)
                self.steps.extend(result.more)
                self._finish(task, ok=True)
            case Failed():
                self._entries.extend(result.entries)
                self._fail(task, result.error, step=result.step, halt=result.halt)

    def _complete(self, begun: Begun, job: Job, outcome: Outcome) -> None:
        if outcome.fatal is not None:
            if not isinstance(outcome.fatal, Abandoned):
                self.fatal = self.fatal or outcome.fatal
            self._halted = True
            return
        if outcome.error is not None:
            outcome.error = self._told(job, begun.action, outcome.error)
        try:
            result = begun.then(outcome)
        except IaclibError as error:
            self._fail(begun.task, error, halt=True)
            return
        self.emit(
            Event(
                "step_finished",
                self.stack,
                job.address,
                begun.action,
                str(outcome.error) if outcome.error else "",
                outcome.seconds,
            )
        )
        self._take(begun.task, result)

    def _told(self, job: Job, action: str, error: Exception) -> Exception:
        if isinstance(error, OperationError):
            return error
        secrets = job.secret_texts()
        cause = redacted(error, secrets)
        text = str(cause)
        if text.startswith(f"{job.address}: "):
            text = text[len(job.address) + 2 :]
        told = OperationError(
            f"{job.address}: {action} failed: {text or type(cause).__name__}", urn=job.urn, action=action, cause=cause
        )
        for note in getattr(error, "__notes__", ()):
            told.add_note(redact_text(note, secrets))
        return told

    def _fail(self, task: Task, error: Exception, *, step: Step | None = None, halt: bool = False) -> None:
        self.errors.append(error)
        self._halted = self._halted or halt
        action = "delete" if task.kind is Kind.DELETE else (task.node.action.value if task.node is not None else "")
        self.steps.append(
            step
            or Step(
                task.address, "create" if action == "replace" else action, replacing=action == "replace", error=error
            )
        )
        self._finish(task, ok=False)

    def _finish(self, task: Task, *, ok: bool) -> None:
        """Count down what waits for a task; skip what needed it."""
        todo = [(task, ok)]
        while todo:
            task, ok = todo.pop()
            self._finished.add(task)
            if ok and task.kind is not Kind.DELETE and task.address:
                self.work.settled(task)
            for other, needed in task.next:
                if needed and not ok and not other.blocked:
                    other.blocked = task.blocked or task.address
                other.waiting -= 1
                if other.waiting:
                    continue
                if other.blocked and other.kind is not Kind.GATE:
                    self._skip(other, f"because {other.blocked} failed")
                    todo.append((other, False))
                elif other.blocked:
                    todo.append((other, False))
                else:
                    self._ready.append(other)

    def _skip(self, task: Task, why: str) -> None:
        if task.kind not in (Kind.MAIN, Kind.DELETE) or task.node is None:
            return
        action = task.node.action.value
        if action in ("same", "move"):
            return
        name = "delete" if task.kind is Kind.DELETE else "create" if action == "replace" else action
        self.steps.append(Step(task.address, name, replacing=action == "replace", skipped=why))
        self.emit(Event("step_skipped", self.stack, task.address, name, why))

    def _skip_rest(self) -> None:
        why = "because the run was stopped" if not self.errors else "because another step failed"
        started = self.work.open
        for task in self.graph.tasks:
            if task not in self._finished and task.address not in started:
                self._skip(task, why)


def outcomes(calls: Calls, jobs: Sequence[Job]) -> list[tuple[Job, Outcome]]:
    """Do independent jobs that write nothing, concurrently; give their outcomes in order."""
    found: dict[int, Outcome] = {}
    todo = deque(enumerate(jobs))
    while todo or calls.running:
        while todo and calls.running < calls.size and not calls.stop.asked:
            index, job = todo.popleft()
            calls.start(index, job)
        if not calls.running or calls.stop.level > 1:
            break
        found.update((index, outcome) for index, _job, outcome in calls.wait()[0])
    return [(job, found[index]) for index, job in enumerate(jobs) if index in found]
