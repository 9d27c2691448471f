"""Rows as the databases keep them, each with a checksum: which of them are whole, and what a journal of them says.

Knows rows and checksums; knows nothing of a database. A journal row's checksum
covers where it belongs, so that one of another state or another serial is not
taken for its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from zlib import crc32

from iaclib.state import codec, packing, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from iaclib.state.journal import Entry

_K = TypeVar("_K")

#: A journal row: its serial, the stack's lineage, its bytes and their checksum.
Line = tuple[int, str, bytes, int]
#: Another row: its kind, its name, its bytes and their checksum.
Row = tuple[str, str, bytes, int]

#: Kind and name of the row in a base that says of which serial it is; a base without it is empty, of serial 0.
BASED: Final = (rows.META, "based")

_PART: Final = 1024 * 1024  # bytes of the journal that are read at once
_UNBOUND: Final = b"[1,"  # format 1 summed the bytes alone


def sum_of(data: bytes, lineage: str, serial: int) -> int:
    """Give the checksum of a journal row."""
    return crc32(data) if data.startswith(_UNBOUND) else crc32(data, crc32(f"{lineage} {serial} ".encode()))


def is_whole(line: Line) -> bool:
    """Tell whether a journal row is what was written there."""
    serial, lineage, data, checksum = line
    return sum_of(data, lineage, serial) == checksum


def parts(journal: Iterable[Line], after: int, upto: int) -> Iterator[tuple[list[Line], int, int]]:
    """Cut the journal after one serial up to another into parts that need little memory when they are read."""
    part: list[Line] = []
    size = 0
    for line in journal:
        part.append(line)
        size += len(line[2])
        if size >= _PART:
            yield part, after, line[0]
            part, size, after = [], 0, line[0]
    if part or after < upto:
        yield part, after, upto


def entries(journal: Sequence[Line], after: int, upto: int, where: str) -> list[Entry]:
    """Read the journal after one serial up to another, and see that none of it is missing.

    Raises:
        StateCorruptError: A row is missing, changed, or of another state.
    """
    if [line[0] for line in journal] != list(range(after + 1, upto + 1)):
        raise packing.corrupt(where, f"its journal is not whole between serial {after} and {upto}")
    for line in journal:
        if not is_whole(line):
            raise packing.corrupt(where, f"serial {line[0]} of the journal changed, or is of another state")
    return codec.load_journal(((line[2], f"{where} serial {line[0]}") for line in journal), codec.Providers())


def checked(found: Iterable[tuple[_K, str, bytes, int]], where: str) -> Iterator[tuple[_K, str, bytes]]:
    """Check each row's bytes against its checksum.

    Raises:
        StateCorruptError: They changed.
    """
    for key, name, data, checksum in found:
        if crc32(data) != checksum:
            raise packing.corrupt(where, f"the bytes of {key} {name} changed")
        yield key, name, data
