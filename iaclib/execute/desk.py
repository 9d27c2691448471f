"""What turning tasks into calls needs in common: records as declared, jobs, hooks, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.execute.hooks import HookEvent, hooks_of
from iaclib.execute.jobs import Jobs
from iaclib.execute.observe import guarded
from iaclib.execute.results import Begun, Done, Failed, Resolver
from iaclib.execute.run import Step
from iaclib.plan.recorded import recorded_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iaclib.execute.clock import Clock
    from iaclib.execute.handlers import Access
    from iaclib.execute.job import Job, Outcome
    from iaclib.execute.ledger import Ledger
    from iaclib.execute.limits import Limits
    from iaclib.execute.task import Task
    from iaclib.plan.node import Node
    from iaclib.state.journal import Entry
    from iaclib.state.record import Record


class Desk:
    """The tools of one run.

    Args:
        resolver: Turns declarations into final inputs and verdicts.
        ledger: For current records, kept tokens and edges.
        access: Gives handlers and providers.
        limits: Of concurrent calls.
        clock: Tells the time.
        token: Draws step ids and tokens.
        urn: Gives the urn of an address.
        stack: ``project/stack``.
        digest: Gives the sealer's keyed digest, or None where there is no key yet.
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
        digest: Callable[[], Callable[[Any], str] | None],
    ) -> None:
        self.resolver = resolver
        self.ledger = ledger
        self.access = access
        self.clock = clock
        self.jobs = Jobs(access, limits, resolver.facts, urn, stack)
        self.token = token
        self.urn = urn
        self.digest = digest
        self.open: set[str] = set()  # addresses with a call whose outcome is not known
        self.dissolved: set[str] = set()  # "may replace" that were decided against

    # ---------------------------------------------------------------------------------------------------- records

    @staticmethod
    def migrated(node: Node, record: Record | None) -> Record | None:
        """Give a record that an older version of its type wrote as the plan migrated it."""
        declared, planned = node.declared, node.record
        if record is None or declared is None or planned is None or not node.alike:
            return record
        if record.version == declared.facts.version:
            return record
        return structs.replace(
            record,
            inputs=planned.inputs,
            baseline=planned.baseline,
            observed=planned.observed,
            outputs=planned.outputs,
        )

    def as_declared(self, node: Node, record: Record, inputs: Mapping[str, Any]) -> Record:
        """Give a record with everything that its declaration says of it."""
        declared = node.declared
        if declared is None:
            return record
        return structs.replace(
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

    def written_only(self, node: Node, record: Record | None, inputs: Mapping[str, Any]) -> list[Entry]:
        """Give the entries for what changes in state without a call (rule 29)."""
        if record is None:
            return []
        changed = self.as_declared(node, record, inputs)
        changed = guarded(changed, self.resolver.facts(changed.type))
        if record.observed is not None:
            changed = structs.replace(
                changed, baseline=record.observed, observed=None
            )  # the cloud has what is now wanted
        return [] if changed == record else [self.ledger.put(changed)]

    def parting(self, node: Node | None, record: Record) -> tuple[Record, list[Entry]]:
        """Give an object that is about to go with the options of its declaration, which count (rule 29).

        They are written before anything else happens to it, so that they count
        as well for a later run that has to delete it.
        """
        declared = node.declared or node.program if node is not None else None
        if node is None or declared is None:
            return record, []
        if record.type == declared.type:
            options = recorded_options(declared)
        else:
            options = {**record.options, "retain_on_delete": True} if node.retain else dict(record.options)
            if not node.retain:
                options.pop("retain_on_delete", None)
        for name in ("replace_with", "replacement_trigger", "secret_outputs", "delete_hooks"):
            if name in record.options:
                options[name] = record.options[name]
        options.pop("deleted_with", None)
        if node.beside:
            options["deleted_with"] = record.options.get("deleted_with") or [declared.deleted_with, node.beside]
        if options == record.options:
            return record, []
        changed = structs.replace(record, options=options)
        return changed, [self.ledger.put(changed)]

    # ------------------------------------------------------------------------------------------------------- jobs

    def hooked(
        self,
        task: Task,
        name: str,
        of: Record,
        then: Callable[[Outcome], Begun | Done | Failed],
        *,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        settled: Sequence[Entry] = (),
        step: Step | None = None,
    ) -> Begun | None:
        """Begin with a task's hooks of one kind, if there are any.

        Args:
            task: The task.
            name: Which hooks, such as "before_create".
            of: The object.
            then: What follows when they ran well.
            before: Inputs before the operation.
            after: Inputs after it.
            settled: What has happened already.
            step: For hooks after an operation: how that went.
        """
        functions = hooks_of(task.node, name)
        if not functions:
            return None
        event = HookEvent(self.urn(of.address), of.address, of.type, of.id, before, after, dict(of.outputs))
        timed = name.partition("_")[2]
        job = self.jobs.make(of, "hook", timed=timed, begun=self.clock.now(), hooks=functions, event=event)

        def done(outcome: Outcome) -> Begun | Done | Failed:
            if outcome.error is None:
                return then(outcome)
            failed = step or Step(of.address, timed, id=of.id or None)
            return Failed(outcome.error, (), structs.replace(failed, error=outcome.error))

        return Begun(task, f"{name} hook", job, done, settled=settled, late=step is not None)

    def ended(
        self,
        task: Task,
        action: str,
        of: Record,
        step: Step,
        entries: Sequence[Entry],
        *,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> Begun | Done:
        """End a task that succeeded, by its hooks if it has any."""
        hooks = self.hooked(
            task,
            f"after_{action}",
            of,
            lambda _outcome: Done((), step),
            before=before,
            after=after,
            settled=entries,
            step=step,
        )
        return hooks or Done(entries, step)

    def step(self, begun: Job, action: str, outcome: Outcome, *, replacing: bool = False) -> Step:
        """Report how a call went."""
        known = outcome.live.id if outcome.live is not None else begun.id or None
        return Step(begun.address, action, replacing=replacing, id=known, seconds=outcome.seconds, error=outcome.error)
