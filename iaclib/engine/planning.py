"""From a program and its state to a plan: gathers what the planner has to be told, then plans.

Calls handlers only to read what ``import_id`` names; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.engine.gather import gather
from iaclib.model.bulk import collector_paused
from iaclib.model.evaluate import resolve
from iaclib.model.values import UNKNOWN, has_unknown
from iaclib.plan.graph import Graph
from iaclib.plan.importing import to_import
from iaclib.plan.moves import find_moves, moved
from iaclib.plan.planner import make_plan
from iaclib.plan.policy import judge
from iaclib.plan.remedy import remediated
from iaclib.plan.targets import EVERYTHING, Selection, select
from iaclib.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from iaclib.declare.desired import Declared, Desired
    from iaclib.declare.stack import Stack
    from iaclib.engine.observer import Observer
    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.plan.facts import Facts, Found, PlanOptions
    from iaclib.plan.plan import Plan
    from iaclib.state.record import Snapshot


def collected(stack: Stack, settings: Settings) -> Desired:
    """Collect a program, and let policies mend what it declares."""
    return remediated(settings.collect(stack), settings.policies)


class Planning:
    """One planning: a program, its state, and what was asked for.

    Args:
        settings: The engine's.
        observer: Reads from clouds.
        desired: What is declared.
        snapshot: What is recorded.
        options: What was asked for.
        op: The operation whose lease, threads and limits are used, if any.
        known: Addresses beyond those declared that may be needed.
        looked_up: What was read already; None reads what the program looks up.
    """

    def __init__(
        self,
        settings: Settings,
        observer: Observer,
        desired: Desired,
        snapshot: Snapshot,
        options: PlanOptions,
        op: Operation | None = None,
        known: Container[str] = (),
        *,
        looked_up: Mapping[str, Found] | None = None,
    ) -> None:
        self.settings = settings
        self.observer = observer
        self.desired = desired
        self.options = options
        self.op = op
        self.looked_up = looked_up
        self.recorded = snapshot
        with collector_paused():
            self.graph = Graph(desired, known)
        self.pairs = {} if options.destroy else find_moves(desired, snapshot)
        self.snapshot = moved(snapshot, self.pairs)
        self.selection: Selection = select(self.graph, self.snapshot, options, self.pairs)

    def chosen(self) -> list[Record]:
        """Give the records that the plan is about, to be read from the cloud."""
        everything = [*self.recorded.records.values(), *self.recorded.superseded]
        if self.selection is EVERYTHING:
            return [record for record in everything if record.id]
        now = {old: new for new, old in self.pairs.items()}
        return [
            record for record in everything if record.id and now.get(record.address, record.address) in self.selection
        ]

    def plan(self, lineage: str, observed: Mapping[str, Record | None] | None = None) -> Plan:
        """Make the plan.

        Args:
            lineage: The stack's lineage, drawn before for a new one.
            observed: What a refresh saw, by address.

        Raises:
            ApplyFailed: Something to be imported could not be read.
            PlanError: Also where a policy fails.
        """
        with collector_paused():
            facts = gather(
                self.desired, self.snapshot, lineage, self.settings.access, observed, selection=self.selection
            )
        facts = self._imports(facts)
        if not self.options.destroy:
            looked_up = self.looked_up
            if looked_up is None:
                looked_up = looked_up_for(self.settings, self.desired, self.selection, self.op)
            facts = structs.replace(facts, looked_up=looked_up)
        with collector_paused():
            plan = make_plan(self.graph, self.recorded, facts, self.options)
        judge(plan, self.settings.policies)
        return plan

    def _imports(self, facts: Facts) -> Facts:
        records = self.snapshot.records
        missing = {
            address: known
            for address, declared in self.desired.resources.items()
            if address in self.selection
            and not self.options.destroy
            and (known := to_import(declared, records.get(address))) is not None
        }
        if not missing:
            return facts
        stubs = [
            stub_of(self.desired.resources[address], known, facts.providers.get(address))
            for address, known in missing.items()
        ]
        return structs.replace(facts, imports=self.observer.shown(self.desired.ref, stubs, self.op))


def looked_up_for(
    settings: Settings, desired: Desired, addresses: Selection, op: Operation | None
) -> Mapping[str, Found]:
    """Read what a program looks up; where not all of it counts, no more than what counts needs."""
    if not desired.sources:
        return {}
    from iaclib.engine.lookups import look_up, needed_by  # not every program looks something up

    sources = desired.sources
    if addresses.addresses is not None:
        needed = needed_by([[one.inputs, one.trigger] for at, one in desired.resources.items() if at in addresses])
        sources = [source for source in sources if source in needed]
    return look_up(settings, sources, desired.ref, op)


def stub_of(declared: Declared, known: str, provider: Any) -> Record:
    """Give as much of a record as a read of an object needs: inputs as far as they are known beforehand."""
    inputs = resolve(dict(declared.inputs), lambda _address, _field: UNKNOWN)
    return Record(
        declared.address,
        declared.type,
        known,
        inputs={name: value for name, value in inputs.items() if not has_unknown(value)},
        provider=provider,
        version=declared.facts.version,
        defined_by=declared.defined_by,
    )
