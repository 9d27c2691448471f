"""Puts packages of Python into an environment of their own, made once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.tools import NotInstalledError

MINUTES_10 = 600.0


def environment(folder: Path, package: str) -> tuple[str, str]:
    """Make a virtual environment with a package, unless it is there.

    Returns:
        The environment's interpreter, and the package's version.

    Raises:
        NotInstalledError: It can't be made, or the package can't be had.
    """
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        attempt([sys.executable, "-m", "venv", str(folder)], "no virtual environment can be made")
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    found = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=False)
    if found.returncode:
        attempt(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package],
            f"pip can't install {package}",
        )
        found = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=False)
    if found.returncode:
        raise NotInstalledError(f"pip can't install {package}")
    return str(python), found.stdout.strip()


def attempt(argv: list[str], problem: str, *, cwd: Path | None = None) -> None:
    """Run an installer, whose words go to the terminal.

    Raises:
        NotInstalledError: It failed, isn't there, or takes longer than ten minutes.
    """
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONSAFEPATH"}}
    try:
        done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, timeout=MINUTES_10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        raise NotInstalledError(problem) from None
    if done.returncode:
        raise NotInstalledError(problem)
