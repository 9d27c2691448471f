"""The measured work as a program for iaclib: WORK SHAPE SIZE FOLDER."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import iaclib as iac


class Nothing:
    """Makes nothing, and says at once that it is done."""

    def create(self, ctx: iac.Context, inputs: Mapping[str, Any]) -> iac.Live:
        return iac.Live(ctx.token, {"arn": f"arn:{ctx.address}"})

    def read(self, ctx: iac.Context, id: str) -> iac.Live | None:
        return iac.Live(id)

    def update(self, ctx: iac.Context, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> iac.Live:
        return iac.Live(id)

    def delete(self, ctx: iac.Context, id: str) -> None:
        pass

    def find(self, ctx: iac.Context, inputs: Mapping[str, Any]) -> iac.Live | None:
        return None


class Thing(iac.Resource, type="bench:Thing", handler=Nothing):
    size: iac.Input[int] = iac.field()
    label: iac.Input[str] = iac.field(replaces=True)
    tags: iac.Input[dict[str, str]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)


def flat(size: int) -> None:
    for i in range(size):
        Thing(f"t{i}", size=i, label=f"label-{i}", tags={"n": str(i)})


def layered(size: int) -> None:
    width = size // 20
    above = [Thing(f"t0x{i}", size=i, label=f"label-{i}") for i in range(width)]
    for layer in range(1, 20):
        above = [
            Thing(f"t{layer}x{i}", size=i, label=above[i].arn, tags={"b": above[(7 * i + 3) % width].arn})
            for i in range(width)
        ]


def chain(size: int) -> None:
    last = None
    for i in range(size):
        last = Thing(f"t{i}", size=i, label="first" if last is None else last.arn)


def secrets(size: int) -> None:
    for i in range(size):
        Thing(f"t{i}", size=i, label=iac.secret(f"secret-{i}"))


SHAPES: dict[str, Callable[[int], None]] = {"flat": flat, "layered": layered, "chain": chain, "secrets": secrets}


def unit_test(shape: str, size: int, figure: Path) -> None:
    from iaclib.testing import Simulator

    began = time.perf_counter()
    with iac.Stack("s", project="bench") as stack:
        SHAPES[shape](size)
    sim = Simulator()
    plan = sim.plan(stack)
    assert plan.counts["create"] == size
    sim.apply(plan)
    assert sim.objects[f"t{size - 1}"].inputs["size"] == size - 1
    figure.write_text(str(time.perf_counter() - began))


def main() -> None:
    work, shape, count, folder = sys.argv[1:]
    size = int(count)
    if work == "destroy":
        run = iac.Engine(state=f"sqlite:///{folder}/state.db").destroy("bench/s")
        assert len(run.steps) == size
        return
    if work == "unit":
        unit_test(shape, size, Path(folder, "seconds"))
        return
    with iac.Stack("s", project="bench") as stack:
        SHAPES[shape](size)
    engine = iac.Engine(state=f"sqlite:///{folder}/state.db")
    if work == "plan":
        assert not engine.plan(stack)
    else:
        assert len(engine.apply(stack).steps) == size


main()
