"""kill -9 at every durable write and around every handler call: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"


def sweep(folder, record_property, *arguments):
    """Run the sweep in a process of its own, and tell how many points it had."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *filter(None, sys.path)])}
    command = [sys.executable, "-P", str(SUPPORT / "crash_program.py"), str(folder), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    record_property("tells", done.stdout.rpartition("\n")[0].rpartition("\n")[2])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("parallelism", "stride"), [(0, 1), (4, 5)], ids=["one by one", "side by side"])
def test_a_kill_at_any_point_is_mended_by_the_next_run(tmp_path, record_property, parallelism, stride):
    """After the next run state and cloud agree: no orphan, no duplicate, an empty second plan."""
    sweep(tmp_path, record_property, parallelism, stride)


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_a_kill_at_any_point_side_by_side_is_mended_by_the_next_run(tmp_path, record_property):
    """The same with calls side by side, at every point."""
    sweep(tmp_path, record_property, 4, 1)


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_a_kill_of_the_run_that_mends_is_mended_too(tmp_path, record_property):
    """The run after the killed one is killed at each of its points, and the one after that ends it."""
    sweep(tmp_path, record_property, 0, 6, "thorough")
