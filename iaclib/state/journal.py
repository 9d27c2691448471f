"""The journal: what changes a snapshot, and the pure function that applies it.

A step is one ``Began`` entry before its call and one ``Ended`` entry after it.
An entry is atomic, so replaying any prefix of a journal gives a valid snapshot
in which every call made is recorded or is a named intent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from iaclib.state.record import Intent, KeptToken, Record, RunSummary, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable


class Began(Struct, frozen=True):
    """A step's intent: durable before its call."""

    intent: Intent


class Noted(Struct, frozen=True):
    """A checkpoint of a running step."""

    step: str
    id: str | None = None
    data: Any = None


class Ended(Struct, frozen=True):
    """What a step, or a decision without a step, did to the state.

    Args:
        step: The intent that this closes; "" for changes that made no call.
        put: The record that is now current at its address.
        supersede: An address whose current record becomes superseded (before
            ``put``, so that a replacement is one entry).
        drop: An address whose current record is gone.
        drop_superseded: The uid of a superseded record that is gone.
        keep_token: (address, token) to use again, after "absent".
        put_superseded: A superseded record as it is written from now on.
    """

    step: str = ""
    put: Record | None = None
    supersede: str | None = None
    drop: str | None = None
    drop_superseded: str | None = None
    keep_token: tuple[str, KeptToken] | None = None
    put_superseded: Record | None = None


class Exported(Struct, frozen=True):
    """The stack's outputs, all of them."""

    outputs: Mapping[str, Any]


class Keyed(Struct, frozen=True):
    """The stack's data key, wrapped."""

    key: Mapping[str, Any]


class Stored(Struct, frozen=True):
    """A large value that records name, as it is kept; None for one that none names any more."""

    name: str
    value: Any = None


class Ran(Struct, frozen=True):
    """A run began or ended; the newest one with an id counts."""

    run: RunSummary


Entry = Began | Noted | Ended | Exported | Keyed | Stored | Ran


class Working:
    """A snapshot being changed by entries, without copying it each time."""

    __slots__ = (
        "blobs",
        "format",
        "generations",
        "intents",
        "key",
        "lineage",
        "outputs",
        "records",
        "serial",
        "superseded",
        "tokens",
    )

    def __init__(self, snapshot: Snapshot) -> None:
        self.lineage = snapshot.lineage
        self.serial = snapshot.serial
        self.records = dict(snapshot.records)
        self.superseded = {record.uid: record for record in snapshot.superseded}
        self.intents = dict(snapshot.intents)
        self.outputs = snapshot.outputs
        self.generations = dict(snapshot.generations)
        self.tokens = dict(snapshot.tokens)
        self.key = snapshot.key
        self.blobs = dict(snapshot.blobs)
        self.format = snapshot.format

    def apply(self, entry: Entry) -> None:
        """Make one entry's change."""
        match entry:
            case Ended():
                self._end(entry)
            case Began():
                self.intents[entry.intent.step] = entry.intent
            case Noted():
                intent = self.intents.get(entry.step)
                if intent is not None:
                    self.intents[entry.step] = structs.replace(
                        intent, id=entry.id or intent.id, data=entry.data if entry.data is not None else intent.data
                    )
            case Exported():
                self.outputs = entry.outputs
            case Keyed():
                self.key = entry.key
            case Stored():
                if entry.value is None:
                    self.blobs.pop(entry.name, None)
                else:
                    self.blobs[entry.name] = entry.value
            case Ran():
                pass

    def _end(self, entry: Ended) -> None:
        if entry.step:
            self.intents.pop(entry.step, None)
        if entry.supersede is not None and (old := self.records.pop(entry.supersede, None)) is not None:
            self.superseded[old.uid] = old
            self.generations[old.address] = max(old.generation, self.generations.get(old.address, 0))
        if entry.drop is not None and (old := self.records.pop(entry.drop, None)) is not None:
            self.generations[old.address] = max(old.generation, self.generations.get(old.address, 0))
        if entry.drop_superseded is not None:
            self.superseded.pop(entry.drop_superseded, None)
        if (old := entry.put_superseded) is not None:
            self.superseded[old.uid] = old
        if entry.keep_token is not None:
            address, kept = entry.keep_token
            self.tokens[address] = kept
        if (new := entry.put) is not None:
            self.records[new.address] = new
            self.generations.pop(new.address, None)
            if new.id:
                self.tokens.pop(new.address, None)

    def view(self) -> Snapshot:
        """Give the snapshot without copying it: later entries change what it holds."""
        return Snapshot(
            lineage=self.lineage,
            serial=self.serial,
            records=self.records,
            superseded=tuple(self.superseded.values()),
            intents=self.intents,
            outputs=self.outputs,
            generations=self.generations,
            tokens=self.tokens,
            key=self.key,
            blobs=self.blobs,
            format=self.format,
        )

    def freeze(self) -> Snapshot:
        """Give the snapshot as it is now; later entries don't change it."""
        return Snapshot(
            lineage=self.lineage,
            serial=self.serial,
            records=dict(self.records),
            superseded=tuple(self.superseded.values()),
            intents=dict(self.intents),
            outputs=self.outputs,
            generations=dict(self.generations),
            tokens=dict(self.tokens),
            key=self.key,
            blobs=dict(self.blobs),
            format=self.format,
        )


def reduce(snapshot: Snapshot, entries: Iterable[Entry]) -> Snapshot:
    """Apply entries to a snapshot; the serial is the backend's to raise."""
    working = Working(snapshot)
    for entry in entries:
        working.apply(entry)
    return working.freeze()
