"""One resource within a plan, as the planner builds it and the executor reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iaclib.plan.changes import Action
from iaclib.plan.verdict import SAME, Verdict

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared
    from iaclib.declare.options import Options
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
        program: For what is destroyed: its declaration, if the program is at hand.
        beside: The uid of the object with which the recorded one goes, so
            that its own delete is not called; or "".
        moved: The address at which it is recorded so far, or "".
        retyped: Its type has another name now; it is the same object.
        forgets: For an import: the object that was recorded so far and stays in the cloud.
        adopt: Whether a create that finds the object existing takes it over.
    """

    __slots__ = (
        "action", "address", "adopt", "beside", "declared", "delete_first", "dependencies", "forced", "forgets",
        "generation", "inputs", "maybe", "moved", "program", "provider", "reason", "record", "retyped", "rewrite", "verdict",
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
        self.program: Declared | None = None
        self.beside = ""
        self.moved = ""
        self.forgets: Record | None = None
        self.adopt = False
        self.retyped = False

    @property
    def type(self) -> str:
        """The type, as it will be; as it was for what goes."""
        if self.declared is not None:
            return self.declared.type
        return self.record.type if self.record is not None else ""

    @property
    def alike(self) -> bool:
        """Whether declaration and record are of one type, or of one that was only renamed."""
        if self.declared is None or self.record is None:
            return False
        return self.record.type == self.declared.type or self.retyped

    @property
    def options(self) -> Options | None:
        """The options in the program, which count as long as there are any (rule 29)."""
        declared = self.declared or self.program
        return declared.options if declared is not None else None

    @property
    def protected(self) -> bool:
        """Whether it is protected."""
        if self.options is not None:
            return bool(self.options.protect)
        return self.record is not None and bool(self.record.options.get("protect"))

    @property
    def retain(self) -> bool:
        """Whether its object is left in the cloud when it is removed or replaced."""
        if self.options is not None:
            return bool(self.options.retain_on_delete)
        return self.record is not None and bool(self.record.options.get("retain_on_delete"))

    def explain(self, reason: str) -> None:
        """Add to the reason."""
        self.reason = f"{self.reason}; {reason}" if self.reason else reason

    def __repr__(self) -> str:
        return f"<Node {self.address} {self.action.value}{' maybe' if self.maybe else ''}>"
