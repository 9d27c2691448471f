"""What iaclib's own backends can do beyond the least: look back, make room, evict, and tell what was written."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from iaclib.backends import Memory, Sqlite
from iaclib.backends.objects import Objects
from iaclib.engine.engine import Engine
from iaclib.errors import LeaseHeldError, LeaseLostError, StateConflictError, StateError, StateVersionError
from iaclib.state.backend import Oblivious, Steward
from iaclib.state.journal import Ran
from iaclib.state.keyfile import KeyFile
from iaclib.state.record import FORMAT, RunSummary, Snapshot
from object_faults import Bucket, MemoryObjects
from state_samples import LINEAGE, REF, TTL, Clock, holder, put, write

FORMAT_1 = Path(__file__).parents[1] / "data" / "format1"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "sqlite-folding", "objects", "objects-folding"])
def make(request, tmp_path, clock):
    """Give a maker of a backend that keeps so many serials."""
    made, bucket = [], Bucket()

    def make(keep=1000):
        if request.param.startswith("objects"):
            facts = {"fold_after": 1} if request.param.endswith("folding") else {}
            made.append(Objects(MemoryObjects(bucket), clock=clock, keep=keep, **facts))
            return made[-1]
        made.append(
            Memory(clock=clock, keep=keep)
            if request.param == "memory"
            else Sqlite(
                tmp_path / "s.db", clock=clock, keep=keep, fold_after=1 if request.param.endswith("folding") else 1000
            )
        )
        return made[-1]

    yield make
    for backend in made:
        backend.close()


def test_every_retained_serial_can_be_read(make):
    """Each earlier state comes back as it was, whatever was folded since."""
    backend, seen = make(), []
    assert isinstance(backend, Steward)
    for serial in range(6):
        write(backend, f"r{serial % 4}", serial=serial)
        seen.append(backend.load(REF))
    assert [backend.load_at(REF, serial) for serial in range(1, 7)] == seen


@pytest.mark.parametrize("serial", [0, 4, -1])
def test_serial_that_is_not_there_is_an_error_that_says_which_are(make, serial):
    """The error names the first and the last one."""
    backend = make()
    for number in range(3):
        write(backend, "a", serial=number)
    with pytest.raises(StateError, match=rf"serial {serial} is not retained, expected one of 1 to 3"):
        backend.load_at(REF, serial)


def test_unwritten_stack_has_no_serial(make):
    """Nothing can be looked back at where nothing was written."""
    with pytest.raises(StateError, match="a stack that was written"):
        make().load_at(REF, 1)


def test_oldest_serials_are_dropped(make):
    """At least as many serials as asked for stay readable, and what is older is told to be gone."""
    backend, seen = make(keep=20), {}
    for serial in range(60):
        write(backend, f"r{serial % 7}", serial=serial)
        seen[serial + 1] = backend.load(REF)
    for serial in range(41, 61):
        assert backend.load_at(REF, serial) == seen[serial]
    with pytest.raises(StateError, match="not retained"):
        backend.load_at(REF, 30)
    assert backend.load(REF) == seen[60]


def test_what_was_earlier_is_forgotten(make):
    """The newest state and the history stay, for every client; earlier serials go; work goes on."""
    backend = make()
    assert isinstance(backend, Oblivious)
    for serial in range(5):
        write(backend, f"r{serial % 2}", serial=serial)
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, [Ran(RunSummary("r", "rotate", "ann", 1.0))], lineage=LINEAGE, serial=5)
    before = backend.load(REF)
    for _ in range(2):
        backend.forget_past(lease)
        assert (backend.load(REF), backend.load_at(REF, 6)) == (before, before)
        with pytest.raises(StateError, match="expected one of 6 to 6"):
            backend.load_at(REF, 5)
    assert backend.append(lease, put("new"), lineage=LINEAGE, serial=6) == 7
    backend.release(lease)
    assert backend.load_at(REF, 6) == before
    assert [run.id for run in backend.history(REF)][-1] == "r"
    with pytest.raises(LeaseLostError):
        backend.forget_past(lease)


def test_evicted_holder_is_named_and_fenced_off(make):
    """The lease is free at once, and its holder can't write any more."""
    backend, ann = make(), holder(user="ann", host="elsewhere")
    old = backend.acquire(REF, ann, TTL)
    assert backend.evict(REF) == ann
    assert backend.evict(REF) is None
    new = backend.acquire(REF, holder(), TTL)
    assert new.fence > old.fence
    with pytest.raises(LeaseLostError):
        backend.append(old, put("a"), lineage=LINEAGE, serial=0)
    with pytest.raises(LeaseLostError):
        backend.renew(old)


def test_evicting_nobody_makes_nothing(tmp_path, make):
    """A stack that nobody holds, or that isn't there, stays as it is."""
    assert make().evict(REF) is None
    assert not list(tmp_path.iterdir())


def test_removed_stack_was_never_written(make):
    """State, history and earlier serials go; the fence rises on, and the name can be used again."""
    backend = make()
    write(backend, "a")
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, [Ran(RunSummary("r", "apply", "ann", 1.0))], lineage=LINEAGE, serial=1)
    backend.remove(lease)
    assert (backend.load(REF), list(backend.history(REF)), list(backend.stacks())) == (Snapshot(), [], [])
    with pytest.raises(StateError):
        backend.load_at(REF, 1)
    with pytest.raises(LeaseHeldError):
        backend.acquire(REF, holder(), TTL)
    backend.release(lease)
    again = backend.acquire(REF, holder(), TTL)
    assert again.fence == lease.fence + 1
    assert backend.append(again, put("b"), lineage="fedcba9876543210", serial=0) == 1
    with pytest.raises(LeaseLostError):
        backend.remove(lease)
    assert list(backend.load(REF).records) == ["b"]


# ------------------------------------------------------------------------------------------------------------- sqlite


@pytest.fixture
def backend(tmp_path, clock):
    made = Sqlite(tmp_path / "s.db", clock=clock)
    yield made
    made.close()


def lose_one_answer(backend, monkeypatch):
    """Let the next write transaction be committed, and fail all the same."""
    writing, left = backend._file.writing, [1]

    @contextmanager
    def losing():
        with writing() as db:
            yield db
        if left:
            left.pop()
            raise StateError("disk I/O error")

    monkeypatch.setattr(backend._file, "writing", losing)


def test_lost_answer_is_no_conflict(backend, monkeypatch):
    """A write that took effect though it failed is found to be there when it is tried again."""
    lease = backend.acquire(REF, holder(), TTL)
    lose_one_answer(backend, monkeypatch)
    with pytest.raises(StateError, match="disk I/O"):
        backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
    assert backend.append(lease, put("a"), lineage=LINEAGE, serial=0) == 1
    assert backend.append(lease, put("b"), lineage=LINEAGE, serial=1) == 2
    assert list(backend.load(REF).records) == ["a", "b"]


def test_same_entries_again_are_a_conflict(backend, monkeypatch, tmp_path):
    """Equal entries of another lease, or without a failure before, are no retry."""
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
    with pytest.raises(StateConflictError):
        backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
    lose_one_answer(backend, monkeypatch)
    with pytest.raises(StateError):
        backend.append(lease, put("b"), lineage=LINEAGE, serial=1)
    backend.release(lease)
    other = backend.acquire(REF, holder(), TTL)
    with pytest.raises(StateConflictError):
        backend.append(other, put("b"), lineage=LINEAGE, serial=1)


def test_clocks_that_are_hours_apart_break_no_fence(tmp_path):
    """One whose clock runs ahead takes a lease early; then the other can't write, and nothing is lost."""
    now = Clock()
    ahead = Clock(now.now + 5 * 3600)
    one, two = Sqlite(tmp_path / "s.db", clock=now), Sqlite(tmp_path / "s.db", clock=ahead)
    first = one.acquire(REF, holder(host="elsewhere"), TTL)
    one.append(first, put("a"), lineage=LINEAGE, serial=0)
    second = two.acquire(REF, holder(host="elsewhere"), TTL)
    with pytest.raises(LeaseLostError, match="taken over"):
        one.append(first, put("b"), lineage=LINEAGE, serial=1)
    assert two.append(second, put("c"), lineage=LINEAGE, serial=1) == 2
    two.release(second)
    late = two.acquire(REF, holder(host="elsewhere"), TTL)  # its end is hours ahead for the other one
    with pytest.raises(LeaseHeldError):
        one.acquire(REF, holder(), TTL)
    assert one.evict(REF) == late.holder
    assert one.acquire(REF, holder(), TTL).fence == late.fence + 2
    assert list(one.load(REF).records) == ["a", "c"]
    one.close()
    two.close()


# ------------------------------------------------------------------------------------------------------------ formats


@pytest.fixture
def of_format_1(tmp_path):
    """Give a file as the first format had it, with its key."""
    path = tmp_path / "old.db"
    db = sqlite3.connect(path)
    db.executescript((FORMAT_1 / "state.sql").read_text())
    db.close()
    key = tmp_path / "old.db.key"
    shutil.copyfile(FORMAT_1 / "key.txt", key)
    for file in (path, key):
        file.chmod(0o600)
    return path


def test_format_1_is_read_and_left_as_it_is(of_format_1):
    """Reading an old file changes nothing in it; all that it holds is there."""
    before = of_format_1.read_bytes()
    with Engine(state=f"sqlite:///{of_format_1}") as engine:
        snapshot = engine.snapshot(REF)
        assert snapshot.records["db"].inputs["password"].reveal() == "hunter2"
        assert [record.id for record in snapshot.superseded] == ["db-1"]
        assert [intent.action for intent in snapshot.intents.values()] == ["delete"]
        assert snapshot.outputs["secret"].reveal() == "s3"
        assert [(run.operation, run.git) for run in engine.history(REF)] == [("apply", ""), ("destroy", "")]
        assert len(engine.snapshot(REF, serial=1).records) == 2
        assert not engine.repair(REF)
    assert of_format_1.read_bytes() == before


def test_format_1_is_upgraded_by_the_first_write(of_format_1):
    """The first write brings the file to today's format, once, with nothing lost."""
    backend = Sqlite(of_format_1, keep=1)
    before = backend.load(REF)
    lease = backend.acquire(REF, holder(), TTL)  # the old holder was on another machine, long ago
    backend.append(lease, put("new"), lineage=before.lineage, serial=before.serial)
    backend.release(lease)
    after = backend.load(REF)
    assert {**before.records, "new": after.records["new"]} == after.records
    assert after.superseded == before.superseded
    backend.close()
    db = sqlite3.connect(of_format_1)
    assert db.execute("SELECT number FROM format").fetchall() == [(FORMAT,)]
    assert db.execute("SELECT count(*) FROM base").fetchone()[0] > 0
    db.close()
    assert KeyFile(f"{of_format_1}.key").unwrap(after.key, after.lineage)


def test_file_that_was_upgraded_meanwhile_is_refused(backend, tmp_path):
    """A newer iaclib may upgrade a file that is open here; nothing more is written to it."""
    write(backend, "a")
    lease = backend.acquire(REF, holder(), TTL)
    db = sqlite3.connect(tmp_path / "s.db")
    db.execute("UPDATE format SET number=?", (FORMAT + 1,))
    db.commit()
    db.close()
    with pytest.raises(StateVersionError, match="newer iaclib"):
        backend.append(lease, put("b"), lineage=LINEAGE, serial=1)


STOPPED = """
import os, signal, sys
from iaclib.backends import Sqlite
from iaclib.errors import LeaseLostError
from state_samples import LINEAGE, REF, TTL, holder, put
backend = Sqlite(sys.argv[1])
lease = backend.acquire(REF, holder(), TTL)
backend.append(lease, put("before"), lineage=LINEAGE, serial=0)
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
for serial in (1, 2, 3):
    try:
        backend.append(lease, put("after"), lineage=LINEAGE, serial=serial)
        print("wrote", flush=True)
    except LeaseLostError:
        print("refused", flush=True)
"""


def test_stopped_holder_writes_nothing_after_a_takeover(tmp_path, record_property):
    """A process that was paused for longer than its lease is refused whatever serial it tries, once it goes on."""
    path = tmp_path / "s.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", STOPPED, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert child.stdout.readline() == "held\n"
        os.waitpid(child.pid, os.WUNTRACED)
        later = Sqlite(path, clock=lambda: time.time() + TTL.total_seconds())
        with pytest.raises(LeaseHeldError):  # it lives, so its lease counts until its end
            Sqlite(path).acquire(REF, holder(), TTL)
        lease = later.acquire(REF, holder(), TTL)
        later.append(lease, put("taken"), lineage=LINEAGE, serial=1)
    finally:
        os.kill(child.pid, signal.SIGCONT)
        told, _ = child.communicate(timeout=30)
    assert told.split() == ["refused"] * 3
    assert list(later.load(REF).records) == ["before", "taken"]
    later.close()
    record_property("tells", "sqlite: writes of a stopped holder after a takeover: 0 of 3")
