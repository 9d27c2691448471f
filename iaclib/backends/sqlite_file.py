"""The SQLite file: made for its owner alone, opened with care, its failures told in plain words.

Knows files, connections and transactions; knows nothing of stacks or leases.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from iaclib.errors import StateCorruptError, StateError
from iaclib.state import packing
from iaclib.state.record import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION: Final = 0x69616331  # "iac1", in the file's header
_RETRY_AFTER: Final = 0.01  # seconds

_ADVICE: Final = (
    ("SQLITE_READONLY", "make the file and its folder writable for this user"),
    ("SQLITE_CANTOPEN", "make its folder writable for this user"),
    ("SQLITE_PERM", "make the file writable for this user"),
    ("SQLITE_FULL", "free some space; what was written before is safe"),
    ("SQLITE_BUSY", "find the process that keeps the file locked, and try again"),
    ("SQLITE_LOCKED", "find the process that keeps the file locked, and try again"),
    ("SQLITE_IOERR", "check the disk"),
)


class SqliteFile:
    """One connection to one file, for one user at a time (the caller locks).

    Args:
        path: The file, absolute.
        tables: The statements that make the tables of a new file.
        upgrades: Format to the statements that make the next one of it.
        busy_timeout: Seconds to wait for another process's write.
    """

    def __init__(
        self, path: Path, tables: Sequence[str], upgrades: Mapping[int, Sequence[str]], *, busy_timeout: float
    ) -> None:
        self.path = path
        self._tables = tables
        self._upgrades = upgrades
        self._busy_timeout = busy_timeout
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def close(self) -> None:
        """Close the connection."""
        db, self._db, self._identity = self._db, None, None
        if db is not None:
            with self._translated():
                db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection in a write transaction, making the file if needed; durable when it ends."""
        with self._translated():
            db = self._open(make=True)
            if db is None:
                raise StateError(f"{self.path}: the file vanished while it was opened, expected it to stay; try again")
            with _transaction(db, "BEGIN IMMEDIATE"):
                self._upgrade(db)
                yield db

    def _upgrade(self, db: sqlite3.Connection) -> None:
        """Bring the file to today's format; refuse one that was brought to a later one while it was open."""
        for number in range(self._check_format(db), FORMAT):
            for statement in self._upgrades[number]:
                db.execute(statement)
            db.execute("UPDATE format SET number=?", (number + 1,))

    def _check_format(self, db: sqlite3.Connection) -> int:
        row = db.execute("SELECT number FROM format").fetchone()
        packing.check_format(row[0] if row else None, str(self.path))
        return int(row[0])

    def scrub(self) -> None:
        """Write the file anew, so that nothing is left in it of what was deleted.

        Raises:
            StateError: Another process reads the old one all the time; the next scrub does it.
        """
        with self._translated():
            db = self._open(make=True)
            if db is not None:
                db.execute("VACUUM")
                busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if busy:
                    msg = (
                        f"{self.path}: what was deleted can't be removed for good while another process reads the file, "
                        "expected it to end; run again"
                    )
                    raise StateError(msg, path=str(self.path))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give the connection in a read transaction; None, and nothing made, where there is no state yet."""
        with self._translated():
            db = self._open(make=False)
            if db is None:
                yield None
                return
            with _transaction(db, "BEGIN"):
                yield db

    def _open(self, *, make: bool) -> sqlite3.Connection | None:
        identity = self._stat()
        if self._db is not None and identity == self._identity:
            return self._db
        self.close()  # never opened, or another file is there now
        if identity is None:
            if not make:
                return None
            self._make_file()
        self._check_magic()
        db = self._connect()
        try:
            if not self._prepare(db, make=make):
                db.close()
                return None
        except BaseException:
            db.close()
            raise
        self._db, self._identity = db, self._stat()
        return db

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unusable(error) from None
        return found.st_dev, found.st_ino

    def _make_file(self) -> None:
        """Make an empty file for the user alone; SQLite gives its -wal and -shm the same mode."""
        folder = self.path.parent
        try:
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            if os.name != "nt":  # folders can't be opened there
                descriptor = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            raise StateError(
                f"{self.path}: can't be made, as {folder.parent} is no folder, expected it to exist; make it, or "
                "correct the path in state=",
                path=str(self.path),
            ) from None
        except OSError as error:
            raise self._unusable(error) from None

    def _check_magic(self) -> None:
        """Look at the file before SQLite does, which would take any short file for an empty one."""
        try:
            with self.path.open("rb") as file:
                head = file.read(len(_MAGIC))
        except OSError as error:
            raise self._unusable(error) from None
        if head and head != _MAGIC:
            raise StateCorruptError(
                f"{self.path}: not a SQLite file, expected state that iaclib wrote; correct the path in state=, or "
                "restore the file from a backup",
                path=str(self.path),
            )

    def _connect(self) -> sqlite3.Connection:
        # `mode=rw`: opening must never make a file, also if this one vanishes just now.
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self, db: sqlite3.Connection, *, make: bool) -> bool:
        """Check what is in the file, or fill a new one; False if it has nothing yet and none is wanted."""
        db.execute("PRAGMA synchronous=FULL")  # in WAL mode NORMAL may lose commits
        db.execute("PRAGMA cell_size_check=ON")
        db.execute("PRAGMA trusted_schema=OFF")
        if not self._has_tables(db):
            if not make:
                return False
            self._fill(db)
        if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            raise StateCorruptError(
                f"{self.path}: a SQLite file that iaclib did not make, expected its own; choose another path in state=",
                path=str(self.path),
            )
        self._check_format(db)
        return True

    @staticmethod
    def _has_tables(db: sqlite3.Connection) -> bool:
        return bool(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

    def _fill(self, db: sqlite3.Connection) -> None:
        """Make the tables, all or none; of several processes at once the first one does."""
        end = time.monotonic() + self._busy_timeout
        while True:  # the change to WAL needs the file alone, and SQLite does not wait for that by itself
            try:
                db.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if not _name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or time.monotonic() > end:
                    raise
                time.sleep(_RETRY_AFTER)
        with _transaction(db, "BEGIN IMMEDIATE"):
            if not self._has_tables(db):
                for statement in self._tables:
                    db.execute(statement)
                db.execute("CREATE TABLE format (number INTEGER NOT NULL)")
                db.execute("INSERT INTO format VALUES (?)", (FORMAT,))
                db.execute(f"PRAGMA application_id={_APPLICATION}")

    def _unusable(self, error: OSError) -> StateError:
        return StateError(
            f"{self.path}: can't be used ({error.strerror}), expected a file that this user may read and write; "
            "correct the path in state=, or its permissions",
            path=str(self.path),
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translate(error) from None

    def _translate(self, error: sqlite3.Error) -> StateError:
        name, facts = _name(error), {"path": str(self.path)}
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "no such" in str(error):
            return StateCorruptError(
                f"{self.path}: state is damaged ({error}), expected an intact SQLite file; restore it from a backup",
                **facts,
            )
        advice = next((text for code, text in _ADVICE if name.startswith(code)), "see the cause, and try again")
        return StateError(
            f"{self.path}: state can't be used ({error}), expected a file to read and write; {advice}", **facts
        )


def _name(error: sqlite3.Error) -> str:
    name: Any = getattr(error, "sqlite_errorname", None)
    return name or ""


@contextmanager
def _transaction(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite ends it by itself after some errors
            with suppress(sqlite3.Error):  # the first error is the one to tell
                db.execute("ROLLBACK")
        raise
