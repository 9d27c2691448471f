"""State on a PostgreSQL server, for teams: leases by the server's clock, one round trip an append.

Knows how appends, rows and leases are kept in tables; what they hold is
``state.codec``'s and ``state.rows``'s business, and the connection
``postgres_server``'s.

- A stack has one row in ``stacks``, its head: lineage, serial, fence, holder.
  Whatever changes a stack's state locks that row first, so that stacks don't
  wait for each other, and those who want the same one take turns.
- An append is one statement: compare-and-swap of the head, and a journal row,
  whatever the size of the stack. The row has a ``write_id``, by which a writer
  whose connection dropped finds out whether its commit was done.
- Leases end by the server's clock. No advisory locks, no session state: a
  pooler may sit in between.
- Journal rows are folded into one row a record when the lease is given back,
  or when many have piled up; the oldest are later folded into a base of their
  own, from which earlier serials are read.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote
from zlib import crc32

import attrs

from iaclib.backends import leasing
from iaclib.backends.leasing import Held
from iaclib.backends.postgres_server import PostgresServer
from iaclib.errors import ConfigError, StateError
from iaclib.model.addresses import StackRef
from iaclib.state import codec, packing, rows
from iaclib.state.journal import Ran
from iaclib.state.record import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from iaclib.state.backend import Holder, Lease
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary

_K = TypeVar("_K")

_FOLD_AFTER: Final = 1000  # journal rows; bounds what a load has to replay
_LAST: Final = 2**62  # a serial after all
_AT_ONCE: Final = 1000  # rows of one statement

#: Names are bytes and found by a digest: an index takes neither any encoding nor any length.
_ROWS: Final = """(
    stack bigint NOT NULL, key bytea NOT NULL, kind text NOT NULL, name bytea NOT NULL, data bytea NOT NULL,
    crc bigint NOT NULL, PRIMARY KEY (stack, key))"""
_TABLES: Final = (
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

_OURS: Final = "project=%(project)s AND name=%(name)s AND fence=%(fence)s AND holder IS NOT NULL"
_APPEND: Final = f"""
    WITH head AS (
        UPDATE @.stacks SET serial = serial + 1, lineage = %(lineage)s
        WHERE {_OURS} AND serial = %(serial)s AND lineage IN ('', %(lineage)s)
        RETURNING id, serial, folded),
    entry AS (
        INSERT INTO @.journal (stack, serial, data, crc, write_id)
        SELECT id, serial, %(data)s, %(crc)s, %(write_id)s FROM head),
    ran AS (
        INSERT INTO @.runs (stack, id, data, crc)
        SELECT head.id, run.id, run.data, run.crc
        FROM head, unnest(%(ids)s::text[], %(runs)s::bytea[], %(crcs)s::bigint[]) WITH ORDINALITY
            AS run (id, data, crc, place) ORDER BY run.place
        ON CONFLICT (stack, id) DO UPDATE SET data = excluded.data, crc = excluded.crc)
    SELECT folded FROM head"""  # noqa: S608 - put together from our own texts
_PUT: Final = """
    INSERT INTO {} (stack, key, kind, name, data, crc)
    SELECT %s, * FROM unnest(%s::bytea[], %s::text[], %s::bytea[], %s::bytea[], %s::bigint[])
    ON CONFLICT (stack, key) DO UPDATE SET data = excluded.data, crc = excluded.crc"""


class Postgres:
    """State in a schema of a Postgres database; any thread may use it, and any number of engines.

    The schema and its tables are made when the first lease is taken; reading
    makes nothing. Opening makes no connection: the first use does, and looks
    whether the server will do (PostgreSQL 12 or newer; for writing a primary).

    Args:
        dsn: A URL or ``key=value`` pairs, as libpq takes it; TLS, password
            files and the like are libpq's.
        schema: Where the tables are.
        clock: Gives seconds since the epoch, for the end of leases as this
            process sees it; who holds a stack is judged by the server's clock.
        fold_after: How many journal rows may pile up before they are folded.
        keep: How many serials can be looked back at; at most a tenth more are.
        timeout: Seconds that a statement may take, waiting for others included.
        patience: Seconds to go on trying when a connection drops.
    """

    def __init__(
        self,
        dsn: str,
        *,
        schema: str = "iaclib",
        clock: Callable[[], float] = time.time,
        fold_after: int = _FOLD_AFTER,
        keep: int = 10_000,
        timeout: float = 30.0,
        patience: float = 10.0,
    ) -> None:
        self._clock = clock
        self._fold_after = fold_after
        self._keep = max(1, keep)
        self._nonce = os.urandom(16)  # tells this client's writes from others'
        self._schema = schema
        self._server = PostgresServer(dsn, schema, _TABLES, timeout=timeout, patience=patience)

    def __repr__(self) -> str:
        return f"Postgres({self._server.where!r}, schema={self._schema!r})"

    @classmethod
    def from_url(cls, url: str) -> Postgres:
        """Make the backend of ``postgresql://user@host/database?schema=iaclib&sslmode=verify-full``.

        Raises:
            ConfigError: The text is not of that form.
        """
        if not url.startswith(("postgresql://", "postgres://")):
            raise ConfigError(
                f"{url.partition(':')[0]}: not a Postgres URL, expected postgresql://user@host/database; correct it"
            )
        address, mark, query = url.partition("?")
        options = [option for option in query.split("&") if not option.startswith("schema=")]
        schemas = [option[7:] for option in query.split("&") if option.startswith("schema=")]
        dsn = address + (mark + "&".join(options) if any(options) else "")
        return cls(dsn, schema=unquote(schemas[-1])) if schemas else cls(dsn)

    def close(self) -> None:
        """Close the connection; using the backend again opens it again."""
        self._server.close()

    # --------------------------------------------------------------------------------------------------------- leases

    def acquire(self, ref: StackRef, holder: Holder, ttl: timedelta) -> Lease:
        """Take the lease; see ``Backend.acquire``."""
        claim = os.urandom(16).hex()  # by which a retry knows that it was given the lease already

        def work(server: PostgresServer) -> Lease:
            now = self._clock()
            key = {"project": ref.project, "name": ref.name}
            server.execute(
                "INSERT INTO @.stacks (project, name) VALUES (%(project)s, %(name)s) ON CONFLICT DO NOTHING", key
            )
            held, claimed = self._held(server, ref, now)
            if claimed == claim:
                held = Held(held.fence - 1)
            lease = leasing.take(ref, held, holder, ttl, now)
            server.execute(
                "UPDATE @.stacks SET fence=%(fence)s, holder=%(holder)s, claim=%(claim)s, "
                "expires=clock_timestamp() + make_interval(secs => %(ttl)s) WHERE project=%(project)s AND name=%(name)s",
                {
                    **key,
                    "fence": lease.fence,
                    "holder": json.dumps(leasing.holder_to(holder)),
                    "claim": claim,
                    "ttl": ttl.total_seconds(),
                },
            )
            return lease

        return self._server.write(work)

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end; see ``Backend.renew``."""
        renewed = attrs.evolve(lease, expires=self._clock() + lease.ttl.total_seconds())
        changed = self._server.write(
            lambda server: (
                server.execute(
                    "UPDATE @.stacks SET expires=clock_timestamp() + make_interval(secs => %(ttl)s) "  # noqa: S608 - ours
                    f"WHERE {_OURS}",
                    {**_by(lease), "ttl": lease.ttl.total_seconds()},
                ).rowcount
            )
        )
        if changed != 1:
            raise leasing.lost(lease)
        return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back, then fold the journal; not holding it any more is fine."""
        changed = self._server.write(
            lambda server: (
                server.execute(
                    f"UPDATE @.stacks SET holder=NULL, claim='', expires='-infinity' WHERE {_OURS}",  # noqa: S608 - ours
                    _by(lease),
                ).rowcount
            )
        )
        if changed == 1:
            # Folding only saves work later. What keeps it from working is said by the next load, not here, where it
            # would hide how a run ended.
            with contextlib.suppress(StateError):
                self._server.write(lambda server: self._fold(server, lease.ref, prune=True))

    def evict(self, ref: StackRef) -> Holder | None:
        """Take the lease from whoever holds it, with a higher fence; gives who that was, None if nobody did."""
        evicted: list[Holder] = []

        def work(server: PostgresServer) -> None:
            held, _ = self._held(server, ref, 0)
            if held.holder is not None:
                evicted.append(held.holder)
                server.execute(
                    "UPDATE @.stacks SET fence=fence+1, holder=NULL, claim='', expires='-infinity' "
                    "WHERE project=%s AND name=%s",
                    ref,
                )

        self._server.write(work)
        return evicted[0] if evicted else None

    def _held(self, server: PostgresServer, ref: StackRef, now: float) -> tuple[Held, str]:
        """Read and lock a stack's lease; its end is told in this process's time."""
        row = server.execute(
            "SELECT fence, holder, claim, CASE WHEN isfinite(expires) "
            "THEN greatest(0, extract(epoch FROM expires - clock_timestamp()))::float8 ELSE 0 END "
            "FROM @.stacks WHERE project=%s AND name=%s FOR UPDATE",
            ref,
        ).fetchone()
        if row is None:
            return Held(), ""
        fence, holder, claim, left = row
        try:
            found = None if holder is None else leasing.holder_from(json.loads(holder))
        except (TypeError, ValueError):
            raise packing.corrupt(self._where(ref), "the lease's holder does not read") from None
        return Held(fence, found, now + left), claim

    # ---------------------------------------------------------------------------------------------------------- state

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state."""
        found: list[Any] = self._server.read(
            lambda server: server.execute("SELECT project, name FROM @.stacks WHERE lineage<>''").fetchall(), []
        )
        return sorted(StackRef(*row) for row in found)

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state; an empty snapshot for a stack that was never written."""

        def work(server: PostgresServer) -> Any:
            head = _head(server, ref)
            if head is None:
                return None
            stack, _, serial, folded = head
            return head, _rows(server, "@.rows", stack), _journal(server, stack, folded, serial)

        found = self._server.read(work, None)
        if found is None:
            return Snapshot()
        (_, lineage, serial, folded), kept, journal = found
        where = self._where(ref)
        base = rows.unfold(_checked(kept, where), lineage, folded, where)
        return rows.replay(base, [_entries(journal, folded, serial, where)], serial)

    def load_at(self, ref: StackRef, serial: int) -> Snapshot:
        """Read the state as it was at an earlier serial.

        Raises:
            StateError: That serial is not retained; it says which are.
        """

        def work(server: PostgresServer) -> Any:
            head = _head(server, ref)
            if head is None:
                raise leasing.not_retained(ref, serial, 1, 0)
            stack, lineage, last, _ = head
            based = _based(server, stack, last)
            if not max(1, based) <= serial <= last:
                raise leasing.not_retained(ref, serial, max(1, based), last)
            return lineage, based, _rows(server, "@.base", stack), _journal(server, stack, based, serial)

        found = self._server.read(work, None)
        if found is None:
            raise leasing.not_retained(ref, serial, 1, 0)
        lineage, based, kept, journal = found
        where = self._where(ref)
        base = rows.unfold(_checked(kept, where), lineage, based, where)
        return rows.replay(base, [_entries(journal, based, serial, where)], serial)

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries as one journal row; see ``Backend.append``."""
        if not lineage:
            raise StateError(f"{lease.ref}: a write without lineage, expected one; draw it before the first write")
        data = codec.dump_entries(entries)
        runs = {entry.run.id: codec.dump_run(entry.run) for entry in entries if isinstance(entry, Ran)}
        values = {
            **_by(lease),
            "lineage": lineage,
            "serial": serial,
            "data": data,
            "crc": crc32(data),
            "write_id": self._write_id(lease, serial, data),
            "ids": list(runs),
            "runs": list(runs.values()),
            "crcs": [crc32(run) for run in runs.values()],
        }

        def work(server: PostgresServer) -> int:
            row = server.execute(_APPEND, values).fetchone()
            if row is not None:
                return int(row[0])
            # Written before, with the answer lost: this client alone makes this id.
            row = server.execute(
                "SELECT folded FROM @.stacks JOIN @.journal ON stack=id WHERE project=%(project)s AND name=%(name)s "
                "AND journal.serial=%(serial)s + 1 AND write_id=%(write_id)s",
                values,
            ).fetchone()
            if row is not None:
                return int(row[0])
            raise self._refusal(server, lease, lineage, serial)

        folded = self._server.write(work)
        if serial + 1 - folded >= self._fold_after:
            with contextlib.suppress(StateError):  # as in release: the append itself is done
                self._server.write(lambda server: self._fold(server, lease.ref))
        return serial + 1

    def remove(self, lease: Lease) -> None:
        """Drop a stack's state and history; the lease stays held, the fence rises on.

        Raises:
            LeaseLostError: The fence is stale.
        """

        def work(server: PostgresServer) -> None:
            found = server.execute(
                f"UPDATE @.stacks SET lineage='', serial=0, folded=0 WHERE {_OURS} RETURNING id",  # noqa: S608 - ours
                _by(lease),
            ).fetchone()
            if found is None:
                raise leasing.lost(lease)
            for table in ("@.journal", "@.rows", "@.base", "@.runs"):
                server.execute(f"DELETE FROM {table} WHERE stack=%s", found)  # noqa: S608 - our own names

        self._server.write(work)

    def history(self, ref: StackRef) -> Sequence[RunSummary]:
        """List runs, oldest first."""
        found: list[Any] = self._server.read(
            lambda server: server.execute(
                "SELECT 'run', runs.id, data, crc FROM @.runs JOIN @.stacks ON stacks.id = runs.stack "
                "WHERE project=%s AND name=%s ORDER BY number",
                ref,
            ).fetchall(),
            [],
        )
        where = self._where(ref)
        return [codec.load_run(data, where) for _, _, data in _checked(found, where)]

    def _write_id(self, lease: Lease, serial: int, data: bytes) -> bytes:
        """Name a write, so that this client knows it again and no other has the same."""
        name = f"{lease.ref}\0{lease.fence}\0{serial}\0".encode()
        return blake2b(name + data, key=self._nonce, digest_size=16).digest()

    def _refusal(self, server: PostgresServer, lease: Lease, lineage: str, serial: int) -> StateError:
        fence, held, *rest = server.execute(
            "SELECT fence, holder IS NOT NULL, lineage, serial FROM @.stacks WHERE project=%s AND name=%s", lease.ref
        ).fetchone() or (0, False, "", 0)
        if fence != lease.fence or not held:
            return leasing.lost(lease)
        stored: Any = tuple(rest)
        return leasing.conflict(lease.ref, lineage=lineage, serial=serial, stored=stored)

    # -------------------------------------------------------------------------------------------------------- folding

    def _fold(self, server: PostgresServer, ref: StackRef, *, prune: bool = False) -> None:
        """Bring the rows up to the journal's end: work for what changed, not for what is there."""
        head = _head(server, ref, lock=True)
        if head is None:
            return
        stack, _, serial, folded = head
        if serial > folded:
            self._fold_into(server, "@.rows", stack, (folded, serial), self._where(ref))
            server.execute("UPDATE @.stacks SET folded=%s WHERE id=%s", (serial, stack))
        if prune and serial > self._keep:
            based, upto = _based(server, stack, serial), serial - self._keep
            if upto - based > self._keep // 10:
                self._fold_into(server, "@.base", stack, (based, upto), self._where(ref))
                server.execute("DELETE FROM @.journal WHERE stack=%s AND serial<=%s", (stack, upto))

    def _fold_into(self, server: PostgresServer, table: str, stack: int, span: tuple[int, int], where: str) -> None:
        """Apply the journal's entries after one serial up to another to a table of rows."""
        entries = _entries(_journal(server, stack, *span), *span, where)

        def read(kind: str, names: Collection[str]) -> Mapping[str, bytes]:
            found = _rows(server, table, stack, [_key(kind, name) for name in names])
            return {name: data for _, name, data in _checked(found, where)}

        changes = rows.fold(entries, read, where)
        gone = [_key(*name) for name, data in changes.items() if data is None]
        if gone:
            server.execute(f"DELETE FROM {table} WHERE stack=%s AND key = ANY(%s::bytea[])", (stack, gone))  # noqa: S608
        new = [
            (_key(kind, name), kind, name.encode(), data, crc32(data))
            for (kind, name), data in changes.items()
            if data is not None
        ]
        for start in range(0, len(new), _AT_ONCE):
            columns = zip(*new[start : start + _AT_ONCE], strict=True)
            server.execute(_PUT.format(table), (stack, *map(list, columns)))

    def _where(self, ref: StackRef) -> str:
        return f"{ref} in {self._server.where}"


def _by(lease: Lease) -> dict[str, Any]:
    return {"project": lease.ref.project, "name": lease.ref.name, "fence": lease.fence}


def _key(kind: str, name: str) -> bytes:
    return blake2b(f"{kind}\0{name}".encode(), digest_size=16).digest()


def _head(server: PostgresServer, ref: StackRef, *, lock: bool = False) -> tuple[int, str, int, int] | None:
    """Read id, lineage, serial, and up to which serial rows are folded; None for a stack that was never written."""
    statement = "SELECT id, lineage, serial, folded FROM @.stacks WHERE project=%s AND name=%s AND lineage<>''"
    row: tuple[int, str, int, int] | None = server.execute(
        f"{statement} FOR UPDATE" if lock else statement, ref
    ).fetchone()
    return row


def _rows(
    server: PostgresServer, table: str, stack: int, keys: Sequence[bytes] | None = None
) -> list[tuple[str, str, bytes, int]]:
    """Read rows: those of some keys, or all."""
    statement = f"SELECT kind, name, data, crc FROM {table} WHERE stack=%s"  # noqa: S608 - our own names
    if keys is None:
        found = server.execute(statement, (stack,)).fetchall()
    else:
        found = server.execute(f"{statement} AND key = ANY(%s::bytea[])", (stack, list(keys))).fetchall()
    return [(kind, bytes(name).decode(), data, crc) for kind, name, data, crc in found]


def _based(server: PostgresServer, stack: int, serial: int) -> int:
    """Give the serial that the base is of: the one before the oldest of the journal, 0 for an empty base."""
    (first,) = server.execute("SELECT min(serial) FROM @.journal WHERE stack=%s", (stack,)).fetchone()
    return int(serial if first is None else first - 1)


def _journal(server: PostgresServer, stack: int, after: int, upto: int = _LAST) -> list[tuple[int, str, bytes, int]]:
    found: list[tuple[int, str, bytes, int]] = server.execute(
        "SELECT serial, '', data, crc FROM @.journal WHERE stack=%s AND serial>%s AND serial<=%s ORDER BY serial",
        (stack, after, upto),
    ).fetchall()
    return found


def _entries(journal: Sequence[tuple[int, str, bytes, int]], after: int, upto: int, where: str) -> list[Entry]:
    """Read a part of the journal, and see that none of it is missing."""
    if [row[0] for row in journal] != list(range(after + 1, upto + 1)):
        raise packing.corrupt(where, f"its journal is not whole between serial {after} and {upto}")
    providers = codec.Providers()
    return [
        entry
        for number, _, data in _checked(journal, where)
        for entry in codec.load_entries(data, f"{where} serial {number}", providers)
    ]


def _checked(found: Iterable[tuple[_K, str, bytes, int]], where: str) -> Iterator[tuple[_K, str, bytes]]:
    """Check each row's bytes against its checksum."""
    for key, name, data, checksum in found:
        if crc32(data) != checksum:
            raise packing.corrupt(where, f"the bytes of {key} {name}".rstrip() + " changed")
        yield key, name, data
