"""kill -9 at every durable write of a transfer and a rename: no object in two stacks, none in none."""

from __future__ import annotations

import itertools
import os
import shutil
import signal

import pytest

from counted import Counted
from crash_cloud import POINTS
from iaclib import declare as iac
from iaclib.backends import Sqlite
from iaclib.engine.engine import Engine
from iaclib.errors import StateError, UndecidedError
from recording import Cloud, Now, Thing


class Source(iac.Stack, project="p"):
    """Two objects that go and one that stays."""

    def build(self):
        a = Thing("a", password="hunter2")
        Thing("b", link=a.id)
        Thing("c", link=a.id)
        self.export(x=1)


class Target(iac.Stack, project="q"):
    """Has an object already."""

    def build(self):
        Thing("own")


def transfer(engine):
    engine.transfer("p/s", "q/t", {"a": "in/a", "b": "b"})


def rename(engine):
    engine.rename("p/s", "q/new")


def opened(folder):
    return Engine(state=Counted(Sqlite(folder / "s.db")), parallelism=0)


def forked(function, folder, kill_at):
    """Run a function in a child that is killed at a point; tell whether it was."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            POINTS.arm(kill_at)
            with opened(folder) as engine:
                function(engine)
            status = 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


def where(engine):
    """Give, for each object, the stacks that record it."""
    found = {}
    for ref in engine.stacks():
        for record in engine.snapshot(ref).records.values():
            found.setdefault(record.id, []).append(str(ref))
    return found


def settle(engine, ids):
    """Let the next operation on the source decide; check that every object is in one stack."""
    blocked = False
    try:
        engine.plan(Source("s"))
    except UndecidedError:
        blocked = True
    held = where(engine)
    assert set(held) == ids, "an object is in no stack"
    assert blocked or all(len(stacks) == 1 for stacks in held.values()), "in two stacks, and free to be worked on"
    engine.recover("p/s")
    held = where(engine)
    assert set(held) == ids
    assert all(len(stacks) == 1 for stacks in held.values())
    for ref in engine.stacks():
        snapshot = engine.snapshot(ref)
        assert not snapshot.intents
        assert not engine.repair(ref)
        if "a" in snapshot.records:
            assert snapshot.records["a"].inputs["password"].reveal() == "hunter2"


def sweep(operation, tmp_path, record_property, *, recoveries_too):
    """Kill at every point, decide, check."""
    Now.cloud = Cloud()
    before = tmp_path / "before"
    before.mkdir()
    with opened(before) as engine:
        engine.apply(Source("s"))
        engine.apply(Target("t"))
        ids = set(where(engine))
    points = recoveries = 0
    for point in itertools.count(1):
        folder = tmp_path / f"{point}"
        shutil.copytree(before, folder)
        if not forked(operation, folder, point):
            shutil.rmtree(folder)
            break
        points += 1
        for again in itertools.count(1):
            copy = tmp_path / "again"
            shutil.copytree(folder, copy)
            killed = recoveries_too and forked(lambda engine: engine.recover("p/s"), copy, again)
            recoveries += killed
            POINTS.arm(0)
            with opened(copy) as engine:
                settle(engine, ids)
                if any("p/s" in stacks for stacks in where(engine).values()) and "q/new" not in engine.stacks():
                    held = engine.snapshot("p/s").records
                    if "a" in held:
                        operation(engine)
                        assert set(where(engine)) == ids
            shutil.rmtree(copy)
            if not killed:
                break
        shutil.rmtree(folder)
    assert points > 8
    record_property(
        "tells",
        f"{operation.__name__}: killed at {points} points, its recovery at {recoveries}: no object lost or doubled",
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("operation", [transfer, rename])
def test_a_kill_at_any_point_leaves_each_object_in_one_stack(operation, tmp_path, record_property):
    """What was killed is ended by the next operation there, and can then be asked for again."""
    sweep(operation, tmp_path, record_property, recoveries_too=False)


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", [transfer, rename])
def test_a_kill_of_the_recovery_leaves_each_object_in_one_stack(operation, tmp_path, record_property):
    """The same where the operation that ends it is killed too, at each of its points."""
    sweep(operation, tmp_path, record_property, recoveries_too=True)


def test_work_on_the_old_name_stops_at_an_interrupted_rename(tmp_path):
    """A run under the old name ends the rename and does nothing else: it would make everything anew."""
    Now.cloud = Cloud()
    with opened(tmp_path) as engine:
        engine.apply(Source("s"))
    for point in itertools.count(1):
        folder = tmp_path / f"{point}"
        folder.mkdir()
        for file in tmp_path.glob("s.db*"):
            shutil.copy2(file, folder)
        killed = forked(rename, folder, point)
        POINTS.arm(0)
        Now.cloud.take()
        with opened(folder) as engine:
            done = any(run.operation == "rename" for run in engine.history("q/new"))
            if killed and done and engine.snapshot("p/s").serial:
                with pytest.raises(StateError, match="rename to q/new is done now"):
                    engine.apply(Source("s"))
                assert Now.cloud.calls == []
                break
        assert killed
