"""State in one SQLite file: the default.

An append is one journal row, whatever the size of the stack. Rows are folded
into one row a record when the lease is given back, or when many have piled up;
a kill in between loses nothing, since reading replays what is not folded yet.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import orjson

from iaclib.backends import leasing
from iaclib.backends.leasing import Held
from iaclib.errors import ConfigError, StateCorruptError, StateError
from iaclib.model.addresses import StackRef
from iaclib.state import codec
from iaclib.state.journal import Began, Ended, Entry, Noted, Ran, Working
from iaclib.state.keyfile import KeyFile
from iaclib.state.record import FORMAT, KeptToken, RunSummary, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from iaclib.state.backend import Holder, Lease

_SCHEME: Final = "sqlite:///"
_FOLD_AFTER: Final = 1000  # journal rows; bounds what a load has to replay
_APPLICATION: Final = 0x69616331  # "iac1", in the file's header

_TABLES: Final = """
CREATE TABLE format (number INTEGER NOT NULL);
CREATE TABLE stacks (
    project TEXT NOT NULL, name TEXT NOT NULL, lineage TEXT NOT NULL DEFAULT '', serial INTEGER NOT NULL DEFAULT 0,
    folded INTEGER NOT NULL DEFAULT 0, rest BLOB NOT NULL DEFAULT (CAST('{}' AS BLOB)),
    fence INTEGER NOT NULL DEFAULT 0, holder BLOB, expires REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (project, name));
CREATE TABLE journal (stack TEXT NOT NULL, serial INTEGER NOT NULL, entries BLOB NOT NULL, PRIMARY KEY (stack, serial));
CREATE TABLE records (stack TEXT NOT NULL, address TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (stack, address));
CREATE TABLE superseded (stack TEXT NOT NULL, uid TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (stack, uid));
CREATE TABLE intents (stack TEXT NOT NULL, step TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (stack, step));
CREATE TABLE generations (stack TEXT NOT NULL, address TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (stack, address));
CREATE TABLE tokens (stack TEXT NOT NULL, address TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (stack, address));
CREATE TABLE runs (stack TEXT NOT NULL, id TEXT NOT NULL, began REAL NOT NULL, data BLOB NOT NULL, PRIMARY KEY (stack, id));
"""


class Sqlite:
    """State in a SQLite file; any thread may use it, and any number of processes.

    The file, its folder and its key file are made with the first write, for
    the user alone. Not for network file systems, whose locks SQLite can't trust.

    Args:
        path: The file.
        clock: Gives seconds since the epoch.
        fold_after: How many journal rows may pile up before they are folded.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time, fold_after: int = _FOLD_AFTER
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._fold_after = fold_after
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def from_url(cls, url: str) -> Sqlite:
        """Make the backend of ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

        Raises:
            ConfigError: The text is not of that form.
        """
        path = url.removeprefix(_SCHEME)
        if path == url or not path:
            msg = (
                f"{url!r}: not a SQLite URL, expected sqlite:///relative.db or sqlite:////absolute.db; add the slashes"
            )
            raise ConfigError(msg)
        return cls(path)

    def default_keyring(self) -> KeyFile:
        """Seal with a key file beside the database."""
        return KeyFile(f"{self.path}.key")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # ------------------------------------------------------------------------------------------------ connection

    @contextmanager
    def _session(self, *, write: bool = False) -> Iterator[sqlite3.Connection | None]:
        """Give the connection within a transaction; None when there is no file and none is wanted."""
        with self._lock:
            try:
                connection = self._connect(make=write)
                if connection is None:
                    yield None
                    return
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._translate(error) from None

    def _connect(self, *, make: bool) -> sqlite3.Connection | None:
        if self._connection is not None:
            return self._connection
        if not self.path.exists():
            if not make:
                return None
            self._make_file()
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection, make=make)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _make_file(self) -> None:
        """Make an empty file for the user alone; SQLite gives its -wal and -shm the same mode."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            msg = f"{self.path}: can't be made ({error.strerror}), expected a folder to write in; choose another place"
            raise StateError(msg, path=str(self.path)) from None

    def _prepare(self, connection: sqlite3.Connection, *, make: bool) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not empty and application != _APPLICATION:
            msg = f"{self.path}: a SQLite file that iaclib did not make, expected its own; choose another path"
            raise StateCorruptError(msg, path=str(self.path))
        connection.execute("PRAGMA synchronous=FULL")
        if empty:
            if make:
                connection.execute("PRAGMA journal_mode=WAL")
                self._make_tables(connection)
            return
        number = connection.execute("SELECT number FROM format").fetchone()
        codec.check_format(number[0] if number else None, str(self.path))

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")  # two makers at once: the second finds the tables there
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO format VALUES (?)", (FORMAT,))
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
        connection.execute("COMMIT")

    def _translate(self, error: sqlite3.Error) -> StateError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "no such table" in str(error):
            msg = f"{self.path}: state is damaged ({error}), expected an intact SQLite file; restore it from a backup"
            return StateCorruptError(msg, path=str(self.path))
        what = {
            "SQLITE_READONLY": "make it and its folder writable",
            "SQLITE_CANTOPEN": "make its folder writable",
            "SQLITE_FULL": "free some space; what was written before is safe",
            "SQLITE_BUSY": "find who keeps the file locked, and try again",
            "SQLITE_IOERR": "check the disk",
        }
        todo = next((advice for code, advice in what.items() if name.startswith(code)), "try again")
        msg = f"{self.path}: state can't be used ({error}), expected a file to read and write; {todo}"
        return StateError(msg, path=str(self.path))

    def _where(self, ref: StackRef) -> str:
        return f"{self.path} ({ref})"

    # ------------------------------------------------------------------------------------------------ leases

    def acquire(self, ref: StackRef, holder: Holder, ttl: timedelta) -> Lease:
        """Take the lease."""
        with self._session(write=True) as connection:
            assert connection is not None  # noqa: S101 - writing makes the file
            connection.execute("INSERT OR IGNORE INTO stacks (project, name) VALUES (?, ?)", ref)
            lease = leasing.take(ref, self._held(connection, ref), holder, ttl, self._clock())
            connection.execute(
                "UPDATE stacks SET fence=?, holder=?, expires=? WHERE project=? AND name=?",
                (lease.fence, orjson.dumps(leasing.holder_to(holder)), lease.expires, *ref),
            )
            return lease

    def _held(self, connection: sqlite3.Connection, ref: StackRef) -> Held:
        row = connection.execute("SELECT fence, holder, expires FROM stacks WHERE project=? AND name=?", ref).fetchone()
        if row is None:
            return Held()
        try:
            holder = leasing.holder_from(orjson.loads(row[1])) if row[1] is not None else None
        except (TypeError, ValueError):
            raise codec.corrupt(self._where(ref), "the lease's holder does not read") from None
        return Held(row[0], holder, row[2])

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end."""
        renewed = attrs.evolve(lease, expires=self._clock() + lease.ttl.total_seconds())
        with self._session(write=True) as connection:
            assert connection is not None  # noqa: S101 - writing makes the file
            changed = connection.execute(
                "UPDATE stacks SET expires=? WHERE project=? AND name=? AND fence=? AND holder IS NOT NULL",
                (renewed.expires, *lease.ref, lease.fence),
            ).rowcount
            if changed != 1:
                raise leasing.lost(lease)
        return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back, and fold the journal."""
        with self._session(write=True) as connection:
            assert connection is not None  # noqa: S101 - writing makes the file
            changed = connection.execute(
                "UPDATE stacks SET holder=NULL, expires=0 WHERE project=? AND name=? AND fence=?",
                (*lease.ref, lease.fence),
            ).rowcount
            if changed == 1:
                self._fold(connection, lease.ref)

    # ------------------------------------------------------------------------------------------------ state

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state."""
        with self._session() as connection:
            if connection is None or not self._has_tables(connection):
                return ()
            rows = connection.execute("SELECT project, name FROM stacks WHERE lineage<>'' ORDER BY project, name")
            return [StackRef(*row) for row in rows]

    def _has_tables(self, connection: sqlite3.Connection) -> bool:
        """Tell an empty file, left by a kill in its first moment, from state."""
        return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state."""
        with self._session() as connection:
            if connection is None or not self._has_tables(connection):
                return Snapshot()
            return self._read(connection, ref)

    def _read(self, connection: sqlite3.Connection, ref: StackRef) -> Snapshot:
        head = connection.execute(
            "SELECT lineage, serial, folded, rest FROM stacks WHERE project=? AND name=?", ref
        ).fetchone()
        if head is None or not head[0]:
            return Snapshot()
        lineage, serial, folded, rest = head
        working = self._folded(connection, ref, rest)
        tail = 0
        for number, entries in connection.execute(
            "SELECT serial, entries FROM journal WHERE stack=? AND serial>? ORDER BY serial", (str(ref), folded)
        ):
            tail += 1
            for entry in codec.load_entries(entries, f"{self._where(ref)} serial {number}", codec.Providers()):
                working.apply(entry)
        if tail != serial - folded:
            raise codec.corrupt(self._where(ref), f"{serial - folded - tail} journal entries are missing")
        working.lineage, working.serial = lineage, serial
        return working.freeze()

    def _folded(self, connection: sqlite3.Connection, ref: StackRef, rest: bytes) -> Working:
        """Read what is folded: one statement a table."""
        key, where, providers = (str(ref),), self._where(ref), codec.Providers()
        more = codec.loads(rest, where)
        if not isinstance(more, dict):
            raise codec.corrupt(where, "its head does not read")
        load = codec.load_record
        base = Snapshot(
            records={
                address: load(data, where, providers)
                for address, data in connection.execute(
                    "SELECT address, data FROM records WHERE stack=? ORDER BY rowid", key
                )
            },
            superseded=[
                load(data, where, providers)
                for (data,) in connection.execute("SELECT data FROM superseded WHERE stack=? ORDER BY rowid", key)
            ],
            intents={
                step: codec.load_intent(data, where, providers)
                for step, data in connection.execute("SELECT step, data FROM intents WHERE stack=? ORDER BY rowid", key)
            },
            generations=dict(connection.execute("SELECT address, number FROM generations WHERE stack=?", key)),
            tokens={
                address: KeptToken(**orjson.loads(data))
                for address, data in connection.execute("SELECT address, data FROM tokens WHERE stack=?", key)
            },
            outputs=more.get("outputs", {}),
            key=more.get("key"),
        )
        return Working(base)

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries as one journal row."""
        data = codec.dump_entries(entries)
        ref = lease.ref
        with self._session(write=True) as connection:
            assert connection is not None  # noqa: S101 - writing makes the file
            changed = connection.execute(
                "UPDATE stacks SET serial=?, lineage=? WHERE project=? AND name=? AND fence=? AND holder IS NOT NULL "
                "AND serial=? AND lineage IN (?, '')",
                (serial + 1, lineage, *ref, lease.fence, serial, lineage),
            ).rowcount
            if changed != 1:
                raise self._refusal(connection, lease, lineage, serial)
            connection.execute("INSERT INTO journal VALUES (?, ?, ?)", (str(ref), serial + 1, data))
            for entry in entries:
                if isinstance(entry, Ran):
                    self._write_run(connection, ref, entry.run)
            if serial % self._fold_after == self._fold_after - 1:
                self._fold(connection, ref)
        return serial + 1

    def _refusal(self, connection: sqlite3.Connection, lease: Lease, lineage: str, serial: int) -> StateError:
        held = self._held(connection, lease.ref)
        if held.fence != lease.fence or held.holder is None:
            return leasing.lost(lease)
        stored = connection.execute(
            "SELECT lineage, serial FROM stacks WHERE project=? AND name=?", lease.ref
        ).fetchone()
        return leasing.conflict(lease.ref, lineage=lineage, serial=serial, stored=stored or ("", 0))

    def _write_run(self, connection: sqlite3.Connection, ref: StackRef, run: RunSummary) -> None:
        connection.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET data=excluded.data",
            (str(ref), run.id, run.began, orjson.dumps(codec.run_to(run))),
        )

    def history(self, ref: StackRef) -> Sequence[RunSummary]:
        """List runs, oldest first."""
        with self._session() as connection:
            if connection is None or not self._has_tables(connection):
                return ()
            rows = connection.execute("SELECT data FROM runs WHERE stack=? ORDER BY began, rowid", (str(ref),))
            return [codec.run_from(orjson.loads(data)) for (data,) in rows]

    # ------------------------------------------------------------------------------------------------ folding

    def _fold(self, connection: sqlite3.Connection, ref: StackRef) -> None:
        """Bring the tables up to the journal's end: work for what changed, not for what is there."""
        stack = str(ref)
        serial, folded = connection.execute(
            "SELECT serial, folded FROM stacks WHERE project=? AND name=?", ref
        ).fetchone()
        rows = connection.execute(
            "SELECT entries FROM journal WHERE stack=? AND serial>? ORDER BY serial", (stack, folded)
        ).fetchall()
        if not rows:
            return
        entries = [e for (data,) in rows for e in codec.load_entries(data, self._where(ref), codec.Providers())]
        working = self._partial(connection, ref, entries)
        before = _Keys(working)
        for entry in entries:
            working.apply(entry)
        for table, column, old, new, dump in (
            ("records", "address", before.records, working.records, codec.dump_record),
            ("superseded", "uid", before.superseded, working.superseded, codec.dump_record),
            ("intents", "step", before.intents, working.intents, codec.dump_intent),
            ("generations", "address", before.generations, working.generations, int),
            ("tokens", "address", before.tokens, working.tokens, lambda token: orjson.dumps(attrs.asdict(token))),
        ):
            self._write_table(connection, table, column, stack, old, new, dump)
        rest = codec.dumps({"outputs": working.outputs, "key": working.key})
        connection.execute("UPDATE stacks SET folded=?, rest=? WHERE project=? AND name=?", (serial, rest, *ref))

    @staticmethod
    def _write_table(
        connection: sqlite3.Connection,
        table: str,
        column: str,
        stack: str,
        old: dict[str, Any],
        new: dict[str, Any],
        dump: Callable[[Any], Any],
    ) -> None:
        connection.executemany(
            f"DELETE FROM {table} WHERE stack=? AND {column}=?",  # noqa: S608 - the names are constants above
            [(stack, key) for key in old if key not in new],
        )
        connection.executemany(
            f"INSERT INTO {table} VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "  # noqa: S608 - as above
            f"{'number' if table == 'generations' else 'data'}=excluded.{'number' if table == 'generations' else 'data'}",
            [(stack, key, dump(value)) for key, value in new.items() if old.get(key) is not value],
        )

    def _partial(self, connection: sqlite3.Connection, ref: StackRef, entries: Sequence[Entry]) -> Working:
        """Read just the rows that the entries touch."""
        stack, where, providers = str(ref), self._where(ref), codec.Providers()
        addresses, steps, uids = _touched(entries)

        def rows(table: str, column: str, keys: set[str]) -> Iterator[tuple[str, str, Any]]:
            for key in keys:
                yield from connection.execute(
                    f"SELECT * FROM {table} WHERE stack=? AND {column}=?",  # noqa: S608 - the names are constants here
                    (stack, key),
                ).fetchall()

        rest = connection.execute("SELECT rest FROM stacks WHERE project=? AND name=?", ref).fetchone()[0]
        more = codec.loads(rest, where)
        return Working(
            Snapshot(
                records={
                    key: codec.load_record(data, where, providers)
                    for _, key, data in rows("records", "address", addresses)
                },
                superseded=[
                    codec.load_record(data, where, providers) for _, _, data in rows("superseded", "uid", uids)
                ],
                intents={
                    key: codec.load_intent(data, where, providers) for _, key, data in rows("intents", "step", steps)
                },
                generations={key: number for _, key, number in rows("generations", "address", addresses)},
                tokens={key: KeptToken(**orjson.loads(data)) for _, key, data in rows("tokens", "address", addresses)},
                outputs=more.get("outputs", {}),
                key=more.get("key"),
            )
        )


class _Keys:
    """What a working snapshot held before."""

    def __init__(self, working: Working) -> None:
        self.records: dict[str, Any] = dict(working.records)
        self.superseded: dict[str, Any] = dict(working.superseded)
        self.intents: dict[str, Any] = dict(working.intents)
        self.generations: dict[str, Any] = dict(working.generations)
        self.tokens: dict[str, Any] = dict(working.tokens)


def _touched(entries: Sequence[Entry]) -> tuple[set[str], set[str], set[str]]:
    """Name the addresses, steps and superseded uids that entries may change."""
    addresses: set[str] = set()
    steps: set[str] = set()
    uids: set[str] = set()
    for entry in entries:
        match entry:
            case Began():
                steps.add(entry.intent.step)
            case Noted():
                steps.add(entry.step)
            case Ended():
                steps.add(entry.step)
                put = entry.put.address if entry.put is not None else None
                kept = entry.keep_token[0] if entry.keep_token is not None else None
                addresses.update(each for each in (put, entry.supersede, entry.drop, kept) if each is not None)
                if entry.drop_superseded is not None:
                    uids.add(entry.drop_superseded)
            case _:
                pass
    return addresses, steps, uids
