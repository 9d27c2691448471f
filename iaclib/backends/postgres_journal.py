"""The journal's rows on Postgres: reading them, and folding them into one row a thing.

Knows the tables and what they hold; knows nothing of leases or transactions.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from zlib import crc32

from iaclib.backends.kept_rows import BASED, checked, entries, parts, sum_of
from iaclib.state import codec, rows
from iaclib.state.journal import Ran

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from iaclib.backends.kept_rows import Line, Row
    from iaclib.backends.postgres_server import PostgresServer
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Salvaged
    from iaclib.state.journal import Entry

_LAST: Final = 2**62  # a serial after all
_AT_ONCE: Final = 1000  # rows of one statement

#: Names are bytes and found by a digest: an index takes neither any encoding nor any length.
_ROWS: Final = """(
    stack bigint NOT NULL, key bytea NOT NULL, kind text NOT NULL, name bytea NOT NULL, data bytea NOT NULL,
    crc bigint NOT NULL, PRIMARY KEY (stack, key))"""
TABLES: Final = (
    """CREATE TABLE @.stacks (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, project text NOT NULL, name text NOT NULL,
        lineage text NOT NULL DEFAULT '', serial bigint NOT NULL DEFAULT 0, folded bigint NOT NULL DEFAULT 0,
        fence bigint NOT NULL DEFAULT 0, holder text, expires timestamptz NOT NULL DEFAULT '-infinity',
        claim text NOT NULL DEFAULT '', UNIQUE (project, name)) WITH (fillfactor = 50)""",
    """CREATE TABLE @.journal (
        stack bigint NOT NULL, serial bigint NOT NULL, data bytea NOT NULL, crc bigint NOT NULL,
        write_id bytea NOT NULL, PRIMARY KEY (stack, serial))""",
    f"CREATE TABLE @.rows {_ROWS}",
    f"CREATE TABLE @.base {_ROWS}",
    """CREATE TABLE @.runs (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stack bigint NOT NULL, id text NOT NULL,
        data bytea NOT NULL, crc bigint NOT NULL, UNIQUE (stack, id))""",
)

_PUT: Final = """
    INSERT INTO {} (stack, key, kind, name, data, crc)
    SELECT %s, * FROM unnest(%s::bytea[], %s::text[], %s::bytea[], %s::bytea[], %s::bigint[])
    ON CONFLICT (stack, key) DO UPDATE SET data = excluded.data, crc = excluded.crc"""


def _key(kind: str, name: str) -> bytes:
    return blake2b(f"{kind}\0{name}".encode(), digest_size=16).digest()


def head(server: PostgresServer, ref: StackRef, *, lock: bool = False) -> tuple[int, str, int, int] | None:
    """Read id, lineage, serial, and up to which serial rows are folded; None for a stack that was never written."""
    server.check_format()
    statement = "SELECT id, lineage, serial, folded FROM @.stacks WHERE project=%s AND name=%s AND lineage<>''"
    row: tuple[int, str, int, int] | None = server.execute(
        f"{statement} FOR UPDATE" if lock else statement, ref
    ).fetchone()
    return row


def kept(server: PostgresServer, table: str, stack: int, keys: Sequence[bytes] | None = None) -> list[Row]:
    """Read rows: those of some keys, or all."""
    statement = f"SELECT kind, name, data, crc FROM {table} WHERE stack=%s"  # noqa: S608 - our own names
    if keys is None:
        found = server.execute(statement, (stack,)).fetchall()
    else:
        found = server.execute(f"{statement} AND key = ANY(%s::bytea[])", (stack, list(keys))).fetchall()
    return [(kind, bytes(name).decode(errors="replace"), data, crc) for kind, name, data, crc in found]


def based(server: PostgresServer, stack: int, where: str) -> int:
    """Give the serial that the base is of, 0 for an empty one."""
    found = kept(server, "@.base", stack, [_key(*BASED)])
    return next((int(data) for _, _, data in checked(found, where)), 0)


def read(server: PostgresServer, stack: int, after: int, upto: int = _LAST) -> list[Line]:
    """Give the journal after one serial up to another."""
    found: list[Line] = server.execute(
        "SELECT journal.serial, lineage, data, crc FROM @.journal JOIN @.stacks ON stacks.id = stack "
        "WHERE stack=%s AND journal.serial>%s AND journal.serial<=%s ORDER BY journal.serial",
        (stack, after, upto),
    ).fetchall()
    return found


def fold(server: PostgresServer, table: str, stack: int, span: tuple[int, int], where: str) -> None:
    """Apply the journal after one serial up to another to a table of rows: work for what changed, not for what is there."""

    def there(kind: str, names: Collection[str]) -> Mapping[str, bytes]:
        found = kept(server, table, stack, [_key(kind, name) for name in names])
        return {name: data for _, name, data in checked(found, where)}

    for part in parts(read(server, stack, *span), *span):
        changes = rows.fold(entries(*part, where), there, where)
        gone = [_key(*name) for name, data in changes.items() if data is None]
        if gone:
            server.execute(f"DELETE FROM {table} WHERE stack=%s AND key = ANY(%s::bytea[])", (stack, gone))  # noqa: S608
        put(server, table, stack, changes)
    if table == "@.base":
        put(server, table, stack, {BASED: b"%d" % span[1]})


def put(server: PostgresServer, table: str, stack: int, changes: Mapping[tuple[str, str], bytes | None]) -> None:
    """Write rows."""
    new = [
        (_key(kind, name), kind, name.encode(), data, crc32(data))
        for (kind, name), data in changes.items()
        if data is not None
    ]
    for start in range(0, len(new), _AT_ONCE):
        columns = zip(*new[start : start + _AT_ONCE], strict=True)
        server.execute(_PUT.format(table), (stack, *map(list, columns)))


def remove(server: PostgresServer, stack: int, tables: Sequence[str] = ("journal", "rows", "base", "runs")) -> None:
    """Delete a stack's rows."""
    for table in tables:
        server.execute(f"DELETE FROM @.{table} WHERE stack=%s", (stack,))  # noqa: S608 - our own names


# ---------------------------------------------------------------------------------------------------------- mending


def salvage(server: PostgresServer, ref: StackRef, where: str) -> Salvaged:
    """Read all that is kept of a stack."""
    from iaclib.backends.mended_rows import read_all  # only where there is damage

    server.check_format()
    return read_all(
        server.execute,
        lambda table, stack: kept(server, f"@.{table}", stack),
        lambda stack: based(server, stack, where),
        lambda stack: read(server, stack, 0),
        ref,
        where,
    )


def rewrite(
    server: PostgresServer, stack: int, entries: Sequence[Entry], line: tuple[str, int, bytes, bytes], past: bool
) -> None:
    """Put what entries make of nothing in the place of a stack's rows; see ``Mender.rewrite``."""
    lineage, serial, data, write_id = line
    changes = rows.fold(entries, lambda _kind, _names: {}, "what was salvaged")
    remove(server, stack, ("rows", "runs") if past else ("rows", "runs", "base", "journal"))
    put(server, "@.rows", stack, changes)
    if not past:
        put(server, "@.base", stack, {**changes, BASED: b"%d" % (serial - 1)})
    server.execute(
        "INSERT INTO @.journal (stack, serial, data, crc, write_id) VALUES (%s, %s, %s, %s, %s)",
        (stack, serial, data, sum_of(data, lineage, serial), write_id),
    )
    for entry in entries:
        if isinstance(entry, Ran):
            run = codec.dump_run(entry.run)
            server.execute(
                "INSERT INTO @.runs (stack, id, data, crc) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (stack, id) DO UPDATE SET data = excluded.data, crc = excluded.crc",
                (stack, entry.run.id, run, crc32(run)),
            )
