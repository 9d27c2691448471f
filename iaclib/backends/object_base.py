"""The compacted state of a stack: sorted rows in chunks, and an index of them.

Knows how rows lie in chunks and which chunks a change touches; knows nothing
of journal, head or lease. Chunks and indexes are never overwritten: a changed
chunk is a new object, the others are named again by the new index. So a fold
costs what changed, plus an index of about 100 bytes for each chunk.

A chunk's name holds the hash of its content, which reading checks, and a random
part: a name that was garbage never comes back into use, so that deleting
garbage can't meet somebody who writes it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import orjson
from msgspec import Struct, structs

from iaclib.backends import object_layout as layout
from iaclib.backends.object_layout import Base
from iaclib.state import packing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from iaclib.model.addresses import StackRef

#: A row: kind and name, by which rows are sorted.
Key = tuple[str, str]
Rows = dict[Key, bytes]

RUN: Final = "run"  # the kind of rows that hold history; all others are ``state.rows``'s
CHUNK: Final = 64 * 1024  # bytes that a chunk should hold; a larger row has one of its own
_SLACK: Final = 8  # chunks that may be nearly empty before all are packed again


class Chunk(Struct, frozen=True):
    """An object with the rows from ``first`` up to the next chunk's."""

    name: str
    first: Key
    size: int


class Index(Struct, frozen=True):
    """All chunks of a base, by their first keys, and what it came from.

    Args:
        state: The chunks of the state.
        runs: Those of its history.
        past: Earlier bases that are retained, oldest first, so that earlier serials can be read.
        slot: The last journal slot that is in it.
        serial: The serial at that slot.
        lineage: The stack's.
    """

    state: Sequence[Chunk] = ()
    runs: Sequence[Chunk] = ()
    past: Sequence[Base] = ()
    slot: int = 0
    serial: int = 0
    lineage: str = ""

    def names(self) -> set[str]:
        """Name all objects that it needs."""
        return {chunk.name for chunk in (*self.state, *self.runs)}

    @property
    def size(self) -> int:
        """Bytes of all rows of the state."""
        return sum(chunk.size for chunk in self.state)


def dump_index(index: Index, ref: StackRef) -> bytes:
    """Write an index."""
    facts = {
        "stack": str(ref),
        "write": uuid4().hex,
        "state": [[chunk.name, *chunk.first, chunk.size] for chunk in index.state],
        "runs": [[chunk.name, *chunk.first, chunk.size] for chunk in index.runs],
        "past": [structs.astuple(base) for base in index.past],
        "at": [index.slot, index.serial, index.lineage],
    }
    return layout.frame(orjson.dumps(facts))


def load_index(data: bytes, ref: StackRef, where: str) -> Index:
    """Undo ``dump_index``.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    try:
        facts = orjson.loads(layout.unframe(data, where))
        owner = facts["stack"]
        state, runs = ([Chunk(name, (k, n), size) for name, k, n, size in facts[part]] for part in ("state", "runs"))
        index = Index(state, runs, [Base(*base) for base in facts["past"]], *facts["at"])
    except (TypeError, ValueError, KeyError):
        raise packing.corrupt(where, "the index of its records does not read") from None
    if owner != str(ref):
        raise packing.corrupt(where, f"the index of its records belongs to {owner}")
    return index


def dump_chunk(rows: Sequence[tuple[Key, bytes]]) -> bytes:
    """Write rows: a line that says which and how long, then their bytes."""
    return layout.frame(
        orjson.dumps([(*key, len(data)) for key, data in rows]), b"\n", b"".join(data for _, data in rows)
    )


def load_chunk(data: bytes, chunk: Chunk, where: str) -> Rows:
    """Undo ``dump_chunk``.

    Raises:
        StateCorruptError: The bytes are not those that the index means.
    """
    if _digest(data) not in chunk.name:
        raise packing.corrupt(where, f"the bytes of {chunk.name} changed")
    head, _, body = layout.unframe(data, where).partition(b"\n")
    rows: Rows = {}
    at = 0
    for kind, name, size in orjson.loads(head):
        rows[kind, name] = body[at : at + size]
        at += size
    return rows


def change(
    chunks: Sequence[Chunk],
    changes: Mapping[Key, bytes | None],
    read: Callable[[Sequence[Chunk]], Sequence[Rows]],
    write: Callable[[bytes, str], str],
) -> list[Chunk]:
    """Give the chunks after some rows were put or dropped, writing those that differ.

    Args:
        chunks: As they are.
        changes: By key, a row's new bytes, or None for one that goes.
        read: Gives the rows of chunks.
        write: Writes a chunk of this digest, and gives its name.
    """
    if not changes:
        return list(chunks)
    places = {
        place: dict(group)
        for place, group in groupby(sorted(changes.items()), key=lambda item: locate(chunks, item[0]))
    }
    size = sum(chunk.size for chunk in chunks)
    packed: Rows | None = None
    if len(chunks) > 2 * (size // CHUNK) + _SLACK:
        places = {place: places.get(place, {}) for place in range(len(chunks))}
        packed = {}
    touched = [place for place in places if place < len(chunks)]
    before = dict(zip(touched, read([chunks[place] for place in touched]), strict=True))
    done: list[Chunk] = []
    for place in range(max(len(chunks), 1)):
        if place not in places:
            done.append(chunks[place])
            continue
        rows = dict(before.get(place, {}))
        for key, data in places[place].items():
            if data is None:
                rows.pop(key, None)
            else:
                rows[key] = data
        if packed is not None:
            packed.update(rows)
        else:
            done += _written(rows, write)
    return done if packed is None else _written(packed, write)


def locate(chunks: Sequence[Chunk], key: Key) -> int:
    """Tell in which chunk a key is, or would be."""
    return max(bisect_right(chunks, key, key=lambda chunk: chunk.first) - 1, 0)


def _written(rows: Rows, write: Callable[[bytes, str], str]) -> list[Chunk]:
    done = []
    for part in _parts(sorted(rows.items())):
        data = dump_chunk(part)
        done.append(Chunk(write(data, _digest(data)), part[0][0], sum(len(row) for _, row in part)))
    return done


def _parts(rows: Iterable[tuple[Key, bytes]]) -> Iterable[list[tuple[Key, bytes]]]:
    """Cut rows into parts of a chunk's size; a larger row is a part of its own."""
    part: list[tuple[Key, bytes]] = []
    size = 0
    for key, data in rows:
        if part and size + len(data) > CHUNK:
            yield part
            part, size = [], 0
        part.append((key, data))
        size += len(data)
    if part:
        yield part


def digest_in(name: str) -> str:
    """Give the digest in a chunk's name."""
    return name.rpartition("/")[2].partition("-")[0]


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()[:40]
