"""kill -9 at every durable write of a replay: what was spilled comes into state once."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from pathlib import Path

import pytest

from counted import Counted
from crash_cloud import POINTS
from flaky import Flaky
from iaclib import declare as iac
from iaclib.backends import Sqlite
from iaclib.engine.engine import Engine
from iaclib.errors import StateError
from recording import Cloud, Now, Thing
from virtual import VirtualClock


class Two(iac.Stack, project="p"):
    """B on A, which replaces."""

    hard: str = "one"

    def build(self):
        a = Thing("a", hard=self.hard)
        Thing("b", link=a.id)


def opened(folder):
    backend = Flaky(Sqlite(folder / "s.db"))
    return backend, Engine(state=Counted(backend), parallelism=0, _clock=VirtualClock())


@pytest.mark.timeout(60)
def test_a_kill_of_a_replay_is_mended_by_the_next_one(tmp_path, monkeypatch, record_property):
    """However often it is killed, the old half is superseded once and nothing is recorded twice."""
    monkeypatch.setenv("HOME", str(tmp_path))
    POINTS.arm(0)
    Now.cloud = Cloud()
    before = tmp_path / "before"
    before.mkdir()
    backend, engine = opened(before)
    with engine:
        engine.apply(Two("s"))
        Now.cloud.after["C a"] = lambda: setattr(backend, "down", True)
        with pytest.raises(StateError) as caught:
            engine.apply(Two("s", hard="two"))
    Now.cloud.after.clear()
    name = Path(caught.value.spill).relative_to(before)
    for point in itertools.count(1):
        folder = tmp_path / f"{point}"
        shutil.copytree(before, folder)
        pid = os.fork()
        if pid == 0:
            try:
                POINTS.arm(point)
                opened(folder)[1].replay(folder / name)
            finally:
                os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        with opened(folder)[1] as engine:
            if (folder / name).exists():
                with pytest.raises(StateError, match=r"engine\.replay"):
                    engine.apply(Two("s", hard="two"))
                engine.replay(folder / name)
            snapshot = engine.snapshot("p/s")
            ids = [snapshot.records["a"].id, *(record.id for record in snapshot.superseded)]
            assert sorted(ids) == Now.cloud.ids("a")
            assert not snapshot.intents
            assert [run.operation for run in engine.history("p/s")] == ["apply", "apply", "replay"]
        if not killed:
            break
    assert point > 5
    record_property("tells", f"replay: killed at {point - 1} points, brought in once")
