"""What is measured, and the goals: rows and the points that they and the growth need.

Only data; how tools do this work is theirs to say.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Point:
    """One thing to measure with every tool.

    Args:
        work: "create", "plan" (nothing to do), "destroy", "unit" (in a test, without state) or "import".
        shape: How resources depend on each other, or what is imported.
        size: How many resources.
    """

    work: str
    shape: str
    size: int


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        name: What it is called, also for ``--only``.
        point: Where its figures are.
        seconds: The goal on the machine that goals are made for; None if only the outcome counts.
        megabytes: The most memory it may take, or None.
        bare: What the bare loop of this very work took on that machine, or None if it wasn't measured there.
    """

    name: str
    point: Point
    seconds: float | None
    megabytes: float | None = None
    bare: float | None = None


#: The bare loop whose time tells how fast a machine is, and what it took where the goals were made.
YARDSTICK = Point("plan", "flat", 10_000)
YARDSTICK_SECONDS = 0.14

ROWS = (
    Row("create 1,000 flat", Point("create", "flat", 1_000), 0.5),
    Row("create 10,000 flat", Point("create", "flat", 10_000), 3.0, 130),
    Row("no-op plan 10,000 flat", YARDSTICK, 0.5, 100, bare=YARDSTICK_SECONDS),
    Row("no-op plan 5,000 layered", Point("plan", "layered", 5_000), 0.35, 80),
    Row("no-op plan 100,000 flat", Point("plan", "flat", 100_000), 4.0, 600, bare=1.8),
    Row("create a chain of 1,000", Point("create", "chain", 1_000), 0.8),
    Row("create a chain of 10,000", Point("create", "chain", 10_000), None),
    Row("destroy 1,000 flat", Point("destroy", "flat", 1_000), 0.6),
    Row("unit test of 1,000", Point("unit", "flat", 1_000), 0.25),
    Row("unit test of a chain of 1,000", Point("unit", "chain", 1_000), None),
    Row("create 100 secrets", Point("create", "secrets", 100), 0.3),
    Row("no-op plan 100 secrets", Point("plan", "secrets", 100), 0.25),
    Row("import, first use of Engine", Point("import", "engine", 0), 0.07, bare=0.01),
    Row("import a cloud's types (aws.ec2)", Point("import", "cloud", 0), 0.10, bare=0.01),
)

#: Work whose programs write into FOLDER/seconds how long it took, without Python's start and imports: a session of
#: tests pays these once.
BY_THEMSELVES = frozenset({"unit"})

#: Where growth is measured, by the sizes beyond those of rows. A size of 0 is what a tool costs before any work.
GROWTH = {
    ("create", "flat"): (0, 100, 1_000, 10_000, 100_000),
    ("plan", "flat"): (0, 100, 1_000, 10_000, 100_000),
    ("plan", "layered"): (0, 500, 5_000),
    ("create", "chain"): (0, 100, 1_000, 10_000),
    ("destroy", "flat"): (0, 1_000, 10_000, 100_000),
    ("unit", "chain"): (100, 1_000),
}

#: From where on growth has a goal, and the exponent that is its goal.
GROWTH_FROM = 1_000
GROWTH_GOAL = 1.1


def points(rows: tuple[Row, ...] = ROWS, *, growth: bool = True, largest: int | None = None) -> list[Point]:
    """List what must be measured, small sizes first, so that a tool that is too slow is known before the large ones.

    Args:
        rows: For these rows.
        growth: With the points that only the growth and the plot need.
        largest: No larger sizes than this.
    """
    wanted = {row.point for row in rows}
    if growth:
        wanted.update(Point(work, shape, size) for (work, shape), sizes in GROWTH.items() for size in sizes)
    kept = [point for point in wanted if largest is None or point.size <= largest]
    return sorted(kept, key=lambda point: (point.size, point.work, point.shape))
