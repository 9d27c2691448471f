"""Runs pytest in a folder as a project of its own would, with the plugin that is tested here."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def run_pytest(folder: Path, *args: str, settings: str = "") -> tuple[int, str]:
    """Run pytest on a folder; give its exit code and what it prints."""
    ini = folder / "pytest.ini"
    if not ini.exists():
        ini.write_text(f"[pytest]\npythonpath = .\nfilterwarnings = error\n{settings}")
    env = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }  # of the run that this is in
    env |= {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    known = any(entry.value == "iaclib.testing.plugin" for entry in entry_points(group="pytest11"))
    plugin = [] if known else ["-p", "iaclib.testing.plugin"]
    command = [sys.executable, "-m", "pytest", "-c", str(ini), "-p", "no:cacheprovider", "-q", *plugin, *args]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=100)
    return done.returncode, done.stdout + done.stderr
