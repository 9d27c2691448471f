"""The journal's rows in SQLite: reading them, and folding them into one row a thing.

Knows the tables ``journal``, ``rows`` and ``base``; knows nothing of leases or
transactions. A journal row's checksum covers where it belongs, so that one of
another stack, another state or another serial is not taken for its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar
from zlib import crc32

from iaclib.state import codec, packing, rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from iaclib.state.journal import Entry

_K = TypeVar("_K")

#: A journal row: its serial, the stack's lineage, its bytes and their checksum.
Line = tuple[int, str, bytes, int]
#: Another row: its kind, its name, its bytes and their checksum.
Row = tuple[str, str, bytes, int]

_LAST: Final = 2**62  # a serial after all
_NAMES_AT_ONCE: Final = 500  # parameters of one statement; old SQLites take 999
_UNBOUND: Final = b"[1,"  # format 1 summed the bytes alone


def read(db: sqlite3.Connection, stack: int, after: int, upto: int = _LAST) -> list[Line]:
    """Give the journal after one serial up to another."""
    return db.execute(
        "SELECT journal.serial, lineage, data, crc FROM journal JOIN stacks ON stacks.id = stack "
        "WHERE stack=? AND journal.serial>? AND journal.serial<=? ORDER BY journal.serial",
        (stack, after, upto),
    ).fetchall()


def add(db: sqlite3.Connection, stack: int, lineage: str, serial: int, data: bytes) -> None:
    """Write a row."""
    db.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", (stack, serial, data, _sum(data, lineage, serial)))


def is_whole(line: Line) -> bool:
    """Tell whether a row is what was written there."""
    serial, lineage, data, checksum = line
    return _sum(data, lineage, serial) == checksum


def entries(journal: Sequence[Line], after: int, upto: int, where: str) -> list[Entry]:
    """Read rows, and see that none of them is missing.

    Raises:
        StateCorruptError: One is missing, changed, or of another state.
    """
    if [line[0] for line in journal] != list(range(after + 1, upto + 1)):
        raise packing.corrupt(where, f"its journal is not whole between serial {after} and {upto}")
    providers = codec.Providers()
    found: list[Entry] = []
    for line in journal:
        if not is_whole(line):
            raise packing.corrupt(where, f"serial {line[0]} of the journal changed, or is of another state")
        found += codec.load_entries(line[2], f"{where} serial {line[0]}", providers)
    return found


def based(db: sqlite3.Connection, stack: int, serial: int) -> int:
    """Give the serial that the base is of: the one before the oldest of the journal, 0 for an empty base."""
    (first,) = db.execute("SELECT MIN(serial) FROM journal WHERE stack=?", (stack,)).fetchone()
    return int(serial if first is None else first - 1)


def fold(db: sqlite3.Connection, table: str, stack: int, span: tuple[int, int], where: str) -> None:
    """Apply the journal after one serial up to another to a table of rows: work for what changed, not for what is there."""

    def there(kind: str, names: Collection[str]) -> Mapping[str, bytes]:
        wanted = list(names)
        found: list[Row] = []
        for start in range(0, len(wanted), _NAMES_AT_ONCE):
            part = wanted[start : start + _NAMES_AT_ONCE]
            found += db.execute(
                f"SELECT kind, name, data, crc FROM {table} WHERE stack=? AND kind=? AND name IN "  # noqa: S608 - ours
                f"({','.join('?' * len(part))})",
                (stack, kind, *part),
            )
        return {name: data for _, name, data in checked(found, where)}

    changes = rows.fold(entries(read(db, stack, *span), *span, where), there, where)
    db.executemany(
        f"DELETE FROM {table} WHERE stack=? AND kind=? AND name=?",  # noqa: S608 - our own names
        [(stack, *key) for key, data in changes.items() if data is None],
    )
    put(db, table, stack, changes)


def put(db: sqlite3.Connection, table: str, stack: int, changes: Mapping[tuple[str, str], bytes | None]) -> None:
    """Write rows."""
    db.executemany(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - our own names
        [(stack, *key, data, crc32(data)) for key, data in changes.items() if data is not None],
    )


def checked(found: Iterable[tuple[_K, str, bytes, int]], where: str) -> Iterator[tuple[_K, str, bytes]]:
    """Check each row's bytes against its checksum.

    Raises:
        StateCorruptError: They changed.
    """
    for key, name, data, checksum in found:
        if crc32(data) != checksum:
            raise packing.corrupt(where, f"the bytes of {key} {name} changed")
        yield key, name, data


def _sum(data: bytes, lineage: str, serial: int) -> int:
    return crc32(data) if data.startswith(_UNBOUND) else crc32(data, crc32(f"{lineage} {serial} ".encode()))
