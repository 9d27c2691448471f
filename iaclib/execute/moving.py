"""Addresses that change in state: the entries of a move (rule 28).

Written in one commit, so that a kill leaves all of it or nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.plan.moves import renamed
from iaclib.state.journal import Ended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.execute.ledger import Ledger
    from iaclib.state.journal import Entry
    from iaclib.state.record import Record


def move_entries(ledger: Ledger, pairs: Mapping[str, str]) -> list[Entry]:
    """Make the entries that give records their new addresses, in them and wherever they are named.

    Args:
        ledger: The state's writer.
        pairs: new -> old address, of what is recorded.
    """
    state = ledger.state
    new_of = {old: new for new, old in pairs.items()}
    touched = {
        record.address: now for record in state.records.values() if (now := renamed(record, new_of)) is not record
    }
    entries: list[Entry] = [Ended(drop=address) for address in sorted(touched) if address in new_of]
    current: dict[str, Record] = {record.address: record for record in touched.values()}
    # An old half is current for a moment, since entries make it superseded by its address.
    for old in list(state.superseded.values()):
        now = renamed(old, new_of)
        if now is old:
            continue
        entries += [Ended(drop_superseded=old.uid), Ended(put=now), Ended(supersede=now.address)]
        if now.address not in current and (there := state.records.get(now.address)) is not None:
            current[now.address] = there
    entries += [ledger.put(record) for _, record in sorted(current.items())]
    entries += [Ended(keep_token=(new, kept)) for new, old in pairs.items() if (kept := state.tokens.get(old))]
    ledger.renamed(new_of)
    return entries
