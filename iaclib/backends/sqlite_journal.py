"""The journal's rows in SQLite: reading them, and folding them into one row a thing.

Knows the tables ``journal``, ``rows``, ``base`` and ``runs``; knows nothing of
leases or transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from iaclib.backends.kept_rows import BASED, checked, entries, parts, sum_of
from iaclib.state import codec, rows
from iaclib.state.backend import Salvaged
from iaclib.state.journal import Ran

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping, Sequence

    from iaclib.backends.kept_rows import Line, Row
    from iaclib.model.addresses import StackRef
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary

_LAST: Final = 2**62  # a serial after all
_NAMES_AT_ONCE: Final = 500  # parameters of one statement; old SQLites take 999


def read(db: sqlite3.Connection, stack: int, after: int, upto: int = _LAST) -> list[Line]:
    """Give the journal after one serial up to another."""
    return db.execute(
        "SELECT journal.serial, lineage, data, crc FROM journal JOIN stacks ON stacks.id = stack "
        "WHERE stack=? AND journal.serial>? AND journal.serial<=? ORDER BY journal.serial",
        (stack, after, upto),
    ).fetchall()


def add(db: sqlite3.Connection, stack: int, lineage: str, serial: int, data: bytes) -> None:
    """Write a row."""
    db.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", (stack, serial, data, sum_of(data, lineage, serial)))


def based(db: sqlite3.Connection, stack: int, where: str) -> int:
    """Give the serial that the base is of, 0 for an empty one."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name='base'").fetchone() is None:
        return 0  # a file of format 1
    row = db.execute("SELECT kind, name, data, crc FROM base WHERE stack=? AND kind=? AND name=?", (stack, *BASED))
    return next((int(data) for _, _, data in checked(row, where)), 0)


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

    for part in parts(read(db, stack, *span), *span):
        changes = rows.fold(entries(*part, where), there, where)
        db.executemany(
            f"DELETE FROM {table} WHERE stack=? AND kind=? AND name=?",  # noqa: S608 - our own names
            [(stack, *key) for key, data in changes.items() if data is None],
        )
        put(db, table, stack, changes)
    if table == "base":
        put(db, table, stack, {BASED: b"%d" % span[1]})


def put(db: sqlite3.Connection, table: str, stack: int, changes: Mapping[tuple[str, str], bytes | None]) -> None:
    """Write rows."""
    db.executemany(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - our own names
        [(stack, *key, data, crc32(data)) for key, data in changes.items() if data is not None],
    )


def kept(db: sqlite3.Connection, table: str, stack: int) -> list[Row]:
    """Give all rows of a table."""
    return db.execute(f"SELECT kind, name, data, crc FROM {table} WHERE stack=?", (stack,)).fetchall()  # noqa: S608


def ran(db: sqlite3.Connection, stack: int, run: RunSummary) -> None:
    """Write a run into history: anew, or in its place."""
    data = codec.dump_run(run)
    db.execute(
        "INSERT INTO runs (stack, id, data, crc) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (stack, id) DO UPDATE SET data=excluded.data, crc=excluded.crc",
        (stack, run.id, data, crc32(data)),
    )


def remove(db: sqlite3.Connection, stack: int, tables: Sequence[str] = ("journal", "rows", "base", "runs")) -> None:
    """Delete a stack's rows."""
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE stack=?", (stack,))  # noqa: S608 - our own names


# ---------------------------------------------------------------------------------------------------------- mending


def salvage(db: sqlite3.Connection, ref: StackRef, where: str) -> Salvaged:
    """Read all that is kept of a stack."""
    from iaclib.backends.mended_rows import read_all  # only where there is damage

    return read_all(
        lambda statement, values: db.execute(statement.replace("@.", "").replace("%s", "?"), values),
        lambda table, stack: kept(db, table, stack),
        lambda stack: based(db, stack, where),
        lambda stack: read(db, stack, 0),
        ref,
        where,
    )


def rewrite(db: sqlite3.Connection, stack: int, entries: Sequence[Entry], head: tuple[str, int], past: bool) -> None:
    """Put what entries make of nothing in the place of a stack's rows; see ``Mender.rewrite``."""
    lineage, serial = head
    changes = rows.fold(entries, lambda _kind, _names: {}, "what was salvaged")
    remove(db, stack, ("rows", "runs") if past else ("rows", "runs", "base", "journal"))
    put(db, "rows", stack, changes)
    if not past:
        put(db, "base", stack, {**changes, BASED: b"%d" % (serial - 1)})
    add(db, stack, lineage, serial, codec.dump_entries(entries))
    for entry in entries:
        if isinstance(entry, Ran):
            ran(db, stack, entry.run)
