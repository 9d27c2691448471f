"""What happens to one declared resource: the rules of replacing, importing and comparing.

Looks at a declaration, its record, and what was decided for the resources that
it needs. The order of steps, removals and cascades are decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from iaclib.errors import PlanError
from iaclib.model.addresses import is_within
from iaclib.plan.changes import Action
from iaclib.plan.compare import same
from iaclib.plan.facts import Facts, PlanOptions, view
from iaclib.plan.identity import Identities, describe
from iaclib.plan.importing import imported, to_import
from iaclib.plan.node import Node
from iaclib.plan.recorded import outdated, recorded_options, trigger_of, triggered
from iaclib.plan.resolve import check_resolved, resolved_inputs
from iaclib.plan.upgrades import upgraded
from iaclib.plan.verdict import SAME, Verdict, evaluate, kept_key

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared
    from iaclib.plan.graph import Graph
    from iaclib.state.record import Record, Snapshot


class Decider:
    """Decides one declared resource after the other, dependencies first.

    Args:
        graph: What is declared.
        snapshot: What is recorded, at the addresses that it has now.
        records: The same as a refresh saw it; what is gone is left out.
        facts: What else is known.
        options: What was asked for.
        nodes: What is decided so far; the caller puts each node there.
        lookup: Gives a field of a resource as far as it is known.
        pairs: new -> old address of what moves.
    """

    def __init__(  # noqa: PLR0917 - what a decision looks at
        self,
        graph: Graph,
        snapshot: Snapshot,
        records: Mapping[str, Record],
        facts: Facts,
        options: PlanOptions,
        nodes: Mapping[str, Node],
        lookup: Callable[[str, str], Any],
        pairs: Mapping[str, str],
    ) -> None:
        self.graph = graph
        self.snapshot = snapshot
        self.records = records
        self.facts = facts
        self.options = options
        self.nodes = nodes
        self.lookup = lookup
        self.pairs = pairs
        self.default_tags = facts.default_tags
        self.stack = graph.desired.ref.name
        self.identities = Identities()
        self.recorded: dict[int, dict[str, Any]] = {}
        self.holders: dict[Any, str] | None = None

    def node(self, address: str, declared: Declared) -> Node:
        """Decide what happens to a declared resource; those that it needs are decided.

        Raises:
            PlanError: It can't be done.
        """
        record = self.records.get(address)
        node = Node(address, declared, record, {}, self.facts.providers.get(address), self.graph.dependencies[address])
        if address in self.pairs:
            node.moved = self.pairs[address]
            node.explain(f"moved from {node.moved}")
        node.adopt = bool(declared.options.adopt) or (self.options.adopt and declared.options.adopt is None)
        known = to_import(declared, record)
        if known is not None:
            self._import(node, declared, known)
            return node
        if record is None:
            self._plan_create(node, declared)
            return node
        if address in self.facts.retyped:
            node.retyped = True
            node.explain(f"its type was called {record.type}")
        if record.version != declared.facts.version and node.alike:
            node.record = record = upgraded(record, declared)
        node.generation = record.generation
        if not record.id or record.status == "awaiting_create":
            node.explain("its old object is deleted already, the new one is still missing")
            node.generation += 1
            self._create(node, declared)
            return node
        forced, perhaps = self._forced(node, declared, record)
        if forced:
            node.action, node.forced = Action.REPLACE, True
            node.explain(forced)
            node.generation += 1
            node.inputs = resolved_inputs(node, self.lookup, self.facts, self.stack)
            if node.alike:
                node.verdict = self._verdict(node, declared, record)
        else:
            self._plan_existing(node, declared, record)
            if perhaps and (node.action is not Action.REPLACE or node.maybe):
                self._perhaps(node, declared, perhaps)
        if node.action is Action.REPLACE:
            self._choose_order(node, declared, record)
        elif node.action is Action.SAME and node.moved:
            node.action = Action.MOVE
        if node.action is not Action.SAME:
            check_resolved(declared, node.inputs)
        return node

    def _plan_create(self, node: Node, declared: Declared) -> None:
        node.generation = self.snapshot.generations.get(node.address, 0) + 1
        was = self.snapshot.records.get(node.address)
        if was is not None:  # a refresh found it gone
            node.generation = max(node.generation, was.generation + 1)
            node.explain("it is gone from the cloud")
        self._create(node, declared)

    def _create(self, node: Node, declared: Declared) -> None:
        node.action = Action.CREATE
        node.inputs = resolved_inputs(node, self.lookup, self.facts, self.stack)
        check_resolved(declared, node.inputs)

    def _import(self, node: Node, declared: Declared, known: str) -> None:
        """Take over an object that exists, and update it where it differs (rule 32)."""
        old = node.record
        node.generation = (old.generation if old is not None else self.snapshot.generations.get(node.address, 0)) + 1
        node.record = None
        node.inputs = resolved_inputs(node, self.lookup, self.facts, self.stack)
        check_resolved(declared, node.inputs)
        node.record = record = imported(node, declared, known, self.facts, self._holder(node, declared, known))
        node.inputs = resolved_inputs(node, self.lookup, self.facts, self.stack)  # with the names that it has
        node.verdict = self._verdict(node, declared, record)
        if node.verdict.action is Action.REPLACE:
            names = ", ".join(node.verdict.forcing)
            msg = (
                f"{node.address}: {known} can't be imported as declared: {names} would replace it, expected an object "
                f"that can be updated; declare {names} as it is in the cloud, in {declared.location}"
            )
            raise PlanError(msg, address=node.address)
        node.action = Action.IMPORT
        if old is not None and old.id:
            node.forgets = old
            node.explain(f"{known} takes the place of {old.id}, which is left in the cloud")

    def _plan_existing(self, node: Node, declared: Declared, record: Record) -> None:
        """Compare an object with its declaration."""
        seen = view(declared.facts)
        if declared.expressions or seen.fills or declared.options.ignore_changes or node.address in self.default_tags:
            node.inputs = resolved_inputs(node, self.lookup, self.facts, self.stack)
        else:
            node.inputs = declared.inputs
        verdict = evaluate(record, node.inputs, seen, self.facts, declared.options)
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

    def _perhaps(self, node: Node, declared: Declared, why: str) -> None:
        """Plan a replacement of which only an apply can tell whether it comes (rule 7)."""
        if node.action is not Action.REPLACE:
            node.generation += 1
        node.action, node.maybe = Action.REPLACE, True
        node.explain(why)
        node.inputs = self._fresh(node, declared)

    def _fresh(self, node: Node, declared: Declared) -> Mapping[str, Any]:
        """Resolve again for a replacement, where names are to be made anew."""
        if view(declared.facts).generated or not node.inputs:
            return resolved_inputs(node, self.lookup, self.facts, self.stack)
        return node.inputs

    def _verdict(self, node: Node, declared: Declared, record: Record) -> Verdict:
        return evaluate(record, node.inputs, view(declared.facts), self.facts, declared.options)

    def _forced(self, node: Node, declared: Declared, record: Record) -> tuple[str, str]:
        """Say why the object is replaced whatever its inputs are, and why it may be; "" for neither."""
        if not node.alike:
            return f"its type changes from {record.type} to {declared.type}", ""
        changes, node.provider, other = self.identities.compare(
            record.provider, node.provider, is_global=declared.facts.is_global
        )
        node.rewrite = other and not changes
        if changes and record.provider is not None and node.provider is not None:
            return f"it moves from {describe(record.provider)} to {describe(node.provider)}", ""
        if record.status == "tainted":
            return "it is tainted", ""
        if record.status == "failed" and not record.repairable:
            return "its creation failed half way", ""
        if self.options.replace and any(is_within(node.address, name) for name in self.options.replace):
            return "as asked for", ""
        return self._follows(declared, record) if declared.linked else ("", "")

    def _follows(self, declared: Declared, record: Record) -> tuple[str, str]:
        """Say whether what it follows is replaced, or its trigger changes (rule 7)."""
        sure = outdated(declared, record, self._uid)
        perhaps: list[str] = []
        for name in declared.follows:
            node = self.nodes.get(name)
            if node is None or node.record is None or name in sure:
                continue
            if node.action is Action.REPLACE:
                (perhaps if node.maybe else sure).append(name)
        if sure:
            return f"it is replaced with {' and '.join(dict.fromkeys(sure))}", ""
        trigger = triggered(record, trigger_of(declared, self.lookup))
        if trigger:
            return "its replacement trigger changes", ""
        reasons = [f"{name} is replaced" for name in perhaps]
        if trigger is None:
            reasons.append("its replacement trigger changes")
        return "", f"only an apply can tell whether {' or '.join(reasons)}" if reasons else ""

    def _uid(self, address: str) -> str | None:
        """Give the uid of the object that will be at an address, as far as that is known."""
        node = self.nodes.get(address)
        if node is None:
            record = self.records.get(address)
            return record.uid if record is not None else None
        if node.action is Action.CREATE:
            return ""  # another object than any that was there
        if node.action is Action.REPLACE:
            return None
        return node.record.uid if node.record is not None else None

    def _rewrites(self, node: Node, declared: Declared, record: Record) -> bool:
        """Tell whether the record changes although the object doesn't (rule 29)."""
        options = self.recorded.get(id(declared.options)) if not declared.linked else None
        if options is None:
            options = recorded_options(declared, self._uid, trigger_of(declared, self.lookup))
            if not declared.linked:
                self.recorded[id(declared.options)] = options
        return (
            node.rewrite
            or record.version != declared.facts.version
            or record.type != declared.type
            or record.parent != declared.parent
            or record.defined_by != declared.defined_by
            or (node.dependencies != record.dependencies and list(node.dependencies) != list(record.dependencies))
            or record.options != options
        )

    def _choose_order(self, node: Node, declared: Declared, record: Record) -> None:
        """Choose which half of a replacement comes first (rules 4 and 5)."""
        kept = None
        if node.alike and not self._leaves(record, node, declared):
            kept = kept_key(record, node.inputs, view(declared.facts), self.facts)
        if kept is not None and node.retain:
            msg = (
                f"{node.address}: its replacement would have the {' and '.join(kept) or 'identity'} of the old object, "
                "which retain_on_delete leaves in the cloud, expected a key that is free; change it, or drop "
                f"retain_on_delete in {declared.location}"
            )
            raise PlanError(msg, address=node.address)
        chosen = declared.options.delete_before_replace
        if chosen is not None:
            node.delete_first = chosen
            node.explain(f"delete_before_replace={chosen}")
        elif kept is not None:
            node.delete_first = True
            what = f"{' and '.join(kept)} {'keeps its value' if len(kept) == 1 else 'keep their values'}"
            node.explain(f"{what if kept else 'its identity stays'}, so old and new can't coexist")
        elif declared.facts.delete_first and node.alike and not self._leaves(record, node, declared):
            node.delete_first = True
            node.explain("of its type old and new can't coexist")

    def _leaves(self, record: Record, node: Node, declared: Declared) -> bool:
        return self.identities.compare(record.provider, node.provider, is_global=declared.facts.is_global)[0]

    def _holder(self, node: Node, declared: Declared, known: str) -> str:
        """Give the address at which an id is recorded, "" if at none."""
        if self.holders is None:
            self.holders = {
                (record.type, record.id, record.provider and record.provider.identity): record.address
                for record in self.records.values()
            }
        return self.holders.get((declared.type, known, node.provider and node.provider.identity), "")
