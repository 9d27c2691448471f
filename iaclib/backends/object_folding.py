"""Moves a stack's journal into its compacted rows, and finds what nobody needs any more.

Knows the order of things that makes a fold safe: garbage of before is looked
for first, chunks and index are written next, and only the caller's write of
the head makes them count.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from msgspec import structs

from iaclib.backends import object_base
from iaclib.backends import object_layout as layout
from iaclib.backends.object_base import RUN, Index, Key, Rows
from iaclib.backends.object_layout import Base
from iaclib.backends.object_reader import NOTHING, at_once
from iaclib.state import codec, packing, rows
from iaclib.state.journal import Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
    from datetime import timedelta

    from iaclib.backends.object_base import Chunk
    from iaclib.backends.object_layout import Slot
    from iaclib.backends.object_reader import Reader, View
    from iaclib.backends.object_store import Listed, ObjectStore
    from iaclib.model.addresses import StackRef
    from iaclib.state.journal import Entry

INDEX: Final = "base/index-"  # how the names of indexes go on after the stack's folder
_PAST: Final = 8  # bases, about, from which all retained serials can be read


def entries(slots: Sequence[Slot], where: str) -> list[list[Entry]]:
    """Read the appends in journal slots."""
    providers = codec.Providers()
    return [
        codec.load_entries(slot.entries, f"{where} serial {slot.serial}", providers) for slot in slots if slot.entries
    ]


def fold(store: ObjectStore, reader: Reader, ref: StackRef, keep: int, grace: timedelta) -> tuple[Base, list[str]]:
    """Write a base that holds all of the journal, under the lease.

    Args:
        store: Where to write.
        reader: Reads from there.
        ref: Which stack.
        keep: How many earlier serials stay readable.
        grace: How old folded journal slots become before they are garbage.

    Returns:
        The base, which the head has to name to make it count, and the names of
        what was garbage before, to be deleted once it does.
    """
    view = _view(reader, ref)
    garbage = _garbage(store, reader, ref, view, grace)
    index = _folded(store, reader, ref, view, _past(view, keep))
    return write_index(store, ref, index), garbage


def fold_alone(store: ObjectStore, reader: Reader, ref: StackRef) -> tuple[Base, set[str]]:
    """Write a base that holds all of the journal and needs nothing of what was, under the lease.

    What else is kept twice, in the journal, is kept twice here too.

    Returns:
        The base, which the head has to name to make it count, and the names of
        all that it needs.
    """
    index = _folded(store, reader, ref, _view(reader, ref), ())
    with written(store, ref) as write:
        chunks = [
            structs.replace(
                chunk, name=write(object_base.dump_chunk(list(part.items())), object_base.digest_in(chunk.name))
            )
            for chunk, part in zip(index.state, reader.rows(ref, index.state), strict=True)
        ]
    copy = structs.replace(index, state=chunks)
    second = write_index(store, ref, copy)
    index = structs.replace(index, past=(second,))
    base = write_index(store, ref, index)
    return base, {base.index, second.index, *index.names(), *copy.names()}


def _view(reader: Reader, ref: StackRef) -> View:
    view = reader.view(ref)
    if view is None:
        raise packing.corrupt(reader.where(ref), "its head is missing")
    return view


def _folded(store: ObjectStore, reader: Reader, ref: StackRef, view: View, past: Sequence[Base]) -> Index:
    """Write the chunks that the journal changes; give the index of all."""
    where = reader.where(ref)
    appends = entries(view.slots, where)
    read: dict[Chunk, Rows] = {}

    def load(chunks: Sequence[Chunk]) -> list[Rows]:
        missing = [chunk for chunk in dict.fromkeys(chunks) if chunk not in read]
        read.update(zip(missing, reader.rows(ref, missing), strict=True))
        return [read[chunk] for chunk in chunks]

    def find(kind: str, names: Collection[str]) -> Mapping[str, bytes]:
        if not view.index.state:
            return {}
        homes = {name: view.index.state[object_base.locate(view.index.state, (kind, name))] for name in names}
        load(list(homes.values()))
        return {name: data for name, home in homes.items() if (data := read[home].get((kind, name))) is not None}

    changes = rows.fold([entry for append in appends for entry in append], find, where)
    with written(store, ref) as write:
        return Index(
            object_base.change(view.index.state, changes, load, write),
            object_base.change(view.index.runs, runs_of(appends), load, write),
            past,
            view.end.slot,
            view.end.serial,
            view.end.lineage,
        )


@contextmanager
def written(store: ObjectStore, ref: StackRef) -> Iterator[Callable[[bytes, str], str]]:
    """Give what names a chunk by its digest; all are written when the block ends."""
    writes: list[tuple[str, bytes]] = []

    def write(data: bytes, digest: str) -> str:
        name = f"{layout.folder(ref)}base/{digest}-{uuid4().hex[:16]}"
        writes.append((name, data))
        return name

    yield write
    at_once(lambda item: store.put_if_absent(*item), writes)


def write_index(store: ObjectStore, ref: StackRef, index: Index) -> Base:
    """Write an index, whose chunks are there already; give what the head has to say of it."""
    name = f"{layout.folder(ref)}{INDEX}{uuid4().hex}"
    store.put_if_absent(name, object_base.dump_index(index, ref))
    return Base(name, index.slot, index.serial, index.size)


def runs_of(appends: Sequence[Sequence[Entry]]) -> dict[Key, bytes | None]:
    """Give the rows of history that appends change; a run keeps its row, as its begin stays."""
    runs = [entry.run for append in appends for entry in append if isinstance(entry, Ran)]
    return {(RUN, f"{run.began:020.6f} {run.id}"): codec.dump_run(run) for run in runs}


def _past(view: View, keep: int) -> list[Base]:
    """Choose the bases that stay: some, far enough apart, from the one that the oldest retained serial follows."""
    past, last = list(view.index.past), view.head.base or NOTHING
    if not past or last.serial - past[-1].serial >= keep // _PAST:
        past.append(last)
    oldest = view.end.serial - keep
    while len(past) > 1 and past[1].serial <= oldest:
        del past[0]
    return past


def _garbage(store: ObjectStore, reader: Reader, ref: StackRef, view: View, grace: timedelta) -> list[str]:
    """Name what no head points at: left by folds that were killed, or replaced by earlier ones."""
    listed = store.list(layout.folder(ref))
    bases = [*view.index.past, view.head.base or NOTHING]
    needed = view.index.names() | {base.index for base in bases}
    for index in at_once(lambda base: reader.index(ref, base), view.index.past):
        needed |= index.names()
    # The newest write here is a time of the store's own clock that has surely passed.
    old = max((one.modified for one in listed), default=0.0) - grace.total_seconds()
    done = bases[0].slot

    def is_garbage(one: Listed) -> bool:
        slot = layout.slot_of(one.name)
        return one.name not in needed if slot is None else slot <= done and one.modified < old

    return [one.name for one in listed if is_garbage(one)]


def clean(store: ObjectStore, garbage: Sequence[str]) -> None:
    """Delete garbage."""
    at_once(store.delete, garbage)


def blank(store: ObjectStore, ref: StackRef, needed: Container[str] = ()) -> None:
    """Delete what a stack consists of, but for its head, what is still needed, and the names of its journal.

    A name that a stopped holder may still try to write has to stay taken; so
    the slots are kept, with nothing in them.
    """
    where = f"{ref} in {store.place}"

    def drop(name: str) -> None:
        number = layout.slot_of(name)
        if number is None:
            store.delete(name)
        elif (found := store.get(name)) is not None:
            slot = layout.load_slot(found.data, ref, number, where)
            if slot.entries:
                left = structs.replace(slot, write=uuid4().hex, lineage="", serial=0, entries=b"")
                store.put_if(name, found.version, layout.dump_slot(left))

    at_once(drop, [one.name for one in store.list(layout.folder(ref)) if one.name not in needed])
