"""Questions asked of recorded state before anything is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import StateCorruptError, TargetError
from iaclib.model.addresses import is_within, near
from iaclib.state.journal import Began, Ended, Exported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iaclib.model.addresses import StackRef
    from iaclib.state.journal import Entry
    from iaclib.state.record import Record, Snapshot


def check(ref: StackRef, snapshot: Snapshot) -> None:
    """Refuse to operate on state that doesn't hold together.

    Raises:
        StateCorruptError: A record depends on one that isn't there.
    """
    known = snapshot.records
    for record in known.values():
        beside = record.options.get("deleted_with")
        for name in (*record.dependencies, *(beside[:1] if beside else ())):
            if name not in known:
                msg = (
                    f"{ref.urn(record.address)}: it depends on {name}, which state does not have, "
                    "expected every dependency to be recorded; run `iaclib state repair`"
                )
                raise StateCorruptError(msg, address=record.address)


def chosen(snapshot: Snapshot, targets: Iterable[str], exclude: Iterable[str]) -> list[Record]:
    """Give the records to read: all, or those under targets and not excluded.

    Raises:
        TargetError: A target names nothing recorded.
    """
    everything = [*snapshot.records.values(), *snapshot.superseded]
    known = {record.address for record in everything} | {record.parent for record in everything if record.parent}
    for name in (*targets, *exclude):
        if not any(is_within(address, name) for address in known):
            raise _nothing(name, known)
    wanted = tuple(targets)
    return [
        record
        for record in everything
        if record.id
        and (not wanted or any(is_within(record.address, name) for name in wanted))
        and not any(is_within(record.address, name) for name in exclude)
    ]


def under(snapshot: Snapshot, address: str) -> list[Record]:
    """Give the current records at or under an address.

    Raises:
        TargetError: There is none.
    """
    found = [record for record in snapshot.records.values() if is_within(record.address, address)]
    if not found:
        raise _nothing(address, snapshot.records)
    return found


def rewritten(snapshot: Snapshot) -> list[Entry]:
    """Give the entries that write all of a snapshot that may be sealed once more, as it is."""
    entries: list[Entry] = [Ended(put=record) for record in snapshot.records.values()]
    entries += [Ended(put_superseded=record) for record in snapshot.superseded]
    entries += [Began(intent) for intent in snapshot.intents.values()]
    return [*entries, Exported(snapshot.outputs)] if snapshot.outputs else entries


def _nothing(address: str, known: Iterable[str]) -> TargetError:
    hint = near(address, known)
    msg = f"{address}: nothing is recorded there, expected an address in state; {hint or 'check the address'}"
    return TargetError(msg, address=address)
