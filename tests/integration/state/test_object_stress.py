"""Object stores under strain: races of engines, stopped holders, and what a small change of a large stack costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

import object_racer
from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import LeaseHeldError
from object_faults import counted
from object_racer import OPENERS, RACE, Thing
from state_samples import LINEAGE, REF, holder, put

pytestmark = [pytest.mark.stress, pytest.mark.timeout(900)]

ENGINES, ROUNDS, STOPS = 16, 3, 5


@pytest.fixture(params=["s3", "gs", "azblob"])
def url(request):
    return request.getfixturevalue(f"{request.param}_place")(request.node.name.replace("[", "-").strip("]"))


def start(*args, **facts):
    support = str(Path(object_racer.__file__).parent)
    path = os.pathsep.join(filter(None, [support, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, object_racer.__file__, *map(str, args)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, text=True, **facts)


def test_sixteen_engines_lose_nothing(url, record_property):
    """Of 16 engines that work on one stack at once, one writes each serial, and what each wrote is there."""
    began = time.monotonic()
    racers = [start("engine", url, f"e{n}", ROUNDS, stderr=subprocess.PIPE) for n in range(ENGINES)]
    errors = [racer.communicate(timeout=800)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * ENGINES, errors
    backend = OPENERS[url.partition(":")[0]](url)
    snapshot = backend.load(RACE)
    assert sorted(snapshot.records) == sorted(f"e{n}-{r}" for n in range(ENGINES) for r in range(ROUNDS))
    assert not snapshot.intents
    runs = backend.history(RACE)
    assert len(runs) == ENGINES * ROUNDS
    serials = [run.serial for run in runs]
    assert len(set(serials)) == len(serials)
    assert {run.status for run in runs} == {"ok"}
    assert backend.acquire(RACE, holder(), timedelta(seconds=9)).fence == ENGINES * ROUNDS + 1
    record_property(
        "tells",
        f"{url.partition(':')[0]}: {ENGINES} engines made {len(runs)} runs on one stack in "
        f"{time.monotonic() - began:.0f} s, {snapshot.serial} serials with one writer each, 0 updates lost",
    )


def test_stopped_holders_write_nothing_after_takeover(url, record_property):
    """A holder that is stopped while it writes, and goes on when another has the lease, writes nothing any more."""
    backend = OPENERS[url.partition(":")[0]](url)
    wrote = appended = 0
    for n in range(STOPS):
        old = start("writer", url, 2, stdout=subprocess.PIPE)
        try:
            told = [int(old.stdout.readline()) for _ in range(3 + n)]
            os.kill(old.pid, signal.SIGSTOP)
            lease = None
            while lease is None:
                try:
                    lease = backend.acquire(REF, holder(), timedelta(seconds=60))
                except LeaseHeldError:
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
    assert wrote == 0
    record_property(
        "tells", f"{url.partition(':')[0]}: {STOPS} stopped holders, {appended} appends, {wrote} after a takeover"
    )


@pytest.mark.parametrize("size", [100, 10_000])
def test_what_a_change_costs(url, size, record_property):
    """A run that changes one resource writes as much whether the stack has 100 or 10,000."""
    backend = OPENERS[url.partition(":")[0]](url)
    store = counted(backend)

    def program(changed):
        with iac.Stack("size", project="shop") as stack:
            for n in range(size):
                Thing(f"t{n}", size=changed if n == size // 2 else 1)
        return stack

    with Engine(state=backend) as engine:
        engine.apply(program(1))
        store.requests.clear()
        store.written = store.read = 0
        run = engine.apply(program(2))
    assert [step.action for step in run.steps] == ["update"]
    assert store.writes <= 12
    assert store.written <= 20_000
    asked = ", ".join(f"{count} {name}" for name, count in sorted(store.requests.items()))
    record_property(
        "tells",
        f"{url.partition(':')[0]}: 1 change of {size:,} resources: {asked}; {store.written:,} bytes written, "
        f"{store.read:,} read",
    )
