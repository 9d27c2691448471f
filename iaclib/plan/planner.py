"""The planner: from declarations, state and facts to a plan. Pure and linear.

Equal arguments give equal plans, byte for byte. It makes no call and reads no
clock; what it must know of the world comes as ``Facts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from iaclib.errors import PlanError, ProtectedResourceError, StateVersionError
from iaclib.model.addresses import near
from iaclib.model.outputs import resolve
from iaclib.model.values import UNKNOWN
from iaclib.plan.cascade import Cascade
from iaclib.plan.changes import Action
from iaclib.plan.compare import same
from iaclib.plan.facts import Facts, PlanOptions, view
from iaclib.plan.holders import find_holders
from iaclib.plan.node import Node
from iaclib.plan.plan import Plan, resolved_inputs
from iaclib.plan.removal import removal_order
from iaclib.plan.resolve import check_resolved, read_field, recorded_options
from iaclib.plan.verdict import SAME, Verdict, evaluate, kept_key

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared
    from iaclib.plan.graph import Graph
    from iaclib.state.record import ProviderRecord, Record, Snapshot

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
        PlanError: Two objects would hold one unique key, or a resource insists
            on being created first where it has to be deleted first.
    """
    return _Planner(graph, snapshot, facts, options or PlanOptions()).plan()


class _Planner:
    """The state of one planning."""

    def __init__(self, graph: Graph, snapshot: Snapshot, facts: Facts, options: PlanOptions) -> None:
        self.graph = graph
        self.desired = graph.desired
        self.snapshot = snapshot
        self.facts = facts
        self.options = options
        self.default_tags = facts.default_tags
        self.stack = graph.desired.ref.name
        self.nodes: dict[str, Node] = {}
        self.gone: list[Record] = []
        self.records = self._records()
        self.moves: dict[tuple[int, int, bool], tuple[bool, ProviderRecord | None, bool]] = {}
        self.recorded: dict[int, dict[str, Any]] = {}

    def _records(self) -> Mapping[str, Record]:
        """Overlay what a refresh saw; what is gone counts as not there."""
        observed = self.facts.observed
        if observed is None:
            return self.snapshot.records
        records = dict(self.snapshot.records)
        for address in sorted(observed.keys() & records.keys()):
            seen = observed[address]
            if seen is None:
                self.gone.append(records.pop(address))
            else:
                records[address] = seen
        return records

    def plan(self) -> Plan:
        """Plan it all."""
        if self.options.destroy:
            self._remove(self.records)
        else:
            self._check_replace()
            for address in self.graph.order:
                self.nodes[address] = self._node(address, self.desired.resources[address])
            declared = self.desired.resources
            self._remove({address: record for address, record in self.records.items() if address not in declared})
        replaced = any(node.action is Action.REPLACE for node in self.nodes.values())
        holders, freed = find_holders(self.nodes, self.snapshot.superseded, self.facts)
        if replaced or freed:
            Cascade(self.nodes, freed).run()
        self._check_protected()
        outputs: Mapping[str, Any] = {}
        if not self.options.destroy:
            outputs = resolve(dict(self.desired.outputs), self._lookup)
        return Plan(
            self.desired,
            self.nodes,
            self.facts,
            serial=self.snapshot.serial,
            outputs=outputs,
            old_outputs=self.snapshot.outputs,
            superseded=sorted(self.snapshot.superseded, key=lambda record: (record.address, record.uid, record.id)),
            freed=freed,
            holders=holders,
            gone=self.gone,
            destroy=self.options.destroy,
        )

    # ------------------------------------------------------------------------------------------------- declared ones

    def _node(self, address: str, declared: Declared) -> Node:
        record = self.records.get(address)
        dependencies = self.graph.dependencies[address]
        node = Node(address, declared, record, {}, self.facts.providers.get(address), dependencies)
        if record is None:
            self._plan_create(node, declared)
            return node
        if record.version != declared.facts.version and record.type == declared.type:
            node.record = record = _upgraded(record, declared)
        node.generation = record.generation
        if not record.id or record.status == "awaiting_create":
            node.explain("its old object is deleted already, the new one is still missing")
            node.generation += 1
            self._create(node, declared)
            return node
        forced = self._forced(node, declared, record)
        if forced:
            node.action, node.forced = Action.REPLACE, True
            node.explain(forced)
            node.generation += 1
            node.inputs = resolved_inputs(node, self._lookup, self.facts, self.stack)
            if record.type == declared.type:
                node.verdict = self._verdict(node, declared, record)
        else:
            self._plan_existing(node, declared, record)
        if node.action is Action.REPLACE:
            self._choose_order(node, declared, record)
        if node.action is not Action.SAME:
            check_resolved(declared, node.inputs)
        return node

    def _plan_create(self, node: Node, declared: Declared) -> None:
        node.generation = self.snapshot.generations.get(node.address, 0) + 1
        if self.facts.observed is not None and node.address in self.facts.observed:
            was = self.snapshot.records.get(node.address)
            node.generation = max(node.generation, was.generation + 1 if was is not None else 1)
            node.explain("it is gone from the cloud")
        self._create(node, declared)

    def _create(self, node: Node, declared: Declared) -> None:
        node.action = Action.CREATE
        node.inputs = resolved_inputs(node, self._lookup, self.facts, self.stack)
        check_resolved(declared, node.inputs)

    def _plan_existing(self, node: Node, declared: Declared, record: Record) -> None:
        """Compare an object with its declaration."""
        seen = view(declared.facts)
        if declared.has_expr or seen.fills or declared.options.ignore_changes or node.address in self.default_tags:
            node.inputs = resolved_inputs(node, self._lookup, self.facts, self.stack)
        else:
            node.inputs = declared.inputs
        verdict = evaluate(record, node.inputs, seen, self.facts, declared.options.ignore_changes)
        if verdict is SAME:
            node.rewrite = self._rewrites(node, declared, record)
            return
        node.verdict = verdict
        node.action, node.maybe = verdict.action, verdict.maybe
        if verdict.action is Action.SAME:
            node.rewrite = True
            return
        if record.status == "failed":
            node.explain("its last operation failed half way, this finishes it")
        if record.observed is not None:
            drift = [name for name in verdict.changed if same(node.inputs.get(name), record.inputs.get(name))]
            if drift:
                node.explain(f"changed outside of iaclib: {', '.join(drift)}")
        if verdict.action is Action.REPLACE:
            node.generation += 1
            node.inputs = self._fresh(node, declared)
            if node.maybe:
                node.explain(f"only an apply can tell whether {', '.join(verdict.forcing)} changes")
        elif node.maybe:
            node.explain(f"only an apply can tell whether {', '.join(verdict.unknown)} changes")

    def _fresh(self, node: Node, declared: Declared) -> Mapping[str, Any]:
        """Resolve again for a replacement, where names are to be made anew."""
        return (
            resolved_inputs(node, self._lookup, self.facts, self.stack)
            if view(declared.facts).generated
            else node.inputs
        )

    def _verdict(self, node: Node, declared: Declared, record: Record) -> Verdict:
        return evaluate(record, node.inputs, view(declared.facts), self.facts, declared.options.ignore_changes)

    def _forced(self, node: Node, declared: Declared, record: Record) -> str:
        """Say why the object is replaced whatever its inputs are, or "" if it is not."""
        if record.type != declared.type:
            return f"its type changes from {record.type} to {declared.type}"
        moved, node.provider, changed = self._provider(record.provider, node.provider, declared.facts.is_global)
        node.rewrite = changed and not moved
        if moved and record.provider is not None and node.provider is not None:
            return f"it moves from {_where(record.provider)} to {_where(node.provider)}"
        if record.status == "tainted":
            return "it is tainted"
        if record.status == "failed" and not record.repairable:
            return "its creation failed half way"
        if node.address in self.options.replace:
            return "as asked for"
        return ""

    def _provider(
        self, old: ProviderRecord | None, new: ProviderRecord | None, is_global: bool
    ) -> tuple[bool, ProviderRecord | None, bool]:
        """Tell whether the account or region changes, which record to keep, and whether it is another."""
        if old is new:
            return False, old, False
        key = (id(old), id(new), is_global)
        found = self.moves.get(key)
        if found is None:
            found = self.moves[key] = _move(old, new, is_global=is_global)
        return found

    def _rewrites(self, node: Node, declared: Declared, record: Record) -> bool:
        """Tell whether the record changes although the object doesn't (rule 29)."""
        options = self.recorded.get(id(declared.options))
        if options is None:
            options = self.recorded[id(declared.options)] = recorded_options(declared)
        return (
            node.rewrite
            or record.version != declared.facts.version
            or record.parent != declared.parent
            or record.defined_by != declared.defined_by
            or (node.dependencies != record.dependencies and list(node.dependencies) != list(record.dependencies))
            or record.options != options
        )

    def _choose_order(self, node: Node, declared: Declared, record: Record) -> None:
        """Choose which half of a replacement comes first (rules 4 and 5)."""
        chosen = declared.options.delete_before_replace
        if chosen is not None:
            node.delete_first = chosen
            node.explain(f"delete_before_replace={chosen}")
        elif record.type == declared.type and not self._moves(record, node, declared):
            kept = kept_key(record, node.inputs, view(declared.facts), self.facts)
            if kept is not None:
                node.delete_first = True
                what = f"{' and '.join(kept)} {'keeps its value' if len(kept) == 1 else 'keep their values'}"
                node.explain(f"{what if kept else 'its identity stays'}, so old and new can't coexist")

    def _moves(self, record: Record, node: Node, declared: Declared) -> bool:
        return self._provider(record.provider, node.provider, declared.facts.is_global)[0]

    # ------------------------------------------------------------------------------------------------------- the rest

    def _remove(self, records: Mapping[str, Record]) -> None:
        """Plan the deletes, in an order in which nothing goes before its recorded dependents."""
        if not records:
            return
        for address in removal_order(records):
            record = records[address]
            declared = self.desired.resources.get(address) if self.options.destroy else None
            node = Node(address, None, record, {}, record.provider, tuple(record.dependencies))
            node.generation = record.generation
            node.action = Action.DELETE if record.id else Action.FORGET
            if not record.id:
                node.explain("its object is deleted already")
            elif not self.options.destroy:
                node.explain("no longer declared")
            if declared is not None and record.options.get("protect", False) != declared.options.protect:
                # Declared options count for what is in the program (rule 29).
                node.record = attrs.evolve(record, options={**record.options, "protect": declared.options.protect})
            self.nodes[address] = node

    def _lookup(self, address: str, field: str) -> Any:
        """Read another resource's field as far as it is known before the apply."""
        looked_up = self.facts.looked_up.get(address)
        if looked_up is not None:
            return looked_up.get(field)
        node = self.nodes[address]
        action = node.action
        if action is Action.SAME and node.record is not None:
            if field != "id" and field in node.inputs:
                return node.inputs[field]
            return read_field(node.record, field)
        if field != "id" and field in node.inputs:
            fresh = node.maybe and action is Action.REPLACE and node.declared is not None
            if fresh and node.declared is not None and field in view(node.declared.facts).generated:
                return UNKNOWN  # a new name, if it comes to a replacement
            return node.inputs[field]
        if action is Action.UPDATE and node.record is not None and node.declared is not None:
            if field == "id":
                return node.record.id
            if field in view(node.declared.facts).stable and field in node.record.outputs:
                return node.record.outputs[field]
        return UNKNOWN

    def _check_replace(self) -> None:
        for address in sorted(self.options.replace):
            if address not in self.desired.resources:
                hint = near(address, self.desired.resources)
                msg = (
                    f"{address}: asked to be replaced, "
                    f"but not declared, expected an address of the stack; {hint or 'correct it'}"
                )
                raise PlanError(msg, address=address)

    def _check_protected(self) -> None:
        """Refuse deletes and replacements of protected resources, all at once (rule 26)."""
        offenders = [
            node
            for node in self.nodes.values()
            if node.protected and (node.action is Action.DELETE or (node.action is Action.REPLACE and not node.maybe))
        ]
        if not offenders:
            return
        lines = [_refusal(node) for node in offenders]
        raise ProtectedResourceError("\n".join(lines), addresses=tuple(node.address for node in offenders))


def _refusal(node: Node) -> str:
    what = "deleted" if node.action is Action.DELETE else "replaced"
    why = node.reason
    if not why and node.verdict.forcing:
        why = f"{', '.join(node.verdict.forcing)} changes"
    if node.record is not None and node.record.status == "failed":
        remedy = "look at the object, then untaint it or set protect=False"
    elif node.declared is None:
        remedy = "declare it again with protect=False and apply first"
    else:
        remedy = "set protect=False if this is meant"
    because = f" ({why})" if why else ""
    return f"{node.address}: it is protected and would be {what}{because}, expected it to stay; {remedy}"


def _where(provider: ProviderRecord) -> str:
    return " ".join(part for part in (provider.name, provider.account, provider.region) if part)


def _move(
    old: ProviderRecord | None, new: ProviderRecord | None, *, is_global: bool
) -> tuple[bool, ProviderRecord | None, bool]:
    """Compare identities: an unknown one is filled in, and never counts as a move."""
    if old is None or new is None:
        return False, new or old, new is not None
    moved = (
        old.name != new.name
        or bool(old.account and new.account and old.account != new.account)
        or bool(not is_global and old.region and new.region and old.region != new.region)
    )
    if not moved and ((old.account and not new.account) or (old.region and not new.region)):
        new = attrs.evolve(new, account=new.account or old.account, region=new.region or old.region)
    return moved, new, old != new


def _upgraded(record: Record, declared: Declared) -> Record:
    """Bring a record of an older version of its type up to date."""
    wanted = declared.facts.version
    if record.version > wanted:
        msg = (
            f"{record.address}: recorded by version {record.version} of {record.type}, expected at most {wanted}; "
            "use the program's newer version"
        )
        raise StateVersionError(msg, address=record.address)
    upgrade = getattr(declared.cls, "upgrade", None)
    if upgrade is None:
        return record
    return attrs.evolve(record, inputs=dict(upgrade(dict(record.inputs), record.version)))
