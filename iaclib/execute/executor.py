"""The coordinator: carries out a step graph, in the calling thread.

One loop: take what has completed, write its outcomes and the intents of what
becomes ready in one durable commit, then hand the calls to worker threads. All
state is touched here only; workers see plain jobs.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import attrs

from iaclib.errors import IaclibError, OperationError
from iaclib.execute.calls import Abandoned, Job, Outcome
from iaclib.execute.delivery import Reporter
from iaclib.execute.events import Kind as EventKind
from iaclib.execute.results import Begun, Done, Failed
from iaclib.execute.run import Step
from iaclib.execute.steps import Kind, StepGraph, Task
from iaclib.execute.work import Work
from iaclib.model.redact import redact_text, redacted

if TYPE_CHECKING:
    from iaclib.execute.dispatch import Calls
    from iaclib.execute.ledger import Ledger
    from iaclib.execute.stopping import Stop
    from iaclib.state.journal import Entry


@attrs.define
class Result:
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
        self._ready: deque[Task] = deque(task for task in graph.tasks if not task.waiting)
        self._left = len(graph.tasks)
        self._finished: set[Task] = set()
        self._entries: list[Entry] = []
        self._jobs: list[tuple[Begun, Job]] = []
        self._news: list[tuple[EventKind, dict[str, Any]]] = []  # told once what they speak of is durable

    def run(self) -> Result:
        """Do all that can be done.

        Raises:
            LeaseLostError: The lease went while running; nothing was called after.
            StateError: State can't be written.
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
        self._skip_rest()
        self._tell_news()
        return Result(self.steps, self.errors, unfinished=self._left > 0 or self.stop.level > 1, fatal=self.fatal)

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
        self._tell_news()
        jobs, self._jobs = self._jobs, []
        for begun, job in jobs:
            if self.stop.lost is not None:
                raise self.stop.lost
            intent = begun.intent
            if intent is None or not intent.absent:  # else it was told when its identity was looked for
                replacing = intent is not None and intent.replacing
                self.reporter.tell(
                    "step_started",
                    step=job.step,
                    address=job.address,
                    action=begun.action,
                    id=job.id or None,
                    replacing=replacing,
                )
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

    def _take(self, task: Task, result: Begun | Done | Failed, step: str = "") -> None:
        match result:
            case Begun():
                self._entries.extend(result.entries)
                self._jobs.append((result, result.job))
            case Done():
                self._entries.extend(result.entries)
                if result.step is not None:
                    self._report(result.step, step)
                self._finish(task, ok=True)
            case Failed():
                self._entries.extend(result.entries)
                self._fail(task, result.error, done=result.step, halt=result.halt, step=step)

    def _complete(self, begun: Begun, job: Job, outcome: Outcome) -> None:
        if outcome.fatal is not None:
            if not isinstance(outcome.fatal, Abandoned):
                self.fatal = self.fatal or outcome.fatal
            self._halted = True
            return
        if outcome.error is not None:
            outcome.error = self._told(job, begun.action, outcome.error)
        try:
            result = self.work.complete(begun, outcome)
        except IaclibError as error:
            self._fail(begun.task, error, halt=True, step=job.step)
            return
        if isinstance(result, Begun) and self._stopping:  # its identity is free, but nothing new is started
            self.work.open.pop(result.job.step, None)
            return
        self._take(begun.task, result, job.step)

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

    def _fail(
        self, task: Task, error: Exception, *, done: Step | None = None, halt: bool = False, step: str = ""
    ) -> None:
        self.errors.append(error)
        self._halted = self._halted or halt
        action = "delete" if task.kind is Kind.DELETE else (task.node.action.value if task.node is not None else "")
        replacing = action == "replace"
        self._report(
            done or Step(task.address, "create" if replacing else action, replacing=replacing, error=error), step
        )
        self._finish(task, ok=False)

    def _report(self, done: Step, step: str) -> None:
        self.steps.append(done)
        if self.reporter:
            facts = {
                "step": step,
                "address": done.address,
                "action": done.action,
                "message": str(done.error) if done.error is not None else "",
                "ok": done.error is None,
                "seconds": done.seconds,
                "id": done.id,
                "replacing": done.replacing,
            }
            self._news.append(("step_finished", facts))

    def _finish(self, task: Task, *, ok: bool) -> None:
        """Count down what waits for a task; skip what needed it."""
        todo = [(task, ok)]
        while todo:
            task, ok = todo.pop()
            self._left -= 1
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
        action = _action(task)
        if not action or task.node is None:
            return
        replacing = task.node.action.value == "replace"
        self.steps.append(Step(task.address, action, replacing=replacing, skipped=why))
        self._news.append(
            ("step_skipped", {"address": task.address, "action": action, "message": why, "replacing": replacing})
        )

    def _skip_rest(self) -> None:
        why = "because the run was stopped" if not self.errors else "because another step failed"
        started = {begun.address for begun in self.work.open.values()}
        for task in self.graph.tasks:
            if task not in self._finished and task.address not in started:
                self._skip(task, why)


def _action(task: Task) -> str:
    """Name what a task does to its object, "" for nothing."""
    if task.kind not in (Kind.MAIN, Kind.DELETE) or task.node is None or task.node.action.value == "same":
        return ""
    action = task.node.action.value
    return "delete" if task.kind is Kind.DELETE else "create" if action == "replace" else action
