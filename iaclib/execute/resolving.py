"""What a run asks of the planner's functions: final inputs and verdicts.

The same functions that planned decide at apply, with values that are known by
then; so a run may do less than its plan, and notices where it would do more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.declare.registry import type_facts
from iaclib.errors import UnknownValueError
from iaclib.model.evaluate import resolve
from iaclib.model.values import UNKNOWN, has_unknown
from iaclib.plan.facts import view
from iaclib.plan.policy import check_again
from iaclib.plan.recorded import read_field, recorded_options, trigger_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from iaclib.execute.ledger import Ledger
    from iaclib.execute.task import Task
    from iaclib.plan.node import Node
    from iaclib.plan.plan import Plan
    from iaclib.schema.facts import TypeFacts
    from iaclib.state.record import Record


class PlanResolver:
    """Resolves against state as it grows.

    Args:
        plan: Brings declarations, and how to resolve them.
        ledger: For records as they are now.
        pending: Tasks by address after which a record is final; taken out as they end.
    """

    def __init__(self, plan: Plan, ledger: Ledger, pending: Mapping[str, Task]) -> None:
        self.plan = plan
        self.ledger = ledger
        self.pending = dict(pending)
        self._doomed: set[str] = set()
        self._staying: dict[str, Collection[str]] = {}  # pending ones of which these outputs are known already

    def settle(self, address: str) -> None:
        """Note that the record of an address is final."""
        self.pending.pop(address, None)
        self._doomed.discard(address)

    def outlives(self, record: Record, uid: str) -> bool:
        """Tell whether an object stays although it is recorded as going with the one of a uid (rule 29)."""
        node = self.plan._nodes.get(record.address)
        return node is not None and node.record is not None and node.record.uid == record.uid and node.beside != uid

    def lookup(self, address: str, field: str) -> Any:
        """Give a field of a resource, UNKNOWN while that is not what it will be; of a lookup, what the plan keeps."""
        looked_up = self.plan.looked_up.get(address)
        if looked_up is not None:
            return looked_up.values.get(field)
        if field == "urn":
            return self.plan._desired.ref.urn(address)
        record = self.ledger.current(address)
        if record is None or not record.id:
            return UNKNOWN
        if address in self.pending and field not in self._staying.get(address, ()):
            return UNKNOWN
        return read_field(record, field)

    def inputs(self, node: Node, *, creating: bool = False) -> Mapping[str, Any]:
        """Give the final inputs of a declaration; UNKNOWN where a value isn't there yet."""
        return self.plan.inputs_of(node, self.lookup, creating=creating)

    def verdict(self, node: Node, record: Record, inputs: Mapping[str, Any]) -> str:
        """Tell what a record needs to reach inputs: "same", "update", "replace" or "unknown"."""
        return self.plan.verdict_of(node, record, inputs, self.lookup, self.uid)

    def check(self, node: Node, action: str, inputs: Mapping[str, Any], record: Record | None) -> None:
        """Ask policies about what became certain only now, before it is done.

        Raises:
            PolicyViolationError: A mandatory one objects.
        """
        check_again(self.plan, node, action, inputs, record)

    def recorded_options(self, node: Node) -> Mapping[str, Any]:
        """Give what state keeps of a declaration's options."""
        declared = node.declared
        if declared is None:
            return {}
        return recorded_options(declared, self.uid, trigger_of(declared, self.lookup))

    def uid(self, address: str) -> str | None:
        """Give the uid of the object at an address; "" for one that is about to be replaced."""
        if address in self._doomed:
            return ""
        record = self.ledger.current(address)
        return record.uid if record is not None else None

    def stays(self, node: Node, *, updated: bool) -> None:
        """Note that an object is not replaced after all: what an update, if any, can't change may be read already."""
        if not updated:
            self.settle(node.address)
        elif node.declared is not None:
            self._staying[node.address] = {"id", *view(node.declared.facts).stable}

    def doomed(self, address: str) -> None:
        """Note that the object at an address is going to be replaced."""
        self._doomed.add(address)

    def facts(self, type: str) -> TypeFacts | None:
        """Give the facts of a type, if it is known here."""
        return type_facts(type)

    def value(self, output: Any) -> Any:
        """Give the value of an output of the applied program.

        Raises:
            UnknownValueError: Its resource was not made.
        """
        self.pending.clear()
        value = resolve(getattr(output, "_expr", output), self.lookup)
        if has_unknown(value):
            msg = f"{output!r}: not known, expected its resource to exist; look at the run's errors"
            raise UnknownValueError(msg)
        return value
