"""The planner: from declarations, state and facts to a plan. Pure and linear.

Equal arguments give equal plans, byte for byte. It makes no call and reads no
clock; what it must know of the world comes as ``Facts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.errors import PlanError, TargetError
from iaclib.model.addresses import is_within, near
from iaclib.model.outputs import resolve
from iaclib.model.values import UNKNOWN
from iaclib.plan.along import go_along
from iaclib.plan.cascade import Cascade
from iaclib.plan.changes import Action
from iaclib.plan.compare import unknown_in
from iaclib.plan.deciding import Decider
from iaclib.plan.facts import Facts, PlanOptions, view
from iaclib.plan.guards import check_hooks, check_protected
from iaclib.plan.holders import find_holders
from iaclib.plan.moves import find_moves, moved
from iaclib.plan.node import Node
from iaclib.plan.plan import Plan
from iaclib.plan.recorded import read_field, without
from iaclib.plan.removal import removal_order
from iaclib.plan.targets import check_dependents, check_needs, select

if TYPE_CHECKING:
    from iaclib.plan.graph import Graph
    from iaclib.state.record import Record, Snapshot

__all__ = ["Facts", "Node", "Plan", "PlanOptions", "make_plan"]


def make_plan(graph: Graph, snapshot: Snapshot, facts: Facts, options: PlanOptions | None = None) -> Plan:
    """Plan what makes the recorded state the declared one.

    Args:
        graph: What is declared, in order.
        snapshot: What is recorded.
        facts: What else is known.
        options: What was asked for.

    Raises:
        ProtectedResourceError: Protected resources would be deleted or
            replaced; all of them are named.
        TargetError: The targets can't be operated on alone.
        AliasError: An alias is ambiguous.
        PlanError: Two objects would hold one unique key, or a resource insists
            on being created first where it has to be deleted first.
    """
    return _Planner(graph, snapshot, facts, options or PlanOptions()).plan()


class _Planner:
    """The state of one planning."""

    def __init__(self, graph: Graph, snapshot: Snapshot, facts: Facts, options: PlanOptions) -> None:
        self.graph = graph
        self.desired = graph.desired
        self.facts = facts
        self.options = options
        pairs = {} if options.destroy else find_moves(graph.desired, snapshot)
        self.selection = select(graph, moved(snapshot, pairs), options, pairs)
        self.pairs = {new: old for new, old in pairs.items() if new in self.selection}
        self.snapshot = moved(snapshot, self.pairs)
        self.nodes: dict[str, Node] = {}
        self.gone: list[Record] = []
        self.records = self._records()

    def _records(self) -> Mapping[str, Record]:
        """Overlay what a refresh saw; what is gone counts as not there."""
        observed = self.facts.observed
        if observed is None:
            return self.snapshot.records
        records = dict(self.snapshot.records)
        now = {old: new for new, old in self.pairs.items()}
        for address in sorted(observed):
            seen, here = observed[address], now.get(address, address)
            if here not in records or here not in self.selection:
                continue
            if seen is None:
                self.gone.append(records.pop(here))
            else:
                records[here] = _seen(records[here], seen)
        lost = {record.address for record in self.gone}
        for address, record in records.items() if lost else ():
            for name in lost.intersection(record.dependencies):  # as the refresh will write it, so that it is put right
                records[address] = without(records[address], name)
        return records

    def plan(self) -> Plan:
        """Plan it all."""
        selection, declared = self.selection, self.desired.resources
        if self.options.destroy:
            self._remove({address: record for address, record in self.records.items() if address in selection})
        else:
            self._check_replace()
            decider = Decider(
                self.graph, self.snapshot, self.records, self.facts, self.options, self.nodes, self._lookup, self.pairs
            )
            for address in self.graph.order:
                if address in selection:
                    node = self.nodes[address] = decider.node(address, declared[address])
                    if selection.addresses is not None:
                        check_needs(node, selection, self.snapshot, session=self.options.session)
                elif (record := self.records.get(address)) is not None:
                    self.nodes[address] = _untouched(record)
            self._credit()
            self._remove({a: record for a, record in self.records.items() if a not in declared and a in selection})
        superseded = self._superseded()
        withheld = self._withheld()
        replaced = any(node.action is Action.REPLACE for node in self.nodes.values())
        holders, freed = find_holders(self.nodes, superseded, self.facts)
        if replaced or freed:
            Cascade(self.nodes).run()
        go_along(self.nodes, superseded)
        check_dependents(self.nodes, selection, self.snapshot, session=self.options.session)
        check_protected(self.nodes.values())
        check_hooks(self.nodes.values())
        return Plan(
            self.desired,
            self.nodes,
            self.facts,
            serial=self.snapshot.serial,
            outputs=self._outputs(),
            old_outputs=self.snapshot.outputs,
            superseded=sorted(superseded, key=lambda record: (record.address, record.uid, record.id)),
            freed=freed,
            holders=holders,
            gone=self.gone,
            moves=self.pairs,
            withheld=withheld,
            destroy=self.options.destroy,
            partial=selection.addresses is not None,
        )

    # ------------------------------------------------------------------------------------------------------- the rest

    def _remove(self, records: Mapping[str, Record]) -> None:
        """Plan the deletes, in an order in which nothing goes before its recorded dependents."""
        if not records:
            return
        for address in removal_order(records):
            record = records[address]
            node = Node(address, None, record, {}, record.provider, tuple(record.dependencies))
            # Declared options count for what is in the program (rule 29).
            node.program = self.desired.resources.get(address) if self.options.destroy else None
            node.generation = record.generation
            node.action = Action.DELETE if record.id and not node.retain else Action.FORGET
            if not record.id:
                node.explain("its object is deleted already")
            elif node.retain:
                node.explain("retain_on_delete leaves it in the cloud")
            elif not self.options.destroy:
                node.explain("no longer declared")
            self.nodes[address] = node

    def _credit(self) -> None:
        """Say which changes policies made."""
        for address, fields in self.desired.remedies.items():
            node = self.nodes.get(address)
            if node is None or node.action is Action.SAME:
                continue
            fresh = node.action is Action.CREATE or node.forced
            changed = [name for name in fields if fresh or name in node.verdict.changed or name in node.verdict.unknown]
            if changed:
                node.explain(", ".join(f"{name} by policy {fields[name]}" for name in changed))

    def _superseded(self) -> list[Record]:
        """Give the old halves of earlier runs that are to go now (rule 19)."""
        uids = self.options.superseded
        if uids is None:
            return [record for record in self.snapshot.superseded if record.address in self.selection]
        return [record for record in self.snapshot.superseded if record.uid in uids]

    def _withheld(self) -> frozenset[str]:
        """Give what is replaced while something that is not operated on stands on it, in a session."""
        replaced = {node.address for node in self.nodes.values() if node.action is Action.REPLACE}
        if not self.options.session or not replaced:
            return frozenset()
        users = (record for record in self.records.values() if record.address not in self.selection)
        return frozenset(need for record in users for need in replaced.intersection(record.dependencies))

    def _outputs(self) -> Mapping[str, Any]:
        if self.options.destroy:
            return self.snapshot.outputs if self.selection.addresses is not None else {}
        outputs: dict[str, Any] = resolve(dict(self.desired.outputs), self._lookup)
        if self.selection.addresses is None:
            return outputs
        old = self.snapshot.outputs  # what is made of something untargeted that isn't there keeps its value
        kept = {name: old.get(name, UNKNOWN) if unknown_in(value) else value for name, value in outputs.items()}
        return {**old, **{name: value for name, value in kept.items() if value is not UNKNOWN or name in old}}

    def _lookup(self, address: str, field: str) -> Any:
        """Read another resource's field as far as it is known before the apply."""
        looked_up = self.facts.looked_up.get(address)
        if looked_up is not None:
            return looked_up.values.get(field)
        node = self.nodes.get(address)
        if node is None:
            there = self.records.get(address)  # something recorded that is not operated on
            return UNKNOWN if there is None else read_field(there, field)
        action, record = node.action, node.record
        if action is Action.SAME or action is Action.MOVE or (action is Action.IMPORT and node.verdict.quiet):
            if record is None:
                return UNKNOWN
            if field != "id" and field in node.inputs:
                return node.inputs[field]
            return read_field(record, field)
        if field != "id" and field in node.inputs:
            fresh = node.maybe and action is Action.REPLACE and node.declared is not None
            if fresh and node.declared is not None and field in view(node.declared.facts).generated:
                return UNKNOWN  # a new name, if it comes to a replacement
            return node.inputs[field]
        if action in {Action.UPDATE, Action.IMPORT} and record is not None and node.declared is not None:
            if field == "id":
                return record.id
            if field in view(node.declared.facts).stable and field in record.outputs:
                return record.outputs[field]
        return UNKNOWN

    def _check_replace(self) -> None:
        for name in sorted(self.options.replace):
            if not any(is_within(address, name) for address in self.desired.resources):
                hint = near(name, self.desired.resources)
                msg = (
                    f"{name}: asked to be replaced, "
                    f"but not declared, expected an address of the stack; {hint or 'correct it'}"
                )
                raise PlanError(msg, address=name)
            if not any(is_within(address, name) for address in self.desired.resources if address in self.selection):
                msg = f"{name}: asked to be replaced, but no target, expected one of the targets; add it to them"
                raise TargetError(msg, address=name)


def _untouched(record: Record) -> Node:
    return Node(record.address, None, record, {}, record.provider, tuple(record.dependencies))


def _seen(record: Record, seen: Record) -> Record:
    """Give a record, at the address that it has now, as a refresh saw it."""
    if seen.address == record.address:
        return seen
    return structs.replace(record, id=seen.id, outputs=seen.outputs, observed=seen.observed)
