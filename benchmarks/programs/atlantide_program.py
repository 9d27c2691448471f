"""The measured work as a program for atlantide: WORK SHAPE SIZE FOLDER.

Its engine, its own configuration language, its SQLite state, and a provider that does nothing.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, ClassVar

from atlantide.core import Context, Provider, ProviderRegistry, Resource, computed, immutable, mutable
from atlantide.core.actions import Action
from atlantide.engine import Engine
from atlantide.engine.result import raise_on_failure
from atlantide.state import SqliteStateBackend

FLAT = """
for i in range(N):
    Thing(f"t{i}", size=i, label=f"label-{i}", tags={"n": str(i)})
"""
LAYERED = """
above = []
for layer in range(20):
    row = []
    for i in range(W):
        if layer == 0:
            row = row + [Thing(f"t{layer}x{i}", size=i, label=f"label-{i}")]
        else:
            row = row + [Thing(f"t{layer}x{i}", size=i, label=above[i].arn, tags={"b": above[(7 * i + 3) % W].arn})]
    above = row
"""
CHAIN = """
last = Thing("t0", size=0, label="first")
for i in range(1, N):
    last = Thing(f"t{i}", size=i, label=last.arn)
"""


class Nothing(Provider):
    name: ClassVar[str] = "bench"
    version: ClassVar[str] = "1.0.0"

    async def create(self, ctx: Context, res: Resource) -> dict[str, Any]:
        return {"arn": f"arn:{res.node_id}"}

    async def read(self, ctx: Context, res: Resource) -> dict[str, Any] | None:
        return {"arn": f"arn:{res.node_id}"}

    async def update(self, ctx: Context, prior: dict[str, Any], res: Resource) -> dict[str, Any]:
        return {"arn": f"arn:{res.node_id}"}

    async def delete(self, ctx: Context, res: Resource) -> None:
        pass


class Thing(Resource):
    class Meta:
        provider: ClassVar[str] = "bench"

    size: int = mutable()
    label: str = immutable()
    tags: dict[str, str] = mutable(default_factory=dict)
    arn: str = computed()


def main() -> None:
    work, shape, count, folder = sys.argv[1:]
    size = int(count)
    source = {"flat": FLAT, "layered": LAYERED, "chain": CHAIN}[shape] if size else ""
    names = {"Thing": Thing, "N": size, "W": size // 20}
    providers = ProviderRegistry()
    providers.register(Nothing())
    with Engine(providers, SqliteStateBackend(f"{folder}/state.db"), {"bench.Thing": Thing}) as engine:
        if work == "create":
            report = raise_on_failure(asyncio.run(engine.apply(source, extra_globals=names)))
            assert len(report.created) == size
        elif work == "plan":
            plan = raise_on_failure(engine.plan(source, extra_globals=names))
            assert len(plan.changeset.by_action(Action.NOOP)) == size
            assert not plan.changeset.actionable
        else:
            report = raise_on_failure(asyncio.run(engine.destroy()))
            assert len(report.deleted) == size


main()
