"""What a measured tool is: how it is asked to do the work, and which work it knows.

Most tools are a program in ``benchmarks/programs``, run by an interpreter of
their own as ``PROGRAM WORK SHAPE SIZE FOLDER``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from harness.children import Command, run
from harness.figures import ABSENT
from harness.work import Point

PROGRAMS = Path(__file__).parent.parent / "programs"


class NotInstalledError(Exception):
    """A peer can't be had here; the message says in a few words why, without paths."""


@dataclass(frozen=True)
class Tool:
    """One of those that are measured.

    Args:
        name: What it is called.
        version: Which one it is.
        program: What starts its program, up to the arguments.
        does: The work that it knows, as works and shapes.
        imports: For the shapes of the work "import", what loads them.
        env: Variables for its processes.
        lacks: For work that it will know, why it doesn't.
        peer: Whether it is somebody else's: then its time is limited.
    """

    name: str
    version: str
    program: tuple[str, ...] = ()
    does: frozenset[tuple[str, str]] = frozenset()
    imports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[tuple[str, str], str] = field(default_factory=dict)
    peer: bool = True
    creates_first: bool = True  # whether `prepare` has to create what is planned or destroyed

    def command(self, point: Point, folder: Path) -> Command | None:
        """Say what does this work in a folder, or None if the tool has no such work."""
        if point.work == "import":
            loads = self.imports.get(point.shape)
            return None if loads is None else Command(loads, self.env)
        if (point.work, point.shape) not in self.does:
            return None
        return Command((*self.program, point.work, point.shape, str(point.size), str(folder)), self.env)

    def prepare(self, point: Point, folder: Path, *, limit: float) -> str:
        """Bring a folder into the state in which the work begins; say what went wrong, or ""."""
        if point.work not in {"plan", "destroy"}:
            return ""
        command = self.command(Point("create", point.shape, point.size), folder)
        if command is None:
            return "it can't create this"
        outcome = run(command, limit=limit)
        return f"its create takes > {limit:.0f} s" if outcome.late else outcome.error


def shapes(work: str, *names: str) -> frozenset[tuple[str, str]]:
    """Pair a work with shapes."""
    return frozenset((work, name) for name in names)


ALL = (
    shapes("create", "flat", "layered", "chain", "secrets")
    | shapes("plan", "flat", "layered", "chain", "secrets")
    | shapes("destroy", "flat", "layered", "chain")
    | shapes("unit", "flat", "chain")
)


def iaclib() -> Tool:
    """Give the installed iaclib."""
    python = (sys.executable, "-P")  # the checkout must not shadow what is installed
    simulates = not run(Command((*python, "-c", "from iaclib.testing import Simulator")), limit=60).error
    unit = shapes("unit", "flat", "chain")
    return Tool(
        "iaclib",
        version("iaclib"),
        program=(*python, str(PROGRAMS / "iaclib_program.py")),
        does=ALL if simulates else ALL - unit,
        imports={
            "engine": (*python, "-c", "import iaclib; iaclib.Stack, iaclib.Resource, iaclib.Engine"),
            "cloud": (*python, "-c", "from iaclib.aws import ec2; ec2.VPC"),
        },
        lacks={} if simulates else dict.fromkeys(unit, ABSENT),
        peer=False,
    )


def bare() -> Tool:
    """Give the bare loop: the same data without any engine, by the same interpreter."""
    python = (sys.executable, "-P")
    nothing = (*python, "-c", "pass")
    return Tool(
        "bare",
        ".".join(map(str, sys.version_info[:3])),
        program=(*python, str(PROGRAMS / "bare_program.py")),
        does=ALL,
        imports={"engine": nothing, "cloud": nothing},
        peer=False,
    )
