"""Places for state under strain: races of engines, stopped holders, and what a small change of a large stack costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

import state_racer
from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import LeaseHeldError, StateError
from object_faults import counted
from postgres_here import counted_rows, schema_of
from state_racer import RACE, Thing, opened
from state_samples import LINEAGE, REF, holder, put

pytestmark = [pytest.mark.stress, pytest.mark.timeout(900)]

ENGINES, ROUNDS, STOPS = 16, 3, 5
SMALL, LARGE = 1_000, 10_000


@pytest.fixture(params=["sqlite", "postgres", "s3", "gs", "azblob"])
def kind(request):
    return request.param


@pytest.fixture
def url(request, kind, tmp_path):
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/s.db"
    if kind == "postgres":
        return f"{request.getfixturevalue('postgres_server').url}?schema={schema_of(tmp_path)}"
    return request.getfixturevalue(f"{kind}_place")(schema_of(tmp_path))


def start(url, *args, **facts):
    support = str(Path(state_racer.__file__).parent)
    path = os.pathsep.join(filter(None, [support, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, state_racer.__file__, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": path}
    started = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, **facts)
    started.stdin.write(f"{url}\n")
    started.stdin.flush()
    return started


def test_sixteen_engines_lose_nothing(kind, url, record_property):
    """Of 16 engines that work on one stack at once, one writes each serial, and what each wrote is there."""
    began = time.monotonic()
    racers = [start(url, "engine", f"e{n}", ROUNDS, stderr=subprocess.PIPE) for n in range(ENGINES)]
    errors = [racer.communicate(timeout=800)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * ENGINES, errors
    backend = opened(url)
    snapshot = backend.load(RACE)
    assert sorted(snapshot.records) == sorted(f"e{n}-{r}" for n in range(ENGINES) for r in range(ROUNDS))
    assert not snapshot.intents
    runs = backend.history(RACE)
    assert len(runs) == ENGINES * ROUNDS
    serials = [run.serial for run in runs]
    assert len(set(serials)) == len(serials)
    assert {run.status for run in runs} == {"ok"}
    assert backend.acquire(RACE, holder(), timedelta(seconds=9)).fence == ENGINES * ROUNDS + 1
    backend.close()
    record_property(
        "tells",
        f"{kind}: {ENGINES} engines made {len(runs)} runs on one stack in {time.monotonic() - began:.0f} s, "
        f"{snapshot.serial} serials with one winner each, 0 updates lost",
    )


def test_stopped_holders_write_nothing_after_takeover(kind, url, record_property):
    """A holder that is stopped while it writes, and goes on when another has the lease, writes nothing any more.

    It is stopped anywhere; in SQLite between two writes, as one that is stopped within one keeps all others waiting.
    """
    backend = opened(url)
    wrote = appended = 0
    for n in range(STOPS):
        old = start(url, "writer", 2, 3 + n if kind == "sqlite" else 0, stdout=subprocess.PIPE)
        try:
            told = [int(old.stdout.readline()) for _ in range(3 + n)]
            if kind == "sqlite":
                os.waitpid(old.pid, os.WUNTRACED)
            else:
                time.sleep(n * 0.003)  # another moment of an append each time
                os.kill(old.pid, signal.SIGSTOP)
            lease = None
            while lease is None:
                try:
                    lease = backend.acquire(REF, holder(), timedelta(seconds=60))
                except StateError as error:  # its row may be locked until the server ends the stopped one's transaction
                    if type(error) not in (LeaseHeldError, StateError):
                        raise
                    time.sleep(0.1)
            serial = backend.load(REF).serial
            os.kill(old.pid, signal.SIGCONT)
            rest = old.communicate(timeout=60)[0].split()
        finally:
            old.kill()
            old.wait()
        assert rest[-1] == "lost"
        told += map(int, rest[:-1])
        appended += len(told)
        wrote += sum(one > serial for one in told)
        assert backend.append(lease, put("new"), lineage=LINEAGE, serial=serial) == serial + 1
        backend.release(lease)
    backend.close()
    assert wrote == 0
    record_property("tells", f"{kind}: {STOPS} stopped holders, {appended} appends, {wrote} of them after a takeover")


def meter(kind, backend, url):
    """Give what tells how much a backend wrote: rows or objects, and bytes."""
    if kind == "postgres":
        rows = counted_rows(backend)
        return lambda: (rows.rows, rows.bytes)
    if kind == "sqlite":
        db, log = backend._file._db, Path(f"{url.removeprefix('sqlite:///')}-wal")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return lambda: (db.total_changes, log.stat().st_size)
    store = counted(backend)
    return lambda: (store.writes, store.written)


def cost_of_a_change(kind, url, size):
    """Apply a program of that size, change one resource of it five times, and tell what that wrote each time.

    The median: a page of SQLite that is full is divided now and then, whatever the size of the stack.
    """
    backend, name = opened(url), f"size{size}"

    def program(changed):
        with iac.Stack(name, project="shop") as stack:
            for n in range(size):
                Thing(f"t{n}", size=changed if n == size // 2 else 1)
        return stack

    with Engine(state=backend) as engine:
        engine.apply(program(1))
        engine.snapshot(f"shop/{name}")
        told = meter(kind, backend, url)
        seen = [told()]
        for changed in range(2, 7):
            run = engine.apply(program(changed))
            seen.append(told())
            assert [step.action for step in run.steps] == ["update"]
    costs = [[new - old for new, old in zip(after, before, strict=True)] for before, after in pairwise(seen)]
    return tuple(map(median, zip(*costs, strict=True)))


def test_what_a_change_costs(kind, url, record_property):
    """A run that changes one resource writes as much whether the stack has 1,000 or 10,000."""
    small, large = (cost_of_a_change(kind, url, size) for size in (SMALL, LARGE))
    what = {"sqlite": "rows", "postgres": "rows"}.get(kind, "objects")
    record_property(
        "tells",
        f"{kind}: a run of 1 change writes {small[0]} {what}, {small[1]:,} bytes on a stack of {SMALL:,}; "
        f"{large[0]} {what}, {large[1]:,} bytes on one of {LARGE:,}",
    )
    assert large[0] <= small[0]
    assert large[1] <= 1.5 * small[1] + 4096
