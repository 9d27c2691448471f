"""The contract of a backend, kept on a real Postgres, and what that one promises beyond it."""

from __future__ import annotations

import signal
import threading

import psycopg
import pytest

from contracts import InFull
from iaclib import declare as iac
from iaclib.backends import Postgres
from iaclib.engine.engine import Engine
from iaclib.errors import (
    ConfigError,
    LeaseHeldError,
    LeaseLostError,
    StateConflictError,
    StateCorruptError,
    StateError,
    StateVersionError,
)
from iaclib.provider.registry import load_named
from iaclib.state.record import Snapshot
from iaclib.testing.contracts import BackendContract, Cost
from postgres_here import PASSWORD, child, counted_rows, schema_of
from state_samples import ELSEWHERE, LINEAGE, REF, TTL, Clock, holder, put, write


class TestPostgres(BackendContract):
    """State on a server; time passes there."""

    fold_after = 3  # so that some appends are folded at once, and some when the lease is given back
    examples = 4
    racers = rounds = 3

    @pytest.fixture(autouse=True)
    def _server(self, postgres_server):
        self.url = postgres_server.url

    def make(self, tmp_path, clock):
        made = Postgres(self.url, schema=schema_of(tmp_path), clock=clock, fold_after=self.fold_after)
        counted_rows(made)
        return made

    def pass_time(self, backend, clock, seconds):
        clock.now += seconds
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(f"UPDATE {backend._schema}.stacks SET expires = expires - make_interval(secs => %s)", (seconds,))

    def cost(self, backend):
        counted = counted_rows(backend)
        return Cost(counted.rows, counted.bytes)


@pytest.mark.stress
class TestPostgresAtLength(InFull, TestPostgres):
    """The same, with the suite's own numbers, where appends wait for the lease to be given back."""

    fold_after = 1000


@pytest.mark.stress
class TestPostgresThatAlwaysFolds(InFull, TestPostgres):
    """The same, where each append is folded at once."""

    fold_after = 1


@pytest.fixture
def url(postgres_server):
    return postgres_server.url


@pytest.fixture
def schema(tmp_path):
    return schema_of(tmp_path)


@pytest.fixture
def backend(url, schema):
    made = Postgres(url, schema=schema)
    yield made
    made.close()


@pytest.fixture
def sql(url, schema):
    """Run a statement of a test's own, with the schema first on the path."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"SET search_path = {schema}, public")
        yield db.execute


def test_reading_makes_nothing(backend, sql, schema):
    """Loading, listing and history leave the database as it was."""
    assert (backend.load(REF), list(backend.stacks()), list(backend.history(REF))) == (Snapshot(), [], [])
    assert sql("SELECT to_regnamespace(%s)", (schema,)).fetchone() == (None,)


def test_urls_name_the_schema(url, schema):
    """`?schema=` chooses where the tables are, and goes together with libpq's own options."""
    for scheme in ("postgresql", "postgres"):
        made = load_named("iaclib.backends", scheme)(
            f"{scheme}{url.removeprefix('postgresql')}?connect_timeout=5&schema={schema}&application_name=x"
        )
        assert f"schema={schema!r}" in repr(made)
        made.close()


def test_wrong_urls_are_refused_without_showing_them():
    """What doesn't read as a DSN, or as a schema, is an error that shows no password."""
    for make in (
        lambda: Postgres.from_url("postgresql://ann:secret%zz@h/db"),
        lambda: Postgres.from_url("pg://ann:secret@h/db"),
        lambda: Postgres("postgresql://ann:secret@h/db", schema='x"; DROP'),
        lambda: Postgres("host=h passwort=secret"),
    ):
        with pytest.raises(ConfigError, match="expected") as caught:
            make()
        assert "secret" not in str(caught.value)


def test_password_is_never_shown(backend, url, postgres_server):
    """Neither repr nor the errors of a server that refuses, or isn't there, hold the password."""
    wrong = [url.replace("pw-of", "no-pw-of"), url.replace(f":{postgres_server.port}/", ":1/"), url + "_missing"]
    told = [repr(backend), repr(Postgres(url))]
    for each in wrong:
        with pytest.raises(StateError, match=r"127\.0\.0\.1.*expected") as caught:
            Postgres(each).load(REF)
        assert type(caught.value) is StateError
        assert caught.value.__cause__ is None
        told.append(str(caught.value))
    for text in told:
        assert PASSWORD not in text
        assert "pw-of" not in text


def test_user_without_rights_is_told_what_to_grant(backend, url, sql, schema):
    """A user who may not make the schema, or not use it, learns that."""
    sql("DO $$ BEGIN CREATE ROLE poor LOGIN PASSWORD 'p'; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    poor = Postgres(f"postgresql://poor:p@{url.rpartition('@')[2]}", schema=schema)
    with pytest.raises(StateError, match="grant"):
        poor.acquire(REF, holder(), TTL)
    write(backend, "a")
    with pytest.raises(StateError, match="grant"):
        poor.load(REF)
    sql(f"GRANT USAGE ON SCHEMA {schema} TO poor")
    sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO poor")
    write(poor, "b", serial=1)  # what it needs once the tables are there
    poor.close()
    sql("DROP OWNED BY poor")


def test_server_that_only_reads_is_refused_for_writing(backend, url, schema):
    """A replica, or a user who may only read, can plan; a lease names the way out."""
    write(backend, "a")
    reader = Postgres(f"{url}?options=-c%20default_transaction_read_only%3Don", schema=schema + "x")
    with pytest.raises(StateError, match="takes writes.*primary"):
        reader.acquire(REF, holder(), TTL)
    assert reader.load(REF) == Snapshot()
    reader.close()


def test_newer_format_is_refused(backend, sql, url, schema):
    """Tables of a newer format ask for the newer iaclib."""
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
    sql("UPDATE format SET number = 99")
    other = Postgres(url, schema=schema)
    for use in (
        lambda: other.load(REF),
        lambda: other.acquire(REF, holder(), TTL),
        lambda: backend.append(lease, put("b"), lineage=LINEAGE, serial=1),  # connected before
        lambda: backend.load(REF),
    ):
        with pytest.raises(StateVersionError, match="99.*newer iaclib"):
            use()
    other.close()


def test_changed_bytes_and_missing_rows_are_found(backend, sql):
    """A flipped bit, and a hole in the journal, are damage that is named."""
    lease = backend.acquire(REF, holder(), TTL)
    for serial in range(3):
        backend.append(lease, put(f"a{serial}"), lineage=LINEAGE, serial=serial)
    sql("UPDATE journal SET data = set_byte(data, 20, 65) WHERE serial = 2")
    with pytest.raises(StateCorruptError, match=r"shop/prod.*changed"):
        backend.load(REF)
    sql("DELETE FROM journal WHERE serial = 2")
    with pytest.raises(StateCorruptError, match=r"shop/prod.*not whole"):
        backend.load(REF)
    backend.release(lease)  # folding is put off, giving back is not
    assert backend.acquire(REF, holder(), TTL).fence == 2


def test_dropped_connection_is_opened_again(backend, sql):
    """A connection that the server ended between two calls is not noticed by who uses the backend."""
    lease = backend.acquire(REF, holder(), TTL)
    for serial in range(3):
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='iaclib'")
        assert backend.append(lease, put(f"a{serial}"), lineage=LINEAGE, serial=serial) == serial + 1
    assert len(backend.load(REF).records) == 3


class LosingAnswers:
    """A connection that drops when it commits: before the server has it, or after."""

    def __init__(self, db, when, times=1):
        self.db, self.when, self.times = db, when, times

    def __getattr__(self, name):
        return getattr(self.db, name)

    def execute(self, statement, *arguments, **options):
        if statement == "COMMIT" and self.times:
            self.times -= 1
            if self.when == "after":
                self.db.execute(statement)
            self.db.close()
            raise psycopg.OperationalError("the connection is lost")
        return self.db.execute(statement, *arguments, **options)


@pytest.mark.parametrize("when", ["before", "after"])
def test_lost_answer_is_resolved(backend, when):
    """Whether a commit was done or not when the connection dropped: each operation is done exactly once."""
    backend.load(REF)

    def lose():
        backend._server._db = LosingAnswers(backend._server._db, when)

    write(backend, "z", ref=REF._replace(name="other"))
    lose()
    lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
    assert lease.fence == 1
    lose()
    assert backend.append(lease, put("a"), lineage=LINEAGE, serial=0) == 1
    lose()
    lease = backend.renew(lease)
    lose()
    backend.release(lease)
    lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
    assert lease.fence == 2
    lose()
    assert backend.evict(REF) == lease.holder
    assert backend.load(REF).serial == 1
    with pytest.raises(LeaseLostError):
        backend.append(lease, put("b"), lineage=LINEAGE, serial=1)


def test_append_that_failed_is_done_once_when_it_is_tried_again(url, schema):
    """Where the connection stays away for longer than patience, the same append later finds what it wrote."""
    backend = Postgres(url, schema=schema, patience=0)
    lease = backend.acquire(REF, holder(), TTL)
    backend._server._db = LosingAnswers(backend._server._db, "after")
    with pytest.raises(StateError) as caught:
        backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
    assert type(caught.value) is StateError  # may be tried again
    assert backend.append(lease, put("a"), lineage=LINEAGE, serial=0) == 1
    other = Postgres(url, schema=schema)
    with pytest.raises(StateConflictError):  # what another client writes is not mistaken for it
        other.append(lease, put("a"), lineage=LINEAGE, serial=0)
    backend.close()
    other.close()


def test_locked_row_is_said_to_be_locked(backend, url, schema, sql):
    """Waiting for another's transaction has an end; other stacks and readers don't wait at all."""
    write(backend, "a")
    waiting = Postgres(url, schema=schema, timeout=0.2, patience=0)
    with psycopg.connect(url) as other:
        other.execute(f"SELECT 1 FROM {schema}.stacks FOR UPDATE")
        with pytest.raises(StateError, match="locked|answering"):
            waiting.acquire(REF, holder(), TTL)
        assert list(waiting.load(REF).records) == ["a"]
        write(waiting, "b", ref=REF._replace(name="other"))
    waiting.close()


def test_no_session_state_is_needed(backend, url, schema):
    """Each transaction may reach another server process, as behind a pooler: nothing is prepared or set."""
    lease = backend.acquire(REF, holder(), TTL)
    for serial in range(10):
        backend.append(lease, put(f"a{serial}"), lineage=LINEAGE, serial=serial)
    row = backend._server._db.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    assert row == (0,)
    told = backend._server._db.execute("SELECT current_setting('statement_timeout')").fetchone()
    assert told == ("0",)
    backend.release(lease)


def test_look_back_evict_and_remove(url, schema):
    """Retained serials are read, a holder is evicted, and a removed stack is as if never written, but for its fence."""
    backend = Postgres(url, schema=schema, keep=5)
    serial = 0
    for n in range(10):
        serial = write(backend, f"a{n}", serial=serial)
    assert list(backend.load_at(REF, 7).records) == [f"a{n}" for n in range(7)]
    with pytest.raises(StateError, match=r"serial 2 is not retained, expected one of \d to 10"):
        backend.load_at(REF, 2)
    with pytest.raises(StateError, match="not retained"):
        backend.load_at(REF._replace(name="other"), 1)
    lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
    assert backend.evict(REF) == lease.holder
    assert backend.evict(REF) is None
    with pytest.raises(LeaseLostError):
        backend.remove(lease)
    lease = backend.acquire(REF, holder(), TTL)
    assert lease.fence == 13
    backend.remove(lease)
    assert (backend.load(REF), list(backend.stacks()), list(backend.history(REF))) == (Snapshot(), [], [])
    assert backend.append(lease, put("new"), lineage="another", serial=0) == 1
    backend.close()


def test_skewed_clock_does_not_steal(backend, url, schema):
    """Who holds a stack is judged by the server's clock, whatever a client's says."""
    backend.acquire(REF, holder(**ELSEWHERE), TTL)
    ahead = Postgres(url, schema=schema, clock=Clock(4_000_000_000.0))
    with pytest.raises(LeaseHeldError):
        ahead.acquire(REF, holder(), TTL)
    ahead.close()


_IN_THE_MIDDLE = """
lease = backend.acquire(REF, holder(), TTL)
backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
execute = backend._server.execute
def dying(statement, values=None):
    cursor = execute(statement, values)
    if statement.lstrip().startswith("%s"):
        os.kill(os.getpid(), signal.SIGKILL)
    return cursor
backend._server.execute = dying
backend.%s
"""


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("WITH", "append(lease, put('b'), lineage=LINEAGE, serial=1)"),
        ("INSERT", "release(lease)"),
        ("UPDATE", "release(lease)"),
    ],
    ids=["append", "fold", "release"],
)
def test_client_killed_within_a_transaction_leaves_none_of_it(backend, url, schema, statement, call):
    """SIGKILL between a statement and its commit: what was committed before stays, the rest never was."""
    killed = child(url, schema, _IN_THE_MIDDLE % (statement, call.replace("'", '"')))
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    snapshot = backend.load(REF)
    assert (snapshot.serial, list(snapshot.records)) == (1, ["a"])
    assert write(backend, "c", serial=1) == 2
    assert list(backend.load(REF).records) == ["a", "c"]


def test_killed_server_loses_nothing_that_was_appended(postgres_server, url, schema):
    """Kill -9 of the server while clients write: each append that returned is there, and they go on by themselves."""
    backend, acknowledged, killed = Postgres(url, schema=schema, patience=60), [], threading.Event()
    lease = backend.acquire(REF, holder(), TTL)

    def work():
        for serial in range(100):
            backend.append(lease, put(f"a{serial:03}"), lineage=LINEAGE, serial=serial)
            acknowledged.append(serial)
            if serial == 20:
                killed.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert killed.wait(60)
    postgres_server.kill()
    postgres_server.start()
    thread.join(90)
    assert acknowledged == list(range(100))
    snapshot = backend.load(REF)
    assert (snapshot.serial, len(snapshot.records)) == (100, 100)
    backend.release(lease)
    assert backend.load(REF) == snapshot
    backend.close()


def test_engine_creates_updates_and_destroys(url, schema, tmp_path):
    """A whole life cycle, each step by an engine of its own, with all of its state on the server."""
    from iaclib.local import files

    state = f"{url}?schema={schema}"

    def stack(text):
        with iac.Stack("prod", project="shop") as made:
            first = files.File("first", path=str(tmp_path / "first"), content=text)
            files.File("second", path=str(tmp_path / "second"), content=iac.output(first.id).map(len).map(str))
        return made

    for text, actions in (("one", ["create", "create"]), ("two", ["update"]), ("two", [])):
        with Engine(state=state) as engine:
            assert [step.action for step in engine.apply(stack(text)).steps] == actions
    assert (tmp_path / "first").read_text() == "two"
    with Engine(state=state) as engine:
        assert [step.action for step in engine.destroy("shop/prod").steps] == ["delete", "delete"]
        assert [run.status for run in engine.history("shop/prod")] == ["ok"] * 3
        assert engine.snapshot("shop/prod").records == {}
    assert not (tmp_path / "first").exists()
