"""The measured work as a program for Pulumi's SDK with mocks, as its guide to unit tests has it: WORK SHAPE SIZE FOLDER."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pulumi


class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", {**args.inputs, "arn": f"arn:{args.name}"}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        return {}


pulumi.runtime.set_mocks(Mocks(), project="bench", stack="bench")


class Thing(pulumi.CustomResource):
    size: pulumi.Output[int]
    label: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, **inputs: Any) -> None:
        super().__init__("bench:index:Thing", name, {"arn": None, "tags": None, **inputs})


@pulumi.runtime.test
def flat(size: int) -> pulumi.Output[None]:
    made = [Thing(f"t{i}", size=i, label=f"label-{i}", tags={"n": str(i)}) for i in range(size)]

    def check(arns: list[str]) -> None:
        assert len(arns) == size
        assert arns[-1] == f"arn:t{size - 1}"

    return pulumi.Output.all(*[thing.arn for thing in made]).apply(check)


@pulumi.runtime.test
def chain(size: int) -> pulumi.Output[None]:
    last: Thing | None = None
    for i in range(size):
        last = Thing(f"t{i}", size=i, label="first" if last is None else last.arn)

    def check(arn: str) -> None:
        assert arn == f"arn:t{size - 1}"

    assert last is not None
    return last.arn.apply(check)


_, shape, count, folder = sys.argv[1:]
began = time.perf_counter()
{"flat": flat, "chain": chain}[shape](int(count))
Path(folder, "seconds").write_text(str(time.perf_counter() - began))
