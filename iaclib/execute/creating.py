"""Creates: probe, call, adoption, and what each leaves in state."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.errors import ConflictError, OperationError
from iaclib.execute.handlers import plain_inputs
from iaclib.execute.observe import written
from iaclib.execute.results import Begun, Done, Failed, inputs_digest
from iaclib.execute.run import Step
from iaclib.plan.importing import record_of
from iaclib.state.journal import Began, Ended
from iaclib.state.record import Intent, KeptToken, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iaclib.execute.desk import Desk
    from iaclib.execute.job import Job, Outcome
    from iaclib.execute.task import Task
    from iaclib.plan.node import Node
    from iaclib.state.journal import Entry

    Update = Callable[[Task, Mapping[str, Any], Record, list[Entry], list[Step]], Begun | Done | Failed]


class Creates:
    """Creates objects.

    Args:
        desk: The run's tools.
        update: Goes on with what was adopted: (task, inputs, record, entries
            that record it, steps to report).
    """

    def __init__(self, desk: Desk, update: Update) -> None:
        self.desk = desk
        self.update = update

    def begin(
        self, task: Task, node: Node, inputs: Mapping[str, Any], record: Record | None, *, replacing: bool
    ) -> Begun:
        """Begin to create what a node declares."""
        desk = self.desk
        now = desk.clock.now()
        token, begun, first = desk.token(), now, True
        kept = desk.ledger.state.tokens.get(node.address)
        if kept is not None and hmac.compare_digest(kept.digest, inputs_digest(inputs, kept.token, desk.digest())):
            token, begun, first = kept.token, kept.begun, False
        new = desk.as_declared(
            node, Record(node.address, "", "", uid=token, generation=node.generation, created=now), inputs
        )
        handler, _ = desk.access.of_record(new)
        plain = plain_inputs(inputs)
        by_identity = getattr(handler, "identity", None)  # also beside `find`: some clouds drop the tags of a create
        identity = by_identity(plain) if by_identity is not None else None
        job = desk.jobs.make(
            new, "create", desk.token(), begun=now, token=token, inputs=plain, identity=identity, first=first
        )
        supersedes = replacing and record is not None and bool(record.id)
        intent = Intent(
            job.step, "create", token, new, replacing=replacing, supersedes=supersedes, begun=begun,
        )  # fmt: skip
        settled = desk.parting(node, record)[1] if supersedes and record is not None else []
        call = _Create(self, task, node, job, intent)
        hooks = desk.hooked(
            task, "before_create", new, lambda _outcome: call.begin(), before=None, after=new.inputs, settled=settled
        )
        return hooks or call.begin(settled)


class _Create:
    """One create on its way."""

    def __init__(self, creates: Creates, task: Task, node: Node, job: Job, intent: Intent) -> None:
        self.creates = creates
        self.desk = creates.desk
        self.task = task
        self.node = node
        self.job = job
        self.intent = intent

    def begin(self, settled: list[Entry] | None = None) -> Begun:
        """Look whether the identity is free, where there is one (rule 24), then create."""
        if self.job.identity is not None:
            job = structs.replace(self.job, action="probe", record=self.intent.record)
            return Begun(self.task, "create", job, self.probed, settled=settled or ())
        return self.call(settled)

    def probed(self, outcome: Outcome) -> Begun | Failed:
        """Go on with a create once its identity is known to be free."""
        if outcome.error is not None:
            return Failed(outcome.error, (), self._step(outcome))
        if outcome.live is None:
            self.intent = structs.replace(self.intent, absent=True)
            return self.call()
        existing = outcome.live.id
        holder = self._holder(existing)
        if self.node.adopt and not holder:
            return self.adopt(existing)
        if holder:
            what, todo = f"is recorded at {holder}", "give it another identity, or let only one of them declare it"
        else:
            what = "was not made by this stack"
            todo = "import it by import_id, take it over with Options(adopt=True), or delete it first"
        msg = (
            f"{self.job.address}: create failed: {existing} exists already and {what}, expected it to be absent; {todo}"
        )
        cause = ConflictError(msg, existing_id=existing)
        error = OperationError(msg, urn=self.job.urn, action="create", cause=cause)
        return Failed(error, (), Step(self.job.address, "create", replacing=self.intent.replacing, error=error))

    def call(self, settled: list[Entry] | None = None) -> Begun:
        self.desk.open.add(self.job.address)
        return Begun(self.task, "create", self.job, self.created, settled=settled or (), entries=(Began(self.intent),))

    def created(self, outcome: Outcome) -> Begun | Done | Failed:
        """Record what came of the call."""
        if outcome.undecided:
            return Failed(outcome.error or RuntimeError(), (), self._step(outcome))
        desk, intent = self.desk, self.intent
        desk.open.discard(self.job.address)
        existing = getattr(outcome.cause, "existing_id", None)
        if self.node.adopt and outcome.live is None and existing and not self._holder(existing):
            return self.adopt(existing, [Ended(step=intent.step)])
        step = self._step(outcome)
        if outcome.live is None:
            kept = None
            if outcome.absent:
                digest = inputs_digest(intent.record.inputs, intent.token, desk.digest())
                kept = (intent.record.address, KeptToken(intent.token, digest, intent.begun))
            return Failed(outcome.error or RuntimeError(), [Ended(step=intent.step, keep_token=kept)], step)
        record = written(intent.record, outcome.live, desk.resolver.facts(intent.record.type))
        supersede = record.address if intent.supersedes else None
        if outcome.error is not None:
            record = structs.replace(record, status="failed", repairable=outcome.repairable)
            return Failed(outcome.error, [desk.ledger.put(record, intent.step, supersede=supersede)], step)
        entries = [desk.ledger.put(record, intent.step, supersede=supersede)]
        return desk.ended(self.task, "create", record, step, entries, before=None, after=record.inputs)

    def _step(self, outcome: Outcome) -> Step:
        return self.desk.step(self.job, "create", outcome, replacing=self.intent.replacing)

    # ---------------------------------------------------------------------------------------------------- adopting

    def _holder(self, known: str) -> str:
        """Give the address at which this stack records an id, "" if at none."""
        state, mine = self.desk.ledger.state, self.intent.record
        for one in (*state.records.values(), *state.superseded.values()):
            if one.id == known and one.type == mine.type and one.provider == mine.provider:
                return one.address
        return ""

    def adopt(self, known: str, settled: list[Entry] | None = None) -> Begun:
        """Read the object that is there already, to take it over (rule 32)."""
        job = structs.replace(self.job, action="read", id=known, record=None, begun=self.intent.begun)
        return Begun(
            self.task, "adopt", job, lambda outcome: self.adopted(known, outcome), settled=settled or (), late=True
        )

    def adopted(self, known: str, outcome: Outcome) -> Begun | Done | Failed:
        """Record what is there, and update it where it differs."""
        declared, live = self.node.declared, outcome.live
        if outcome.error is not None:
            return Failed(outcome.error, (), Step(self.job.address, "adopt", id=known, error=outcome.error))
        if live is None or declared is None:
            msg = (
                f"{self.job.address}: adopt failed: {known} is in the way of the create but can't be read, expected to "
                "see it; look at it in the cloud"
            )
            error = OperationError(msg, urn=self.job.urn, action="adopt", cause=None)
            return Failed(error, (), Step(self.job.address, "adopt", id=known, error=error))
        intent = self.intent.record
        record = record_of(
            intent.address,
            declared,
            live,
            intent.inputs,
            intent.generation,
            uid=intent.uid,
            created=intent.created,
            provider=intent.provider,
            options=intent.options,
            dependencies=intent.dependencies,
        )
        old = self.desk.ledger.current(record.address)
        supersede = record.address if old is not None and old.id else None
        entries: list[Entry] = [self.desk.ledger.put(record, supersede=supersede)]
        steps = [Step(record.address, "adopt", id=live.id, seconds=outcome.seconds)]
        return self.creates.update(self.task, intent.inputs, record, entries, steps)
