"""Pulumi's SDK for Python with its mocks (PyPI): the unit tests of its guide, without its engine.

Measured: a program that declares resources under ``set_mocks``, waits for
them, and looks at their outputs, as one test in a process of its own and
without pytest. That is what iaclib's row of a simulated cloud does, which
checks, plans and applies as well. Pulumi's engine itself is a program of its
own that no package registry has; it isn't measured. Nor is a cloud's package.
"""

from __future__ import annotations

from pathlib import Path

from harness.peers.packages import environment
from harness.tools import PROGRAMS, Tool, shapes


def install(cache: Path) -> Tool:
    """Make its environment."""
    python, version = environment(cache / "pulumi", "pulumi")
    return Tool(
        "pulumi",
        version,
        program=(python, "-P", str(PROGRAMS / "pulumi_program.py")),
        does=shapes("unit", "flat", "chain"),
        imports={"engine": (python, "-P", "-c", "import pulumi")},
        env={"PYTHONPATH": "", "PULUMI_SKIP_UPDATE_CHECK": "true"},
    )
