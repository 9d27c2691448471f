"""Arithmetic on measurements: medians, ratios, growth, and whether a goal is met.

Pure functions; nothing here runs or reads anything.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.work import YARDSTICK, YARDSTICK_SECONDS, Point, Row

OK = "ok"
LATE = "late"  # a run was ended, because it took too long
ABSENT = "not there yet"


@dataclass(frozen=True)
class Measured:
    """What the runs of one tool at one point came to.

    Args:
        point: What was measured.
        tool: With which tool.
        seconds: The median of the runs; how long the one that was ended ran, if it took too long.
        fastest: The fastest run.
        slowest: The slowest run.
        megabytes: The median of the peaks.
        runs: How many there were.
        outcome: OK, LATE, ABSENT, or in words why there is no figure.
    """

    point: Point
    tool: str
    seconds: float = 0.0
    fastest: float = 0.0
    slowest: float = 0.0
    megabytes: float = 0.0
    runs: int = 0
    outcome: str = OK


Table = Mapping[tuple[Point, str], Measured]


def summed_up(point: Point, tool: str, runs: Sequence[tuple[float, float]]) -> Measured:
    """Make one measurement of runs, each given by its seconds and megabytes."""
    seconds = [run[0] for run in runs]
    return Measured(
        point,
        tool,
        seconds=statistics.median(seconds),
        fastest=min(seconds),
        slowest=max(seconds),
        megabytes=statistics.median(run[1] for run in runs),
        runs=len(runs),
    )


def figure(table: Table, point: Point, tool: str) -> Measured | None:
    """Give a measurement that came to a figure, or None."""
    found = table.get((point, tool))
    return found if found is not None and found.outcome == OK else None


def multiple(table: Table, point: Point, tool: str, of: str) -> float | None:
    """Say how many times as long as another a tool takes for the same work."""
    one, other = figure(table, point, tool), figure(table, point, of)
    return one.seconds / other.seconds if one and other else None


def exponent(small: float, large: float, *, start: float, factor: float) -> float | None:
    """Give k where the time grows with the size to the power of k.

    Args:
        small: Seconds at a size.
        large: Seconds at that size times the factor.
        start: What a tool takes before any work, which would hide the growth.
        factor: By how much the size grows.

    Returns:
        The exponent; None where the small work takes less than 20 milliseconds, in which noise decides.
    """
    if small - start < 0.02 or large <= start:
        return None
    return math.log((large - start) / (small - start)) / math.log(factor)


def growth(table: Table, tool: str, work: str, shape: str, small: int, large: int) -> float | None:
    """Give the exponent between two sizes, or None if it can't be known."""
    ends = figure(table, Point(work, shape, small), tool), figure(table, Point(work, shape, large), tool)
    start = figure(table, Point(work, shape, 0), tool)
    if ends[0] is None or ends[1] is None or start is None:
        return None
    return exponent(ends[0].seconds, ends[1].seconds, start=start.seconds, factor=large / small)


def allowed(table: Table, row: Row) -> float | None:
    """Give the seconds that meet a goal on this machine: those stated, or the same multiple of the bare loop.

    A row whose own bare loop was not measured where goals were made takes the
    machine's slowness from the yardstick.
    """
    if row.seconds is None:
        return None
    own = row.bare is not None
    here = figure(table, row.point if own else YARDSTICK, "bare")
    there = row.bare if row.bare is not None else YARDSTICK_SECONDS
    return row.seconds * max(1.0, here.seconds / there) if here else row.seconds


def met(table: Table, row: Row, tool: str = "iaclib") -> bool | None:
    """Say whether a tool meets a row's goal; None if it was not measured."""
    found = table.get((row.point, tool))
    if found is None or found.outcome == ABSENT:
        return None
    if found.outcome != OK:
        return False
    limit = allowed(table, row)
    in_time = limit is None or found.seconds <= limit
    return in_time and (row.megabytes is None or found.megabytes <= row.megabytes)
