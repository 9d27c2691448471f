"""What a run did while its state could not be written is kept, and brought back once."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from flaky import Flaky
from iaclib import declare as iac
from iaclib.backends import Memory, Sqlite
from iaclib.engine.engine import Engine
from iaclib.errors import StateConflictError, StateCorruptError, StateError, StateVersionError
from iaclib.state import spill
from recording import Cloud, Now, Thing
from virtual import VirtualClock

REF = "p/s"


class Two(iac.Stack, project="p"):
    """A and B beside each other, C on both."""

    def build(self):
        a, b = Thing("a"), Thing("b")
        Thing("c", link=a.id, opts=iac.Options(depends_on=[b]))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Have a home and a working folder that are empty."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


@pytest.fixture
def backend(tmp_path):
    made = Flaky(Sqlite(tmp_path / "there" / "state.db"))
    yield made
    made.close()


def opened(backend, **options):
    return Engine(state=backend, parallelism=options.pop("parallelism", 2), _clock=VirtualClock(), **options)


def broken_run(engine, backend, cloud, *, lost_answers=False):
    """Apply; state can't be written from the moment at which A is made."""

    def cut():
        backend.down, backend.lost_answers = True, lost_answers

    cloud.after["C a"] = cut
    with pytest.raises(StateError) as caught:
        engine.apply(Two("s"))
    cloud.after.clear()
    backend.down = False
    return caught.value


@pytest.mark.parametrize("parallelism", [0, 2])
def test_what_calls_came_to_is_kept_and_replayed(cloud, backend, parallelism):
    """Writes are tried four times, nothing new is called, and the file named in the error brings all back."""
    with opened(backend, parallelism=parallelism) as engine:
        error = broken_run(engine, backend, cloud)
        assert backend.tries == 4
        assert "C c" not in cloud.calls
        assert error.spill in str(error)
        assert "engine.replay(" in str(error)
        assert error.run is not None
        path = Path(error.spill)
        assert path.parent == backend.path.parent / "spill"
        assert path.name.startswith("p-s-")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        made = [name[2:] for name in cloud.calls if name.startswith("C ")]
        engine.replay(path)
        assert not path.exists()
        assert {"a", *made} >= set(engine.snapshot(REF).records) >= {"a"}
        before = list(cloud.calls)
        assert engine.apply(Two("s")).ok
        created = [call for call in cloud.calls[len(before) :] if call.startswith("C ")]
        assert not set(created) & {f"C {name}" for name in engine.snapshot(REF).records if name in made}
        assert all(len(cloud.ids(name)) == 1 for name in "abc")
        assert not engine.plan(Two("s"))
        assert [run.operation for run in engine.history(REF)] == ["apply", "replay", "apply"]
        assert engine.history(REF)[0].status == "failed"


def test_running_calls_finish_and_are_kept(cloud, backend):
    """A call that runs while the first write fails ends in the file too."""
    failing, went_on = threading.Event(), threading.Event()
    cloud.after["C a"] = lambda: setattr(backend, "down", True)
    cloud.before["C b"] = lambda: went_on.set() or failing.wait(10)
    seen = VirtualClock()
    sleep = seen.sleep

    def sleeping(seconds, wake=None):
        failing.set()
        return sleep(seconds, wake)

    seen.sleep = sleeping
    with Engine(state=backend, parallelism=2, _clock=seen) as engine:
        with pytest.raises(StateError) as caught:
            engine.apply(Two("s"))
        backend.down = False
        engine.replay(caught.value.spill)
        assert set(engine.snapshot(REF).records) == {"a", "b"}
        assert not engine.snapshot(REF).intents


def test_nothing_else_is_done_before_the_replay(cloud, backend):
    """Plan, apply and recover are refused with the exact way out; reading is not."""
    with opened(backend) as engine:
        error = broken_run(engine, backend, cloud)
        calls = list(cloud.calls)
        for refused in (engine.plan, engine.apply):
            with pytest.raises(StateError, match=r"p/s: state lacks.*engine\.replay"):
                refused(Two("s"))
        with pytest.raises(StateError, match=r"engine\.replay") as caught:
            engine.recover(REF)
        assert caught.value.spill == error.spill
        assert cloud.calls == calls
        engine.history(REF)
        engine.snapshot(REF)
        assert engine.plan(Two("other"))  # another stack is free


def test_write_that_took_effect_is_not_replayed_again(cloud, backend):
    """Where only the answer was lost, the rest is replayed."""
    with opened(backend, parallelism=0) as engine:
        error = broken_run(engine, backend, cloud, lost_answers=True)
        engine.replay(error.spill)
        assert engine.snapshot(REF).records["a"].id == cloud.ids("a")[0]
        assert engine.apply(Two("s")).ok
        assert all(len(cloud.ids(name)) == 1 for name in "abc")


def test_replay_happens_once(cloud, backend, tmp_path):
    """The same file again, as after a kill between write and removal, changes nothing and goes."""
    with opened(backend) as engine:
        error = broken_run(engine, backend, cloud)
        content = Path(error.spill).read_bytes()
        engine.replay(error.spill)
        engine.apply(Two("s"))
        serial = engine.snapshot(REF).serial
        Path(error.spill).write_bytes(content)
        engine.replay(error.spill)
        assert engine.snapshot(REF).serial == serial
        assert not Path(error.spill).exists()


def test_replay_fits_one_state_only(cloud, backend, tmp_path):
    """State that went on, or another stack of the name, refuses; the file stays."""
    with opened(backend) as engine:
        error = broken_run(engine, backend, cloud)
        path = Path(error.spill)
        aside = path.rename(tmp_path / "aside.jsonl")
        engine.apply(Two("s"))
        with pytest.raises(StateConflictError, match=r"aside.*serial.*refresh.*remove the file"):
            engine.replay(aside)
    with Engine(state="memory:") as other:
        other.apply(Two("s"))
        with pytest.raises(StateConflictError, match="another stack"):
            other.replay(aside)
    assert aside.exists()


def test_unwritable_folder_is_passed_over(cloud, backend, tmp_path):
    """Where nothing can be made beside the state, the file goes to the user's own folder, and is found there."""
    (backend.path.parent / "spill").parent.mkdir(exist_ok=True)
    (backend.path.parent / "spill").write_text("in the way")
    with opened(backend) as engine:
        error = broken_run(engine, backend, cloud)
        assert Path(error.spill).parent == tmp_path / "home" / ".iaclib" / "spill"
        with pytest.raises(StateError, match=r"engine\.replay"):
            engine.plan(Two("s"))


def test_without_any_file_the_next_run_finds_out(cloud, backend, tmp_path):
    """If not even a file can be written the error says so, and recovery decides by looking."""
    (tmp_path / "home" / ".iaclib").write_text("in the way")
    with opened(backend) as engine:
        (backend.path.parent).mkdir(exist_ok=True)
        (backend.path.parent / "spill").write_text("in the way")
        error = broken_run(engine, backend, cloud)
        assert error.spill is None
        assert "engine.recover('p/s')" in str(error)
        assert engine.apply(Two("s")).ok
        assert all(len(cloud.ids(name)) == 1 for name in "abc")


def test_nothing_made_leaves_no_file(cloud, backend):
    """A run that can't write its first intents makes no call and keeps nothing."""
    with opened(backend) as engine:
        backend.down = True
        with pytest.raises(StateError, match="does not answer") as caught:
            engine.apply(Two("s"))
        assert not hasattr(caught.value, "spill")
        assert cloud.calls == []
        backend.down = False
        assert engine.apply(Two("s")).ok


def test_secrets_are_sealed_in_the_file(cloud, backend):
    """The file shows no more than the state itself."""

    class Guarded(iac.Stack, project="p"):
        def build(self):
            Thing("a", password="hunter2-sentinel")

    cloud.after["C a"] = lambda: setattr(backend, "down", True)
    with opened(backend) as engine:
        with pytest.raises(StateError) as caught:
            engine.apply(Guarded("s"))
        backend.down = False
        assert b"hunter2" not in Path(caught.value.spill).read_bytes()
        assert "hunter2" not in str(caught.value)
        engine.replay(caught.value.spill)
        assert engine.snapshot(REF).records["a"].inputs["password"].reveal() == "hunter2-sentinel"
        assert not engine.plan(Guarded("s"))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda data: data[:-9], StateCorruptError),
        (lambda data: data.replace(b'"a"', b'"b"'), StateCorruptError),
        (lambda data: b"", StateCorruptError),
        (lambda data: b"{}\n" + data, StateCorruptError),
    ],
    ids=["torn", "altered", "empty", "another file"],
)
def test_damaged_file_is_refused(cloud, backend, change, kind):
    """Nothing of a file that isn't whole is replayed, and it stays as it is."""
    with opened(backend) as engine:
        path = Path(broken_run(engine, backend, cloud).spill)
        serial = engine.snapshot(REF).serial
        path.write_bytes(change(path.read_bytes()))
        left = path.read_bytes()
        with pytest.raises(kind, match=path.name):
            engine.replay(path)
        assert (path.read_bytes(), engine.snapshot(REF).serial) == (left, serial)


def test_newer_file_is_refused(tmp_path):
    """A file of a later format says which iaclib it wants."""
    head = b'{"kind":"iaclib spill","format":99,"project":"p","stack":"s","lineage":"x","serial":1,"run":"r"}'
    path = tmp_path / "new.jsonl"
    path.write_bytes(spill._line(head))
    with pytest.raises(StateVersionError, match="newer iaclib"):
        spill.read(path)


def test_missing_file_is_named(tmp_path):
    """A path that isn't there is an error that asks for it."""
    with Engine(state=Memory()) as engine, pytest.raises(StateError, match=r"nowhere\.jsonl.*replayed"):
        engine.replay(tmp_path / "nowhere.jsonl")


def test_session_stops_too(cloud, backend):
    """After the first step that can't be written a session makes no further call, also if it is asked to."""
    cloud.after["C a"] = lambda: setattr(backend, "down", True)
    with opened(backend) as engine:
        with pytest.raises(StateError) as caught, engine.session(REF) as session:
            with pytest.raises(StateError):
                session.ensure(Thing("a"))
            session.ensure(Thing("b"))
        assert cloud.calls == ["C a"]
        backend.down = False
        engine.replay(caught.value.spill)
        assert list(engine.snapshot(REF).records) == ["a"]


def test_recovery_is_kept_too(cloud, backend):
    """What a recovery found out while state went away is replayed, and is not asked for again."""

    class Killed(BaseException):
        pass

    def killed():
        raise Killed

    with opened(backend, parallelism=0) as engine:
        cloud.after["C a"] = killed
        with pytest.raises(Killed):
            engine.apply(Two("s"))
        cloud.after.clear()
        cloud.after["F a"] = lambda: setattr(backend, "down", True)
        with pytest.raises(StateError, match=r"engine\.replay") as caught:
            engine.recover(REF)
        backend.down = False
        engine.replay(caught.value.spill)
        assert not engine.snapshot(REF).intents
        assert engine.snapshot(REF).records["a"].id == cloud.ids("a")[0]


def test_full_disk_loses_nothing(cloud, tmp_path):
    """With no room left for the database and for the file beside it, the home folder gets what was done."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    backend = Sqlite(tmp_path / "there" / "state.db")
    wal = Path(f"{backend.path}-wal")

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, before[1]))

    cloud.after["C a"] = fill
    try:
        with Engine(state=backend, parallelism=0, _clock=VirtualClock()) as engine:
            try:
                with pytest.raises(StateError, match=r"engine\.replay") as caught:
                    engine.apply(Two("s"))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            cloud.after.clear()
            engine.replay(caught.value.spill)
            assert engine.apply(Two("s")).ok
            assert all(len(cloud.ids(name)) == 1 for name in "abc")
    finally:
        signal.signal(signal.SIGXFSZ, heard)


def test_read_only_folder_stops_before_any_call(cloud, tmp_path):
    """State that can't be opened for writing keeps the run from calling anything."""
    if os.getuid() == 0:
        (tmp_path / "file").write_text("")
        place = tmp_path / "file" / "state.db"  # root may write anywhere, but not below a file
    else:
        (tmp_path / "shut").mkdir(mode=0o500)
        place = tmp_path / "shut" / "state.db"
    with Engine(state=Sqlite(place)) as engine, pytest.raises(StateError, match=r"state\.db"):
        engine.apply(Two("s"))
    assert cloud.calls == []
