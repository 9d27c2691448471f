"""Small types, and a way to pretend that a plan was applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from iaclib import declare as iac
from iaclib.declare.collect import collect
from iaclib.plan.facts import Facts, PlanOptions
from iaclib.plan.graph import Graph
from iaclib.plan.planner import make_plan
from iaclib.plan.recorded import recorded_options
from iaclib.state.record import Record, Snapshot


class Net(iac.Resource, type="plan:Net", tags="tags"):
    """Has an id, a stable output and one that changes."""

    cidr: iac.Input[str] | None = iac.field(default=None, replaces=True)
    dns: iac.Input[bool] | None = iac.field(default=None)
    size: iac.Input[float] | None = iac.field(default=None)
    data: iac.Input[Any] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
    state: iac.Output[str] = iac.computed()


class Node(iac.Resource, type="plan:Node"):
    """Stands on a net: by a field that replaces, and one that doesn't."""

    net: iac.Input[str] | None = iac.field(default=None, replaces=True)
    note: iac.Input[str] | None = iac.field(default=None)
    own: iac.Input[str] | None = iac.field(default=None, replaces=True)


class Named(iac.Resource, type="plan:Named"):
    """Has a unique name that is made where none is given."""

    name: iac.Input[str] | None = iac.field(default=None, replaces=True, unique=True, generated=True)
    zone: iac.Input[str] | None = iac.field(default=None, replaces=True)
    rules: iac.Input[Sequence[Any]] | None = iac.field(default=None, unordered=True)
    password: iac.Input[str] | None = iac.field(default=None, secret=True)


def plan(build, snapshot=None, facts=None, **options):
    """Plan what ``build`` declares."""
    stack = iac.Stack("prod", project="shop")
    with stack:
        build(stack)
    options = {**options, "replace": frozenset(options.get("replace", ()))}
    return make_plan(Graph(collect(stack)), snapshot or Snapshot(), facts or Facts("L"), PlanOptions(**options))


def applied(made, **changes):
    """Give the snapshot as if a plan had been applied; ``changes`` are for Records by address."""
    records: dict[str, Record] = {}

    def lookup(address, field):
        if field == "id":
            return records[address].id
        return records[address].inputs.get(field, f"{address}.{field}")

    for address, node in made._nodes.items():
        if node.declared is None:
            continue
        inputs = dict(made.inputs_of(node, lookup))
        record = Record(
            address,
            node.type,
            f"{address}-id",
            uid=f"uid-{address}",
            inputs=inputs,
            baseline=inputs,
            outputs={"arn": f"{address}.arn", "state": "ok"},
            dependencies=node.dependencies,
            parent=node.declared.parent,
            options=recorded_options(node.declared),
            provider=node.provider,
            generation=node.generation,
            version=node.declared.facts.version,
            defined_by=node.declared.defined_by,
        )
        records[address] = structs.replace(record, **changes.get(address, {}))
    return Snapshot("L", 1, records)


def actions(made):
    """Give what is planned, what stays the same left out: ``{"a": "update"}``, "may update" for maybe."""
    return {
        change.address: f"{'may ' if change.maybe else ''}{change.action}{' first' if change.delete_first else ''}"
        for change in made.changes
        if change.action != "same"
    }


@pytest.fixture
def kit():
    """The types and functions of this module."""
    return SimpleNamespace(Net=Net, Node=Node, Named=Named, plan=plan, applied=applied, actions=actions, iac=iac)
