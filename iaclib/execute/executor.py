"""The coordinator: carries out a step graph, in the calling thread.

One loop: take what has completed, write its outcomes and the intents of what
becomes ready in one durable commit, then hand the calls to worker threads. All
state is touched here only; workers see plain jobs.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from iaclib.errors import IaclibError, OperationError, StateError
from iaclib.execute.delivery import Reporter
from iaclib.execute.events import Kind as EventKind
from iaclib.execute.job import Abandoned, Job, Outcome, said
from iaclib.execute.results import Begun, Done, Failed
from iaclib.execute.run import Step
from iaclib.execute.task import Kind, StepGraph, Task
from iaclib.execute.work import Work
from iaclib.model.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from iaclib.execute.dispatch import Calls
    from iaclib.execute.ledger import Ledger
    from iaclib.execute.stopping import Stop
    from iaclib.state.journal import Entry


class Queue(Protocol):
    """What tasks that are ready wait in."""

    def append(self, task: Task, /) -> None:
        """Add what has become ready."""
        ...

    def popleft(self) -> Task:
        """Take the next."""
        ...

    def __len__(self) -> int: ...


class Result(Struct):
    """What the executor did.

    ``unfinished`` tells that steps were left undone (by a failure or a stop).
    """

    steps: list[Step]
    errors: list[Exception]
    unfinished: bool = False
    fatal: BaseException | None = None


class Executor:
    """Carries out one step graph.

    Args:
        graph: What to do, in which order.
        work: Knows what each task means for state and cloud.
        ledger: The only writer of state.
        calls: The worker threads.
        stop: Asked between steps.
        continue_on_error: Go on with what a failure doesn't touch (rule 17).
        reporter: Told what happens.
        queue: Makes what tasks that are ready wait in, from the first of them.
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
        reporter: Reporter,
        queue: Callable[[Iterable[Task]], Queue] = deque,
    ) -> None:
        self.graph = graph
        self.work = work
        self.ledger = ledger
        self.calls = calls
        self.stop = stop
        self.continue_on_error = continue_on_error
        self.reporter = reporter
        self.steps: list[Step] = []
        self.errors: list[Exception] = []
        self.fatal: BaseException | None = None
        self._halted = False  # nothing new is started, whatever continue_on_error says
        self._ready: Queue = queue(task for task in graph.tasks if not task.waiting)
        self._finished: set[Task] = set()
        self._entries: list[Entry] = []
        self._jobs: list[tuple[Begun, Job]] = []
        self._ids: dict[Task, str] = {}  # the ids of steps that were told to have started
        self._news: list[tuple[EventKind, dict[str, Any]]] = []  # told once what they speak of is durable

    def run(self) -> Result:
        """Do all that can be done.

        Raises:
            LeaseLostError: The lease went while running; nothing was called after.
            StateError: State can't be written; what ran has ended, and nothing was called after.
        """
        self.reporter.tell("planned", total=sum(1 for task in self.graph.tasks if _action(task)))
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
        if self.ledger.failure is not None:
            raise self.ledger.failure
        self._skip_rest()
        self._tell_news()
        left = any(task.kind is not Kind.GATE and task not in self._finished for task in self.graph.tasks)
        return Result(self.steps, self.errors, unfinished=left or self.stop.level > 1, fatal=self.fatal)

    # ---------------------------------------------------------------------------------------------------- the loop

    @property
    def _stopping(self) -> bool:
        unwritten = self.ledger.failure is not None
        return unwritten or self._halted or self.stop.asked or (bool(self.errors) and not self.continue_on_error)

    def _start_ready(self) -> None:
        while self._ready and not self._stopping and self.calls.running + len(self._jobs) < self.calls.size:
            self._start(self._ready.popleft())

    def _commit(self) -> None:
        """Make outcomes and intents durable, then make the calls."""
        if self._entries:
            entries, self._entries = self._entries, []
            try:
                self.ledger.commit(entries)
            except StateError:
                if self.ledger.failure is None:
                    raise
        self._tell_news()
        jobs, self._jobs = self._jobs, []
        if self.ledger.failure is not None:  # their intents are nowhere: not called
            jobs = []
        for begun, job in jobs:
            if self.stop.lost is not None:
                raise self.stop.lost
            if job.step and self._ids.get(begun.task) != job.step:  # one step may take several jobs
                self._ids[begun.task] = job.step
                facts = {"step": job.step, "address": job.address, "action": begun.action, "id": job.id or None}
                self.reporter.tell("step_started", **facts, replacing=_replacing(begun.task, begun.action))
            self.calls.start(begun, job)

    def _tell_news(self) -> None:
        for kind, facts in self._news:
            self.reporter.tell(kind, **facts)
        self._news.clear()

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
                for step in result.steps:
                    self._report(task, step)
                if self._stopping and not result.late:
                    self.work.open.discard(task.address)  # what came before is done, but nothing new is started
                    return
                self._entries.extend(result.entries)
                self._jobs.append((result, result.job))
            case Done():
                self._entries.extend(result.entries)
                if result.step is not None:
                    self._report(task, result.step)
                for step in result.more:
                    self._report(task, step)
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
        self._take(begun.task, result)

    def _told(self, job: Job, action: str, error: Exception) -> Exception:
        if isinstance(error, OperationError):
            return error
        secrets = job.secrets
        cause = redacted(error, secrets)
        told = OperationError(
            f"{job.address}: {action} failed: {said(cause, job.address)}", urn=job.urn, action=action, cause=cause
        )
        for note in getattr(error, "__notes__", ()):
            told.add_note(secrets.text(note))
        return told

    def _fail(self, task: Task, error: Exception, *, step: Step | None = None, halt: bool = False) -> None:
        self.errors.append(error)
        self._halted = self._halted or halt
        action = "delete" if task.kind is Kind.DELETE else (task.node.action.value if task.node is not None else "")
        if action == "replace":
            action = "create"
        self._report(task, step or Step(task.address, action, replacing=_replacing(task, action), error=error))
        self._finish(task, ok=False)

    def _report(self, task: Task, step: Step) -> None:
        self.steps.append(step)
        if self.reporter:
            facts = {
                "step": self._ids.get(task, ""),
                "address": step.address,
                "action": step.action,
                "message": str(step.error) if step.error is not None else "",
                "ok": step.error is None,
                "seconds": step.seconds,
                "id": step.id,
                "replacing": step.replacing,
            }
            self._news.append(("step_finished", facts))

    def _finish(self, task: Task, *, ok: bool) -> None:
        """Count down what waits for a task; skip what needed it."""
        todo = [(task, ok)]
        while todo:
            task, ok = todo.pop()
            self._finished.add(task)
            self._ids.pop(task, None)
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
        action = _action(task)
        if not action:
            return
        replacing = _replacing(task, action)
        self.steps.append(Step(task.address, action, replacing=replacing, skipped=why))
        if self.reporter:
            facts = {"address": task.address, "action": action, "message": why, "replacing": replacing}
            self._news.append(("step_skipped", facts))

    def _skip_rest(self) -> None:
        why = "because the run was stopped" if not self.errors else "because another step failed"
        started = self.work.open
        for task in self.graph.tasks:
            if task not in self._finished and task.address not in started:
                self._skip(task, why)


def _replacing(task: Task, action: str) -> bool:
    """Tell whether what is done for a task is half of a replacement."""
    replace = task.node is not None and task.node.action.value == "replace" and not task.superseded
    return replace and action in {"create", "delete"}


def _action(task: Task) -> str:
    """Name what a task does to its object, "" for nothing."""
    if task.kind not in (Kind.MAIN, Kind.DELETE) or task.node is None:
        return ""
    action = task.node.action.value
    if action in {"same", "move"}:
        return ""
    return "delete" if task.kind is Kind.DELETE else "create" if action == "replace" else action
