"""What a run left, as tests and programs ask for it: one object with its properties as attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.declare.registry import type_facts
from iaclib.model.addresses import near
from iaclib.plan.queries import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.state.record import Record


class Managed:
    """One object as state has it after a run; its properties are attributes, too.

    Secrets are ``Secret``; what was left unset and isn't known is None.

    Attributes:
        address: Its address in the stack.
        type: Its type.
        id: Its physical id.
        inputs: As declared.
        outputs: As the cloud gave them.
    """

    __slots__ = ("address", "id", "inputs", "outputs", "type")

    def __init__(self, record: Record) -> None:
        self.address = record.address
        self.type = record.type
        self.id = record.id
        self.inputs = record.inputs
        self.outputs = record.outputs

    def __getattr__(self, name: str) -> Any:
        if name in self.inputs:
            return self.inputs[name]
        if name in self.outputs:
            return self.outputs[name]
        facts = type_facts(self.type)
        known = facts.properties if facts is not None else {}
        if name in known:
            return None
        hint = near(name, dict.fromkeys([*known, *self.inputs])) or f"it has {', '.join(known or self.inputs)}"
        raise AttributeError(f"{self.address}: no property {name!r}, expected one of {self.type}; {hint}")

    def __repr__(self) -> str:
        return f"<{self.type} {self.address} {self.id}>"


def managed(records: Mapping[str, Record], of: Any) -> list[Managed]:
    """List what is recorded of a type (None: of all), by address."""
    name = None if of is None else type_name(of, {record.type for record in records.values()})
    return [
        Managed(record) for _, record in sorted(records.items()) if record.id and (name is None or record.type == name)
    ]
