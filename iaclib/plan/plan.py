"""The plan: all changes of a stack, as a value that people and the executor read.

Built by the planner. Changes are made when somebody looks at them, so that a
plan in which nothing changes costs next to nothing.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from iaclib.errors import PlanDeviationError, PlanError
from iaclib.model.addresses import StackRef, near
from iaclib.model.assets import Asset
from iaclib.model.values import MASK, UNKNOWN, Secret
from iaclib.plan.changes import Action, Change, Violation
from iaclib.plan.compare import is_list, same, unknown_in
from iaclib.plan.describing import change_of, forgotten_change, read_change, superseded_change
from iaclib.plan.facts import Facts, Found, view
from iaclib.plan.holders import held_message
from iaclib.plan.node import Node
from iaclib.plan.queries import Queries
from iaclib.plan.recorded import outdated, trigger_of, triggered
from iaclib.plan.resolve import Lookup, check_resolved, resolved_inputs
from iaclib.plan.verdict import evaluate, kept_key, unique_keys

if TYPE_CHECKING:
    from iaclib.declare.desired import Desired
    from iaclib.plan.file import SavedPlan, Sealing
    from iaclib.state.record import Record


class Plan(Queries):
    """What applying would do, and nothing more.

    Made by ``Engine.plan``; true if anything would change, exports included.
    """

    def __init__(  # noqa: PLR0913 - what a planner knows at its end
        self,
        desired: Desired,
        nodes: dict[str, Node],
        facts: Facts,
        *,
        serial: int,
        outputs: Mapping[str, Any],
        old_outputs: Mapping[str, Any],
        superseded: Sequence[Record] = (),
        freed: Sequence[tuple[str, str]] = (),
        holders: Mapping[tuple[Any, ...], str] | None = None,
        gone: Sequence[Record] = (),
        moves: Mapping[str, str] | None = None,
        withheld: frozenset[str] = frozenset(),
        destroy: bool = False,
        partial: bool = False,
        digest: str = "",
        violations: Sequence[Violation] = (),
        saved: SavedPlan | None = None,
    ) -> None:
        self.lineage = facts.lineage
        self.serial = serial
        self.outputs = outputs
        self.violations: tuple[Violation, ...] = tuple(violations)
        self._desired = desired
        self._nodes = nodes
        self._facts = facts
        self._observed = facts.observed
        self._old_outputs = old_outputs
        self._superseded = tuple(superseded)
        self._freed = tuple(freed)
        self._holders = holders or {}
        self._gone = tuple(gone)
        self._moves = moves or {}
        self._withheld = withheld  # replaced, and the old halves stay for now
        self._destroy = destroy
        self._partial = partial  # about some of the stack only
        self._changes: tuple[Change, ...] | None = None
        self._digest = digest
        self._saved = saved  # the file that it was loaded from
        self._sealing: Sealing | None = None  # what the engine brings to seal a file
        self._policies: tuple[Any, ...] = ()  # those that judged it

    @property
    def ref(self) -> StackRef:
        """The stack that is planned."""
        return self._desired.ref

    @property
    def old_outputs(self) -> Mapping[str, Any]:
        """The stack's outputs as recorded."""
        return self._old_outputs

    @property
    def looked_up(self) -> Mapping[str, Found]:
        """What was read for this plan: lookups by address, outputs of other stacks by ``project/stack:``."""
        return self._facts.looked_up

    @property
    def rewrites(self) -> tuple[str, ...]:
        """Addresses of which nothing but the record changes."""
        return tuple(node.address for node in self._nodes.values() if node.rewrite and node.action is Action.SAME)

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes: what was looked up, then dependencies first, deletes after them in the order in which they run."""
        if self._changes is None:
            urn = self._desired.ref.urn
            self._changes = (
                *(read_change(address, found, urn) for address, found in self.looked_up.items() if found.type),
                *(change_of(node, urn) for node in self._nodes.values()),
                *(forgotten_change(node, urn) for node in self._nodes.values() if node.forgets is not None),
                *(superseded_change(record, urn) for record in self._superseded),
            )
        return self._changes

    def change(self, address: str) -> Change:
        """Give the change of the current object at an address.

        Raises:
            KeyError: There is none; the message has near matches.
        """
        node = self._nodes.get(address)
        if node is None:
            found = self.looked_up.get(address)
            if found is not None and found.type:
                return read_change(address, found, self._desired.ref.urn)
            hint = near(address, [*self._nodes, *self.looked_up])
            msg = f"{address}: not in this plan, expected an address of {self._desired.ref}; {hint or 'see .changes'}"
            raise KeyError(msg)
        return change_of(node, self._desired.ref.urn)

    @property
    def counts(self) -> dict[str, int]:
        """How many changes there are of each action; what stays the same is left out."""
        counted: dict[str, int] = {}
        for node in self._nodes.values():
            if node.action is not Action.SAME:
                counted[node.action.value] = counted.get(node.action.value, 0) + 1
            if node.forgets is not None:
                counted["forget"] = counted.get("forget", 0) + 1
        if self._superseded:
            counted["delete"] = counted.get("delete", 0) + len(self._superseded)
        return {action.value: counted[action.value] for action in Action if action.value in counted}

    def __bool__(self) -> bool:
        return (
            bool(self._superseded or self._gone)
            or self._outputs_change
            or any(node.action is not Action.SAME or node.rewrite for node in self._nodes.values())
        )

    @property
    def _outputs_change(self) -> bool:
        new, old = self.outputs, self._old_outputs
        if new.keys() != old.keys():
            return True
        return any(
            unknown_in(value)
            or isinstance(value, Secret) != isinstance(old[name], Secret)
            or not same(value, old[name])
            for name, value in new.items()
        )

    @property
    def digest(self) -> str:
        """A digest of all that the plan says; equal plans have equal digests.

        Secrets count by a digest under the stack's key; without one by their
        place only, as a plain hash could be searched for the value.
        """
        if not self._digest:
            keyed = self._sealing.digest if self._sealing is not None else None
            hasher = hashlib.sha256(f"{self._desired.ref}\0{self.lineage}\0{self.serial}".encode())
            for node in self._nodes.values():
                fields = (
                    node.address, node.type, node.action.value, node.inputs, node.delete_first, node.maybe, node.forced,
                    node.rewrite, node.dependencies, node.generation, node.provider and node.provider.identity,
                    node.record and (node.record.uid, node.record.id), node.beside, node.moved, node.adopt,
                    node.forgets and node.forgets.id,
                )  # fmt: skip
                hasher.update(orjson.dumps(_digestible(fields, keyed), option=orjson.OPT_SORT_KEYS))
            rest = (
                [record.uid for record in self._superseded],
                self.outputs,
                {at: found.values for at, found in self.looked_up.items()},
            )
            hasher.update(orjson.dumps(_digestible(rest, keyed), option=orjson.OPT_SORT_KEYS))
            self._digest = hasher.hexdigest()
        return self._digest

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a file that only its owner may read, to be applied later, elsewhere.

        The file is sealed with the stack's key, or with one that the keyring
        wraps; secrets in it are encrypted. A plan that was loaded is written
        as it was.

        Raises:
            SealError: It holds a secret and there is no keyring.
            PlanError: It holds what has no written form.
            StateError: The file can't be written.
        """
        from iaclib.plan import file  # few plans are kept

        if self._saved is not None:
            file.write_again(self._saved, path)
        else:
            file.save(self, path, self._sealing)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """Read a plan from a file that ``save`` wrote.

        Checks that the file is whole. Who wrote it is checked when it is
        applied, and only then are its secrets opened.

        Raises:
            StateError: It can't be read, was damaged (StateCorruptError), or
                a newer iaclib wrote it (StateVersionError).
            UnknownProviderError: A type is not known here; it says what to import.
        """
        from iaclib.plan import file

        saved = file.load(path)
        return cls(**saved.parts(), saved=saved)

    def __str__(self) -> str:
        from iaclib.plan.text import render  # not every plan is read by a person

        return render(self)

    def __repr__(self) -> str:
        return f"<Plan {self._desired.ref} {self.counts or 'nothing to do'}>"

    # ------------------------------------------------------------------------------------------- for the executor

    def made_with(
        self,
        desired: Desired,
        nodes: dict[str, Node],
        facts: Facts,
        holders: Mapping[tuple[Any, ...], str],
    ) -> Plan:
        """Give this plan with parts that a file can't hold: functions of program and handlers."""
        plan = copy.copy(self)
        plan._desired, plan._nodes, plan._facts, plan._holders = desired, nodes, facts, holders
        return plan

    def inputs_of(self, node: Node, lookup: Lookup, *, creating: bool = False) -> Mapping[str, Any]:
        """Resolve a node's inputs with what is known by now, as the planner did.

        Args:
            node: What was planned.
            lookup: Gives a field of a resource as far as it is known.
            creating: Whether a new object will have these inputs; otherwise
                they are for the object that there is.

        Raises:
            InvalidPropertyError: A reference came to what its field doesn't take.
            PlanDeviationError: A replacement planned create-first would keep a
                unique key, so it would have to delete first.
            PlanError: A unique key that is known only now is held by an object
                that this run deletes later.
        """
        declared = node.declared
        if declared is None:
            return node.inputs
        inputs = resolved_inputs(node, lookup, self._facts, self._desired.ref.name, fresh=creating)
        check_resolved(declared, inputs)
        if creating and (node.maybe or unknown_in(node.inputs)):
            self._check_keys(node, inputs)
        return inputs

    def verdict_of(
        self,
        node: Node,
        record: Record,
        inputs: Mapping[str, Any],
        lookup: Lookup | None = None,
        uid_of: Callable[[str], str | None] = lambda _address: None,
    ) -> str:
        """Say what is known by now makes of a node: "same", "update", "replace" or "unknown".

        Args:
            node: What was planned.
            record: The record as it is now.
            inputs: As ``inputs_of`` gives them.
            lookup: Gives a field of a resource, for the replacement trigger.
            uid_of: Gives the uid of the object at an address, to see whether
                what the node follows was replaced.
        """
        declared = node.declared
        if declared is None or (record.type != declared.type and not node.retyped):
            return node.action.value
        if declared.linked:
            trigger = triggered(record, trigger_of(declared, lookup)) if lookup is not None else False
            if trigger or outdated(declared, record, uid_of) or self._newly_followed(node, record, uid_of):
                return "replace"
            if trigger is None:
                return "unknown"
        verdict = evaluate(record, inputs, view(declared.facts), self._facts, declared.options)
        return "unknown" if verdict.maybe and verdict.action is Action.REPLACE else verdict.action.value

    def _newly_followed(self, node: Node, record: Record, uid_of: Callable[[str], str | None]) -> bool:
        """Tell whether something that it didn't follow before this plan was replaced by it."""
        declared = node.declared
        noted = {*(record.options.get("replace_with") or ()), *(record.options.get("deleted_with") or ())[:1]}
        for name in declared.follows if declared is not None else ():
            other = self._nodes.get(name)
            if name in noted or other is None or other.record is None or other.action is not Action.REPLACE:
                continue  # what is taken over has another uid too, but nothing was replaced
            now = uid_of(name)
            if now is not None and now != other.record.uid:
                return True
        return False

    def _check_keys(self, node: Node, inputs: Mapping[str, Any]) -> None:
        declared, record = node.declared, node.record
        if declared is None:
            return
        seen = view(declared.facts)
        coexist = node.action is Action.REPLACE and node.alike and not node.delete_first
        if coexist and record is not None and declared.options.delete_before_replace is None:
            kept = kept_key(record, inputs, seen, self._facts)
            if kept is not None:
                msg = (
                    f"{node.address}: {' and '.join(kept) or 'its identity'} turned out to keep its value, so old "
                    "and new can't coexist, expected a new value as planned; set delete_before_replace=True"
                )
                raise PlanDeviationError(msg, address=node.address)
        freed = {holder for address, holder in self._freed if address == node.address}
        for key in unique_keys(declared.type, node.provider, inputs, seen, self._facts):
            holder = self._holders.get(key)
            if holder is not None and holder != node.address and holder not in freed:
                raise PlanError(held_message(node.address, holder, key), address=node.address, holder=holder)


def _digestible(value: Any, keyed: Callable[[Any], str] | None) -> Any:
    if value is UNKNOWN:
        return ["\0unknown"]
    if isinstance(value, Secret):
        return ["\0secret", MASK if keyed is None else keyed(value)]
    if isinstance(value, Asset):
        return ["\0asset", value.hash]
    if isinstance(value, Mapping):
        return {key: _digestible(item, keyed) for key, item in value.items()}
    if is_list(value):
        return [_digestible(item, keyed) for item in value]
    return value
