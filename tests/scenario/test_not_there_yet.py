"""Clouds that answer late, or whose answers get lost."""

from __future__ import annotations

from typing import Any

import pytest

from iaclib import declare as iac
from iaclib.backends import Memory
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, ConflictError, ProviderError
from iaclib.provider.handler import Live
from virtual import VirtualClock

THERE: dict[str, dict[str, Any]] = {}
BLIND: dict[str, int] = {}  # id -> how many reads still miss it
LOST: list[Exception] = []  # what a create says after its effect


class LateHandler:
    """A cloud whose reads lag behind and whose creates carry no token."""

    def create(self, ctx, inputs):
        if inputs["name"] in THERE:
            raise ConflictError(f"{inputs['name']} is there", existing_id=inputs["name"])
        THERE[inputs["name"]] = dict(inputs)
        if LOST:
            raise LOST.pop()
        return Live(inputs["name"], {}, dict(inputs))

    def read(self, ctx, id):
        if BLIND.get(id, 0) > 0:
            BLIND[id] -= 1
            return None
        return Live(id, {}, dict(THERE[id])) if id in THERE else None

    def update(self, ctx, id, before, after):
        THERE[id] = dict(after)
        return Live(id, {}, dict(after))

    def delete(self, ctx, id):
        THERE.pop(id, None)

    def identity(self, inputs):
        return inputs["name"]


class ManyHandler(LateHandler):
    """The same, read many at once."""

    def read_many(self, ctx, ids):
        return {id: self.read(ctx, id) for id in ids}


class Late(iac.Resource, type="late:Late", handler=LateHandler, settle=60):
    name: iac.Input[str] = iac.field(replaces=True)
    size: iac.Input[int] = iac.field(default=None)


class LateMany(iac.Resource, type="late:Many", handler=ManyHandler, settle=60):
    name: iac.Input[str] = iac.field(replaces=True)
    size: iac.Input[int] = iac.field(default=None)


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def engine(clock):
    THERE.clear()
    BLIND.clear()
    LOST.clear()
    return Engine(state=Memory(clock=clock.now), parallelism=0, _clock=clock)


def stack(type=Late, size=1):
    with iac.Stack("dev", project="late") as made:
        type("a", name="n", size=size)
    return made


@pytest.mark.parametrize("type", [Late, LateMany])
def test_what_was_just_made_is_not_taken_for_gone(engine, type):
    """A refresh within the settle time asks again before it drops a record."""
    engine.apply(stack(type))
    BLIND["n"] = 3
    assert not engine.refresh("late/dev")
    assert list(engine.snapshot("late/dev").records) == ["a"]
    BLIND["n"] = 3
    assert not engine.plan(stack(type), refresh=True)


@pytest.mark.parametrize("type", [Late, LateMany])
def test_after_the_settle_time_gone_is_gone(engine, clock, type):
    """What isn't there long after it was made is gone at the first answer."""
    engine.apply(stack(type))
    clock.sleep(100)
    THERE.clear()
    before = clock.now()
    engine.refresh("late/dev")
    assert not engine.snapshot("late/dev").records
    assert clock.now() - before < 1


def test_create_whose_answer_was_lost_leaves_no_orphan(engine):
    """A retried create that meets its own first effect is recorded, and mended by the next run."""
    LOST.append(ProviderError("connection reset", retryable=True))
    with pytest.raises(ApplyFailed):
        engine.apply(stack())
    assert engine.snapshot("late/dev").records["a"].id == "n"
    assert engine.apply(stack()).ok
    assert engine.snapshot("late/dev").records["a"].status == "ok"
    assert list(THERE) == ["n"]
    assert not engine.plan(stack())


def test_create_that_meets_somebody_elses_object_takes_nothing(engine):
    """A conflict at the first try is somebody else's: it is not recorded."""
    THERE["n"] = {"name": "n", "size": 9}
    BLIND["n"] = 1  # made between the look and the create
    with pytest.raises(ApplyFailed):
        engine.apply(stack())
    assert not engine.snapshot("late/dev").records
    assert THERE["n"]["size"] == 9
