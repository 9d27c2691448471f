"""Putting state together from what is left of it: each thing is kept twice, compacted and in the journal.

Knows which copy counts where one of them can't be read; knows nothing of how a
backend keeps either. What tells most is taken: compacted state where all of it
reads, else what the journal makes of older compacted state, else both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field, structs

from iaclib.errors import StateCorruptError
from iaclib.state import codec, rows
from iaclib.state.backend import Damage, Salvaged
from iaclib.state.journal import Ran, Working
from iaclib.state.record import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary

#: Kind and name of a row.
Key = tuple[str, str]
_FIELDS: Final = {
    rows.RECORD: "records",
    rows.INTENT: "intents",
    rows.GENERATION: "generations",
    rows.TOKEN: "tokens",
    rows.BLOB: "blobs",
}


class Part(Struct, frozen=True):
    """Something that a backend kept in one piece.

    Args:
        what: What it is, for people.
        whole: Whether its bytes are those that were written there.
        data: Its bytes; what is left of them.
        rows: The rows in it, if it is whole; else those that are known to have been.
        holds: Tells of a row whether it was in here; None where ``rows`` does.
    """

    what: str
    whole: bool
    data: bytes
    rows: Sequence[tuple[str, str, bytes]] = ()
    holds: Callable[[Key], bool] | None = None

    def may_hold(self, key: Key) -> bool:
        """Tell whether a row may have been in what can't be read."""
        return self.holds(key) if self.holds is not None else any(row[:2] == key for row in self.rows)


class Remains(Struct, frozen=True):
    """What is left of a stack.

    Args:
        where: The stack and place, for messages.
        lineage: The stack's.
        serial: Its newest.
        folded: The serial of the compacted state.
        based: The serial of the older one, which the journal that is kept goes on from.
        rows: The compacted state.
        base: The older one; None where the journal that is kept begins with the compacted state.
        runs: The rows of history.
        journal: What is kept of it, by serial; for each the entries' bytes.
        lost: What else can't be read, and holds nothing that isn't in the journal.
    """

    where: str
    lineage: str
    serial: int
    folded: int = 0
    based: int = 0
    rows: Sequence[Part] = ()
    base: Sequence[Part] | None = ()
    runs: Sequence[Part] = ()
    journal: Mapping[int, Part] = field(default_factory=dict)
    lost: Sequence[Part] = ()


def salvage(remains: Remains) -> Salvaged:
    """Put a snapshot together from what reads."""
    where, lineage = remains.where, remains.lineage
    lines = _lines(remains)
    compacted, broken = _readable(remains.rows, where)
    older, older_broken = _readable(remains.base or (), where)
    past = Working(rows.unfold(older, lineage, remains.based, where))
    before = range(remains.based + 1, remains.folded + 1)
    after = range(remains.folded + 1, remains.serial + 1)
    for serial in before:
        for entry in lines.get(serial, ()):
            past.apply(entry)
    replayed = remains.base is not None and not older_broken and all(serial in lines for serial in before)

    known = _things(past.view())
    things = _things(rows.unfold(compacted, lineage, remains.folded, where))
    astray = []
    if replayed:
        astray = [key for key in things.keys() | known.keys() if things.get(key) != known.get(key)]
        astray = [key for key in sorted(astray) if not any(part.may_hold(key) for part in broken)]
        things = known
    else:
        lost = {key: it for key, it in known.items() if any(part.may_hold(key) for part in broken)}
        things = {**lost, **things}
    sound = replayed or not broken
    working = Working(_snapshot(things, lineage, remains.folded))
    for serial in after:
        for entry in lines.get(serial, ()):
            working.apply(entry)
        sound = sound and serial in lines

    history, run_damage = _history(remains, lines)
    damage = [
        Damage(part.what, sound or (part.holds is None and all(row[:2] in things for row in part.rows)), part.data)
        for part in broken
    ]
    damage += [
        Damage(f"the {kind} {name}", True, b"", "is missing or not what the journal says") for kind, name in astray
    ]
    damage += [Damage(f"{part.what} of an older state", sound, part.data) for part in older_broken]
    damage += [
        Damage(part.what, sound, part.data) for serial, part in sorted(remains.journal.items()) if serial not in lines
    ]
    damage += _gaps([serial for serial in (*before, *after) if serial not in remains.journal], sound)
    damage += [Damage(part.what, sound, part.data) for part in remains.lost]
    snapshot = structs.replace(rows.replay(working.freeze(), (), remains.serial), lineage=lineage)
    return Salvaged(snapshot, history, (*damage, *run_damage), past=replayed and sound)


def _lines(remains: Remains) -> dict[int, list[Entry]]:
    """Read what reads of the journal."""
    found: dict[int, list[Entry]] = {}
    for serial, part in remains.journal.items():
        if part.whole:
            try:
                found[serial] = codec.load_entries(part.data, remains.where, codec.Providers())
            except StateCorruptError:
                continue
    return found


def _gaps(missing: Sequence[int], known: bool) -> list[Damage]:
    """Tell of serials of which nothing is there, those that follow each other at once."""
    spans: list[list[int]] = []
    for serial in missing:
        if spans and spans[-1][1] == serial - 1:
            spans[-1][1] = serial
        else:
            spans.append([serial, serial])
    return [
        Damage(f"serial {first}{f' to {last}' if last > first else ''} of the journal", known, b"", "is missing")
        for first, last in spans
    ]


def _readable(parts: Iterable[Part], where: str) -> tuple[list[tuple[str, str, bytes]], list[Part]]:
    """Part what was compacted into the rows that read, and what doesn't."""
    good: list[tuple[str, str, bytes]] = []
    bad: list[Part] = []
    for part in parts:
        try:
            if part.whole:
                rows.unfold(part.rows, "", 0, where)
                good += part.rows
                continue
        except StateCorruptError:
            pass  # its bytes are what was written, and that was wrong already
        bad.append(part)
    return good, bad


def _history(remains: Remains, lines: Mapping[int, Sequence[Entry]]) -> tuple[tuple[RunSummary, ...], list[Damage]]:
    """Give the runs that are known, from history's rows and the journal, and what of the rows doesn't read."""
    runs: dict[str, RunSummary] = {}
    bad: list[Part] = []

    def add(run: RunSummary) -> None:
        if run.id not in runs or run.ended is not None or runs[run.id].ended is None:
            runs[run.id] = run

    for _, entries in sorted(lines.items()):
        for entry in entries:
            if isinstance(entry, Ran):
                add(entry.run)
    for part in remains.runs:
        try:
            if part.whole:
                for row in part.rows:
                    add(codec.load_run(row[2], remains.where))
                continue
        except StateCorruptError:
            pass  # as above
        bad.append(part)
    complete = not remains.based and all(serial in lines for serial in range(1, remains.serial + 1))
    damage = [
        Damage(part.what, complete or bool(part.rows and all(row[1] in runs for row in part.rows)), part.data)
        for part in bad
    ]
    return tuple(sorted(runs.values(), key=lambda run: (run.began, run.id))), damage


def _things(snapshot: Snapshot) -> dict[Key, Any]:
    """Give all that a snapshot holds, by the kind and name of its row."""
    found: dict[Key, Any] = {(rows.SUPERSEDED, record.uid): record for record in snapshot.superseded}
    for kind, place in _FIELDS.items():
        found.update({(kind, name): thing for name, thing in getattr(snapshot, place).items()})
    if snapshot.outputs:
        found[rows.META, "outputs"] = snapshot.outputs
    if snapshot.key is not None:
        found[rows.META, "key"] = snapshot.key
    return found


def _snapshot(things: Mapping[Key, Any], lineage: str, serial: int) -> Snapshot:
    """Undo ``_things``."""

    def of(kind: str) -> dict[str, Any]:
        return {name: thing for (its, name), thing in things.items() if its == kind}

    facts: dict[str, Any] = {field: of(kind) for kind, field in _FIELDS.items()}
    return Snapshot(lineage, serial, superseded=tuple(of(rows.SUPERSEDED).values()), **of(rows.META), **facts)
