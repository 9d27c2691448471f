"""What each task means: the intent before its call, the entries after it.

Turns tasks into jobs and outcomes into journal entries. Pure but for the
ledger's view of current records; makes no call and writes nothing itself.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import attrs

from iaclib.errors import ConflictError, OperationError, PlanDeviationError, PlanError, ProtectedResourceError
from iaclib.execute.calls import Outcome
from iaclib.execute.handlers import plain_inputs
from iaclib.execute.jobs import Jobs
from iaclib.execute.observe import before_update, written
from iaclib.execute.results import Begun, Done, Failed, Resolver, awaiting, inputs_digest
from iaclib.execute.run import Step
from iaclib.execute.steps import Kind, Task
from iaclib.model.values import has_unknown
from iaclib.state.journal import Began, Ended
from iaclib.state.record import Intent, KeptToken, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iaclib.execute.clock import Clock
    from iaclib.execute.handlers import Access
    from iaclib.execute.ledger import Ledger
    from iaclib.execute.limits import Limits
    from iaclib.plan.node import Node
    from iaclib.state.journal import Entry


class Work:
    """All that a run knows of its tasks.

    Args:
        resolver: Turns declarations into final inputs and verdicts.
        ledger: For current records, kept tokens and edges.
        access: Gives handlers and providers.
        limits: Of concurrent calls.
        token: Draws step ids and tokens.
        urn: Gives the urn of an address.
        digest: The sealer's keyed digest, or None where there is no key.
    """

    def __init__(
        self,
        resolver: Resolver,
        ledger: Ledger,
        access: Access,
        limits: Limits,
        clock: Clock,
        *,
        token: Callable[[], str],
        urn: Callable[[str], str],
        stack: str,
        digest: Callable[[Any], str] | None,
    ) -> None:
        self.resolver = resolver
        self.ledger = ledger
        self.access = access
        self.clock = clock
        self.jobs = Jobs(access, limits, resolver.facts, urn, stack)
        self.token = token
        self.digest = digest
        self.open: dict[str, Begun] = {}  # begun and not completed, by step id
        self._dissolved: set[str] = set()  # "may replace" that were decided against

    def settled(self, task: Task) -> None:
        """Note that a task is through: what depends on its record may read it."""
        if task.kind is Kind.MAIN or (task.kind is Kind.GATE and task.node is not None):
            self.resolver.settle(task.address)

    # ----------------------------------------------------------------------------------------------------- before

    def begin(self, task: Task) -> Begun | Done | Failed:
        """Decide what a ready task does now."""
        match task.kind:
            case Kind.DECIDE:
                return self._decide(task)
            case Kind.DELETE:
                return self._begin_delete(task)
            case _:
                return self._begin_main(task)

    def _decide(self, task: Task) -> Done:
        node = _node(task)
        record = self.ledger.current(task.address)
        inputs = self.resolver.inputs(node)
        if record is not None and self.resolver.verdict(node, record, inputs) in ("same", "update"):
            self._dissolved.add(task.address)
        else:
            self._check_protected(node)
            self.resolver.check(node, "replace", inputs, record)
        return Done()

    def _check_protected(self, node: Node) -> None:
        declared = node.declared
        if node.maybe and declared is not None and declared.options.protect:
            msg = (
                f"{node.address}: it is protected and would be replaced now that its inputs are known, "
                "expected no replacement; set protect=False first"
            )
            raise ProtectedResourceError(msg, address=node.address)

    def _begin_main(self, task: Task) -> Begun | Done | Failed:
        node = _node(task)
        record = self.ledger.current(node.address)
        action = node.action.value
        if action == "same" and not node.maybe:
            return self._write_only(node, record, node.inputs)
        inputs = self.resolver.inputs(node)
        if has_unknown(inputs):
            names = ", ".join(sorted(name for name, value in inputs.items() if has_unknown(value)))
            msg = (
                f"{node.address}: {names} still unknown although all it depends on is there, expected a value; "
                "check what the output is made of"
            )
            return Failed(PlanError(msg, address=node.address))
        if record is None or not record.id:
            return self._begin_create(task, inputs, record, replacing=action == "replace")
        if action == "create":
            msg = (
                f"{node.address}: it exists although the plan creates it, expected nothing at this address; plan again"
            )
            return Failed(PlanDeviationError(msg, address=node.address), halt=True)
        verdict = (
            "replace"
            if action == "replace" and (node.forced or not node.maybe)
            else self.resolver.verdict(node, record, inputs)
        )
        if verdict == "unknown":
            verdict = action
        if verdict == "same":
            return self._write_only(node, record, inputs)
        if verdict == "update":
            return self._begin_update(task, inputs, record)
        if action != "replace" or task.address in self._dissolved:
            msg = (
                f"{node.address}: it would have to be replaced now that its inputs are known, "
                f"but the plan says {action}, expected no more than planned; plan and apply again"
            )
            return Failed(PlanDeviationError(msg, address=node.address), halt=True)
        self._check_protected(node)
        return self._begin_create(task, inputs, record, replacing=True)

    def _write_only(self, node: Node, record: Record | None, inputs: Mapping[str, Any]) -> Done:
        """Write what changed in state without a call (rule 29)."""
        if record is None:
            return Done()
        changed = self._as_declared(node, record, inputs)
        if record.observed is not None:
            changed = attrs.evolve(changed, baseline=record.observed, observed=None)  # the cloud has what is now wanted
        if changed == record:
            return Done()
        return Done([self.ledger.put(changed)])

    def _as_declared(self, node: Node, record: Record, inputs: Mapping[str, Any]) -> Record:
        declared = node.declared
        if declared is None:
            return record
        return attrs.evolve(
            record,
            type=declared.type,
            inputs=dict(inputs),
            dependencies=tuple(node.dependencies),
            parent=declared.parent,
            options=self.resolver.recorded_options(node),
            provider=node.provider,
            version=declared.facts.version,
            defined_by=declared.defined_by,
        )

    def _begin_create(
        self, task: Task, inputs: Mapping[str, Any], record: Record | None, *, replacing: bool
    ) -> Begun | Failed:
        node = _node(task)
        self.resolver.check(node, "replace" if replacing else "create", inputs, record)
        now = self.clock.now()
        token, begun = self.token(), now
        kept = self.ledger.state.tokens.get(node.address)
        if kept is not None and hmac.compare_digest(kept.digest, inputs_digest(inputs, kept.token, self.digest)):
            token, begun = kept.token, kept.begun
        new = self._as_declared(
            node, Record(node.address, "", "", uid=token, generation=node.generation, created=now), inputs
        )
        handler, _ = self.access.of_record(new)
        plain = plain_inputs(inputs)
        identity = None
        by_identity = getattr(handler, "identity", None)
        if by_identity is not None:  # also beside `find`: some clouds drop the tags of a create
            identity = by_identity(plain)
        job = self.jobs.make(
            new, "create", self.token(), begun=now, token=token, inputs=plain, identity=identity, record=new
        )
        intent = Intent(
            job.step,
            "create",
            token,
            new,
            replacing=replacing,
            supersedes=replacing and record is not None and bool(record.id),
            begun=begun,
        )
        if identity is not None:
            probe = attrs.evolve(job, action="probe")
            return Begun(task, "create", node.address, probe, (), intent)
        return self._opened(
            Begun(task, "create", node.address, attrs.evolve(job, record=None), (Began(intent),), intent)
        )

    def _opened(self, begun: Begun) -> Begun:
        self.open[begun.job.step] = begun
        return begun

    def _begin_update(self, task: Task, inputs: Mapping[str, Any], record: Record) -> Begun:
        node = _node(task)
        self.resolver.check(node, "update", inputs, record)
        new = self._as_declared(node, record, inputs)
        step = self.token()
        job = self.jobs.make(
            new,
            "update",
            step,
            begun=self.clock.now(),
            token=self.token(),
            record=record,
            id=record.id,
            inputs=plain_inputs(inputs),
            before=plain_inputs(before_update(record)),
        )
        intent = Intent(step, "update", job.token, new, before=record, begun=job.begun)
        return self._opened(Begun(task, "update", node.address, job, (Began(intent),), intent))

    def _begin_delete(self, task: Task) -> Begun | Done:
        record = task.record
        if record is None:
            return Done()
        node = task.node
        old_half = task.superseded or (not task.early and node is not None and node.action.value == "replace")
        if task.early and task.address in self._dissolved:
            return Done()
        if old_half:
            old = self.ledger.superseded(record.uid)
            if old is None:
                return Done()  # it was not replaced after all
            record = old
        else:
            current = self.ledger.current(task.address)
            if current is None:
                return Done()
            record = current
        if (
            not record.id
            or record.options.get("retain_on_delete")
            or (node is not None and node.action.value == "forget")
        ):
            return Done(self._gone(task, record), Step(task.address, "forget", id=record.id) if record.id else None)
        replacing = bool(node is not None and node.action.value == "replace")
        step = self.token()
        job = self.jobs.make(
            record,
            "delete",
            step,
            begun=self.clock.now(),
            token=self.token(),
            record=record,
            id=record.id,
            on_delete=dict(record.options.get("on_delete") or {}),
        )
        intent = Intent(step, "delete", job.token, record, replacing=replacing, begun=job.begun)
        return self._opened(Begun(task, "delete", task.address, job, (Began(intent),), intent))

    def _gone(self, task: Task, record: Record, step: str = "") -> list[Entry]:
        node = task.node
        if self.ledger.superseded(record.uid) is not None:
            return [Ended(step=step, drop_superseded=record.uid)]
        if node is not None and node.action.value == "replace":
            return [self.ledger.put(awaiting(record), step)]
        return list(self.ledger.drop(record.address, step))

    # ------------------------------------------------------------------------------------------------------ after

    def complete(self, begun: Begun, outcome: Outcome) -> Begun | Done | Failed:
        """Turn an outcome into what is written and reported."""
        if begun.job.action == "probe":
            return self._probed(begun, outcome)
        intent = begun.intent
        if intent is None:
            return Done()
        if outcome.undecided:
            return Failed(outcome.error or RuntimeError(), (), self._step(begun, outcome))
        self.open.pop(begun.job.step, None)
        match begun.action:
            case "create":
                entries = self._created(intent, outcome)
            case "update":
                entries = self._updated(intent, outcome)
            case _:
                entries = (
                    self._gone(begun.task, intent.record, intent.step)
                    if outcome.error is None
                    else [Ended(step=intent.step)]
                )
        step = self._step(begun, outcome)
        if outcome.error is not None:
            return Failed(outcome.error, entries, step)
        return Done(entries, step)

    def _probed(self, begun: Begun, outcome: Outcome) -> Begun | Failed:
        """Go on with a create once its identity is known to be free (rule 24)."""
        intent, job = begun.intent, begun.job
        if outcome.error is not None:
            return Failed(outcome.error, (), self._step(begun, outcome))
        if outcome.live is not None or intent is None:
            existing = outcome.live.id if outcome.live is not None else None
            msg = (
                f"{begun.address}: create failed: {existing} exists already and was not made by this stack, "
                "expected it to be absent; "
                "import it, or delete it first"
            )
            cause = ConflictError(msg, existing_id=existing)
            error = OperationError(msg, urn=job.urn, action="create", cause=cause)
            return Failed(
                error,
                (),
                Step(
                    begun.address, "create", replacing=begun.intent is not None and begun.intent.replacing, error=error
                ),
            )
        intent = attrs.evolve(intent, absent=True)
        return self._opened(
            Begun(
                begun.task,
                "create",
                begun.address,
                attrs.evolve(job, action="create", record=None),
                (Began(intent),),
                intent,
            )
        )

    def _created(self, intent: Intent, outcome: Outcome) -> list[Entry]:
        facts = self.resolver.facts(intent.record.type)
        if outcome.live is None:
            if outcome.absent:
                kept = KeptToken(
                    intent.token, inputs_digest(intent.record.inputs, intent.token, self.digest), intent.begun
                )
                return [Ended(step=intent.step, keep_token=(intent.record.address, kept))]
            return [Ended(step=intent.step)]
        record = written(intent.record, outcome.live, facts)
        if outcome.error is not None:
            record = attrs.evolve(record, status="failed", repairable=outcome.repairable)
        return [self.ledger.put(record, intent.step, supersede=record.address if intent.supersedes else None)]

    def _updated(self, intent: Intent, outcome: Outcome) -> list[Entry]:
        before = intent.before or intent.record
        facts = self.resolver.facts(before.type)
        if outcome.live is None:
            return [Ended(step=intent.step)]
        if outcome.error is not None:  # old inputs with what is there now, so that the next run updates again
            outputs = {**before.outputs, **written(before, outcome.live, facts).outputs}
            return [self.ledger.put(attrs.evolve(before, outputs=outputs), intent.step)]
        record = written(intent.record, outcome.live, facts)
        missing = {
            name: value
            for name, value in before.outputs.items()
            if name not in record.outputs and name not in record.inputs
        }
        return [self.ledger.put(attrs.evolve(record, outputs={**missing, **record.outputs}), intent.step)]

    def _step(self, begun: Begun, outcome: Outcome) -> Step:
        intent = begun.intent
        known = outcome.live.id if outcome.live is not None else begun.job.id or None
        return Step(
            begun.address,
            begun.action,
            replacing=intent is not None and intent.replacing,
            id=known,
            seconds=outcome.seconds,
            error=outcome.error,
        )


def _node(task: Task) -> Node:
    if task.node is None:
        msg = f"{task!r} has no node"
        raise AssertionError(msg)
    return task.node
