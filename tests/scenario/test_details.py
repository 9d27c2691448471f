"""What scenarios say in data files, down to facts that only code can look at."""

from __future__ import annotations

import threading

import pytest

from iaclib import declare as iac
from iaclib.errors import ApplyFailed, OperationError, QuotaError
from recording import Thing
from scenario import REF, World
from scenario_faults import Killed


@pytest.fixture(params=[0, 8], ids=["one by one", "parallel"])
def world(request):
    world = World(request.param)
    with world.engine:
        yield world


def stack(**fields):
    with iac.Stack("dev", project="shop") as made:
        Thing("a", **fields)
    return made


def kill():
    raise Killed


def test_an_error_says_which_step_failed_and_why(world):
    """The error in the group is that of the step, with urn and cause as facts."""
    world.cloud.fail("C a", QuotaError("too many"))
    with pytest.raises(ApplyFailed) as caught:
        world.engine.apply(stack())
    (error,) = caught.value.exceptions
    assert isinstance(error, OperationError)
    assert (error.urn, error.action) == (f"{REF}:a", "create")
    assert isinstance(error.cause, QuotaError)
    assert caught.value.run.steps[0].error is error


def test_a_raw_error_of_a_handler_chains_nothing(world):
    """What a foreign library said may hold a secret anywhere."""
    world.cloud.fail("C a", ValueError("bad hunter2-hunter2"))
    with pytest.raises(ApplyFailed) as caught:
        world.engine.apply(stack(password=iac.secret("hunter2-hunter2")))
    (error,) = caught.value.exceptions
    assert "hunter2" not in f"{caught.value} {error!r} {error.cause!r}"
    assert error.__cause__ is None


@pytest.mark.parametrize(("size", "same"), [(1, True), (2, False)])
def test_a_kept_token_is_used_again_for_equal_inputs_only(world, size, same):
    """Nothing was made: another try of the same request carries its token, another request doesn't."""
    world.cloud.before["C a"] = kill
    with pytest.raises(Killed):
        world.engine.apply(stack(size=1))
    (intent,) = world.snapshot.intents.values()
    del world.cloud.before["C a"]
    world.engine.recover(REF)
    assert world.snapshot.tokens["a"].token == intent.token
    world.engine.apply(stack(size=size))
    assert (world.snapshot.records["a"].uid == intent.token) is same
    assert not world.snapshot.tokens


def test_parallel_steps_are_capped(world):
    """No more calls run at once than the engine may make."""
    running, most, lock = 0, 0, threading.Lock()

    def inside():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    with iac.Stack("dev", project="shop") as made:
        for n in range(20):
            world.cloud.before[f"C t{n}"] = inside
            Thing(f"t{n}")
    world.engine.apply(made)
    assert len(world.cloud.calls) == 20
    assert most <= 8


def test_nothing_to_do_leaves_no_trace(world):
    """The history stays as it is."""
    world.engine.apply(stack())
    runs = world.engine.history(REF)
    world.engine.apply(stack())
    assert world.engine.history(REF) == runs
