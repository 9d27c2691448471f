"""kill -9 within the operations of the local wing: on disk, in programs, at a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"


def sweep(folder, stride, timeout):
    program = f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); import local_crash; sys.exit(local_crash.main({str(folder)!r}, {stride}))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "destroy: " in done.stdout


def test_a_kill_within_a_local_operation_is_mended_by_the_next_run(tmp_path):
    """State and world agree after the next run: nothing lost, nothing doubled, no command run twice."""
    sweep(tmp_path, 6, 110)


@pytest.mark.stress
@pytest.mark.timeout(600)
def test_a_kill_at_any_point_of_local_operations_is_mended(tmp_path):
    """The same at every point."""
    sweep(tmp_path, 1, 580)
