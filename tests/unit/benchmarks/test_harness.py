"""The benchmark's arithmetic and its texts are right; nothing is measured here."""

from __future__ import annotations

import json
import sys

import pytest

from harness import table
from harness.children import Command, run
from harness.figures import ABSENT, LATE, Measured, allowed, exponent, growth, met, multiple, summed_up
from harness.measuring import measure
from harness.peers import terraform
from harness.results import Results, load, save
from harness.tools import Tool
from harness.work import GROWTH, ROWS, YARDSTICK, YARDSTICK_SECONDS, Point, Row, points

FLAT = Point("create", "flat", 1_000)


def measured(*found: Measured) -> dict[tuple[Point, str], Measured]:
    """Index measurements as a run of the benchmark does."""
    return {(one.point, one.tool): one for one in found}


def slowness(factor: float) -> Measured:
    """Give the yardstick of a machine that is slower by a factor."""
    return Measured(YARDSTICK, "bare", seconds=YARDSTICK_SECONDS * factor)


def test_runs_are_summed_up_by_their_medians() -> None:
    """One run that was disturbed doesn't count, and shows in the spread."""
    found = summed_up(FLAT, "iaclib", [(1.0, 10), (9.0, 30), (2.0, 20)])
    assert (found.seconds, found.fastest, found.slowest, found.megabytes, found.runs) == (2.0, 1.0, 9.0, 20, 3)


@pytest.mark.parametrize(("power", "expected"), [(1, 1.0), (2, 2.0), (0, 0.0)])
def test_exponent_is_the_power_of_the_growth_whatever_the_start_takes(power: int, expected: float) -> None:
    """What a tool takes without any work is left out."""
    assert exponent(3 + 1, 3 + 10**power, start=3, factor=10) == pytest.approx(expected)


def test_exponent_is_unknown_where_noise_decides() -> None:
    """A few milliseconds above the start say nothing."""
    assert exponent(0.105, 0.5, start=0.1, factor=10) is None
    assert exponent(0.5, 0.05, start=0.1, factor=10) is None


def test_growth_needs_both_ends_and_the_start() -> None:
    """A figure that is missing, or of a run that was ended, gives no growth."""
    ends = [Measured(Point("create", "flat", size), "x", seconds=size / 100 + 1) for size in (0, 100, 1_000)]
    assert growth(measured(*ends), "x", "create", "flat", 100, 1_000) == pytest.approx(1)
    assert growth(measured(*ends[1:]), "x", "create", "flat", 100, 1_000) is None
    late = Measured(Point("create", "flat", 1_000), "x", seconds=60, outcome=LATE)
    assert growth(measured(*ends[:2], late), "x", "create", "flat", 100, 1_000) is None


def test_goal_is_the_stated_time_on_a_machine_that_is_as_fast_or_faster() -> None:
    """A faster machine makes no goal stricter."""
    row = Row("create", FLAT, 0.5)
    assert allowed(measured(), row) == 0.5
    assert allowed(measured(slowness(0.5)), row) == 0.5


def test_goal_is_the_same_multiple_of_the_bare_loop_on_a_slower_machine() -> None:
    """By the row's own bare loop where its time is known, else by the yardstick's."""
    table = measured(slowness(2), Measured(FLAT, "bare", seconds=3))
    assert allowed(table, Row("create", FLAT, 0.5)) == pytest.approx(1.0)
    assert allowed(table, Row("create", FLAT, 0.5, bare=1.0)) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Measured(FLAT, "iaclib", seconds=0.5, megabytes=40), True),
        (Measured(FLAT, "iaclib", seconds=0.6, megabytes=40), False),
        (Measured(FLAT, "iaclib", seconds=0.5, megabytes=41), False),
        (Measured(FLAT, "iaclib", seconds=60, outcome=LATE), False),
        (Measured(FLAT, "iaclib", outcome="RecursionError"), False),
        (Measured(FLAT, "iaclib", outcome=ABSENT), None),
    ],
)
def test_goal_is_met_in_time_and_in_memory(found: Measured, expected: bool | None) -> None:
    """What fails misses its goal; what isn't there yet neither meets nor misses it."""
    assert met(measured(found), Row("create", FLAT, 0.5, 40)) is expected


def test_goal_without_a_time_is_met_by_an_outcome() -> None:
    """Such a row asks only whether the work is done."""
    assert met(measured(Measured(FLAT, "iaclib", seconds=99)), Row("create", FLAT, None)) is True
    assert met(measured(), Row("create", FLAT, None)) is None


def test_multiple_compares_figures_only() -> None:
    """A run that was ended has no ratio."""
    one, other = Measured(FLAT, "a", seconds=3), Measured(FLAT, "b", seconds=2)
    assert multiple(measured(one, other), FLAT, "a", "b") == 1.5
    assert multiple(measured(one, Measured(FLAT, "b", seconds=60, outcome=LATE)), FLAT, "a", "b") is None


def test_points_begin_small_and_hold_every_row_and_size() -> None:
    """A tool that is too slow is known before the large sizes."""
    found = points()
    assert [point.size for point in found] == sorted(point.size for point in found)
    assert {row.point for row in ROWS} <= set(found)
    assert {Point(*kind, size) for kind, sizes in GROWTH.items() for size in sizes} <= set(found)
    assert {point.size for point in points(largest=1_000)} == {0, 100, 500, 1_000}


def test_table_shows_goal_figures_and_ratios() -> None:
    """Each row has iaclib beside the bare loop, and each peer with its ratio."""
    row = Row("create 1,000", FLAT, 0.5, 40)
    found = measured(
        slowness(2),
        Measured(FLAT, "iaclib", seconds=0.8, megabytes=30.4, runs=5),
        Measured(FLAT, "bare", seconds=0.1, megabytes=12, runs=5),
        Measured(FLAT, "terraform", seconds=60, runs=1, outcome=LATE),
        Measured(FLAT, "alchemy", seconds=12, megabytes=99, runs=5),
    )
    assert table.goals(found, [row]).splitlines()[2:] == [
        "| create 1,000 | 0.5 s, 40 MB | 1.00 s | 0.80 s, 30 MB | yes | 0.10 s, 12 MB | 8.0 |"
    ]
    assert table.peers(found, [row]).splitlines()[2:] == [
        "| create 1,000 | 0.80 s, 30 MB | > 60 s | - | 12.0 s, 99 MB (15.0x) | - |"
    ]
    assert table.missed(found, [row]) == []


def test_what_falls_short_is_named() -> None:
    """With its figure, its goal, and what the goal is here; growth as well."""
    sizes = {0: 0.1, 1_000: 1.1, 10_000: 31.1}
    found = measured(*[Measured(Point("create", "flat", size), "iaclib", seconds=s) for size, s in sizes.items()])
    assert table.missed(found, [Row("create 1,000", FLAT, 0.5)]) == [
        "create 1,000: 1.10 s, 0 MB, goal 0.5 s, 0.50 s here",
        "create, flat, 1,000 to 10,000: exponent 1.49, at most 1.1",
    ]


def test_results_can_be_read_again(tmp_path) -> None:
    """As they were, but for digits that mean nothing."""
    found = measured(
        Measured(FLAT, "iaclib", seconds=0.81234, fastest=0.7, slowest=0.9, megabytes=30.44, runs=5),
        Measured(FLAT, "terraform", seconds=60, runs=1, outcome=LATE),
        Measured(FLAT, "alchemy", outcome="Error"),
    )
    results = Results({"date": "2026-01-02"}, {"iaclib": "1.2.3"}, found)
    save(results, tmp_path / "results.json")
    again = load(tmp_path / "results.json")
    save(again, tmp_path / "again.json")
    assert table.peers(again.table) == table.peers(found)
    assert (again.machine, again.tools) == (results.machine, results.tools)
    assert (tmp_path / "again.json").read_text() == (tmp_path / "results.json").read_text()


def test_page_is_changed_between_its_markers_only() -> None:
    """The rest of the page is somebody's prose."""
    page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    assert table.within(page, "new") == f"before\n{table.BEGIN}\n\nnew\n\n{table.END}\nafter\n"
    with pytest.raises(ValueError, match="no place for results"):
        table.within("before", "new")


def test_child_is_told_apart_by_how_it_ends() -> None:
    """A figure, the kind of an error without its message, or too late."""
    python = (sys.executable, "-I", "-S", "-c")
    fine = run(Command((*python, "x = bytearray(64 << 20)")), limit=60)
    assert fine.error == ""
    assert fine.megabytes > 64
    assert run(Command((*python, "raise LookupError('gone')")), limit=60).error == "LookupError"
    assert run(Command((*python, "raise SystemExit(3)")), limit=60).error == "exit code 3"
    assert run(Command((*python, "while True: pass")), limit=0.1).late
    assert run(Command(("no-such-program",)), limit=60).error == "no-such-program can't be started"


def test_tool_that_fails_is_not_asked_for_more_of_the_same() -> None:
    """Nor to plan what it can't create."""
    asked = ("-I", "-S", "-c", "import sys; sys.exit(1 if int(sys.argv[3]) >= 10 else 0)")
    kinds = frozenset({("create", "flat"), ("plan", "flat")})
    tool = Tool("x", "1", program=(sys.executable, *asked), does=kinds)
    wanted = [Point("create", "flat", 1), Point("create", "flat", 10), Point("create", "flat", 100)]
    found = measure([*wanted, Point("plan", "flat", 100)], [tool], runs=1, say=lambda one: None)
    assert [one.outcome for one in found.values()] == [
        "ok",
        "exit code 1",
        "exit code 1 at 10",
        "exit code 1 to create 10",
    ]


def test_state_for_terraform_lists_all_that_a_resource_depends_on() -> None:
    """As its own apply does: what is direct, and what is behind it."""
    chain = terraform.state(terraform.declared("chain", 3))
    depends = [resource["instances"][0].get("dependencies") for resource in chain]
    assert depends == [None, ["terraform_data.t0"], ["terraform_data.t0", "terraform_data.t1"]]
    assert json.dumps(chain[2]["instances"][0]["attributes"]["output"]["value"]) == '{"size": 2, "label": "first"}'
