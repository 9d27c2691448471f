"""Holders on Postgres that sleep through a takeover, and what a change costs in the server's log."""

from __future__ import annotations

import os
import signal

import psycopg
import pytest

from iaclib.backends import Postgres
from postgres_here import child, schema_of
from state_samples import ELSEWHERE, LINEAGE, REF, TTL, holder, put, write

pytestmark = pytest.mark.stress

_SLEEPING = """
lease = backend.acquire(REF, holder(host="elsewhere"), TTL)
serial = backend.append(lease, put("first"), lineage=LINEAGE, serial=0)
%s
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
try:
    %s
    print("wrote")
except LeaseLostError:
    print("lost")
"""
_WITHIN = """
execute = backend._server.execute
def sleepy(statement, values=None):
    cursor = execute(statement, values)
    if statement.lstrip().startswith("WITH"):
        backend._server.execute = execute
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    return cursor
"""


@pytest.mark.parametrize("round_", range(10))
def test_stopped_holder_never_writes_after_a_takeover(postgres_server, tmp_path, round_):
    """A holder that was stopped, and wakes after somebody took over, is told that its lease is lost."""
    url, schema = postgres_server.url, schema_of(tmp_path)
    call = "backend.append(lease, put('late'), lineage=LINEAGE, serial=serial)"
    stopped = child(url, schema, _SLEEPING % ("", call if round_ % 2 else "backend.renew(lease)"))
    assert stopped.stdout.readline() == "ready\n"
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    _expire(url, schema)
    backend = Postgres(url, schema=schema)
    lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
    if round_ % 3:
        backend.append(lease, put("second"), lineage=LINEAGE, serial=1)
    os.kill(stopped.pid, signal.SIGCONT)
    assert stopped.communicate(timeout=60)[0] == "lost\n"
    assert "late" not in backend.load(REF).records
    backend.close()


def test_holder_stopped_within_a_transaction_gives_way(postgres_server, tmp_path):
    """One that is stopped with the row locked is ended by the server in time; its write never was."""
    url, schema = postgres_server.url, schema_of(tmp_path)
    prepared = _WITHIN + "backend._server.execute = sleepy\nbackend._server._begin_writing = "
    prepared += "backend._server._begin_writing.replace('=30000', '=1000')"
    body = _SLEEPING.replace('print("ready", flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)\n', "")
    stopped = child(url, schema, body % (prepared, 'backend.append(lease, put("late"), lineage=LINEAGE, serial=1)'))
    assert stopped.stdout.readline() == "ready\n"
    os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
    _expire(url, schema)
    backend = Postgres(url, schema=schema)
    lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
    os.kill(stopped.pid, signal.SIGCONT)
    assert stopped.communicate(timeout=60)[0] == "lost\n"
    assert list(backend.load(REF).records) == ["first"]
    assert backend.append(lease, put("second"), lineage=LINEAGE, serial=1) == 2
    backend.close()


def _expire(url, schema):
    """Let the lease run out, once its row is free."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"UPDATE {schema}.stacks SET expires = clock_timestamp() - interval '1 second'")


def test_cost_of_one_change_of_a_large_stack(postgres_server, tmp_path, record_property):
    """A run of 1 change writes as much on a stack of 10,000 as on one of 100."""
    url, told = postgres_server.url, {}
    for size in (100, 10_000):
        schema = f"{schema_of(tmp_path)}_{size}"
        backend = Postgres(url, schema=schema)
        write(backend, *(f"net/a{n:05}" for n in range(size)))
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(f"VACUUM ANALYZE {schema}.rows")
            lease = backend.acquire(REF, holder(), TTL)
            began = _wal(db)
            backend.append(lease, put("net/a00007", outputs={"new": 1}), lineage=LINEAGE, serial=1)
            backend.append(lease, put("net/a00007", outputs={"new": 2}), lineage=LINEAGE, serial=2)
            backend.release(lease)
            told[size] = _wal(db) - began
        assert len(backend.load(REF).records) == size
        backend.close()
    assert told[10_000] < 2 * told[100] + 16_384
    record_property(
        "tells",
        f"Postgres: 1 change (2 appends, 7 rows) on 100 resources: {told[100]:,} bytes of WAL, "
        f"on 10,000: {told[10_000]:,}",
    )


def _wal(db):
    return int(db.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()[0])
