"""Worker threads, and the inbox in which the outcomes of their calls arrive.

Watches what runs: a call that hangs beyond its deadline is left behind. Knows
nothing of order, plans or what outcomes mean.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from iaclib.errors import OperationTimeoutError, StateError
from iaclib.execute.calls import perform
from iaclib.execute.job import Abandoned, Job, Outcome, World, secretive
from iaclib.execute.pool import Pool
from iaclib.model.redact import Redactor
from iaclib.model.values import Secret
from iaclib.state.journal import Noted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from iaclib.execute.clock import Clock
    from iaclib.execute.delivery import Reporter
    from iaclib.execute.events import Kind as EventKind
    from iaclib.execute.ledger import Ledger
    from iaclib.execute.stopping import Stop
    from iaclib.state.record import Record

_SLICE = 0.5  # seconds of one wait: a signal that the system gave to another thread doesn't end it


_WRITES = frozenset({"create", "update", "delete"})


class _Note:
    __slots__ = ("done", "entry")

    def __init__(self, entry: Noted) -> None:
        self.entry = entry
        self.done = threading.Event()


class Calls:
    """Worker threads and the inbox in which their outcomes arrive.

    Args:
        pool: Its threads; with none calls are made in the coordinator's
            thread, where one that hangs can't be given up.
        reporter: Told what happens.
        grace: Seconds of real time that a call may go on once its deadline,
            by the clock, has passed.
    """

    def __init__(
        self, ledger: Ledger, clock: Clock, stop: Stop, pool: Pool, reporter: Reporter, *, grace: float
    ) -> None:
        self.clock = clock
        self.stop = stop
        self.size = max(1, pool.size)
        self.running = 0
        self._ledger = ledger
        self._reporter = reporter
        self._grace = grace
        self._open: dict[Job, Any] = {}  # who asked for it
        self._late: dict[Job, float] = {}  # when it was first seen to be late, in real time
        self._look = 0.0  # when to look for late ones next, in real time
        self._inbox: SimpleQueue[tuple[Any, Job, Outcome] | _Note | None] = SimpleQueue()
        self._secrets = Redactor()  # of all jobs: a server may say in one call what it was told in another
        self._pool = pool
        self._world = World(clock, stop, self._checkpoint, self._log)
        self._home = threading.get_ident()
        stop.interrupt_calls = not pool.threaded
        stop.on_request = lambda: self._inbox.put(None)

    def guard(self, records: Iterable[Record]) -> None:
        """Let secrets of records show in no message about any job."""
        self._secrets.learn(value for record in records for value in secretive(record))

    def _left_behind(self, job: Job) -> bool:
        return self.stop.level > 1 or self.stop.lost is not None or job.abandoned

    def _checkpoint(self, job: Job, id: str | None, data: Any) -> None:
        if not job.step or job.action == "decide":
            return
        if data is not None and job.secrets.shows(data):
            data = Secret(data)  # state keeps it sealed
        entry = Noted(job.step, id, data)
        if threading.get_ident() == self._home:
            try:
                self._ledger.commit([entry])
            except StateError:
                if self._ledger.failure is None:
                    raise
            return  # the call goes on also where state can't be written: what it comes to is kept
        note = _Note(entry)
        self._inbox.put(note)
        while not note.done.wait(_SLICE):
            if self._left_behind(job):
                raise Abandoned
        if self.stop.lost is not None:
            raise Abandoned

    def _log(self, job: Job, kind: EventKind, message: str, attempt: int) -> None:
        if self._reporter and not self._left_behind(job):
            told = job.secrets.text(message)
            facts = {"step": job.step, "address": job.address, "action": job.action, "id": job.id or None}
            self._reporter.tell(kind, **facts, message=told, attempt=attempt)

    def start(self, owner: Any, job: Job) -> None:
        """Have a job done; its outcome arrives in ``wait``."""
        self.running += 1
        self._open[job] = owner
        job.secrets = self._secrets
        self._secrets.learn(job.secretive())
        self._pool.submit(lambda: perform(job, self._world), lambda outcome: self._inbox.put((owner, job, outcome)))

    def wait(self) -> tuple[list[tuple[Any, Job, Outcome]], list[Noted], list[threading.Event]]:
        """Wait a little for something to arrive, and take all that has; it may be nothing.

        A call that hangs beyond its deadline arrives as a failure, undecided.
        """
        done: list[tuple[Any, Job, Outcome]] = []
        notes: list[Noted] = []
        told: list[threading.Event] = []
        item: tuple[Any, Job, Outcome] | _Note | None = None
        self._pool.turn()
        with suppress(Empty):
            item = self._inbox.get(timeout=_SLICE)
        while True:
            if isinstance(item, _Note):
                notes.append(item.entry)
                told.append(item.done)
            elif item is not None and not item[1].abandoned:
                self._close(item[1])
                done.append(item)
            try:
                item = self._inbox.get_nowait()
            except Empty:
                break
        done.extend(self._give_up())  # after what has arrived: an answer that came late is still one
        return done, notes, told

    def _close(self, job: Job) -> None:
        self.running -= 1
        self._open.pop(job, None)
        self._late.pop(job, None)

    def _give_up(self) -> list[tuple[Any, Job, Outcome]]:
        """Leave behind what hangs beyond its deadline: a call can't be stopped from outside."""
        real = time.monotonic()
        if real < self._look:
            return []
        self._look = real + _SLICE
        now = self.clock.monotonic()
        found: list[tuple[Any, Job, Outcome]] = []
        for job, owner in list(self._open.items()):
            if now <= job.deadline or real < self._late.setdefault(job, real) + self._grace:
                continue
            job.abandoned = True
            job.limit.leave(job)
            self._pool.abandon()
            self._close(job)
            error = OperationTimeoutError(_hanging(job))
            seconds = now - job.deadline + job.timeout
            found.append(
                (owner, job, Outcome(error=error, cause=error, undecided=job.action in _WRITES, seconds=seconds))
            )
        return found

    def close(self) -> None:
        """Let threads end after what they are doing."""
        self.stop.on_request = None
        self._pool.close()


def _hanging(job: Job) -> str:
    if job.action in _WRITES or job.action == "decide":
        then = "it stays undecided, and the next run finds out what became of it"
    else:
        then = "nothing waits for it any more"
    return (
        f"{job.address}: its call still hangs, expected it to end within {job.timeout:g} s; {then}, "
        "so look whether the other side answers and run again"
    )


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
        arrived = [(index, outcome) for index, _job, outcome in calls.wait()[0]]
        found.update((index, outcome) for index, outcome in arrived if not isinstance(outcome.fatal, Abandoned))
        if calls.stop.lost is not None:
            raise calls.stop.lost
    return [(job, found[index]) for index, job in enumerate(jobs) if index in found]
