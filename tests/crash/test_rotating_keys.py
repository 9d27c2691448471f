"""kill -9 at every durable write of a rotation: the secrets open with the one key or the other, and rotating ends it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal

import pytest

from counted import with_counted_file
from crash_cloud import POINTS
from iaclib import declare as iac
from iaclib.backends import Sqlite
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, SealError, StateError
from iaclib.state.keyfile import KeyFile
from recording import Cloud, Now, Thing
from sentinels import files

REF = "p/s"
SEALED = re.compile(rb'\$iac:(?:sealed|veiled)":"([^"]{20,})"|"data":"([^"]{20,})"')


class Some(iac.Stack, project="p"):
    """Secrets in an input and an output, and an object whose old half is left."""

    hard: str = "one"

    def build(self):
        a = Thing("a", password="hunter2", hard=self.hard)
        Thing("b", link=a.id)
        self.export(told=iac.secret("hunter3"))


def opened(folder, *names):
    """Open the state in a folder with the keys of those names."""
    backend = with_counted_file(Sqlite(folder / "s.db"))
    return Engine(state=backend, keyring=[KeyFile(folder / name) for name in names], parallelism=0)


def opens(folder, name):
    """Tell whether one key alone opens the secrets; if so, they are what they were."""
    with opened(folder, name) as engine:
        try:
            snapshot = engine.snapshot(REF)
        except SealError:
            return False
    every = (*snapshot.records.values(), *snapshot.superseded)
    assert {record.inputs["password"].reveal() for record in every if record.address == "a"} == {"hunter2"}
    assert snapshot.outputs["told"].reveal() == "hunter3"
    assert sorted(record.id for record in every) == sorted(Now.cloud.objects)
    assert not snapshot.intents
    return True


def killed(folder, point):
    """Rotate in a child that is killed at a point; tell whether it was."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            POINTS.arm(point)
            with opened(folder, "new", "old") as engine:
                engine.rotate(REF)
            status = 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.timeout(120)
def test_a_kill_of_a_rotation_leaves_one_key_that_opens_all(tmp_path, record_property):
    """Nothing is lost at any point; the next rotation leaves the new key alone, and no byte that the old one sealed."""
    POINTS.arm(0)
    Now.cloud = Cloud()
    before = tmp_path / "before"
    before.mkdir()
    with opened(before, "old") as engine:
        engine.apply(Some("s"))
        Now.cloud.fail("D a")
        with pytest.raises(ApplyFailed):
            engine.apply(Some("s", hard="two"))
        assert engine.snapshot(REF).superseded
        runs = [run.id for run in engine.history(REF)]
    old = {text for data in files(before).values() for pair in SEALED.findall(data) for text in pair if text}
    assert old
    calls = list(Now.cloud.calls)
    found = []
    for point in itertools.count(1):
        folder = tmp_path / f"{point}"
        shutil.copytree(before, folder)
        was_killed = killed(folder, point)
        found.append([name for name in ("old", "new") if opens(folder, name)])
        with opened(folder, "new", "old") as engine:
            assert [run.id for run in engine.history(REF)][: len(runs)] == runs
            assert engine.rotate(REF).ok
            serial = engine.snapshot(REF).serial
            with pytest.raises(StateError, match="retained"):
                engine.snapshot(REF, serial=serial - 2)
        assert [name for name in ("old", "new") if opens(folder, name)] == ["new"]
        everything = b"".join(data for name, data in files(folder).items() if ".key" not in str(name))
        assert not [text for text in old if text in everything]
        if not was_killed:
            break
    assert Now.cloud.calls == calls
    assert all(len(keys) == 1 for keys in found)
    assert found[0] == ["old"]
    assert found[-2:] == [["new"], ["new"]]
    record_property("tells", f"rotation: killed at {point - 1} points, opened by one key after each")
