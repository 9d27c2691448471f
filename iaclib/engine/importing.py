"""Objects that exist, recorded as those that a program declares: ``engine.import_``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import PlanError
from iaclib.model.addresses import near
from iaclib.model.values import UNKNOWN
from iaclib.plan.compare import unknown_in
from iaclib.plan.graph import Graph
from iaclib.plan.importing import record_of
from iaclib.plan.recorded import read_field, recorded_options, trigger_of
from iaclib.plan.resolve import Naming, final_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from iaclib.declare.desired import Desired
    from iaclib.engine.settings import Settings
    from iaclib.execute.ledger import Ledger
    from iaclib.plan.facts import Found
    from iaclib.provider.handler import Live
    from iaclib.state.journal import Entry
    from iaclib.state.record import ProviderRecord, Record, Snapshot


def check_ids(desired: Desired, snapshot: Snapshot, ids: Mapping[str, str]) -> None:
    """Check that what is to be imported is declared, and is not recorded yet.

    Raises:
        PlanError: It isn't, or is.
    """
    known = {(record.type, record.id): record.address for record in snapshot.records.values()}
    for address, id in ids.items():
        declared = desired.resources.get(address)
        if declared is None:
            hint = near(address, desired.resources)
            msg = f"{address}: not declared, expected an address of {desired.ref}; {hint or 'declare it first'}"
            raise PlanError(msg, address=address)
        if not isinstance(id, str) or not id:
            msg = f"{address}: the id is {id!r}, expected the physical id as text; correct it"
            raise PlanError(msg, address=address)
        record = snapshot.records.get(address)
        if record is not None and record.id:
            msg = (
                f"{address}: {record.id} is recorded there already, expected nothing to be; to take another object, "
                "say Options(import_id=...), which forgets the recorded one"
            )
            raise PlanError(msg, address=address)
        holder = known.get((declared.type, id))
        if holder is not None:
            msg = f"{address}: {id} is recorded at {holder} already, expected it nowhere; use engine.move to rename it"
            raise PlanError(msg, address=address, holder=holder)


def import_entries(
    ledger: Ledger,
    desired: Desired,
    shown: Mapping[str, Live | None],
    ids: Mapping[str, str],
    providers: Mapping[str, ProviderRecord | None],
    looked_up: Mapping[str, Found],
    settings: Settings,
) -> list[Entry]:
    """Make the entries that record what was read.

    Only dependencies that are recorded are kept; the next apply adds the rest.

    Raises:
        PlanError: An object does not exist.
    """
    graph = Graph(desired)
    entries: list[Entry] = []
    made: dict[str, Record] = {}

    def lookup(address: str, field: str) -> Any:
        if (found := looked_up.get(address)) is not None:
            return found.values.get(field)
        record = made.get(address) or ledger.current(address)
        return UNKNOWN if record is None else read_field(record, field)

    def uid(address: str) -> str | None:
        record = made.get(address) or ledger.current(address)
        return None if record is None else record.uid

    for address in (name for name in graph.order if name in ids):
        declared, live = desired.resources[address], shown.get(address)
        if live is None:
            msg = f"{address}: {ids[address]} does not exist, expected a {declared.type} to import; correct the id"
            raise PlanError(msg, address=address)
        generation = ledger.state.generations.get(address, 0) + 1
        wanted = final_inputs(
            declared, lookup, None, Naming(desired.ref.name, ledger.state.lineage, generation, None), fresh=True
        )
        trigger = trigger_of(declared, lookup)
        options = recorded_options(declared, uid, trigger)
        if unknown_in(trigger):
            del options["replacement_trigger"]  # noted by the apply that knows it
        needs = [name for name in graph.dependencies[address] if uid(name) is not None]
        made[address] = record_of(
            address,
            declared,
            live,
            wanted,
            generation,
            uid=settings.token(),
            created=settings.clock.now(),
            provider=providers[address],
            options=options,
            dependencies=tuple(needs),
        )
        entries.append(ledger.put(made[address]))
    return entries
