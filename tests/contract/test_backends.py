"""What every backend promises, and what SQLite promises beyond it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta

import attrs
import pytest

from iaclib.backends import Memory, Sqlite
from iaclib.errors import (
    LeaseHeldError,
    LeaseLostError,
    StateConflictError,
    StateCorruptError,
    StateError,
    StateVersionError,
)
from iaclib.model.addresses import StackRef
from iaclib.state.backend import Holder
from iaclib.state.journal import Began, Ended, Exported, Ran
from iaclib.state.record import Intent, Record, RunSummary, Snapshot

REF = StackRef("shop", "prod")
TTL = timedelta(seconds=60)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def backend(request, tmp_path, clock):
    made = Memory(clock=clock) if request.param == "memory" else Sqlite(tmp_path / "s.db", clock=clock, fold_after=5)
    yield made
    made.close()


def holder(**facts):
    return attrs.evolve(Holder.here("apply", 1.0), **facts)


def put(address, **facts):
    return Ended(put=Record(address, "x:Y", f"id-{address}", uid=f"uid-{address}", **facts))


def test_empty_stack_has_an_empty_snapshot(backend):
    """A stack that was never written has no lineage, serial 0 and is not listed."""
    assert backend.load(REF) == Snapshot()
    assert list(backend.stacks()) == []
    assert list(backend.history(REF)) == []


def test_entries_come_back_whatever_was_folded(backend):
    """State is the reduction of all entries, before and after the lease is given back."""
    serial = 0
    expected = set()
    for round_ in range(3):
        lease = backend.acquire(REF, holder(), TTL)
        for n in range(7):
            serial = backend.append(lease, [put(f"r{round_}-{n}")], lineage="l", serial=serial)
            expected.add(f"r{round_}-{n}")
            assert set(backend.load(REF).records) == expected
        serial = backend.append(
            lease, [Ended(drop=f"r{round_}-0"), Ended(supersede=f"r{round_}-1")], lineage="l", serial=serial
        )
        expected -= {f"r{round_}-0", f"r{round_}-1"}
        backend.release(lease)
        assert set(backend.load(REF).records) == expected
    snapshot = backend.load(REF)
    assert (snapshot.lineage, snapshot.serial) == ("l", serial)
    assert {record.uid for record in snapshot.superseded} == {f"uid-r{n}-1" for n in range(3)}
    assert snapshot.generations == {f"r{n}-{i}": 1 for n in range(3) for i in (0, 1)}
    assert list(backend.stacks()) == [REF]


def test_intents_outputs_and_history_are_kept(backend):
    """Intents stay until their step ends; outputs and runs are what was written last."""
    lease = backend.acquire(REF, holder(), TTL)
    intent = Intent("s", "create", "t", Record("a", "x:Y", ""))
    run = RunSummary("r", "apply", "me", 1.0)
    backend.append(lease, [Ran(run), Began(intent), Exported({"x": 1})], lineage="l", serial=0)
    backend.release(lease)
    assert backend.load(REF).intents == {"s": intent}
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(
        lease, [Ended("s", put=Record("a", "x:Y", "i")), Ran(attrs.evolve(run, status="ok"))], lineage="l", serial=1
    )
    backend.release(lease)
    assert backend.load(REF).intents == {}
    assert backend.load(REF).outputs == {"x": 1}
    assert [each.status for each in backend.history(REF)] == ["ok"]


def test_held_lease_names_its_holder(backend):
    """A second holder is refused and told who has the stack."""
    first = holder(operation="destroy")
    backend.acquire(REF, first, TTL)
    with pytest.raises(LeaseHeldError, match="destroy") as refused:
        backend.acquire(REF, holder(), TTL)
    assert refused.value.holder == first


def test_expired_lease_is_taken_over_and_its_holder_fenced_off(backend, clock):
    """After its ttl a lease goes to the next, and the old holder can't write or renew."""
    old = backend.acquire(REF, holder(), TTL)
    clock.now += 61
    new = backend.acquire(REF, holder(), TTL)
    assert new.fence == old.fence + 1
    for write in (lambda: backend.append(old, [put("a")], lineage="l", serial=0), lambda: backend.renew(old)):
        with pytest.raises(LeaseLostError):
            write()
    backend.release(old)
    assert backend.append(new, [put("a")], lineage="l", serial=0) == 1


def test_renewed_lease_lasts(backend, clock):
    """Renewing moves the end."""
    lease = backend.acquire(REF, holder(), TTL)
    clock.now += 50
    backend.renew(lease)
    clock.now += 50
    with pytest.raises(LeaseHeldError):
        backend.acquire(REF, holder(), TTL)


def test_gone_holder_is_taken_over_at_once(backend):
    """A holder whose process on this host ended does not block anybody."""
    backend.acquire(REF, holder(pid=2**22 + 1, process_start="1"), TTL)
    assert backend.acquire(REF, holder(), TTL).fence == 2


@pytest.mark.parametrize(("lineage", "serial"), [("l", 0), ("l", 2), ("other", 1)])
def test_write_on_another_state_is_refused(backend, lineage, serial):
    """A writer that read another serial or lineage is refused, and nothing is written."""
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, [put("a")], lineage="l", serial=0)
    with pytest.raises(StateConflictError):
        backend.append(lease, [put("b")], lineage=lineage, serial=serial)
    assert set(backend.load(REF).records) == {"a"}


def test_sqlite_reading_makes_no_file(tmp_path):
    """Loading, listing and history leave no file behind."""
    backend = Sqlite(tmp_path / "sub" / "s.db")
    backend.load(REF), backend.stacks(), backend.history(REF)
    assert not list(tmp_path.iterdir())


def test_sqlite_files_are_private(tmp_path):
    """The database and what SQLite puts beside it are for the user alone."""
    backend = Sqlite(tmp_path / "sub" / "s.db")
    backend.append(backend.acquire(REF, holder(), TTL), [put("a")], lineage="l", serial=0)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "sub").iterdir()}
    assert set(modes) >= {"s.db", "s.db-wal"}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "sub").stat().st_mode & 0o777 == 0o700
    backend.close()


@pytest.mark.parametrize("damage", ["garbage", "truncated", "newer", "foreign"])
def test_sqlite_bad_file_is_reported_and_untouched(tmp_path, damage):
    """A file that is damaged, newer or not ours is a clear error and stays as it is."""
    path = tmp_path / "s.db"
    backend = Sqlite(path)
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, [put(f"r{n}") for n in range(500)], lineage="l", serial=0)
    backend.release(lease)
    backend.close()
    if damage == "garbage":
        path.write_bytes(b"this is no database" * 1000)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        with sqlite3.connect(path) as raw:
            raw.execute("UPDATE format SET number=99" if damage == "newer" else "PRAGMA application_id=7")
        raw.close()
    before = path.read_bytes()
    backend = Sqlite(path)
    with pytest.raises(StateVersionError if damage == "newer" else StateCorruptError, match=str(path)):
        backend.load(REF)
    backend.close()
    assert path.read_bytes() == before


def test_sqlite_unusable_place_is_reported(tmp_path):
    """A path below a file can't be made, and the error says so."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="can't be made"):
        Sqlite(tmp_path / "file" / "s.db").acquire(REF, holder(), TTL)


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[2:]
from datetime import timedelta
from iaclib.backends import Sqlite
from iaclib.model.addresses import StackRef
from iaclib.state.backend import Holder
from iaclib.state.journal import Ended
from iaclib.state.record import Record
backend = Sqlite(sys.argv[1])
lease = backend.acquire(StackRef("shop", "prod"), Holder.here("apply", 1.0), timedelta(seconds=60))
for n in range(20):
    backend.append(lease, [Ended(put=Record(f"r{n}", "x:Y", "i"))], lineage="l", serial=n)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_sqlite_keeps_all_that_was_appended_before_a_kill(tmp_path):
    """Kill -9 before folding loses nothing, and the dead holder blocks nobody."""
    path = tmp_path / "s.db"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), *filter(None, sys.path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    backend = Sqlite(path)
    assert len(backend.load(REF).records) == 20
    lease = backend.acquire(REF, holder(), TTL)
    assert lease.fence == 2
    backend.release(lease)
    assert len(backend.load(REF).records) == 20
    backend.close()


RACER = """
import sys
sys.path[:0] = sys.argv[2:]
from datetime import timedelta
from iaclib.backends import Sqlite
from iaclib.errors import LeaseHeldError
from iaclib.model.addresses import StackRef
from iaclib.state.backend import Holder
sys.stdin.readline()
try:
    print(Sqlite(sys.argv[1]).acquire(StackRef("shop", "prod"), Holder.here("apply", 1.0), timedelta(seconds=60)).fence, flush=True)
except LeaseHeldError:
    print("held", flush=True)
sys.stdin.readline()
"""


def test_sqlite_race_has_one_winner(tmp_path):
    """Of processes that want a new stack at once exactly one gets it."""
    command = [sys.executable, "-c", RACER, str(tmp_path / "s.db"), *filter(None, sys.path)]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [racer.stdout.readline().strip() for racer in racers]
    for racer in racers:
        racer.communicate("\n")
    assert sorted(answers) == ["1", *["held"] * 5]
    assert (tmp_path / "s.db").exists()
