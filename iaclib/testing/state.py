"""Where a simulator keeps state: in memory, with what the simulated cloud makes up later than it was recorded.

A real cloud shows all of an object from its first day. The simulated one makes
up what was left unset when a program first reads it; records of objects that
are there already must show it as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from iaclib.backends.memory import Memory

if TYPE_CHECKING:
    from iaclib.model.addresses import StackRef
    from iaclib.state.record import Record, Snapshot
    from iaclib.testing.cloud import Cloud


class SimulatedState(Memory):
    """State in memory, in which records show what programs read.

    Args:
        cloud: Whose objects the records are about.
    """

    def __init__(self, cloud: Cloud) -> None:
        super().__init__()
        self._cloud = cloud

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state; see ``Backend.load``."""
        found = super().load(ref)
        if not (self._cloud.read_fields or self._cloud.stepwise):
            return found
        changed = {address: now for address, was in found.records.items() if (now := self._shown(was)) is not was}
        return structs.replace(found, records={**found.records, **changed}) if changed else found

    def _shown(self, record: Record) -> Record:
        more = self._cloud.made_up(record.type, record.id)
        missing = {
            name: value for name, value in more.items() if name not in record.outputs and name not in record.inputs
        }
        return structs.replace(record, outputs={**record.outputs, **missing}) if missing else record
