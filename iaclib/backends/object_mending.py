"""What is left of a stack in an object store when some of its objects are damaged or gone.

Knows which objects say the same: the journal's slots and the compacted rows,
older and newer indexes, and all of them what the head says. Reads everything
that is there by listing it, since what should lead to it may be damaged.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from msgspec import Struct

from iaclib.backends import object_base, object_folding
from iaclib.backends import object_layout as layout
from iaclib.backends.object_base import Index
from iaclib.backends.object_layout import Base, Head, Slot
from iaclib.backends.object_reader import at_once
from iaclib.backends.salvaging import Part, Remains, salvage
from iaclib.errors import StateCorruptError
from iaclib.state import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from iaclib.backends.object_base import Chunk, Key
    from iaclib.backends.object_reader import Reader
    from iaclib.backends.object_store import ObjectStore
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Salvaged
    from iaclib.state.journal import Entry

_TRIES: Final = 3  # readings while others write
_FAR: Final = 1_000_000  # leases; more than can have left no trace in the journal


class _Seen(Struct, frozen=True):
    """All objects of a stack, as far as they read.

    Args:
        head: None where it doesn't, or isn't there.
        found: Its bytes and version; None where it isn't there.
        slots: The journal, by slot.
        broken: The bytes of slots that don't read.
        indexes: By name.
        lost: The bytes of indexes that don't read, by name.
        any: Whether there is anything but a head.
    """

    head: Head | None
    found: tuple[bytes, str] | None
    slots: dict[int, Slot]
    broken: dict[int, bytes]
    indexes: dict[str, Index]
    lost: dict[str, bytes]
    any: bool

    @property
    def last(self) -> int:
        """The newest slot that there is, or was."""
        known = [0 if self.head is None else max(self.head.slot, self.head.base.slot if self.head.base else 0)]
        return max([*self.slots, *self.broken, *known])

    @property
    def lineage(self) -> str:
        """The stack's lineage."""
        if self.head is not None and self.head.lineage:
            return self.head.lineage
        slots = [slot.lineage for _, slot in sorted(self.slots.items())]
        found = [*slots, *(index.lineage for index in sorted(self.indexes.values(), key=lambda index: index.slot))]
        return (slots or found or [""])[-1]

    def index_of(self, base: Base) -> Index | None:
        """Give the index of a base; None where it doesn't read."""
        if not base.index:  # of a stack that was never written, or has been removed
            return Index(slot=base.slot, serial=base.serial)
        return self.indexes.get(base.index)

    def start(self) -> tuple[str, Index]:
        """Give the newest compacted state that can be known to be one of this stack, and its name."""
        upto = self.last
        if self.head is not None:
            base = self.head.base
            if base is None or not base.index:
                return "", Index() if base is None else Index(slot=base.slot)
            if (index := self.index_of(base)) is not None:
                return base.index, index
            upto = base.slot
        ours = [(name, index) for name, index in self.indexes.items() if index.slot <= upto and self._fits(index)]
        return max(ours, key=lambda item: item[1].slot, default=("", Index()))

    def _fits(self, index: Index) -> bool:
        slot = self.slots.get(index.slot)
        return index.lineage == self.lineage and (slot is None or slot.serial == index.serial)


def _see(store: ObjectStore, ref: StackRef, where: str, *, journal: bool = True) -> _Seen:
    """Read head and indexes, and the journal if it is wanted."""
    found = store.get(layout.head_name(ref))
    head = None
    if found is not None:
        with suppress(StateCorruptError):  # as if it were missing
            head = layout.load_head(found.data, ref, where)
    prefix = layout.folder(ref) + object_folding.INDEX
    names = [one.name for one in store.list(layout.folder(ref))]
    numbers = [(name, layout.slot_of(name)) for name in names]
    seen = _Seen(head, None if found is None else (found.data, found.version), {}, {}, {}, {}, bool(names))

    def read(item: tuple[str, int | None]) -> None:
        name, number = item
        got = store.get(name)
        data = b"" if got is None else got.data
        try:
            if number is None:
                seen.indexes[name] = object_base.load_index(data, ref, where)
            else:
                seen.slots[number] = layout.load_slot(data, ref, number, where)
        except StateCorruptError:
            if number is None:
                seen.lost[name] = data
            else:
                seen.broken[number] = data

    wanted = [item for item in numbers if (journal if item[1] is not None else item[0].startswith(prefix))]
    at_once(read, wanted)
    lineage = seen.lineage
    for number, slot in list(seen.slots.items()):
        if slot.entries and slot.lineage != lineage:
            seen.broken[number] = layout.dump_slot(seen.slots.pop(number))
    return seen


def salvaged(store: ObjectStore, reader: Reader, ref: StackRef) -> Salvaged:
    """Put a stack together from what reads of its objects."""
    where = reader.where(ref)
    for _ in range(_TRIES):
        seen = _see(store, ref, where)
        done = salvage(_remains(store, seen, where))
        again = store.get(layout.head_name(ref))
        if not done.damage or (seen.found or (b"",))[0] == (b"" if again is None else again.data):
            break  # else somebody wrote meanwhile, and cleaned up
    return done


def _remains(store: ObjectStore, seen: _Seen, where: str) -> Remains:
    name, index = seen.start()
    older = next((found for base in reversed(index.past) if (found := seen.index_of(base)) is not None), None)
    first = index if older is None else older
    journal, lost, serial = _journal(seen, first.slot, first.serial)
    if seen.head is None and (seen.found is not None or seen.any):
        lost.append(Part("the head", whole=False, data=seen.found[0] if seen.found is not None else b""))
    needed = seen.head.base.index if seen.head is not None and seen.head.base is not None else ""
    if needed and needed != name:
        lost.append(Part(f"the object {needed}", whole=False, data=seen.lost.get(needed, b"")))
    return Remains(
        where,
        seen.lineage,
        max(serial, index.serial),
        index.serial,
        first.serial,
        _chunks(store, index.state, where),
        None if older is None else _chunks(store, older.state, where),
        _chunks(store, index.runs, where),
        journal,
        lost,
    )


def _journal(seen: _Seen, after: int, serial: int) -> tuple[dict[int, Part], list[Part], int]:
    """Give the journal after a slot by serial, what else of it is lost, and the newest serial.

    Of a slot that doesn't read the serial follows from its neighbours, which
    also tell the marks of takeovers, that have none.
    """
    journal: dict[int, Part] = {}
    lost: list[Part] = []
    waiting: list[int] = []

    def settle(upto: int) -> None:
        for place, number in enumerate(waiting, serial + 1):
            part = Part(f"slot {number} of the journal", whole=False, data=seen.broken.get(number, b""))
            if place <= upto:
                journal[place] = part
            else:
                lost.append(part)
        waiting.clear()

    for number in range(after + 1, seen.last + 1):
        slot = seen.slots.get(number)
        if slot is None:
            if number in seen.broken or number > min(seen.slots, default=0):
                waiting.append(number)
            continue
        settle(slot.serial - bool(slot.entries))
        serial = slot.serial
        if slot.entries:
            journal[serial] = Part(f"slot {number} of the journal", whole=True, data=slot.entries)
    newest = serial + len(waiting)
    settle(newest)
    return journal, lost, newest


def _chunks(store: ObjectStore, chunks: Sequence[Chunk], where: str) -> list[Part]:
    """Read chunks."""

    def read(place: int) -> Part:
        chunk = chunks[place]
        found = store.get(chunk.name)
        data = b"" if found is None else found.data
        what = f"the object {chunk.name}"
        try:
            held = object_base.load_chunk(data, chunk, where)
        except StateCorruptError:
            return Part(what, whole=False, data=data, holds=_between(chunks, place))
        return Part(what, whole=True, data=data, rows=[(*key, row) for key, row in held.items()])

    return at_once(read, range(len(chunks)))


def _between(chunks: Sequence[Chunk], place: int) -> Callable[[Key], bool]:
    first = chunks[place].first
    return lambda key: first <= key and (place + 1 == len(chunks) or key < chunks[place + 1].first)


def make_head(store: ObjectStore, reader: Reader, ref: StackRef) -> None:
    """Write a head that reads where there is none, from what it led to; nobody has the lease then."""
    seen = _see(store, ref, reader.where(ref))
    if seen.head is not None or (seen.found is None and not seen.any):
        return
    name, index = seen.start()
    head = Head(
        str(ref),
        uuid4().hex,
        max((slot.fence for slot in seen.slots.values()), default=0) + _FAR,
        open=True,
        slot=max([*seen.slots, *seen.broken], default=0),
        lineage=seen.lineage,
        base=Base(name, index.slot, index.serial, index.size) if name else None,
    )
    data = layout.dump_head(head)
    if seen.found is None:
        store.put_if_absent(layout.head_name(ref), data)
    else:
        store.put_if(layout.head_name(ref), seen.found[1], data)


def rewrite(
    store: ObjectStore, reader: Reader, ref: StackRef, entries: Sequence[Entry], slot: Slot, *, past: bool
) -> Base:
    """Write a base of nothing but what entries make of nothing; see ``Mender.rewrite``."""
    where = reader.where(ref)
    older = _see(store, ref, where, journal=False).start()[1].past if past else ()
    changes = rows.fold(entries, lambda _kind, _names: {}, where)
    with object_folding.written(store, ref) as write:
        index = Index(
            object_base.change((), changes, lambda _: [], write),
            object_base.change((), object_folding.runs_of([entries]), lambda _: [], write),
            older,
            slot.slot,
            slot.serial,
            slot.lineage,
        )
    return object_folding.write_index(store, ref, index)
