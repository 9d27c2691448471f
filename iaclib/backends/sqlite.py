"""State in one SQLite file: the default.

Knows how appends, rows and leases are kept in tables; what they hold is
``state.codec``'s and ``state.rows``'s business, leases ``sqlite_leases``'s, and
the file itself ``sqlite_file``'s.

An append is one journal row, whatever the size of the stack. Journal rows are
folded into one row a record when the lease is given back, or when many have
piled up; a kill in between loses nothing, since reading replays what is not
folded yet. Folded journal rows stay, as history, until there are many: the
oldest are then folded into a base of their own, from which earlier serials are
read.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import structs

from iaclib.backends import leasing, sqlite_journal, sqlite_leases
from iaclib.backends.kept_rows import checked
from iaclib.backends.kept_rows import entries as read_entries
from iaclib.backends.sqlite_file import SqliteFile
from iaclib.errors import ConfigError, StateConflictError, StateCorruptError, StateError
from iaclib.model.addresses import StackRef
from iaclib.state import codec, rows
from iaclib.state.backend import Salvaged
from iaclib.state.journal import Ran
from iaclib.state.keyfile import KeyFile
from iaclib.state.record import Snapshot

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from iaclib.state.backend import Holder, Lease
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary
    from iaclib.state.seal import Keyring


_SCHEME: Final = "sqlite:///"
_FOLD_AFTER: Final = 1000  # journal rows; bounds what a load has to replay

#: Rows carry a checksum: SQLite does not notice a flipped bit in the bytes that it keeps.
_TABLES: Final = (
    """CREATE TABLE stacks (
        id INTEGER PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL,
        lineage TEXT NOT NULL DEFAULT '', serial INTEGER NOT NULL DEFAULT 0, folded INTEGER NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0, holder TEXT, expires REAL NOT NULL DEFAULT 0,
        UNIQUE (project, name))""",
    """CREATE TABLE journal (
        stack INTEGER NOT NULL, serial INTEGER NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (stack, serial)) WITHOUT ROWID""",
    """CREATE TABLE rows (
        stack INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (stack, kind, name)) WITHOUT ROWID""",
    """CREATE TABLE runs (
        number INTEGER PRIMARY KEY, stack INTEGER NOT NULL, id TEXT NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL,
        UNIQUE (stack, id))""",
)
_BASE: Final = """CREATE TABLE base (
        stack INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (stack, kind, name)) WITHOUT ROWID"""

#: What turns a file of a format into one of the next.
_UPGRADES: Final = {1: (_BASE,)}


class Sqlite:
    """State in a SQLite file; any thread may use it, and any number of processes.

    The file (0600), its folder (0700, one level) and its key file are made when
    the first lease is taken; reading makes nothing. Not for network file
    systems, whose locks SQLite can't trust.

    Args:
        path: The file. A relative one is taken from where the process is now.
        clock: Gives seconds since the epoch.
        fold_after: How many journal rows may pile up before they are folded.
        busy_timeout: Seconds to wait for another process's write.
        keep: How many serials can be looked back at; at most a tenth more are.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        fold_after: int = _FOLD_AFTER,
        busy_timeout: float = 30.0,
        keep: int = 10_000,
    ) -> None:
        self.path = Path(path).absolute()
        self._clock = clock
        self._fold_after = fold_after
        self._keep = max(1, keep)
        self._lock = threading.RLock()
        self._file = SqliteFile(self.path, (*_TABLES, _BASE), _UPGRADES, busy_timeout=busy_timeout)
        self._unsure: tuple[StackRef, int, int, bytes] | None = None  # an append whose answer was lost

    def __repr__(self) -> str:
        return f"Sqlite({str(self.path)!r})"

    @classmethod
    def from_url(cls, url: str) -> Sqlite:
        """Make the backend of ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

        Raises:
            ConfigError: The text is not of that form.
        """
        path = url.removeprefix(_SCHEME)
        if path == url or not path or path == ":memory:" or path.endswith("/"):
            raise ConfigError(
                f"{url!r}: not a SQLite URL, expected sqlite:///relative.db or sqlite:////absolute.db; "
                "correct it, or use 'memory:' for state that isn't kept"
            )
        return cls(path)

    def default_keyring(self) -> Keyring | None:
        """Give the keyring to use if the user gave none: a key file beside the database."""
        return KeyFile(f"{self.path}.key")

    @property
    def spill_folder(self) -> Path:
        """Where what can't be written here is kept until it can."""
        return self.path.parent / "spill"

    def close(self) -> None:
        """Close the file; using the backend again opens it again."""
        with self._lock:
            self._file.close()

    # --------------------------------------------------------------------------------------------------------- leases

    def acquire(self, ref: StackRef, holder: Holder, ttl: timedelta) -> Lease:
        """Take the lease; see ``Backend.acquire``."""
        with self._writing() as db:
            return sqlite_leases.take(db, ref, holder, ttl, self._clock(), self._where(ref))

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end; see ``Backend.renew``."""
        renewed = structs.replace(lease, expires=self._clock() + lease.ttl.total_seconds())
        with self._writing() as db:
            if sqlite_leases.prolong(db, renewed) != 1:
                raise leasing.lost(lease)
        return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back, then fold the journal; not holding it any more is fine."""
        with self._writing() as db:
            changed = sqlite_leases.give_back(db, lease)
        if changed == 1:
            # Folding only saves work later. What keeps it from working is said by the next load, not here, where it
            # would hide how a run ended.
            with contextlib.suppress(StateError), self._writing() as db:
                self._fold(db, lease.ref)
                self._prune(db, lease.ref)

    def evict(self, ref: StackRef) -> Holder | None:
        """Take the lease from whoever holds it; see ``Steward.evict``."""
        with self._reading() as there:
            if there is None or sqlite_leases.held(there, ref, self._where(ref)).holder is None:
                return None
        with self._writing() as db:
            held = sqlite_leases.held(db, ref, self._where(ref))
            if held.holder is not None:
                sqlite_leases.free(db, ref)
            return held.holder

    # ---------------------------------------------------------------------------------------------------------- state

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state."""
        with self._reading() as db:
            if db is None:
                return []
            found = db.execute("SELECT project, name FROM stacks WHERE lineage<>''").fetchall()
        return sorted(StackRef(*row) for row in found)

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state; an empty snapshot for a stack that was never written."""
        with self._reading() as db:
            if db is None:
                return Snapshot()
            head = db.execute(
                "SELECT id, lineage, serial, folded FROM stacks WHERE project=? AND name=?", ref
            ).fetchone()
            if head is None or not head[1]:
                return Snapshot()
            stack, lineage, serial, folded = head
            folded_rows = sqlite_journal.kept(db, "rows", stack)
            journal = sqlite_journal.read(db, stack, folded)
        where = self._where(ref)
        base = rows.unfold(checked(folded_rows, where), lineage, folded, where)
        return rows.replay(base, [read_entries(journal, folded, serial, where)], serial)

    def load_at(self, ref: StackRef, serial: int) -> Snapshot:
        """Read the state at an earlier serial; see ``Steward.load_at``."""
        where = self._where(ref)
        with self._reading() as db:
            head = None
            if db is not None:
                head = db.execute(
                    "SELECT id, lineage, serial FROM stacks WHERE project=? AND name=? AND lineage<>''", ref
                ).fetchone()
            if db is None or head is None:
                raise leasing.not_retained(ref, serial, 1, 0)
            stack, lineage, last = head
            based = sqlite_journal.based(db, stack, where)
            if not max(1, based) <= serial <= last:
                raise leasing.not_retained(ref, serial, max(1, based), last)
            base = sqlite_journal.kept(db, "base", stack) if based else []
            journal = sqlite_journal.read(db, stack, based, serial)
        found = rows.unfold(checked(base, where), lineage, based, where)
        return rows.replay(found, [read_entries(journal, based, serial, where)], serial)

    def remove(self, lease: Lease) -> None:
        """Drop a stack's state and history; see ``Steward.remove``."""
        with self._writing() as db:
            stack = _mine(db, lease)
            db.execute("UPDATE stacks SET lineage='', serial=0, folded=0 WHERE id=?", (stack,))
            sqlite_journal.remove(db, stack)

    def forget_past(self, lease: Lease) -> None:
        """Drop earlier serials for good: neither the file nor its -wal has any byte of them; see ``Oblivious``."""
        with self._lock:
            with self._file.writing() as db:
                _mine(db, lease)
                self._fold(db, lease.ref)
                self._prune(db, lease.ref, keep=0)
            self._file.scrub()

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries as one journal row; see ``Backend.append``."""
        if not lineage:
            raise StateError(f"{lease.ref}: a write without lineage, expected one; draw it before the first write")
        data = codec.dump_entries(entries)
        try:
            folded = self._append(lease, entries, data, lineage, serial)
        except StateError as error:
            if type(error) is StateError:  # it may have been written all the same
                self._unsure = (lease.ref, lease.fence, serial, data)
            raise
        self._unsure = None
        if serial + 1 - folded >= self._fold_after:
            with contextlib.suppress(StateError), self._writing() as db:  # as in release: the append itself is done
                self._fold(db, lease.ref)
        return serial + 1

    def _append(self, lease: Lease, entries: Sequence[Entry], data: bytes, lineage: str, serial: int) -> int:
        """Write a journal row; give the serial up to which rows are folded."""
        ref = lease.ref
        with self._writing() as db:
            changed = db.execute(
                "UPDATE stacks SET serial=?, lineage=? WHERE project=? AND name=? AND fence=? AND holder IS NOT NULL "
                "AND serial=? AND (lineage=? OR lineage='')",
                (serial + 1, lineage, *ref, lease.fence, serial, lineage),
            ).rowcount
            head = db.execute("SELECT id, folded FROM stacks WHERE project=? AND name=?", ref).fetchone()
            if head is None:
                raise leasing.lost(lease)
            stack, folded = head
            if changed != 1:
                refusal = self._refusal(db, lease, lineage, serial)
                if type(refusal) is StateConflictError and self._is_there(db, stack, lease, serial, data):
                    return int(folded)
                raise refusal
            sqlite_journal.add(db, stack, lineage, serial + 1, data)
            for entry in entries:
                if isinstance(entry, Ran):
                    sqlite_journal.ran(db, stack, entry.run)
            return int(folded)

    def _is_there(self, db: sqlite3.Connection, stack: int, lease: Lease, serial: int, data: bytes) -> bool:
        """Tell whether an append that failed was written, its answer being all that was lost.

        Only this backend can have tried it, under this lease, and nobody else wrote since.
        """
        if self._unsure != (lease.ref, lease.fence, serial, data):
            return False
        newest = db.execute("SELECT serial, data FROM journal WHERE stack=? ORDER BY serial DESC", (stack,)).fetchone()
        return bool(newest == (serial + 1, data))

    def history(self, ref: StackRef) -> Sequence[RunSummary]:
        """List runs, oldest first."""
        where = self._where(ref)
        with self._reading() as db:
            if db is None:
                return []
            found = db.execute(
                "SELECT 'run', runs.id, data, crc FROM runs JOIN stacks ON stacks.id = runs.stack "
                "WHERE project=? AND stacks.name=? ORDER BY number",
                ref,
            ).fetchall()
        return [codec.load_run(data, where) for _, _, data in checked(found, where)]

    def salvage(self, ref: StackRef) -> Salvaged:
        """Read what can be read of damaged state; see ``Mender.salvage``."""
        with self._reading() as db:
            return Salvaged(Snapshot()) if db is None else sqlite_journal.salvage(db, ref, self._where(ref))

    def reopen(self, ref: StackRef) -> None:
        """Make leases possible again; see ``Mender.reopen``."""
        with self._reading() as there:
            try:
                if there is None or sqlite_leases.held(there, ref, self._where(ref)):
                    return
            except StateCorruptError:
                pass  # that is what this is for
        with self._writing() as db:
            sqlite_leases.free(db, ref)

    def rewrite(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int, past: bool) -> int:
        """Put other state in the place of what was; see ``Mender.rewrite``."""
        with self._writing() as db:
            changed = db.execute(
                "UPDATE stacks SET serial=?, folded=? WHERE project=? AND name=? AND fence=? AND holder IS NOT NULL "
                "AND serial=? AND lineage=?",
                (serial + 1, serial + 1, *lease.ref, lease.fence, serial, lineage),
            ).rowcount
            if changed != 1:
                raise self._refusal(db, lease, lineage, serial)
            (stack,) = db.execute("SELECT id FROM stacks WHERE project=? AND name=?", lease.ref).fetchone()
            sqlite_journal.rewrite(db, stack, entries, (lineage, serial + 1), past)
        return serial + 1

    def _refusal(self, db: sqlite3.Connection, lease: Lease, lineage: str, serial: int) -> StateError:
        held = sqlite_leases.held(db, lease.ref, self._where(lease.ref))
        if held.fence != lease.fence or held.holder is None:
            return leasing.lost(lease)
        stored = db.execute("SELECT lineage, serial FROM stacks WHERE project=? AND name=?", lease.ref).fetchone()
        return leasing.conflict(lease.ref, lineage=lineage, serial=serial, stored=stored)

    # -------------------------------------------------------------------------------------------------------- folding

    def _fold(self, db: sqlite3.Connection, ref: StackRef) -> None:
        """Bring the rows up to the journal's end: work for what changed, not for what is there."""
        stack, serial, folded = db.execute(
            "SELECT id, serial, folded FROM stacks WHERE project=? AND name=?", ref
        ).fetchone()
        sqlite_journal.fold(db, "rows", stack, (folded, serial), self._where(ref))
        db.execute("UPDATE stacks SET folded=? WHERE id=?", (serial, stack))

    def _prune(self, db: sqlite3.Connection, ref: StackRef, keep: int | None = None) -> None:
        """Fold what is too old of the journal into the base."""
        stack, serial = db.execute("SELECT id, serial FROM stacks WHERE project=? AND name=?", ref).fetchone()
        keep = self._keep if keep is None else keep
        based, upto = sqlite_journal.based(db, stack, self._where(ref)), serial - keep
        if upto - based <= keep // 10:
            return
        sqlite_journal.fold(db, "base", stack, (based, upto), self._where(ref))
        db.execute("DELETE FROM journal WHERE stack=? AND serial<=?", (stack, upto))

    # --------------------------------------------------------------------------------------------------- transactions

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._file.writing() as db:
            yield db

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give a view of one moment; None while there is no file, or nothing in it."""
        with self._lock, self._file.reading() as db:
            yield db

    def _where(self, ref: StackRef) -> str:
        return f"{ref} in {self.path}"


def _mine(db: sqlite3.Connection, lease: Lease) -> int:
    """Give the number of a stack that a lease still holds.

    Raises:
        LeaseLostError: It doesn't.
    """
    found = db.execute(
        "SELECT id FROM stacks WHERE project=? AND name=? AND fence=? AND holder IS NOT NULL",
        (*lease.ref, lease.fence),
    ).fetchone()
    if found is None:
        raise leasing.lost(lease)
    return int(found[0])
