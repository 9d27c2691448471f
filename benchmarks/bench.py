"""Whole-process measurements, each beside a bare loop of the same work.

Every figure is the median of several fresh processes: wall seconds and peak
memory of the child. Run with ``nox -s bench``.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5

COMMON = """
import sys
import iaclib as iac
class H:
    def create(self, ctx, inputs): return iac.Live(ctx.token, {"arn": "arn:" + ctx.address})
    def read(self, ctx, id): return iac.Live(id)
    def update(self, ctx, id, before, after): return iac.Live(id)
    def delete(self, ctx, id): pass
    def find(self, ctx, inputs): return None
class Thing(iac.Resource, type="bench:Thing", handler=H):
    size: iac.Input[int] = iac.field()
    label: iac.Input[str] = iac.field(replaces=True)
    tags: iac.Input[dict[str, str]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
def flat(n):
    with iac.Stack("s", project="bench") as stack:
        for i in range(n): Thing(f"t{i}", size=i, label=f"label-{i}", tags={"n": str(i)})
    return stack
def chain(n):
    with iac.Stack("s", project="bench") as stack:
        last = None
        for i in range(n):
            last = Thing(f"t{i}", size=i, label=last.arn if last else "first")
    return stack
engine = iac.Engine(state="sqlite:///" + sys.argv[1])
"""

BARE = """
import json, sqlite3, sys
class Thing:
    def __init__(self, name, **inputs): self.name = name; self.inputs = inputs
n = int(sys.argv[2])
db = sqlite3.connect(sys.argv[1])
db.execute("create table if not exists r(name text primary key, data text)")
declared = [Thing(f"t{i}", size=i, label=f"label-{i}", tags={"n": str(i)}) for i in range(n)]
recorded = {k: json.loads(v) for k, v in db.execute("select name, data from r")}
for thing in declared:
    if recorded.get(thing.name) != thing.inputs:
        db.execute("insert or replace into r values(?, ?)", (thing.name, json.dumps(thing.inputs)))
db.commit()
"""

TESTED = """
import time
import iaclib as iac
from iaclib.testing import Simulator
class H: pass
class Thing(iac.Resource, type="bench:Thing", handler=H):
    size: iac.Input[int] = iac.field()
    label: iac.Input[str] = iac.field(replaces=True)
    tags: iac.Input[dict[str, str]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
class Many(iac.Stack):
    n: int
    def build(self):
        for i in range(self.n): Thing(f"t{i}", size=i, label=f"label-{i}", tags={"n": str(i)})
"""


def child(code: str, *args: str) -> tuple[float, float]:
    """Run code in a fresh interpreter; give wall seconds and peak MB."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-P", "-c", code, *args])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"a measured program failed: {code[-200:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def row(name: str, code: str, *, prepare: str = "", bare: str = "", args: tuple[str, ...] = ()) -> None:
    """Measure one row and print it."""
    walls, peaks, bares = [], [], []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            state = str(Path(folder) / "s.db")
            if prepare:
                child(prepare, state, *args)
            wall, peak = child(code, state, *args)
            walls.append(wall)
            peaks.append(peak)
            if bare:
                bare_state = str(Path(folder) / "bare.db")
                child(bare, bare_state, *args)
                bares.append(child(bare, bare_state, *args)[0])
    wall = statistics.median(walls)
    beside = f"{statistics.median(bares):8.3f} {wall / statistics.median(bares):6.1f}x" if bares else ""
    print(f"{name:38} {wall:8.3f} {statistics.median(peaks):7.0f}  {beside}", flush=True)


def main() -> None:
    """Print every row."""
    print(f"{'whole process, median of ' + str(RUNS):38} {'seconds':>8} {'MB':>7}  {'bare':>8}")
    row("bare python", "pass")
    row("import iaclib", "import iaclib; iaclib.Stack, iaclib.Resource")
    row("import iaclib, first use of Engine", "import iaclib; iaclib.Engine")
    row("import iaclib.aws.ec2", "from iaclib.aws import ec2; ec2.VPC")
    n = ("10000",)
    size = "n = int(sys.argv[2])\n"
    row("create 1,000 flat", COMMON + size + "engine.apply(flat(n))", args=("1000",))
    row("create 10,000 flat", COMMON + size + "engine.apply(flat(n))", args=n)
    row(
        "no-op plan 10,000 flat",
        COMMON + size + "assert not engine.plan(flat(n))",
        prepare=COMMON + size + "engine.apply(flat(n))",
        bare=BARE,
        args=n,
    )
    row("create a chain of 1,000", COMMON + size + "engine.apply(chain(n))", args=("1000",))
    row(
        "destroy 1,000 flat",
        COMMON + "engine.destroy('bench/s')",
        prepare=COMMON + size + "engine.apply(flat(n))",
        args=("1000",),
    )
    one = "with Simulator() as sim: sim.apply(sim.plan(Many('s', n=n)))\n"
    row("import iaclib.testing.Simulator", TESTED)
    row("simulated: 1,000, planned and applied", TESTED + "n = 1000\n" + one, bare=BARE, args=("1000",))
    row("simulated: 100 tests of 50", TESTED + "n = 50\nfor _ in range(100):\n    " + one)
    plugin = "import pytest, sys; sys.exit(pytest.main(['--version', '-p', 'no:iaclib'{}]))"
    row("pytest --version", plugin.format(""))
    row("pytest --version, with the plugin", plugin.format(", '-p', 'iaclib.testing.plugin'"))


if __name__ == "__main__":
    main()
