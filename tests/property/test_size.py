"""Long chains, wide stars and many edges: nothing recurses, and work grows no faster than the program."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Mapping

import pytest

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.execute import dispatch
from iaclib.model.bulk import collector_paused
from iaclib.model.outputs import Output
from iaclib.provider.handler import Live

REF = "sized/dev"


class Handler:
    """Makes objects of nothing."""

    def create(self, ctx, inputs):
        return Live(f"id-{ctx.token}")

    def read(self, ctx, id):
        return Live(id)

    def update(self, ctx, id, before, after):
        return Live(id)

    def delete(self, ctx, id):
        pass


class Node(iac.Resource, type="sized:Node", handler=Handler):
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    link: iac.Input[str] = iac.field(default=None)
    links: iac.Input[Mapping[str, iac.Input[str]]] = iac.field(default=None)


def chain(size: int, root: str) -> int:
    """Each stands on the one before it, and is replaced with it."""
    last: str | Output[str] = root
    for number in range(size):
        last = Node(f"n{number}", hard=last).id
    return size


def fan_out(size: int, root: str) -> int:
    """All stand on one."""
    first = Node("root", hard=root)
    for number in range(size - 1):
        Node(f"n{number}", link=first.id)
    return size


def fan_in(size: int, root: str) -> int:
    """One stands on all."""
    nodes = [Node(f"n{number}", hard=root) for number in range(size - 1)]
    Node("top", links={f"k{number}": node.id for number, node in enumerate(nodes)})
    return size


def layered(size: int, root: str) -> int:
    """Ten layers, each of which uses six of the layer below."""
    width = size // 10
    below: list[Node] = []
    layer: list[Node] = []
    for number in range(size):
        if number % width == 0:
            below, layer = layer, []
        uses = {f"k{step}": below[(number * 7 + step * 13) % width].id for step in range(6)} if below else None
        layer.append(Node(f"n{number}", hard=root if not below else None, links=uses))
    return size


def first_deleted_first(size: int, root: str) -> int:
    """A chain that can't coexist with its successor: deletes go up, creates come down."""
    last = Node("first", hard=root, opts=iac.Options(delete_before_replace=True)).id
    for number in range(size - 1):
        last = Node(f"n{number}", hard=last).id
    return size


SHAPES = [chain, fan_out, fan_in, layered, first_deleted_first]


def stack(shape, size, root):
    return type("Sized", (iac.Stack,), {"build": lambda _stack: shape(size, root)})("dev")


def life(shape, size, measure):
    """Live a whole life of a shape; each phase goes through ``measure``."""
    with Engine(state="memory:", parallelism=0) as engine:
        plan = measure("plan", lambda: engine.plan(stack(shape, size, "one")))
        assert plan.counts == {"create": size}
        run = measure("apply", lambda: engine.apply(plan))
        assert [step.action for step in run.steps] == ["create"] * size
        assert not measure("plan again", lambda: engine.plan(stack(shape, size, "one")))
        changed = measure("plan a replacement", lambda: engine.plan(stack(shape, size, "two")))
        run = measure("replace", lambda: engine.apply(changed))
        assert run.ok
        assert not engine.plan(stack(shape, size, "two"))
        measure("refresh", lambda: engine.refresh(REF))
        run = measure("destroy", lambda: engine.destroy(REF))
        assert [step.action for step in run.steps] == ["delete"] * size
        assert not engine.snapshot(REF).records


def counted(shape, size):
    """Give how many functions each phase of a life calls."""
    calls = {}

    def measure(phase, run):
        count = 0

        def count_one(_frame, event, _argument):
            nonlocal count
            count += event in {"call", "c_call"}

        sys.setprofile(count_one)
        try:
            return run()
        finally:
            sys.setprofile(None)
            calls[phase] = count

    life(shape, size, measure)
    return calls


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_size_is_at_most_twice_the_work(shape, monkeypatch):
    """Counted in calls of functions, so that no clock decides, nor a collector that calls finalizers."""
    monkeypatch.setattr(dispatch, "_SLICE", 3600.0)  # how often calls that hang are looked for is told by real time
    gc.collect()
    with collector_paused():
        counted(shape, 10)  # what is imported when first needed counts for none
        small, large = counted(shape, 200), counted(shape, 400)
    growth = {phase: large[phase] / small[phase] for phase in small}
    assert max(growth.values()) < 2.1, growth


def in_a_small_stack(run):
    """Run where recursion on the depth of a program would fail long before Python's own limit says so."""
    errors = []

    def target():
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the test's thread
            errors.append(error)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    try:
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
    for error in errors:
        raise error


@pytest.mark.parametrize("shape", SHAPES)
def test_two_thousand_resources_live_their_life(shape):
    """With a tenth of the depth that they have."""
    in_a_small_stack(lambda: life(shape, 2_000, lambda _phase, run: run()))


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", SHAPES)
def test_ten_thousand_resources_live_their_life(shape):
    """Fifty thousand edges in layers, a chain of ten thousand, and stars both ways."""
    in_a_small_stack(lambda: life(shape, 10_000, lambda _phase, run: run()))
