"""Random programs, rewired, failing, killed and drifting: the engine's rules hold after every step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from machine import explore

SUPPORT = Path(__file__).parents[1] / "support"
LIVES = int(os.environ.get("IACLIB_LIVES", "10000"))  # how many the long form tries
BATCH = 250


@pytest.mark.timeout(300)
def test_the_rules_hold_over_random_lives():
    """A few, always the same; to make a long life shorter takes minutes, so the long form does that."""
    explore(100, 30, shrink=False)


@pytest.mark.stress
@pytest.mark.timeout(7200)
def test_the_rules_hold_over_very_many_lives(record_property):
    """Ten thousand and more, in as many processes as there are processors, each batch from a seed of its own."""
    seeds = iter(range(1, LIVES // BATCH + 1))
    running: list[subprocess.Popen[str]] = []
    wrong: list[str] = []
    done = 0

    def start() -> None:
        if (seed := next(seeds, None)) is not None and not wrong:
            command = [sys.executable, "-P", str(SUPPORT / "machine.py"), str(BATCH), str(seed)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *filter(None, sys.path)])}
            running.append(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
            )

    for _ in range(os.cpu_count() or 1):
        start()
    while running:
        process = running.pop(0)
        said, _ = process.communicate()
        if process.returncode:
            wrong.append(said)
        done += 1
        start()
    assert not wrong, wrong[0]
    record_property("tells", f"{done * BATCH} random lives of 30 steps: every rule held")
