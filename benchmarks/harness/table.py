"""Shows results as text: tables for the documentation, and a line for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from harness.figures import LATE, OK, Measured, Table, allowed, growth, met, multiple
from harness.results import Results
from harness.work import GROWTH, GROWTH_FROM, GROWTH_GOAL, ROWS, Point, Row

NONE = "-"
BEGIN, END = "<!-- results: written by `nox -s bench` -->", "<!-- end of the results -->"
PEERS = ("terraform", "atlantide", "alchemy", "pulumi")


def line(found: Measured) -> str:
    """Show one measurement in a line."""
    what = f"{found.point.work} {found.point.shape} {found.point.size:>7,}  {found.tool:10}"
    if found.outcome == OK:
        spread = f"{found.fastest:.3f}-{found.slowest:.3f}"
        return f"{what} {found.seconds:8.3f} s {found.megabytes:6.0f} MB  {spread} in {found.runs}"
    return f"{what} {_seconds(found)}"


def page(results: Results, rows: Sequence[Row] = ROWS) -> str:
    """Show all of the results as Markdown."""
    parts = [_where(results), goals(results.table, rows), peers(results.table, rows), growths(results.table)]
    return "\n\n".join(part for part in parts if part)


def goals(table: Table, rows: Sequence[Row] = ROWS) -> str:
    """Show each row with its goal, iaclib's figures, and the bare loop's."""
    body = [_goal_row(table, row) for row in rows]
    return _markdown(("work", "goal", "here", "iaclib", "goal met", "bare loop", "iaclib / bare"), body)


def peers(table: Table, rows: Sequence[Row] = ROWS) -> str:
    """Show each row with what the peers took, and how many times iaclib's time that is."""
    body = []
    for row in rows:
        cells = [_peer_cell(table, row.point, tool) for tool in PEERS]
        if any(cells):
            body.append((row.name, _cell(table.get((row.point, "iaclib"))), *[cell or NONE for cell in cells]))
    return _markdown(("work", "iaclib", *PEERS), body)


def growths(table: Table) -> str:
    """Show the growth of time with size: the exponent from each size to the next one."""
    body = []
    for (work, shape), sizes in GROWTH.items():
        steps = [(small, large) for small, large in pairwise(sizes) if small >= 100]
        for small, large in steps:
            cells = [_exponent(growth(table, tool, work, shape, small, large)) for tool in ("iaclib", "bare", *PEERS)]
            if any(cell != NONE for cell in cells):
                body.append((f"{_named(work)}, {shape}: {small:,} to {large:,}", *cells))
    return _markdown(("growth", "iaclib", "bare loop", *PEERS), body)


def too_steep(table: Table) -> list[str]:
    """Name the growth of iaclib that misses its goal."""
    missed = []
    for (work, shape), sizes in GROWTH.items():
        for small, large in pairwise(sizes):
            found = growth(table, "iaclib", work, shape, small, large) if small >= GROWTH_FROM else None
            if found is not None and round(found, 2) > GROWTH_GOAL:
                missed.append(
                    f"{_named(work)}, {shape}, {small:,} to {large:,}: exponent {found:.2f}, at most {GROWTH_GOAL}"
                )
    return missed


def missed(table: Table, rows: Sequence[Row] = ROWS) -> list[str]:
    """Name the goals that are missed, and what is not there yet."""
    lines = []
    for row in rows:
        verdict, found = met(table, row), table.get((row.point, "iaclib"))
        if found is not None and verdict is not True:
            limit = allowed(table, row)
            here = "" if limit is None else f", {limit:.2f} s here"
            lines.append(f"{row.name}: {_cell(found)}, goal {_goal(row)}{here}")
    return lines + too_steep(table)


def within(text: str, block: str) -> str:
    """Put a block between the markers of a page.

    Raises:
        ValueError: The page has no markers.
    """
    head, found, rest = text.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        msg = "the page has no place for results, expected both markers"
        raise ValueError(msg)
    return f"{head}{BEGIN}\n\n{block}\n\n{END}{tail}"


def _where(results: Results) -> str:
    machine = results.machine
    versions = ", ".join(
        f"{name} {version}" for name, version in results.tools.items() if name not in {"bare", "iaclib"}
    )
    return (
        f"Measured on {machine['date']}: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}, "
        f"{machine['sync_ms']} ms for a write to be synced to disk; load average at the start {machine['load']}. "
        f"Fresh processes a figure, at most: {max((found.runs for found in results.table.values()), default=0)}. Peers: {versions or 'none'}."
    )


def _goal_row(table: Table, row: Row) -> tuple[str, ...]:
    limit, verdict = allowed(table, row), met(table, row)
    times = multiple(table, row.point, "iaclib", "bare")
    return (
        row.name,
        _goal(row),
        NONE if limit is None else f"{limit:.2f} s",
        _cell(table.get((row.point, "iaclib"))),
        {True: "yes", False: "**no**", None: NONE}[verdict],
        _cell(table.get((row.point, "bare"))),
        NONE if times is None else f"{times:.1f}",
    )


def _goal(row: Row) -> str:
    memory = "" if row.megabytes is None else f", {row.megabytes:.0f} MB"
    return "works" if row.seconds is None else f"{row.seconds:g} s{memory}"


def _peer_cell(table: Table, point: Point, tool: str) -> str:
    found = table.get((point, tool))
    times = multiple(table, point, tool, "iaclib")
    return "" if found is None else _cell(found) + ("" if times is None else f" ({times:.1f}x)")


def _cell(found: Measured | None) -> str:
    if found is None:
        return NONE
    return _seconds(found) + (f", {found.megabytes:.0f} MB" if found.outcome == OK else "")


def _seconds(found: Measured) -> str:
    if found.outcome == OK:
        return f"{found.seconds:.2f} s" if found.seconds < 10 else f"{found.seconds:.1f} s"
    return f"> {found.seconds:.0f} s" if found.outcome == LATE else found.outcome


def _exponent(found: float | None) -> str:
    return NONE if found is None else f"{found:.2f}"


def _named(work: str) -> str:
    return {"plan": "no-op plan", "unit": "unit test"}.get(work, work)


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    if not body:
        return ""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
