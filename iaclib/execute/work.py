"""What each task means: what is done for it, and what is written.

Turns tasks into jobs and outcomes into journal entries; makes no call and
writes nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.errors import PlanDeviationError, PlanError, ProtectedResourceError
from iaclib.execute.creating import Creates
from iaclib.execute.deleting import Deletes
from iaclib.execute.handlers import plain_inputs
from iaclib.execute.observe import before_update, written
from iaclib.execute.results import Begun, Done, Failed
from iaclib.execute.run import Step
from iaclib.execute.task import Kind, Task
from iaclib.model.values import has_unknown
from iaclib.state.journal import Began, Ended
from iaclib.state.record import Intent, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.execute.desk import Desk
    from iaclib.execute.job import Job, Outcome
    from iaclib.plan.node import Node
    from iaclib.state.journal import Entry


class Work:
    """All that a run knows of its tasks.

    Args:
        desk: The run's tools.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.resolver = desk.resolver
        self.ledger = desk.ledger
        self.creates = Creates(desk, self._adopted)
        self.deletes = Deletes(desk)

    @property
    def open(self) -> set[str]:
        """Addresses with a call whose outcome is not known."""
        return self.desk.open

    def settled(self, task: Task) -> None:
        """Note that a task is through: what depends on its record may read it."""
        if task.kind is Kind.MAIN or (task.kind is Kind.GATE and task.node is not None):
            self.resolver.settle(task.address)

    def begin(self, task: Task) -> Begun | Done | Failed:
        """Decide what a ready task does now."""
        match task.kind:
            case Kind.DECIDE:
                return self._decide(task)
            case Kind.DELETE:
                return self.deletes.begin(task)
            case _:
                return self._begin_main(task)

    def _decide(self, task: Task) -> Done:
        """Find out whether something that may be replaced is, before anything is deleted for it."""
        node = _node(task)
        record = self.ledger.current(task.address)
        inputs = self.resolver.inputs(node)
        verdict = self.resolver.verdict(node, record, inputs) if record is not None else ""
        if verdict in ("same", "update"):
            self.desk.dissolved.add(task.address)
            self.resolver.stays(node, updated=verdict == "update")
        else:
            self._check_protected(node)
            self.resolver.check(node, "replace", inputs, record)
            self.resolver.doomed(task.address)
        return Done()

    def _check_protected(self, node: Node) -> None:
        if node.maybe and node.protected:
            msg = (
                f"{node.address}: it is protected and would be replaced now that its inputs are known, "
                "expected no replacement; set protect=False first"
            )
            raise ProtectedResourceError(msg, address=node.address)

    def _begin_main(self, task: Task) -> Begun | Done | Failed:
        node = _node(task)
        record = self.desk.migrated(node, self.ledger.current(node.address))
        action = node.action.value
        if action == "same" and not node.maybe:
            return Done(self.desk.written_only(node, record, node.inputs))
        creating = action != "import" and (record is None or not record.id or (action == "replace" and not node.maybe))
        inputs = self.resolver.inputs(node, creating=creating)
        if has_unknown(inputs):
            names = ", ".join(sorted(name for name, value in inputs.items() if has_unknown(value)))
            msg = (
                f"{node.address}: {names} still unknown although all it depends on is there, expected a value; "
                "check what the output is made of"
            )
            return Failed(PlanError(msg, address=node.address))
        if action == "import":
            self.resolver.check(node, action, inputs, node.record)
            return self._import(task, node, inputs)
        if record is None or not record.id:
            self.resolver.check(node, "replace" if action == "replace" else "create", inputs, record)
            return self.creates.begin(task, node, inputs, record, replacing=action == "replace")
        if action == "create":
            msg = (
                f"{node.address}: it exists although the plan creates it, expected nothing at this address; plan again"
            )
            return Failed(PlanDeviationError(msg, address=node.address), halt=True)
        verdict = "replace" if creating or node.forced else self.resolver.verdict(node, record, inputs)
        if verdict == "unknown":
            verdict = action
        if verdict in ("same", "move"):
            return Done(self.desk.written_only(node, record, inputs))
        if verdict == "update":
            self.resolver.check(node, verdict, inputs, record)
            return self.update(task, inputs, record)
        if action != "replace" or task.address in self.desk.dissolved:
            msg = (
                f"{node.address}: it would have to be replaced now that its inputs are known, "
                f"but the plan says {action}, expected no more than planned; plan and apply again"
            )
            return Failed(PlanDeviationError(msg, address=node.address), halt=True)
        self._check_protected(node)
        if not creating:
            inputs = self.resolver.inputs(node, creating=True)
        self.resolver.check(node, "replace", inputs, record)
        return self.creates.begin(task, node, inputs, record, replacing=True)

    # ---------------------------------------------------------------------------------------------------- updates

    def update(
        self,
        task: Task,
        inputs: Mapping[str, Any],
        record: Record,
        settled: list[Entry] | None = None,
        steps: list[Step] | None = None,
    ) -> Begun:
        """Begin to update an object."""
        desk, node = self.desk, _node(task)
        new = desk.as_declared(node, record, inputs)
        before = before_update(record)
        job = desk.jobs.make(
            new,
            "update",
            desk.token(),
            begun=desk.clock.now(),
            token=desk.token(),
            record=record,
            id=record.id,
            inputs=plain_inputs(inputs),
            before=plain_inputs(before),
        )
        intent = Intent(job.step, "update", job.token, new, before=record, begun=job.begun)
        hooks = desk.hooked(
            task,
            "before_update",
            record,
            lambda _outcome: self._call(task, job, intent, [], []),
            before=before,
            after=inputs,
            settled=settled or (),
        )
        if hooks is None:
            return self._call(task, job, intent, settled or [], steps or [])
        hooks.steps = steps or ()
        return hooks

    def _call(self, task: Task, job: Job, intent: Intent, settled: list[Entry], steps: list[Step]) -> Begun:
        self.desk.open.add(task.address)
        return Begun(
            task,
            "update",
            job,
            lambda outcome: self._updated(task, job, intent, outcome),
            settled=settled,
            entries=(Began(intent),),
            steps=steps,
        )

    def _updated(self, task: Task, job: Job, intent: Intent, outcome: Outcome) -> Begun | Done | Failed:
        desk, before = self.desk, intent.before or intent.record
        step = desk.step(job, "update", outcome)
        if outcome.undecided:
            return Failed(outcome.error or RuntimeError(), (), step)
        desk.open.discard(task.address)
        facts = self.resolver.facts(before.type)
        if outcome.error is not None:
            if outcome.live is None:
                return Failed(outcome.error, [Ended(step=intent.step)], step)
            # Old inputs with what is there now, so that the next run updates again.
            outputs = {**before.outputs, **written(before, outcome.live, facts).outputs}
            return Failed(outcome.error, [self.ledger.put(structs.replace(before, outputs=outputs), intent.step)], step)
        if outcome.live is None:
            return Done([Ended(step=intent.step)], step)
        record = written(intent.record, outcome.live, facts)
        missing = {
            name: value
            for name, value in before.outputs.items()
            if name not in record.outputs and name not in record.inputs
        }
        record = structs.replace(record, outputs={**missing, **record.outputs})
        entries = [self.ledger.put(record, intent.step)]
        return desk.ended(task, "update", record, step, entries, before=before_update(before), after=record.inputs)

    # ---------------------------------------------------------------------------------------- taking over what exists

    def _import(self, task: Task, node: Node, inputs: Mapping[str, Any]) -> Begun | Done | Failed:
        """Record what the plan read, and update it where it differs (rule 32)."""
        if node.record is None:
            msg = f"{node!r} has nothing to import"
            raise AssertionError(msg)
        record = structs.replace(
            self.desk.as_declared(node, node.record, node.record.inputs),
            uid=self.desk.token(),
            created=self.desk.clock.now(),
        )
        steps = [Step(node.address, "import", id=record.id)]
        if node.forgets is not None:
            steps.append(Step(node.address, "forget", id=node.forgets.id))
        return self._adopted(task, inputs, record, [self.ledger.put(record)], steps)

    def _adopted(
        self, task: Task, inputs: Mapping[str, Any], record: Record, entries: list[Entry], steps: list[Step]
    ) -> Begun | Done | Failed:
        """Go on with an object that was taken over."""
        node = _node(task)
        verdict = self.resolver.verdict(node, record, inputs)
        if verdict == "replace":
            msg = (
                f"{node.address}: {record.id} was taken over, but can't be updated to what is declared, expected no "
                "replacement; it is recorded as it is: correct the declaration, or plan its replacement"
            )
            return Failed(PlanDeviationError(msg, address=node.address), entries, steps[0])
        if verdict == "same":
            first, *more = steps
            return Done([*entries, *self.desk.written_only(node, record, inputs)], first, more)
        return self.update(task, inputs, record, entries, steps)


def _node(task: Task) -> Node:
    if task.node is None:
        msg = f"{task!r} has no node"
        raise AssertionError(msg)
    return task.node
