"""Many stacks in processes of this machine, and on a real Dask cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet_stacks import Base
from iaclib.declare.config import load_config
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, ConfigError, DeclarationError, DependencyCycleError
from iaclib.fleet import EngineSettings, Fleet, Member

SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture
def settings(tmp_path):
    return EngineSettings(f"sqlite:///{tmp_path}/state/s.db", parallelism=2)


@pytest.fixture
def member(tmp_path):
    def make(cls, name, **config):
        return Member(f"fleet_stacks:{cls}", name, {"folder": str(tmp_path), **config})

    return make


def words(report):
    return [(result.ref.name, result.ok, result.skipped) for result in report.results]


def test_stacks_come_in_the_order_in_which_they_read_each_other(tmp_path, settings, member):
    """Applied from the ground up, each in another process; planned and destroyed the other way round."""
    told = []
    fleet = Fleet(
        [
            member("Reader", "top", reads=["middle", "base"]),
            member("Reader", "middle", reads=["base"]),
            member("Base", "base"),
        ],
        engine=settings,
        workers=2,
        on_result=lambda result: told.append(result.ref.name),
    )
    report = fleet.apply()
    assert report.ok, str(report)
    assert told == ["base", "middle", "top"]
    assert (tmp_path / "top").read_text() == f"top+{tmp_path}/middle+{tmp_path}/base"
    assert report["fleet/base"].run.outputs["path"] == f"{tmp_path}/base"
    assert "hidden" not in report["fleet/base"].run.outputs
    assert "hunter2" not in f"{report}{report.results!r}"
    assert report["fleet/top"].counts == {"create": 1}
    plan = fleet.plan()
    assert plan.ok
    assert [result.counts for result in plan.results] == [{}] * 3 or all(
        not r.counts.get("create") for r in plan.results
    )
    (tmp_path / "middle").write_text("changed by hand")
    drift = fleet.drift()
    assert [result.ref.name for result in drift.results if result.counts] == ["middle"]
    assert "middle" in str(drift)
    told.clear()
    assert fleet.destroy().ok
    assert told == ["top", "middle", "base"]
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_failure_stays_in_its_stack(tmp_path, settings, member):
    """A step that fails, a program that raises: those that need it are skipped, and say so; the others go on."""
    fleet = Fleet(
        [
            member("Base", "base"),
            member("Reader", "failing", reads=["base"], behaviour="fail"),
            member("Reader", "after", reads=["failing"]),
            member("Reader", "last", reads=["after"]),
            member("Reader", "raising", reads=["base"], behaviour="raise"),
            member("Reader", "raising-too", reads=["base"], behaviour="raise"),
            member("Reader", "fine", reads=["base"]),
        ],
        engine=settings,
        workers=2,
    )
    report = fleet.apply()
    assert not report.ok
    assert isinstance(report["fleet/failing"].error, ApplyFailed)
    assert report["fleet/failing"].run.steps
    assert "no/such/folder" in str(report)
    assert "KeyError: 'no such thing'" in str(report["fleet/raising"].error)
    assert "fleet_stacks.py:" in str(report["fleet/raising"].error)
    assert report["fleet/after"].skipped == "it reads outputs of fleet/failing, which failed"
    assert report["fleet/last"].skipped == "it reads outputs of fleet/after, which was skipped"
    assert {result.ref.name for result in report.results if result.ok} == {"base", "fine"}
    assert str(report).endswith("7 stacks: 2 done, 3 failed, 2 skipped.")
    down = fleet.destroy()
    # What the one that raises stands on can't be told, so all that it may read stay.
    assert not down.ok
    assert down["fleet/base"].skipped == "it may be needed by fleet/raising, which failed"
    assert (tmp_path / "base").exists()


def test_a_worker_that_is_killed_takes_no_other_along(tmp_path, settings, member):
    """Its stack fails with what to do; the other stacks are done; the next run does the rest."""
    members = [member("Dies", "dying"), *(member("Base", f"b{number}") for number in range(4))]
    fleet = Fleet(members, engine=settings, workers=2)
    (tmp_path / "die").touch()
    report = fleet.apply()
    assert [result.ref.name for result in report.failed] == ["dying"]
    assert "run again" in str(report["fleet/dying"].error)
    assert {result.ref.name for result in report.results if result.ok} == {"b0", "b1", "b2", "b3"}
    assert fleet.apply().ok
    assert (tmp_path / "dying").exists()


def test_stacks_that_read_each_other_are_refused(settings, member):
    """Before anything is done; the circle is told."""
    fleet = Fleet(
        [member("Reader", "a", reads=["b"]), member("Reader", "b", reads=["c"]), member("Reader", "c", reads=["a"])],
        engine=settings,
        executor=ThreadPoolExecutor(1),
    )
    with pytest.raises(DependencyCycleError, match=r"fleet/\w -> fleet/\w -> fleet/\w -> fleet/\w: .*circle"):
        fleet.apply()


def test_what_is_no_fleet_is_refused(settings, member):
    """Two of one stack, a program that isn't there, state that isn't shared, a class that nobody else finds."""
    with pytest.raises(DeclarationError, match="fleet/a: two members"):
        Fleet([member("Base", "a"), member("Base", "a")], engine=settings)
    with pytest.raises(ConfigError, match=r"no 'Bass'.*Base"):
        Fleet([Member("fleet_stacks:Bass", "a")], engine=settings)
    with pytest.raises(ConfigError, match="expected the URL of state"):
        EngineSettings("memory:")
    with pytest.raises(ConfigError, match="expected 'module:Class'"):
        Member(3, "a")
    assert Member(Base, "a").program == "fleet_stacks:Base"


def test_a_configuration_makes_a_fleet(tmp_path, monkeypatch):
    """All stacks that name their program, with what the environment says over it."""
    (tmp_path / "iaclib.toml").write_text(
        f"""
state = "sqlite:///{tmp_path}/s.db"
[stacks.one]
program = "fleet_stacks:Base"
config = {{ folder = "{tmp_path}" }}
[stacks."other/two"]
program = "fleet_stacks:Base"
config = {{ folder = "{tmp_path}" }}
[stacks.three]
config = {{ whatever = 1 }}
"""
    )
    monkeypatch.setenv("IACLIB_CONFIG_TEXT", "from outside")
    fleet = Fleet.from_config(load_config(tmp_path), workers=1)
    assert [str(ref) for ref in fleet.refs] == ["fleet/one", "other/two"]
    assert fleet.apply().ok
    assert (tmp_path / "two").read_text() == "from outside"
    with Engine(state=f"sqlite:///{tmp_path}/s.db") as engine:
        assert [str(ref) for ref in engine.stacks()] == ["fleet/one", "other/two"]


def test_an_interrupt_stops_at_the_next_step(tmp_path):
    """As Ctrl-C does: what runs stops after its step, what waits is not begun, and nothing is left undecided."""
    program = subprocess.Popen(
        [sys.executable, str(SUPPORT / "fleet_stacks.py"), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        },
    )
    end = time.monotonic() + 60
    while len(list(tmp_path.glob("began-*"))) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(program.pid, signal.SIGINT)
    told, _ = program.communicate(timeout=60)
    assert [told.count(word) for word in ("ApplyCancelled", "'cancelled'")] == [2, 1], told
    with Engine(state=f"sqlite:///{tmp_path}/s.db") as engine:
        for ref in engine.stacks():
            snapshot = engine.snapshot(ref)
            assert not snapshot.intents
            assert 0 < len(snapshot.records) < 40


def test_a_dask_cluster_runs_a_fleet(tmp_path, settings, member):
    """Two workers of a real cluster on this machine; a worker that dies while it applies is reported."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=str(tmp_path / "dask"),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(sys.path.append, str(SUPPORT))
        readers = [member("Reader", f"r{number}", reads=["base"]) for number in range(6)]
        fleet = Fleet([*readers, member("Base", "base")], engine=settings, executor=client.get_executor())
        report = fleet.apply()
        assert report.ok, str(report)
        assert report.results[0].ref.name == "base"
        assert len(list(tmp_path.glob("r*"))) == 6
        assert fleet.destroy().results[-1].ref.name == "base"
