"""Runs a command in a process of its own, and gives its wall time and its own peak memory.

Knows nothing of what is measured.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STARTER = Path(__file__).with_name("starter.py")


@dataclass(frozen=True)
class Command:
    """A program to run.

    Args:
        argv: The program and its arguments.
        env: Variables added to those of this process.
        cwd: Where it runs; here if None.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """How one run of a command went.

    Args:
        seconds: Wall time from its start to its end.
        megabytes: The peak of its resident memory, or of the largest of the processes it waited for.
        error: Why it counts for nothing, in a word or two, or "".
        late: Whether it was ended because it took too long.
    """

    seconds: float
    megabytes: float
    error: str = ""
    late: bool = False


def run(command: Command, *, limit: float) -> Outcome:
    """Run a command to its end, or to the limit in seconds; what it prints is kept from the terminal."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder, "figures")
        said = Path(folder, "said")
        with said.open("wb") as out:
            subprocess.run(
                [sys.executable, "-I", "-S", str(STARTER), str(limit), str(figures), *command.argv],
                env={**os.environ, **command.env},
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
            )
        if not figures.exists():
            return Outcome(0, 0, error=f"{Path(command.argv[0]).name} can't be started")
        seconds, kilobytes, code = figures.read_text().split()
        late = float(seconds) >= limit
        error = "" if late or code == "0" else _complaint(said.read_bytes(), code)
        return Outcome(float(seconds), int(kilobytes) / 1024, error, late)


def _complaint(said: bytes, code: str) -> str:
    """Give the kind of a program's error, without its message: that may name folders of this machine."""
    kinds = re.findall(r"\w*Error\b|out of memory", said.decode(errors="replace"))
    return kinds[-1] if kinds else f"exit code {code}"
