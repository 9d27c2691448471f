"""State that isn't what it should be, and places that fail half-way: a clear error, nothing lost, and what to do."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg
import pytest

from damaged import EVERYWHERE, OPENERS, REF, Some
from iaclib.backends import Postgres
from iaclib.engine.engine import Engine
from iaclib.errors import StateCorruptError, StateError, StateVersionError
from iaclib.state.journal import Ended
from iaclib.state.keyfile import KeyFile
from postgres_here import schema_of
from state_samples import TTL, holder, record
from virtual import VirtualClock
from wire import Wire

OTHER = REF._replace(name="other")

everywhere = pytest.mark.parametrize("there", EVERYWHERE, indirect=True)


@everywhere
def test_newer_state_is_refused_and_left_alone(damaged_engine, there):
    """Neither a plan nor a lease nor a repair touches what a later iaclib wrote; the error says to use that."""
    connect, surgery = there
    surgery.make_newer(REF)
    before = surgery.all()
    backend = connect()
    for use in (
        lambda: backend.load(REF),
        lambda: backend.acquire(REF, holder(), TTL),
        lambda: backend.salvage(REF),
        lambda: backend.reopen(REF),
        lambda: damaged_engine.apply(Some("s")),
        lambda: damaged_engine.repair(REF, dry_run=False),
    ):
        with pytest.raises(StateVersionError, match=r"99.*newer iaclib"):
            use()
    assert surgery.all() == before


@everywhere
@pytest.mark.parametrize("what", ["replayed", "foreign"])
def test_append_of_elsewhere_is_refused_and_mended(damaged_engine, there, what):
    """An append that was made for an earlier serial, or for another stack, isn't taken for one that belongs there."""
    connect, surgery = there
    last = damaged_engine.snapshot(REF).serial
    source = (REF, 1)
    if what == "foreign":
        backend = connect()
        lease = backend.acquire(OTHER, holder(process_start="1"), TTL)
        for serial in range(last):
            backend.append(lease, [Ended(put=record(f"o{serial}"))], lineage="fedcba9876543210", serial=serial)
        source = (OTHER, last)
    surgery.copy(source, (REF, last))
    before = surgery.all()
    for use in (lambda: damaged_engine.snapshot(REF), lambda: damaged_engine.plan(Some("s"))):
        with pytest.raises(StateCorruptError, match=r"p/s.*repair.*backup"):
            use()
    assert surgery.all() == before
    assert "left out" in str(damaged_engine.repair(REF, dry_run=False))
    records = damaged_engine.snapshot(REF).records
    assert "x" in records  # the append before it
    assert not {"y", *(f"o{serial}" for serial in range(last))} & set(records)
    assert not damaged_engine.repair(REF)


@everywhere
def test_state_of_a_backup_is_not_written_to_by_a_run_of_today(damaged_engine, there):
    """A run that read later state than there is now is in conflict, and told to run again."""
    backend = there[0]()
    lease = backend.acquire(REF, holder(), TTL)
    state = backend.load(REF)
    for lineage, serial in ((state.lineage, state.serial + 1), ("fedcba9876543210", state.serial)):
        with pytest.raises(StateError, match="run again on the state as it is now"):
            backend.append(lease, [Ended(put=record("z"))], lineage=lineage, serial=serial)
    assert backend.load(REF) == state


@pytest.fixture
def wired(request, tmp_path, monkeypatch):
    """Give a backend that reaches its server through a wire, and the wire."""
    kind = request.param
    if kind == "postgres":
        url = request.getfixturevalue("postgres_server").url
    elif kind == "gs":
        url = request.getfixturevalue("gcs_server")
    elif kind == "s3":
        url = request.getfixturevalue("moto")
    else:
        url = request.getfixturevalue("azure_server").partition("BlobEndpoint=")[2].rstrip(";")
    port = urlsplit(url).port
    wire = Wire(port)
    if kind == "postgres":
        backend = Postgres(url.replace(f":{port}/", f":{wire.port}/"), schema=schema_of(tmp_path), patience=0)
    else:
        place = request.getfixturevalue(f"{kind}_place")(schema_of(tmp_path)).replace(f":{port}", f":{wire.port}")
        if kind == "gs":
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{wire.port}")
        if kind == "azblob":
            text = request.getfixturevalue("azure_server").replace(f":{port}/", f":{wire.port}/")
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
        backend = OPENERS[kind].from_url(place)
        backend._store._sleep = lambda _: None
    yield backend, wire
    backend.close()
    wire.close()


def spilled(engine, cloud, break_, mend):
    """Apply while state goes away in the middle of it; bring back what was done, and go on."""
    cloud.after["C a"] = break_
    with pytest.raises(StateError, match=r"engine\.replay") as caught:
        engine.apply(Some("s"))
    cloud.after.clear()
    mend()
    engine.replay(caught.value.spill)
    assert "a" in engine.snapshot(REF).records
    assert engine.apply(Some("s")).ok
    assert [len(cloud.ids(name)) for name in "abc"] == [1, 1, 1]
    assert not engine.plan(Some("s"))
    return str(caught.value)


@pytest.mark.parametrize("wired", ["postgres", *OPENERS], indirect=True)
def test_network_that_is_lost_half_way_loses_nothing(wired, there_alone, tmp_path):
    """A server that can't be reached any more stops the run; what was done is spilled, and replayed when it is back."""
    backend, wire = wired
    with Engine(state=backend, keyring=KeyFile(tmp_path / "key"), parallelism=0, _clock=VirtualClock()) as engine:
        spilled(engine, there_alone, wire.cut, wire.mend)


def test_full_disk_of_a_server_loses_nothing(postgres_server, there_alone, tmp_path):
    """A server that has no room for an append stops the run; the error says to make some, and nothing is lost."""
    schema = schema_of(tmp_path)
    backend = Postgres(postgres_server.url, schema=schema)
    says = "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'"

    def sql(*statements):
        with psycopg.connect(postgres_server.url, autocommit=True) as db:
            for statement in statements:
                db.execute(statement)

    with Engine(state=backend, keyring=KeyFile(tmp_path / "key"), parallelism=0, _clock=VirtualClock()) as engine:
        told = spilled(
            engine,
            there_alone,
            lambda: sql(
                f"CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {says}; END $$",
                f"CREATE TRIGGER fills BEFORE INSERT ON {schema}.journal EXECUTE FUNCTION {schema}.refuse()",
            ),
            lambda: sql(f"DROP FUNCTION {schema}.refuse CASCADE"),
        )
    assert "free some space" in told
    backend.close()
