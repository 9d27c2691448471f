"""Measures iaclib's speed beside a bare loop and other tools: ``nox -s bench``.

A full run writes its results, the tables and the plot into ``docs``; a run
that leaves something out only prints. What is measured is in ``harness/work.py``,
how in docs/performance.md, and each peer's side in ``harness/peers``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import aws_calls
from harness import plot, table
from harness.figures import Measured
from harness.machine import describe
from harness.measuring import measure
from harness.peers import PEERS
from harness.results import Results, save
from harness.tools import NotInstalledError, Tool, bare, iaclib
from harness.work import ROWS, YARDSTICK, points

ROOT = Path(__file__).parent.parent
RUNS, QUICK_RUNS = 5, 2
QUICK_SIZE = 1_000


def main(arguments: Sequence[str]) -> None:
    """Measure, show, and say what falls short."""
    asked = _asked(arguments)
    if asked.aws:
        aws_calls.main()
        return
    machine = describe()
    tools = [iaclib(), bare()]
    versions: dict[str, str] = {}
    if not asked.no_peers:
        tools += _peers(asked.peers, versions)
    versions = {tool.name: tool.version for tool in tools[:2]} | versions
    rows = tuple(row for row in ROWS if asked.only in row.name and not (asked.quick and row.point.size > QUICK_SIZE))
    wanted = points(rows, growth=not asked.only, largest=QUICK_SIZE if asked.quick else None)
    runs = asked.runs or (QUICK_RUNS if asked.quick else RUNS)
    found = measure(wanted, tools, runs=runs, say=_say)
    if YARDSTICK not in wanted:
        found |= measure([YARDSTICK], tools[1:2], runs=runs, say=_say)
    results = Results(machine, versions, found)
    print("", table.page(results, rows), "", sep="\n")
    print(
        "\n".join(["Falls short:", *table.missed(found, rows)]) if table.missed(found, rows) else "All goals are met."
    )
    if asked.out is None and (asked.quick or asked.only or asked.no_peers):
        print("Not all was measured: nothing is written.")
    else:
        _write(results, asked.out or ROOT / "docs")


def _say(found: Measured) -> None:
    print(table.line(found), flush=True)


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description="Measure iaclib's speed.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs, and up to {QUICK_SIZE:,} resources")
    parser.add_argument("--only", default="", metavar="ROW", help="only rows whose names contain this")
    parser.add_argument("--no-peers", action="store_true", help="only iaclib and the bare loop")
    parser.add_argument("--runs", type=int, metavar="N", help="how often each is measured")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where results go; docs after a full run")
    parser.add_argument("--aws", action="store_true", help="count the calls to an emulated AWS, and nothing else")
    parser.add_argument(
        "--peers", type=Path, default=ROOT / ".nox" / "peers", metavar="FOLDER", help="where peers are installed"
    )
    asked = parser.parse_args(arguments)
    if not any(asked.only in row.name for row in ROWS):
        parser.error(
            f"no row's name contains {asked.only!r}, expected a part of one of: {', '.join(row.name for row in ROWS)}"
        )
    return asked


def _peers(folder: Path, versions: dict[str, str]) -> list[Tool]:
    """Install the peers; those that can't be are named, and left out."""
    tools = []
    for name, install in PEERS.items():
        try:
            tool = install(folder.resolve())
        except NotInstalledError as error:
            versions[name] = f"not installed ({error})"
        else:
            versions[name] = tool.version
            tools.append(tool)
        print(f"{name} {versions[name]}", flush=True)
    return tools


def _write(results: Results, docs: Path) -> None:
    """Write results, tables and plot."""
    save(results, docs / "performance" / "results.json")
    page = docs / "performance.md"
    text = page.read_text() if page.exists() else f"{table.BEGIN}\n{table.END}\n"
    page.write_text(table.within(text, table.page(results)))
    plot.draw(results.table, docs / "performance" / "plot.svg")
    print("The results are written.")


if __name__ == "__main__":
    main(sys.argv[1:])
