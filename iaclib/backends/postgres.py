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
import os
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote
from zlib import crc32

from msgspec import structs

from iaclib.backends import leasing, postgres_journal, postgres_leases
from iaclib.backends.kept_rows import checked, sum_of
from iaclib.backends.kept_rows import entries as read_entries
from iaclib.backends.postgres_leases import OURS, by
from iaclib.backends.postgres_server import PostgresServer
from iaclib.errors import ConfigError, StateCorruptError, StateError
from iaclib.model.addresses import StackRef
from iaclib.state import codec, rows
from iaclib.state.backend import Salvaged
from iaclib.state.journal import Ran
from iaclib.state.record import FORMAT, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from iaclib.state.backend import Holder, Lease
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary

_FOLD_AFTER: Final = 1000  # journal rows; bounds what a load has to replay

_APPEND: Final = f"""
    WITH head AS (
        UPDATE @.stacks SET serial = serial + 1, lineage = %(lineage)s
        WHERE {OURS} AND serial = %(serial)s AND lineage IN ('', %(lineage)s)
            AND NOT EXISTS (SELECT 1 FROM @.format WHERE number > {FORMAT})
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
_ADVANCE: Final = f"""
    UPDATE @.stacks SET serial = serial + 1, folded = serial + 1
    WHERE {OURS} AND serial = %(serial)s AND lineage = %(lineage)s RETURNING id"""  # noqa: S608 - as above
_WRITTEN: Final = """
    SELECT folded FROM @.stacks JOIN @.journal ON stack = id
    WHERE project=%(project)s AND name=%(name)s AND journal.serial = %(serial)s + 1 AND write_id = %(write_id)s"""


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
        self._server = PostgresServer(dsn, schema, postgres_journal.TABLES, timeout=timeout, patience=patience)

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
            return postgres_leases.take(server, ref, holder, ttl, claim, self._clock())

        return self._server.write(work)

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end; see ``Backend.renew``."""
        renewed = structs.replace(lease, expires=self._clock() + lease.ttl.total_seconds())
        changed = self._server.write(lambda server: postgres_leases.prolong(server, lease))
        if changed != 1:
            raise leasing.lost(lease)
        return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back, then fold the journal; not holding it any more is fine."""
        changed = self._server.write(lambda server: postgres_leases.give_back(server, lease))
        if changed == 1:
            # Folding only saves work later. What keeps it from working is said by the next load, not here, where it
            # would hide how a run ended.
            with contextlib.suppress(StateError):
                self._server.write(lambda server: self._fold(server, lease.ref, keep=self._keep))

    def evict(self, ref: StackRef) -> Holder | None:
        """Take the lease from whoever holds it, with a higher fence; gives who that was, None if nobody did."""
        evicted: list[Holder] = []

        def work(server: PostgresServer) -> None:
            held, _ = postgres_leases.held(server, ref, 0)
            if held.holder is not None:
                evicted.append(held.holder)
                postgres_leases.free(server, ref)

        self._server.write(work)
        return evicted[0] if evicted else None

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
            head = postgres_journal.head(server, ref)
            if head is None:
                return None
            stack, _, serial, folded = head
            return (
                head,
                postgres_journal.kept(server, "@.rows", stack),
                postgres_journal.read(server, stack, folded, serial),
            )

        found = self._server.read(work, None)
        if found is None:
            return Snapshot()
        (_, lineage, serial, folded), kept, journal = found
        where = self._where(ref)
        base = rows.unfold(checked(kept, where), lineage, folded, where)
        return rows.replay(base, [read_entries(journal, folded, serial, where)], serial)

    def load_at(self, ref: StackRef, serial: int) -> Snapshot:
        """Read the state as it was at an earlier serial.

        Raises:
            StateError: That serial is not retained; it says which are.
        """

        def work(server: PostgresServer) -> Any:
            head = postgres_journal.head(server, ref)
            if head is None:
                raise leasing.not_retained(ref, serial, 1, 0)
            stack, lineage, last, _ = head
            based = postgres_journal.based(server, stack, self._where(ref))
            if not max(1, based) <= serial <= last:
                raise leasing.not_retained(ref, serial, max(1, based), last)
            return (
                lineage,
                based,
                postgres_journal.kept(server, "@.base", stack),
                postgres_journal.read(server, stack, based, serial),
            )

        found = self._server.read(work, None)
        if found is None:
            raise leasing.not_retained(ref, serial, 1, 0)
        lineage, based, kept, journal = found
        where = self._where(ref)
        base = rows.unfold(checked(kept, where), lineage, based, where)
        return rows.replay(base, [read_entries(journal, based, serial, where)], serial)

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries as one journal row; see ``Backend.append``."""
        if not lineage:
            raise StateError(f"{lease.ref}: a write without lineage, expected one; draw it before the first write")
        data = codec.dump_entries(entries)
        runs = {entry.run.id: codec.dump_run(entry.run) for entry in entries if isinstance(entry, Ran)}
        values = {
            **by(lease),
            "lineage": lineage,
            "serial": serial,
            "data": data,
            "crc": sum_of(data, lineage, serial + 1),
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
            row = server.execute(_WRITTEN, values).fetchone()
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
                f"UPDATE @.stacks SET lineage='', serial=0, folded=0 WHERE {OURS} RETURNING id",  # noqa: S608 - ours
                by(lease),
            ).fetchone()
            if found is None:
                raise leasing.lost(lease)
            postgres_journal.remove(server, *found)

        self._server.write(work)

    def forget_past(self, lease: Lease) -> None:
        """Drop earlier serials; the server's own files may hold their bytes until it uses the space again."""

        def work(server: PostgresServer) -> None:
            if server.execute(f"SELECT id FROM @.stacks WHERE {OURS} FOR UPDATE", by(lease)).fetchone() is None:  # noqa: S608 - ours
                raise leasing.lost(lease)
            self._fold(server, lease.ref, keep=0)

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
        return [codec.load_run(data, where) for _, _, data in checked(found, where)]

    def salvage(self, ref: StackRef) -> Salvaged:
        """Read what can be read of damaged state; see ``Mender.salvage``."""
        nothing = Salvaged(Snapshot())
        return self._server.read(lambda server: postgres_journal.salvage(server, ref, self._where(ref)), nothing)

    def reopen(self, ref: StackRef) -> None:
        """Make leases possible again; see ``Mender.reopen``."""

        def work(server: PostgresServer) -> None:
            try:
                postgres_leases.held(server, ref, 0)
            except StateCorruptError:
                postgres_leases.free(server, ref)

        self._server.write(work)

    def rewrite(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int, past: bool) -> int:
        """Put other state in the place of what was; see ``Mender.rewrite``."""
        data = codec.dump_entries(entries)
        write_id = self._write_id(lease, serial, data)

        def work(server: PostgresServer) -> None:
            values = {**by(lease), "lineage": lineage, "serial": serial, "write_id": write_id}
            found = server.execute(_ADVANCE, values).fetchone()
            if found is not None:
                postgres_journal.rewrite(server, found[0], entries, (lineage, serial + 1, data, write_id), past)
            elif server.execute(_WRITTEN, values).fetchone() is None:
                raise self._refusal(server, lease, lineage, serial)

        self._server.write(work)
        return serial + 1

    def _write_id(self, lease: Lease, serial: int, data: bytes) -> bytes:
        """Name a write, so that this client knows it again and no other has the same."""
        name = f"{lease.ref}\0{lease.fence}\0{serial}\0".encode()
        return blake2b(name + data, key=self._nonce, digest_size=16).digest()

    def _refusal(self, server: PostgresServer, lease: Lease, lineage: str, serial: int) -> StateError:
        server.check_format()
        fence, held, *rest = server.execute(
            "SELECT fence, holder IS NOT NULL, lineage, serial FROM @.stacks WHERE project=%s AND name=%s", lease.ref
        ).fetchone() or (0, False, "", 0)
        if fence != lease.fence or not held:
            return leasing.lost(lease)
        stored: Any = tuple(rest)
        return leasing.conflict(lease.ref, lineage=lineage, serial=serial, stored=stored)

    # -------------------------------------------------------------------------------------------------------- folding

    def _fold(self, server: PostgresServer, ref: StackRef, *, keep: int | None = None) -> None:
        """Bring the rows up to the journal's end, and the base to so many serials before it: work for what changed."""
        head = postgres_journal.head(server, ref, lock=True)
        if head is None:
            return
        stack, _, serial, folded = head
        if serial > folded:
            postgres_journal.fold(server, "@.rows", stack, (folded, serial), self._where(ref))
            server.execute("UPDATE @.stacks SET folded=%s WHERE id=%s", (serial, stack))
        if keep is not None and serial > keep:
            based, upto = postgres_journal.based(server, stack, self._where(ref)), serial - keep
            if upto - based > keep // 10:
                postgres_journal.fold(server, "@.base", stack, (based, upto), self._where(ref))
                server.execute("DELETE FROM @.journal WHERE stack=%s AND serial<=%s", (stack, upto))

    def _where(self, ref: StackRef) -> str:
        return f"{ref} in {self._server.where}"
