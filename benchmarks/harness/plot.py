"""Draws results: seconds over resources on logarithmic axes, a line a tool, as SVG for light and dark pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.figures import OK, Table
from harness.table import PEERS

PANELS = {
    ("create", "flat"): "create, flat",
    ("plan", "flat"): "no-op plan, flat",
    ("create", "chain"): "create a chain",
}
#: Readable on white and on black alike.
INK = "#7d8590"
LOOKS = {
    "iaclib": ("#2f81f7", "o", 2.4),
    "bare": (INK, ".", 1.2),
    "terraform": ("#a371f7", "s", 1.4),
    "atlantide": ("#d29922", "^", 1.4),
    "alchemy": ("#e5534b", "D", 1.4),
    "pulumi": ("#3fb950", "v", 1.4),
}
NAMES = {"bare": "bare loop"}


def draw(table: Table, file: Path) -> None:
    """Write the plot."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings = {
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "font.size": 10,
        "legend.labelcolor": INK,
        "svg.hashsalt": "iaclib",  # the same figures give the same file
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        axes = figure.subplots(1, len(PANELS), sharey=True)
        for place, ((work, shape), title) in zip(axes, PANELS.items(), strict=True):
            _panel(place, table, work, shape, title)
        axes[0].set_ylabel("seconds, whole process")
        lines = {line.get_label(): line for place in axes for line in place.get_lines()}
        figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=len(LOOKS), frameon=False)
        figure.savefig(file, transparent=True, metadata={"Date": None, "Creator": None})


def _panel(place: Any, table: Table, work: str, shape: str, title: str) -> None:
    for tool in ("bare", *PEERS, "iaclib"):
        ends = sorted(
            (point.size, found.seconds)
            for (point, name), found in table.items()
            if name == tool and found.outcome == OK and (point.work, point.shape) == (work, shape) and point.size
        )
        if ends:
            colour, marker, width = LOOKS[tool]
            sizes, seconds = zip(*ends, strict=True)
            place.plot(
                sizes, seconds, color=colour, marker=marker, markersize=4, linewidth=width, label=NAMES.get(tool, tool)
            )
    place.set(xscale="log", yscale="log", title=title, xlabel="resources")
    place.xaxis.set_major_formatter("{x:,.0f}")
    place.yaxis.set_major_formatter("{x:g}")
    place.grid(visible=True, which="major", color=INK, alpha=0.25, linewidth=0.6)
    place.spines[["top", "right"]].set_visible(False)
