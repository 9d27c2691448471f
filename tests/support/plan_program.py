"""A program that plans in one process and applies in another, on a cloud in a file.

Run as ``python plan_program.py FOLDER COMMAND VERSION``; prints what came of it
as JSON. Commands: ``direct`` plans and applies; ``plan`` saves ``FOLDER/plan``;
``apply`` applies it, ``apply-with`` beside the program. ``IACLIB_TEST_KILL``
names a call, such as ``C b``, after whose effect the process kills itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import IaclibError, NotFoundError
from iaclib.model.values import reveal
from iaclib.plan.plan import Plan
from iaclib.provider.handler import Live

FOLDER = Path(sys.argv[1])


class ItemHandler:
    """Keeps objects, numbered, and the log of calls in one file."""

    def call(self, name: str, change: Any) -> Any:
        path = FOLDER / "cloud.json"
        data = json.loads(path.read_text()) if path.exists() else {"objects": {}, "calls": [], "made": 0}
        data["calls"].append(name)
        found = change(data)
        path.write_text(json.dumps(data))
        if os.environ.get("IACLIB_TEST_KILL") == name:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    def live(self, data: Any, id: str) -> Live:
        return Live(id, {"out": f"{id}!"}, data["objects"][id]["inputs"])

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        def change(data: Any) -> Live:
            data["made"] += 1
            id = f"item-{data['made']}"
            data["objects"][id] = {"token": ctx.token, "inputs": dict(inputs)}
            return self.live(data, id)

        return self.call(f"C {ctx.address}", change)

    def find(self, ctx: Any, inputs: Mapping[str, Any]) -> Live | None:
        data = json.loads((FOLDER / "cloud.json").read_text())
        return next((self.live(data, id) for id, held in data["objects"].items() if held["token"] == ctx.token), None)

    def read(self, ctx: Any, id: str) -> Live | None:
        data = json.loads((FOLDER / "cloud.json").read_text())
        return self.live(data, id) if id in data["objects"] else None

    def update(self, ctx: Any, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        def change(data: Any) -> Live:
            if id not in data["objects"]:
                raise NotFoundError(f"{id} is not there")
            data["objects"][id]["inputs"] = dict(after)
            return self.live(data, id)

        return self.call(f"U {ctx.address}", change)

    def delete(self, ctx: Any, id: str) -> None:
        self.call(f"D {ctx.address}", lambda data: data["objects"].pop(id, None))

    def normalise(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**inputs, "note": str(inputs["note"]).lower()} if "note" in inputs else inputs


class Item(iac.Resource, type="planned:Item", handler=ItemHandler):
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    label: iac.Input[str] = iac.field(default=None, unique=True)
    name: iac.Input[str] = iac.field(default=None, generated=True, replaces=True)
    link: iac.Input[str] = iac.field(default=None)
    note: iac.Input[str] = iac.field(default=None)
    password: iac.Input[str] = iac.field(default=None, secret=True)
    out: iac.Output[str] = iac.computed()


class Program(iac.Stack, project="planned"):
    """Updates, replacements in both orders and through unknowns, removals, secrets, text, exports."""

    version: int = 1

    def build(self) -> None:
        version = self.version
        hard = f"v{version}"
        base = Item("base", size=version, password=f"secret {version}")
        first = Item("first", hard=hard, link=f"from {base.out}")
        Item("user", link=first.id, note=f"V{version % 1}", opts=iac.Options(protect=version > 1, depends_on=[base]))
        unique = Item("unique", hard=hard, label="the one", link=base.id)
        Item("above", hard=unique.id)
        Item("may", hard=base.out)
        if version == 1:
            Item("gone", link=first.id)
        else:
            Item("new", link=iac.json({"first": first.id, "all": [base.out, version]}))
        self.export(out=first.out, password=iac.secret(f"text {version}"))
        if version == 3:
            self.export(
                length=first.out.map(lambda text: 0 if text in {"one", "two", "three"} else len(text) + version)
            )


def result(engine: Engine, run: Any) -> dict[str, Any]:
    """Give what can be compared of a run and what it left."""
    snapshot = engine.snapshot("planned/dev")
    cloud = json.loads((FOLDER / "cloud.json").read_text())
    return {
        "steps": [[step.action, step.address, step.id] for step in run.steps],
        "outputs": reveal(dict(run.outputs)),
        "serial": run.serial,
        "lineage": snapshot.lineage,
        "calls": cloud["calls"],
        "objects": {id: held["inputs"] for id, held in cloud["objects"].items()},
        "records": {
            address: [
                record.type, record.id, reveal(dict(record.inputs)), reveal(dict(record.baseline)),
                reveal(dict(record.outputs)), list(record.dependencies), record.status, dict(record.options),
                record.generation, record.parent,
            ]
            for address, record in sorted(snapshot.records.items())
        },
    }  # fmt: skip


def main(command: str, version: int) -> dict[str, Any]:
    """Do one command."""
    path = FOLDER / "plan"
    program = Program("dev", version=version)
    with Engine(state=f"sqlite:///{FOLDER}/state.db", parallelism=0) as engine:
        match command:
            case "direct":
                return result(engine, engine.apply(engine.plan(program)))
            case "plan":
                plan = engine.plan(program)
                plan.save(path)
            case "show":
                plan = Plan.load(path)
            case "apply":
                return result(engine, engine.apply(Plan.load(path)))
            case _:
                return result(engine, engine.apply(Plan.load(path), program=program))
        return {"text": str(plan), "digest": plan.digest, "counts": plan.counts, "any": bool(plan)}


if __name__ == "__main__":
    try:
        found = main(sys.argv[2], int(sys.argv[3]))
    except IaclibError as error:
        found = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(found))  # noqa: T201 - its report
