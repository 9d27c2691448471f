"""kill -9 at every durable write and around every handler call: nothing is lost, nothing doubled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "crash_program.py"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("parallelism", [0, 4])
def test_a_kill_at_any_point_is_mended_by_the_next_run(tmp_path, parallelism):
    """After the next run state and cloud agree: no orphan, no duplicate, an empty second plan."""
    command = [sys.executable, "-P", str(PROGRAM), str(tmp_path), str(parallelism)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "destroy: " in done.stdout
