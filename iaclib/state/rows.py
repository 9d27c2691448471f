"""Compacted state: a snapshot as small rows, and how journal entries change them.

Knows which rows a snapshot is made of and which of them an entry touches, so
that a backend folds its journal in O(changes); knows nothing of how a backend
stores rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from iaclib.state import codec, packing
from iaclib.state.journal import Began, Ended, Entry, Exported, Keyed, Noted, Ran, Stored, Working
from iaclib.state.record import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

#: The kinds of rows. Each is named within its kind: by address, uid, step id, digest, or what it is.
RECORD: Final = "record"
SUPERSEDED: Final = "superseded"
INTENT: Final = "intent"
GENERATION: Final = "generation"
TOKEN: Final = "token"  # noqa: S105 - a kind of row
BLOB: Final = "blob"
META: Final = "meta"  # "outputs" and "key"


class _Touched:
    """The names of the rows that entries read or change."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.addresses: dict[str, None] = {}
        self.uids: dict[str, None] = {}
        self.steps: dict[str, None] = {}
        self.blobs: dict[str, None] = {}
        self.meta: dict[str, None] = {}
        for entry in entries:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        match entry:
            case Ended():
                if entry.step:
                    self.steps[entry.step] = None
                put = entry.put.address if entry.put is not None else None
                kept = entry.keep_token[0] if entry.keep_token is not None else None
                for address in (put, entry.supersede, entry.drop, kept):
                    if address is not None:
                        self.addresses[address] = None
                if entry.drop_superseded is not None:
                    self.uids[entry.drop_superseded] = None
                if entry.put_superseded is not None:
                    self.uids[entry.put_superseded.uid] = None
            case Began():
                self.steps[entry.intent.step] = None
            case Noted():
                self.steps[entry.step] = None
            case Exported():
                self.meta["outputs"] = None
            case Keyed():
                self.meta["key"] = None
            case Stored():
                self.blobs[entry.name] = None
            case Ran():
                pass


def fold(
    entries: Sequence[Entry], read: Callable[[str, Collection[str]], Mapping[str, bytes]], where: str
) -> dict[tuple[str, str], bytes | None]:
    """Say how entries change the rows.

    Args:
        entries: What to apply, in order.
        read: Gives the rows of a kind by name; missing ones are left out.
        where: The stack and place, for messages.

    Returns:
        ``(kind, name)`` to the row's new bytes, None for one that goes.
    """
    touched = _Touched(entries)
    rows = [
        (kind, name, data)
        for kind, names in (
            (RECORD, touched.addresses),
            (GENERATION, touched.addresses),
            (TOKEN, touched.addresses),
            (SUPERSEDED, touched.uids),
            (INTENT, touched.steps),
        )
        if names
        for name, data in read(kind, names).items()
    ]
    before = unfold(rows, "", 0, where)
    working = Working(before)
    for entry in entries:
        working.apply(entry)

    changes: dict[tuple[str, str], bytes | None] = {}

    def compare(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], write: Callable[[Any], bytes]) -> None:
        for name in old.keys() - new.keys():
            changes[kind, name] = None
        for name, value in new.items():
            if old.get(name) is not value:
                changes[kind, name] = write(value)

    compare(RECORD, before.records, working.records, codec.dump_record)
    compare(SUPERSEDED, {r.uid: r for r in before.superseded}, working.superseded, codec.dump_record)
    compare(INTENT, before.intents, working.intents, codec.dump_intent)
    compare(GENERATION, before.generations, working.generations, lambda number: b"%d" % number)
    compare(TOKEN, before.tokens, working.tokens, lambda kept: packing.dumps(codec.token_to(kept), where))
    for name in touched.blobs:
        value = working.blobs.get(name)
        changes[BLOB, name] = None if value is None else packing.dumps(value, where)
    if "outputs" in touched.meta:
        changes[META, "outputs"] = packing.dumps(working.outputs, "stack outputs")
    if "key" in touched.meta:
        changes[META, "key"] = packing.dumps(working.key, where)
    return changes


def unfold(rows: Iterable[tuple[str, str, bytes]], lineage: str, serial: int, where: str) -> Snapshot:
    """Make the snapshot that rows are of.

    Args:
        rows: ``(kind, name, bytes)``, in any order.
        lineage: The stack's lineage.
        serial: The serial up to which the rows are folded.
        where: The stack and place, for messages.

    Raises:
        StateCorruptError: A row does not read.
    """
    providers = codec.Providers()
    records: list[bytes] = []
    superseded: list[bytes] = []
    intents = {}
    generations = {}
    tokens = {}
    blobs = {}
    meta: dict[str, Any] = {}
    for kind, name, data in rows:
        if kind == RECORD:
            records.append(data)
        elif kind == SUPERSEDED:
            superseded.append(data)
        elif kind == INTENT:
            intents[name] = codec.load_intent(data, where, providers)
        elif kind == META:
            meta[name] = packing.loads(data, where)
        elif kind == GENERATION:
            generations[name] = _number(data, where)
        elif kind == TOKEN:
            tokens[name] = _token(data, where)
        elif kind == BLOB:
            blobs[name] = packing.loads(data, where)
        else:
            raise packing.corrupt(where, f"rows of the unknown kind {kind[:20]!r}")
    return Snapshot(
        lineage=lineage,
        serial=serial,
        records={record.address: record for record in codec.load_records(records, where, providers)},
        superseded=codec.load_records(superseded, where, providers),
        intents=intents,
        outputs=meta.get("outputs", {}),
        generations=generations,
        tokens=tokens,
        key=meta.get("key"),
        blobs=blobs,
    )


def replay(base: Snapshot, journal: Iterable[Sequence[Entry]], serial: int) -> Snapshot:
    """Apply the journal's appends to a base and put everything in its one order.

    Records come by address, superseded ones by address and age, intents by
    when they began, so that the order doesn't tell how much was folded.
    """
    working = Working(base)
    for entries in journal:
        for entry in entries:
            working.apply(entry)
    done = working.freeze()
    return structs.replace(
        done,
        serial=serial,
        records=dict(sorted(done.records.items())),
        superseded=tuple(sorted(done.superseded, key=lambda record: (record.address, record.generation, record.uid))),
        intents=dict(sorted(done.intents.items(), key=lambda item: (item[1].begun, item[0]))),
        generations=dict(sorted(done.generations.items())),
        tokens=dict(sorted(done.tokens.items())),
        blobs=dict(sorted(done.blobs.items())),
    )


def _number(data: bytes, where: str) -> int:
    number = packing.loads(data, where)
    if type(number) is not int:
        raise packing.corrupt(where, "a generation is no number")
    return number


def _token(data: bytes, where: str) -> Any:
    try:
        return codec.token_from(packing.loads(data, where))
    except (TypeError, ValueError):
        raise packing.corrupt(where, "a kept token does not read") from None
