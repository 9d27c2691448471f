"""Deletes: of what is removed, of old halves, and of what goes with another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.execute.results import Begun, Done, Failed
from iaclib.execute.run import Step
from iaclib.state.journal import Began, Ended
from iaclib.state.record import Intent

if TYPE_CHECKING:
    from iaclib.execute.desk import Desk
    from iaclib.execute.job import Job, Outcome
    from iaclib.execute.task import Task
    from iaclib.state.journal import Entry
    from iaclib.state.record import Record


class Deletes:
    """Deletes objects, or lets them go.

    Args:
        desk: The run's tools.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def begin(self, task: Task) -> Begun | Done:
        """Begin to delete what a task stands for, if it is still there to be deleted."""
        desk, node = self.desk, task.node
        if task.early and task.address in desk.dissolved:
            return Done()
        replacing = node is not None and node.action.value == "replace" and not task.superseded
        record = self._current(task, replacing=replacing)
        carrier = task.carrier.record if task.carrier is not None else None
        carried = carrier is not None and carrier.uid in desk.ledger.deleted
        if carried and task.record is not None and (record is None or not record.id):
            # It left state together with the object that took it along.
            step = Step(task.address, "delete", replacing=replacing, id=task.record.id)
            return Done([] if record is None or replacing else desk.ledger.drop(task.address), step)
        if record is None:
            return Done()
        settled: list[Entry] = []
        if not task.superseded and desk.ledger.superseded(record.uid) is None and record.id:
            record, settled = desk.parting(node, record)
        if not record.id:
            return Done(desk.ledger.drop(record.address))
        forget = record.options.get("retain_on_delete") or (node is not None and node.action.value == "forget")
        if forget or carried:
            step = Step(task.address, "forget" if forget else "delete", replacing=replacing, id=record.id)
            return Done([*settled, *desk.ledger.gone(record, replacing=replacing)], step)
        settled = [*settled, *desk.ledger.spare(record.uid, desk.resolver.outlives)]  # known before, also to a recovery
        job = desk.jobs.make(
            record,
            "delete",
            desk.token(),
            begun=desk.clock.now(),
            token=desk.token(),
            record=record,
            id=record.id,
            on_delete=dict(record.options.get("on_delete") or {}),
        )
        intent = Intent(job.step, "delete", job.token, record, replacing=replacing, begun=job.begun)
        hooks = desk.hooked(
            task,
            "before_delete",
            record,
            lambda _outcome: self._call(task, job, intent),
            before=record.inputs,
            after=None,
            settled=settled,
        )
        return hooks or self._call(task, job, intent, settled)

    def _current(self, task: Task, *, replacing: bool) -> Record | None:
        """Give the object as it is recorded now, None if there is nothing to delete."""
        if task.record is None:
            return None
        if task.superseded or (replacing and not task.early):
            return self.desk.ledger.superseded(task.record.uid)  # None: it was not replaced after all
        return self.desk.ledger.current(task.address)

    def _call(self, task: Task, job: Job, intent: Intent, settled: list[Entry] | None = None) -> Begun:
        self.desk.open.add(task.address)
        return Begun(
            task,
            "delete",
            job,
            lambda outcome: self._deleted(task, job, intent, outcome),
            settled=settled or (),
            entries=(Began(intent),),
        )

    def _deleted(self, task: Task, job: Job, intent: Intent, outcome: Outcome) -> Begun | Done | Failed:
        desk, record = self.desk, intent.record
        step = desk.step(job, "delete", outcome, replacing=intent.replacing)
        if outcome.undecided:
            return Failed(outcome.error or RuntimeError(), (), step)
        desk.open.discard(task.address)
        if outcome.error is not None:
            return Failed(outcome.error, [Ended(step=intent.step)], step)
        entries = desk.ledger.gone(record, intent.step, replacing=intent.replacing)
        return desk.ended(task, "delete", record, step, entries, before=record.inputs, after=None)
