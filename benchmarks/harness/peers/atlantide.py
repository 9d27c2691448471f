"""atlantide, an engine in Python with graph state (PyPI).

Measured: ``Engine.apply``, ``plan`` and ``destroy`` in a process of their own,
on its local SQLite state, which syncs each row. The program is given in its
configuration language, as users give it, with a loop and two or three fields a
resource; the provider does nothing, as iaclib's handler. Its command line,
which would add its start, is left out: in its favour. A secret is a handle
there, whose value is kept elsewhere, so that rows of secrets don't compare.
"""

from __future__ import annotations

from pathlib import Path

from harness.peers.packages import environment
from harness.tools import PROGRAMS, Tool, shapes


def install(cache: Path) -> Tool:
    """Make its environment."""
    python, version = environment(cache / "atlantide", "atlantide")
    return Tool(
        "atlantide",
        version,
        program=(python, "-P", str(PROGRAMS / "atlantide_program.py")),
        does=shapes("create", "flat", "layered", "chain")
        | shapes("plan", "flat", "layered", "chain")
        | shapes("destroy", "flat", "layered", "chain"),
        imports={
            "engine": (python, "-P", "-c", "from atlantide.engine import Engine; from atlantide.core import Resource"),
            "cloud": (python, "-P", "-c", "from atlantide.providers.aws import Vpc"),
        },
        env={"PYTHONPATH": ""},
    )
