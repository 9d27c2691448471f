"""The connection to a Postgres server: opened with care, tried again when it drops, its failures told in plain words.

Knows connections, transactions and how tables are made; knows nothing of
stacks or leases.

Nothing is kept in the session: each transaction brings its own settings and
nothing is prepared, so that a pooler may give each transaction to another
server process. The password is part of the DSN alone: what is shown of a
server is its address.
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from iaclib.errors import ConfigError, StateError
from iaclib.state import packing
from iaclib.state.record import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

_OLDEST: Final = 120_000  # PostgreSQL 12
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0  # seconds between two tries
_CONNECTING: Final = 10  # seconds, unless the DSN says otherwise

#: What passes: connections that drop, servers that restart, transactions that got into each other's way.
_PASSING: Final = ("08", "25P03", "40001", "40P01", "53300", "57P01", "57P02", "57P03")
#: What several clients meet who make the tables at once: the next try finds them made.
_MADE_BY_ANOTHER: Final = ("23505", "42P06", "42P07")

_ADVICE: Final = (
    ("25006", "this server takes no writes: connect to the primary (target_session_attrs=read-write does that)"),
    ("28", "correct user and password in the DSN"),
    ("3D000", "make the database, or correct its name in the DSN"),
    ("42501", "grant this user the right to use and create in the schema, or to create the schema in this database"),
    ("42P01", "the tables are gone: restore them from a backup"),
    ("42703", "the tables are not iaclib's: choose another schema"),
    ("53100", "free some space; what was written before is safe"),
    ("55P03", "find the transaction that keeps the stack's row locked, and try again"),
    ("57014", "find what keeps the server from answering in time, and try again"),
)


class PostgresServer:
    """One connection to one server, for one thread at a time.

    Args:
        dsn: As libpq takes it: a URL or ``key=value`` pairs.
        schema: Where the tables are.
        tables: The statements that make them, with ``@.`` for the schema.
        timeout: Seconds that a statement may take, or wait for a lock.
        patience: Seconds to go on trying when a connection drops.
    """

    def __init__(self, dsn: str, schema: str, tables: Sequence[str], *, timeout: float, patience: float) -> None:
        self._psycopg = _psycopg()
        if _SCHEMA.fullmatch(schema) is None:
            raise ConfigError(
                f"schema {schema!r}: not a name for iaclib's tables, expected lower-case letters, digits and '_'; "
                "choose another one"
            )
        self._schema = schema
        self._tables = tables
        self._patience = patience
        self._settings = self._read(dsn, timeout)
        self._password = self._settings.get("password")
        self.where = self._address()
        self._lock = threading.RLock()
        self._db: Any = None
        self._pid = 0
        self._was_connected = False
        self._made = False
        milliseconds = int(timeout * 1000)
        # What a dead client began must not keep others from the stack's row for longer than a statement may take.
        local = (
            f"SET LOCAL statement_timeout={milliseconds}; SET LOCAL lock_timeout={milliseconds}; "
            f"SET LOCAL idle_in_transaction_session_timeout={milliseconds}"
        )
        self._begin_reading = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {local}"
        self._begin_writing = (
            f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {local}; SELECT set_config('synchronous_commit', 'on', "
            "true) WHERE current_setting('synchronous_commit') = 'off'"
        )

    def close(self) -> None:
        """Close the connection; using the server again opens another."""
        with self._lock:
            db, self._db = self._db, None
            if db is not None and self._pid == os.getpid():  # a fork's copy is its parent's to close
                db.close()

    def write(self, work: Callable[[PostgresServer], _T]) -> _T:
        """Do work in a transaction, making the tables if needed; durable when this returns.

        Args:
            work: Gets this server to ``execute`` on. Is done again when the
                connection drops, also when only the answer to the commit was
                lost: it has to find out itself whether it was done before.

        Raises:
            StateError: The server doesn't do it.
        """
        return self._patiently(lambda: self._writing(work))

    def read(self, work: Callable[[PostgresServer], _T], empty: _T) -> _T:
        """Do work on a view of one moment; ``empty``, and nothing made, where there are no tables yet."""
        return self._patiently(lambda: self._reading(work, empty))

    def execute(self, statement: str, values: Any = None) -> Any:
        """Run a statement within ``write`` or ``read``; gives a cursor, whose rows are in memory."""
        return self._db.execute(self._in_schema(statement), values, binary=True)

    def check_format(self) -> int:
        """Read the tables' format within ``write`` or ``read``; a later iaclib may have changed it meanwhile.

        Raises:
            StateVersionError: It is newer than what is known here.
        """
        row = self.execute("SELECT max(number) FROM @.format").fetchone()
        packing.check_format(row[0], f"{self.where} schema {self._schema}")
        return int(row[0])

    # --------------------------------------------------------------------------------------------------- transactions

    def _writing(self, work: Callable[[PostgresServer], _T]) -> _T:
        self._connect()
        if not self._made:
            self._make()
        return self._transaction(self._begin_writing, lambda: work(self))

    def _reading(self, work: Callable[[PostgresServer], _T], empty: _T) -> _T:
        self._connect()
        if not self._made and not self._has_tables():
            return empty
        return self._transaction(self._begin_reading, lambda: work(self))

    def _transaction(self, begin: str, work: Callable[[], _T]) -> _T:
        db, status = self._db, self._psycopg.pq.TransactionStatus
        try:
            db.execute(begin)
            result = work()
            db.execute("COMMIT")
        except BaseException:
            if db.info.transaction_status in (status.INTRANS, status.INERROR):
                try:
                    db.execute("ROLLBACK")
                except self._psycopg.Error:  # the first error is the one to tell
                    db.close()
            elif db.info.transaction_status != status.IDLE:  # broken, or interrupted in the middle of an answer
                db.close()
            raise
        return result

    def _patiently(self, work: Callable[[], _T]) -> _T:
        """Do work again while what keeps it from working may pass."""
        with self._lock:
            wait, until = _FIRST_WAIT, None
            while True:
                try:
                    return work()
                except self._psycopg.Error as error:
                    # From the first failure on: a process that was stopped meanwhile has not been patient yet.
                    until = until or time.monotonic() + self._patience
                    if not self._passes(error) or time.monotonic() + wait > until:
                        raise self._translate(error) from None
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)

    def _passes(self, error: Any) -> bool:
        code = error.sqlstate
        if code is not None:
            return bool(code.startswith(_PASSING) or code in _MADE_BY_ANOTHER)
        # Without a code it is the connection that failed; one that never was is more likely a mistake in the DSN.
        return self._was_connected and isinstance(error, self._psycopg.OperationalError | self._psycopg.InterfaceError)

    # ------------------------------------------------------------------------------------------------------ connecting

    def _connect(self) -> None:
        """See that there is a connection, to a server that will do."""
        if self._db is not None and not self._db.closed and self._pid == os.getpid():
            return
        self._db, self._made = None, False
        db = self._psycopg.connect(**self._settings, autocommit=True, prepare_threshold=None)
        try:
            version = db.info.server_version
            if version < _OLDEST:
                raise StateError(
                    f"{self.where}: PostgreSQL {version // 10_000}, expected 12 or newer; upgrade the server"
                )
        except BaseException:
            db.close()
            raise
        self._db, self._pid, self._was_connected = db, os.getpid(), True

    def _has_tables(self) -> bool:
        """Look for tables, and check that they are of a format that is known here."""
        (there,) = self.execute("SELECT to_regclass('@.format') IS NOT NULL").fetchone()
        if there:
            self.check_format()
            self._made = True
        return self._made

    def _make(self) -> None:
        """Make the tables, all or none; of several clients at once one does, the others find them."""
        replica, read_only = self._db.execute(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'"
        ).fetchone()
        if replica or read_only:
            what = "a read replica" if replica else "a server, or user, that may only read"
            raise StateError(
                f"{self.where}: {what}, expected one that takes writes; connect to the primary "
                "(target_session_attrs=read-write in the DSN does that)"
            )
        if self._has_tables():
            if self.check_format() < FORMAT:
                self._transaction(self._begin_writing, lambda: self.execute("UPDATE @.format SET number=%s", (FORMAT,)))
            return
        self._transaction(self._begin_writing, self._fill)
        self._made = True

    def _fill(self) -> None:
        # Asked first: "if not exists" wants the right to create schemas also where there is one.
        (there,) = self.execute("SELECT to_regnamespace(%s) IS NOT NULL", (self._schema,)).fetchone()
        if not there:
            self._db.execute(f'CREATE SCHEMA "{self._schema}"')
        for statement in self._tables:
            self.execute(statement)
        self.execute("CREATE TABLE @.format (number integer NOT NULL)")
        self.execute("INSERT INTO @.format VALUES (%s)", (FORMAT,))

    def _in_schema(self, statement: str) -> str:
        return statement.replace("@.", f'"{self._schema}".')

    # ----------------------------------------------------------------------------------------------------------- words

    def _read(self, dsn: str, timeout: float) -> dict[str, Any]:
        """Take a DSN apart and fill in what it leaves open."""
        try:
            given = self._psycopg.conninfo.conninfo_to_dict(dsn)
        except self._psycopg.Error:  # whose text may show parts of the password
            raise ConfigError(
                "the Postgres DSN does not read, expected postgresql://user@host/database or libpq's key=value pairs; "
                "percent-encode what is no letter or digit in user and password"
            ) from None
        return {
            "connect_timeout": _CONNECTING,
            "application_name": "iaclib",
            "tcp_user_timeout": int(timeout * 1000),  # a network that is gone is noticed in time
            **given,
            "client_encoding": "utf8",
        }

    def _address(self) -> str:
        get = self._settings.get
        host = get("host") or get("hostaddr") or os.environ.get("PGHOST", "localhost")
        port = get("port") or os.environ.get("PGPORT", "5432")
        database = get("dbname") or os.environ.get("PGDATABASE") or get("user") or "(default)"
        return f"postgresql://{host}:{port}/{database}"

    def _translate(self, error: Any) -> StateError:
        code = error.sqlstate or ""
        text = (error.diag.message_primary or str(error)).strip().partition("\n")[0].rstrip(".")
        if self._password:
            for form in (self._password, quote(self._password, safe="")):
                text = text.replace(form, "***")
        advice = next((told for start, told in _ADVICE if code.startswith(start)), None)
        if advice is None:
            advice = "see that the server runs and can be reached" if not code else "see the cause, and try again"
        if code in {"42P01", "3F000"}:
            self._made = False
        return StateError(
            f"{self.where}: state can't be used ({text or type(error).__name__}), expected a server that answers; "
            f"{advice}"
        )


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigError(
            f"state on Postgres needs psycopg ({error}), expected it to be installed; pip install 'iaclib[postgres]'"
        ) from None
    return psycopg
