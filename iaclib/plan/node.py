"""One resource within a plan, as the planner builds it and the executor reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iaclib.plan.changes import Action
from iaclib.plan.verdict import SAME, Verdict

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared
    from iaclib.state.record import ProviderRecord, Record


class Node:
    """What is to be done at one address. Slotted and plain: plans hold very many.

    Attributes:
        address: Where.
        declared: The declaration; None for what goes.
        record: What is recorded; None for what is new.
        action: What happens.
        inputs: Desired and resolved, with UNKNOWN leaves; empty for what goes.
        delete_first: The old object goes before the new one comes; for a
            delete: before the creates that need its unique key.
        maybe: Only an apply can tell.
        reason: Why, for people.
        forced: Replace whatever the inputs turn out to be.
        rewrite: No call, but the record is written: options, edges, parent,
            version, provider or secrecy changed.
        provider: Through which provider it is reached afterwards.
        dependencies: Sorted addresses that it needs directly.
        generation: Of the object that is there afterwards.
        verdict: What comparing the inputs came to.
    """

    __slots__ = (
        "action", "address", "declared", "delete_first", "dependencies", "forced", "generation", "inputs", "maybe",
        "provider", "reason", "record", "rewrite", "verdict",
    )  # fmt: skip

    def __init__(
        self,
        address: str,
        declared: Declared | None,
        record: Record | None,
        inputs: Mapping[str, Any],
        provider: ProviderRecord | None,
        dependencies: tuple[str, ...],
    ) -> None:
        self.address = address
        self.declared = declared
        self.record = record
        self.inputs = inputs
        self.provider = provider
        self.dependencies = dependencies
        self.action = Action.SAME
        self.delete_first = False
        self.maybe = False
        self.reason = ""
        self.forced = False
        self.rewrite = False
        self.generation = 1
        self.verdict: Verdict = SAME

    @property
    def type(self) -> str:
        """The type, as it will be; as it was for what goes."""
        if self.declared is not None:
            return self.declared.type
        return self.record.type if self.record is not None else ""

    @property
    def protected(self) -> bool:
        """Whether it is protected: as declared, or as recorded for what is gone from the program."""
        if self.declared is not None:
            return bool(self.declared.options.protect)
        return self.record is not None and bool(self.record.options.get("protect"))

    def explain(self, reason: str) -> None:
        """Add to the reason."""
        self.reason = f"{self.reason}; {reason}" if self.reason else reason

    def __repr__(self) -> str:
        return f"<Node {self.address} {self.action.value}{' maybe' if self.maybe else ''}>"
