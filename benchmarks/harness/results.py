"""The results of a run as a value and as a JSON file: the machine, the tools, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.figures import OK, Measured, Table
from harness.work import Point

DIGITS = 4


@dataclass(frozen=True)
class Results:
    """What a run of the benchmark came to.

    Args:
        machine: Where and when, see `harness.machine`.
        tools: The version of each tool, or why it isn't there.
        table: What was measured.
    """

    machine: Mapping[str, Any]
    tools: Mapping[str, str]
    table: Table


def save(results: Results, file: Path) -> None:
    """Write results as JSON, a line a row."""
    rows = [_row(found) for found in results.table.values()]
    text = ",\n    ".join(json.dumps(row) for row in rows)
    machine, tools = json.dumps(results.machine), json.dumps(results.tools)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'{{\n  "machine": {machine},\n  "tools": {tools},\n  "rows": [\n    {text}\n  ]\n}}\n')


def load(file: Path) -> Results:
    """Read results that were saved."""
    kept = json.loads(file.read_text())
    table: dict[tuple[Point, str], Measured] = {}
    for row in kept["rows"]:
        point = Point(row.pop("work"), row.pop("shape"), row.pop("size"))
        table[point, row["tool"]] = Measured(point, **row)
    return Results(kept["machine"], kept["tools"], table)


def _row(found: Measured) -> dict[str, Any]:
    head: dict[str, Any] = {
        "work": found.point.work,
        "shape": found.point.shape,
        "size": found.point.size,
        "tool": found.tool,
    }
    if found.outcome != OK:
        return head | {"outcome": found.outcome} | ({"seconds": found.seconds} if found.seconds else {})
    return head | {
        "seconds": round(found.seconds, DIGITS),
        "fastest": round(found.fastest, DIGITS),
        "slowest": round(found.slowest, DIGITS),
        "megabytes": round(found.megabytes, 1),
        "runs": found.runs,
    }
