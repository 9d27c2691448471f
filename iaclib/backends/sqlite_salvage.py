"""Reading what is left of damaged rows: each thing is kept twice, in its row and in the journal.

Knows which copy counts where one of them can't be read; knows nothing of
tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import attrs

from iaclib.backends.sqlite_journal import is_whole
from iaclib.errors import StateError
from iaclib.state import codec, rows
from iaclib.state.backend import Salvaged
from iaclib.state.journal import Working
from iaclib.state.record import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iaclib.backends.sqlite_journal import Line, Row
    from iaclib.state.journal import Entry


def salvage(
    head: tuple[str, int, int, int],
    folded_rows: Sequence[Row],
    base: Sequence[Row],
    journal: Sequence[Line],
    where: str,
) -> Salvaged:
    """Put a snapshot together from what reads.

    Args:
        head: Lineage, serial, and the serials up to which rows and base are folded.
        folded_rows: The rows, with their checksums.
        base: The rows of the older base.
        journal: What of the journal is kept.
        where: The stack and place, for messages.
    """
    lineage, serial, folded, based = head
    damage: list[tuple[str, bool, bytes]] = []
    good, bad = _readable(folded_rows, where)
    old, _ = _readable(base, where)
    lines: dict[int, list[Entry]] = {}
    raw: dict[int, bytes] = {}
    for line in journal:
        number, _, data, _ = line
        try:
            if not is_whole(line):
                raise StateError("changed")
            lines[number] = codec.load_entries(data, where, codec.Providers())
        except StateError:
            raw[number] = data
    past = Working(rows.unfold(old, lineage, based, where))
    for number in range(based + 1, folded + 1):
        for entry in lines.get(number, ()):
            past.apply(entry)
    known = past.freeze()
    found = rows.unfold(good, lineage, folded, where)
    for kind, name, data, _ in bad:
        copy = _copied(found, known, kind, name)
        damage.append((f"the {kind} {name}", copy is not None, data))
        found = copy or found
    working = Working(found)
    for number in range(folded + 1, serial + 1):
        for entry in lines.get(number, ()):
            working.apply(entry)
        if number not in lines:
            damage.append((f"serial {number} of the journal", False, raw.get(number, b"")))
    return Salvaged(attrs.evolve(working.freeze(), serial=serial), tuple(damage))


def _readable(found: Sequence[Row], where: str) -> tuple[list[tuple[str, str, bytes]], list[Row]]:
    """Part rows into those that read and those that don't."""
    good: list[tuple[str, str, bytes]] = []
    bad: list[Row] = []
    for row in found:
        kind, name, data, checksum = row
        try:
            if crc32(data) != checksum:
                raise StateError("changed")
            rows.unfold([(kind, name, data)], "", 0, where)
            good.append((kind, name, data))
        except StateError:
            bad.append(row)
    return good, bad


def _copied(found: Snapshot, known: Snapshot, kind: str, name: str) -> Snapshot | None:
    """Give a snapshot with one thing more, as the journal has it; None if it hasn't."""
    field = {rows.RECORD: "records", rows.INTENT: "intents", rows.GENERATION: "generations", rows.TOKEN: "tokens"}
    if kind in field:
        source = getattr(known, field[kind])
        if name not in source:
            return None
        changes: dict[str, Any] = {field[kind]: {**getattr(found, field[kind]), name: source[name]}}
        return attrs.evolve(found, **changes)
    if kind == rows.SUPERSEDED:
        old = [record for record in known.superseded if record.uid == name]
        return attrs.evolve(found, superseded=(*found.superseded, *old)) if old else None
    if kind == rows.META and name in ("outputs", "key"):
        return attrs.evolve(found, **{name: getattr(known, name)})
    return None
