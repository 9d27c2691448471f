"""Measures points: fresh processes, the tools taking turns, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness import children
from harness.figures import LATE, OK, Measured, summed_up
from harness.tools import Tool
from harness.work import BY_THEMSELVES, Point

LIMIT = 60.0  # seconds for one run of a peer
PATIENCE = 5  # how many times that the tools of the project itself may take


def measure(
    points: Sequence[Point], tools: Sequence[Tool], *, runs: int, say: Callable[[Measured], None]
) -> dict[tuple[Point, str], Measured]:
    """Measure every tool at every point.

    Args:
        points: Small ones first: a tool that fails or is late at one isn't asked for larger ones of that kind.
        tools: Those to measure.
        runs: How often each, within the limit for one run: what takes longer is measured fewer times.
        say: Told of each measurement as it is made.
    """
    table: dict[tuple[Point, str], Measured] = {}
    failed: dict[tuple[str, str, str], Measured] = {}
    for point in points:
        with tempfile.TemporaryDirectory() as folder:
            for found in _at(point, tools, Path(folder), runs, failed):
                table[point, found.tool] = found
                if found.outcome != OK:
                    failed.setdefault((point.work, point.shape, found.tool), found)
                say(found)
    return table


def _at(
    point: Point, tools: Sequence[Tool], folder: Path, runs: int, failed: Mapping[tuple[str, str, str], Measured]
) -> list[Measured]:
    """Measure the tools at one point; those that don't know the work are left out."""
    done: list[Measured] = []
    ready: list[Tool] = []
    for tool in tools:
        before = failed.get((point.work, point.shape, tool.name))
        if before is None and point.work in {"plan", "destroy"} and tool.creates_first:
            before = failed.get(("create", point.shape, tool.name))
        if (point.work, point.shape) in tool.lacks:
            done.append(Measured(point, tool.name, outcome=tool.lacks[point.work, point.shape]))
        elif before is not None:
            done.append(_like_before(point, before))
        elif tool.command(point, folder) is not None:
            place = folder / tool.name
            place.mkdir()
            problem = tool.prepare(point, place, limit=_limit(tool))
            if problem:
                done.append(Measured(point, tool.name, outcome=problem))
            else:
                ready.append(tool)
    return done + _take_turns(point, ready, folder, runs)


def _limit(tool: Tool) -> float:
    return LIMIT if tool.peer else LIMIT * PATIENCE


def _like_before(point: Point, before: Measured) -> Measured:
    """Say that a tool wasn't asked, since it could not do less, or can't create what the work begins with."""
    why = f"> {before.seconds:.0f} s" if before.outcome == LATE else before.outcome
    doing = "at" if before.point.work == point.work else f"to {before.point.work}"
    return Measured(point, before.tool, outcome=f"{why} {doing} {before.point.size:,}")


def _take_turns(point: Point, tools: Sequence[Tool], folder: Path, runs: int) -> list[Measured]:
    figures: dict[str, list[tuple[float, float]]] = {tool.name: [] for tool in tools}
    ended: dict[str, Measured] = {}
    for _ in range(runs):
        for tool in tools:
            spent = sum(seconds for seconds, _ in figures[tool.name])
            if tool.name in ended or spent >= _limit(tool):
                continue
            outcome = _once(point, tool, folder)
            if outcome.late:
                ended[tool.name] = Measured(point, tool.name, seconds=_limit(tool), runs=1, outcome=LATE)
            elif outcome.error:
                ended[tool.name] = Measured(point, tool.name, outcome=outcome.error)
            else:
                figures[tool.name].append((outcome.seconds, outcome.megabytes))
    return [ended.get(tool.name) or summed_up(point, tool.name, figures[tool.name]) for tool in tools]


def _once(point: Point, tool: Tool, folder: Path) -> children.Outcome:
    """Run a tool once, on a copy of what was prepared."""
    place = folder / "run"
    shutil.copytree(folder / tool.name, place)
    command = tool.command(point, place)
    assert command is not None
    try:
        outcome = children.run(command, limit=_limit(tool))
        if point.work in BY_THEMSELVES and not outcome.error and not outcome.late:
            outcome = replace(outcome, seconds=float((place / "seconds").read_text()))
        return outcome
    finally:
        shutil.rmtree(place)
