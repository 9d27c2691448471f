"""What moves between two stacks, so that a kill at any point leaves each object in one of them.

Three writes: an intent in the source, which blocks it; one in the target,
which takes everything under the intent's name; and one in the source, which
lets go. Whether the target has a run of that name tells how an interrupted
one ends: it has, so the source lets go; it hasn't, so nothing was moved. Both
leases are held whenever that is decided, so nobody is on the way any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from iaclib.engine.places import steward
from iaclib.model.addresses import StackRef
from iaclib.plan.moves import renamed
from iaclib.state.journal import Began, Ended, Exported, Ran, Stored, Working
from iaclib.state.record import Intent, Record, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iaclib.execute.ledger import Ledger
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary

ACTION: Final = "transfer"


def begin(source: Ledger, target: StackRef, moves: Mapping[str, str] | None, token: str, now: float) -> Intent:
    """Write down in the source what is to go where.

    Args:
        source: Where it is.
        target: Where it goes.
        moves: old -> new address of each record; None for the whole stack.
        token: Names the move, in both stacks.
        now: Seconds since the epoch.
    """
    first = next(iter(moves or source.state.records), "")
    record = source.state.records.get(first) or Record(first, "", "")
    data = {"to": str(target), "moves": None if moves is None else dict(moves)}
    shown = structs.replace(record, inputs={}, baseline={}, observed=None, outputs={}, options={})
    intent = Intent(token, ACTION, token, shown, begun=now, data=data)
    source.commit([Began(intent)])
    return intent


def target_of(intent: Intent) -> StackRef:
    """Give the stack that an intent moves to."""
    return StackRef.parse(intent.data["to"])


def receive(source: Ledger, target: Ledger, intent: Intent) -> None:
    """Write what moves into the target, in one append under the intent's name."""
    target.run = structs.replace(target.run, id=intent.step)
    moves = intent.data["moves"]
    if moves is None:
        whole = structs.replace(source.state.freeze(), intents={})
        runs = [run for run in source.backend.history(source.lease.ref) if run.id != source.run.id]
        target.commit(entries_of(whole, runs))
    else:
        target.commit(_arriving(source.state, target.state, moves))


def let_go(source: Ledger, intent: Intent) -> bool:
    """Drop from the source what the target has; tell whether that was all there is."""
    moves = intent.data["moves"]
    if moves is None:
        steward(source.backend).remove(source.lease)
        source.state = Working(Snapshot())
        source.wrote = False
        return True
    entries: list[Entry] = []
    gone = [record for record in source.state.superseded.values() if record.address in moves]
    entries += [Ended(drop_superseded=record.uid) for record in gone]
    for address in moves:
        if address in source.state.records:
            entries += source.drop(address)
    for record in list(source.state.records.values()):
        current = source.current(record.address)
        if current is not None and (stays := _among(current, lambda name: name not in moves)) is not current:
            entries.append(source.put(stays))
    source.commit([*entries, Ended(step=intent.step)])
    return False


def conclude(source: Ledger, target: Ledger, intent: Intent) -> bool:
    """End an interrupted move one way or the other; tell whether the source is no more."""
    if any(run.id == intent.step for run in target.backend.history(target.lease.ref)):
        return let_go(source, intent)
    source.commit([Ended(step=intent.step)])
    return False


def entries_of(snapshot: Snapshot, runs: Sequence[RunSummary] = ()) -> list[Entry]:
    """Give the entries that make a snapshot, and a history, out of nothing."""
    entries: list[Entry] = [Ran(run) for run in runs]
    entries += [Stored(name, value) for name, value in snapshot.blobs.items()]
    for address, count in snapshot.generations.items():
        entries += [Ended(put=Record(address, "", "", generation=count)), Ended(drop=address)]
    for old in snapshot.superseded:
        entries += [Ended(put=old), Ended(supersede=old.address)]
    entries += [Ended(put=record) for record in snapshot.records.values()]
    entries += [Ended(keep_token=pair) for pair in snapshot.tokens.items()]
    entries += [Began(intent) for intent in snapshot.intents.values()]
    if snapshot.outputs:
        entries.append(Exported(snapshot.outputs))
    return entries


def clearing(snapshot: Snapshot) -> list[Entry]:
    """Give the entries that empty a snapshot."""
    entries: list[Entry] = [Ended(step=step) for step in snapshot.intents]
    entries += [Ended(drop_superseded=record.uid) for record in snapshot.superseded]
    entries += [Ended(drop=address) for address in snapshot.records]
    return [*entries, Exported({})]


def _arriving(source: Working, target: Working, moves: Mapping[str, str]) -> list[Entry]:
    """Give the entries that put what moves, cut off from what stays behind."""
    entries: list[Entry] = []
    for old in source.superseded.values():
        if old.address in moves:
            moved = renamed(_among(old, moves.__contains__), moves)
            entries += [Ended(put=moved), Ended(supersede=moved.address)]
    for address, new in moves.items():
        record = source.records.get(address)
        if record is not None:
            moved = renamed(_among(record, moves.__contains__), moves)
            lived = target.generations.get(new, 0)
            entries.append(Ended(put=structs.replace(moved, generation=max(moved.generation, lived + 1))))
        if (kept := source.tokens.get(address)) is not None:
            entries.append(Ended(keep_token=(new, kept)))
    return entries


def _among(record: Record, stays: Any) -> Record:
    """Give a record that names only those addresses which a test lets through; itself if it did."""
    options = dict(record.options)
    if "deleted_with" in options and not stays(options["deleted_with"][0]):
        del options["deleted_with"]
    if "replace_with" in options:
        followed = {name: uid for name, uid in options.pop("replace_with").items() if stays(name)}
        options |= {"replace_with": followed} if followed else {}
    dependencies = tuple(filter(stays, record.dependencies))
    if dependencies == tuple(record.dependencies) and options == record.options:
        return record
    return structs.replace(record, dependencies=dependencies, options=options)
