"""Who did what when, earlier states, and leases of holders that are gone."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from msgspec import structs

from iaclib import declare as iac
from iaclib.backends import Sqlite
from iaclib.engine.engine import Engine
from iaclib.engine.revision import revision
from iaclib.errors import ApplyFailed, LeaseHeldError, LeaseLostError, StateError
from iaclib.model.addresses import StackRef
from iaclib.state.backend import Holder
from recording import Cloud, Now, Thing
from state_samples import TTL, holder

REF = StackRef("p", "s")


class Some(iac.Stack, project="p"):
    """As many things as are asked for, in a chain."""

    count: int = 1

    def build(self):
        link = None
        for number in range(self.count):
            link = Thing(f"t{number}", link=link).id


@pytest.fixture(autouse=True)
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


@pytest.fixture
def backend(tmp_path):
    made = Sqlite(tmp_path / "s.db")
    yield made
    made.close()


def test_history_tells_who_did_what_when(backend, cloud, monkeypatch):
    """Each run that changed something is told with its counts, its serial and the revision; failed ones too."""
    monkeypatch.setenv("IACLIB_GIT_REVISION", "abc")
    with Engine(state=backend) as engine:
        engine.apply(Some("s", count=2))
        engine.apply(Some("s", count=2))  # nothing to do: not told
        cloud.fail("C t3")
        with pytest.raises(ApplyFailed):
            engine.apply(Some("s", count=4))
        engine.destroy(REF)
        first, second, third = engine.history(REF)
    assert (first.operation, first.who, first.status, first.counts, first.git) == (
        "apply",
        getpass.getuser(),
        "ok",
        {"create": 2},
        "abc",
    )
    assert first.began <= first.ended <= second.began
    assert (second.status, second.counts) == ("failed", {"create": 1})
    assert (third.operation, third.counts) == ("destroy", {"delete": 3})
    assert first.serial < second.serial < third.serial


def test_snapshot_of_a_run_can_be_read(backend):
    """The serial in the history leads to the state as the run left it."""
    with Engine(state=backend) as engine:
        engine.apply(Some("s", count=2))
        engine.destroy(REF)
        first = engine.history(REF)[0]
        assert list(engine.snapshot(REF, serial=first.serial).records) == ["t0", "t1"]
        assert engine.snapshot(REF, serial=first.serial).serial == first.serial
        with pytest.raises(StateError, match=r"p/s: serial 999 is not retained, expected one of 1 to"):
            engine.snapshot(REF, serial=999)


def test_revision_is_read_from_git_s_files(tmp_path, monkeypatch):
    """A branch, a packed branch, a detached head and a worktree are read; elsewhere there is none."""
    monkeypatch.delenv("IACLIB_GIT_REVISION", raising=False)
    one, two = "1" * 40, "2" * 40
    git = tmp_path / "repo" / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "repo" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "repo" / "deep")
    assert revision() == ""
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert revision() == ""
    (git / "packed-refs").write_text(f"# pack-refs\n{two} refs/heads/main\n")
    assert revision() == two
    (git / "refs" / "heads" / "main").write_text(f"{one}\n")
    assert revision() == one
    (git / "HEAD").write_text(f"{two}\n")
    assert revision() == two
    work = git / "worktrees" / "w"
    work.mkdir(parents=True)
    (work / "HEAD").write_text("ref: refs/heads/main\n")
    (work / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {work}\n")
    monkeypatch.chdir(tmp_path / "w")
    assert revision() == one
    monkeypatch.setenv("IACLIB_GIT_REVISION", "")
    assert revision() == ""
    monkeypatch.delenv("IACLIB_GIT_REVISION")
    (tmp_path / "w" / ".git").write_bytes(b"\xff\xfe")
    assert revision() == ""


# -------------------------------------------------------------------------------------------------------------- leases


def test_force_release_names_whom_it_evicts(backend, cloud):
    """A holder that is known to be dead is taken from; the stack is free, and the dead one can't write."""
    with Engine(state=backend) as engine:
        dead = holder(user="ann", host="elsewhere")
        backend.acquire(REF, dead, timedelta(days=1))
        with pytest.raises(LeaseHeldError):
            engine.apply(Some("s"))
        assert engine.force_release("p/s") == dead
        assert engine.apply(Some("s")).ok
        assert engine.force_release("p/s") is None


def test_stolen_lease_stops_new_calls(backend, cloud, tmp_path):
    """A run whose lease is taken during a long call calls nothing after it, and the next one finds out what it did."""
    renewed = threading.Event()

    class Watched(Sqlite):
        def renew(self, lease):
            try:
                return super().renew(lease)
            except LeaseLostError:
                renewed.set()
                raise

    def steal():
        assert backend.evict(REF).operation == "apply"
        assert renewed.wait(10)

    cloud.after["C t0"] = steal
    watched = Watched(tmp_path / "s.db")
    with Engine(state=watched, lease_ttl=timedelta(seconds=0.3)) as engine:
        with pytest.raises(LeaseLostError, match="taken over") as caught:
            engine.apply(Some("s", count=3))
        assert cloud.take() == ["C t0"]
        assert caught.value.run is not None
    cloud.after.clear()
    with Engine(state=backend) as engine:
        assert [intent.record.address for intent in engine.snapshot(REF).intents.values()] == ["t0"]
        assert engine.apply(Some("s", count=3)).ok
        assert cloud.take() == ["C t1", "C t2"]


def test_holder_whose_number_another_process_has_is_gone(backend):
    """A process with the same number that began at another time is another one: its lease is taken at once."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        here = Holder.here("apply", 0.0)
        reused = structs.replace(here, pid=child.pid, process_start="1")
        old = backend.acquire(REF, reused, timedelta(days=1))
        assert backend.acquire(REF, here, TTL).fence == old.fence + 1
        other_boot = structs.replace(reused, boot_id="another boot")
        backend.evict(REF)
        backend.acquire(REF, other_boot, timedelta(days=1))
        with pytest.raises(LeaseHeldError):  # nothing is known of processes of another boot: the lease has to run out
            backend.acquire(REF, here, TTL)
    finally:
        child.communicate()
    assert os.getpid() == here.pid
