"""Scenarios 15 to 19: what a failure, a kill and a stop leave behind."""

from __future__ import annotations

import threading

import pytest

from iaclib import declare as iac
from iaclib.errors import ApplyCancelled, ApplyFailed, OperationError, PartialFailure, QuotaError
from iaclib.provider.handler import Live
from recording import Thing


class Killed(BaseException):
    """Leaves a handler as a kill of the process would."""


def test_15_a_failed_create_leaves_no_record(world):
    """It failed without an id: nothing is recorded, and the next run creates it."""
    world.cloud.fail("C a", QuotaError("too many"))
    error, _ = world.fails(lambda: Thing("a"), ApplyFailed)
    assert "too many" in str(error)
    assert isinstance(error.exceptions[0], OperationError)
    assert error.exceptions[0].urn == "shop/dev:a"
    assert isinstance(error.exceptions[0].cause, QuotaError)
    assert error.run.steps[0].error is error.exceptions[0]
    assert not world.snapshot.records
    assert world.apply(lambda: Thing("a")) == ["C a"]


@pytest.mark.parametrize("repairable", [True, False])
def test_15_a_partial_failure_is_recorded_and_mended(world, repairable):
    """Half made: the next run repairs it if that is possible, or replaces it."""
    made = {"address": "a", "token": "", "inputs": {"size": 1}}

    def half():
        world.cloud.objects["half"] = made
        raise PartialFailure(Live("half", {"out": "?"}), "not finished", repairable=repairable)

    world.cloud.before["C a"] = half
    error, _ = world.fails(lambda: Thing("a", size=1), ApplyFailed)
    assert "not finished" in str(error)
    assert world.record("a").status == "failed"
    assert world.record("a").id == "half"
    del world.cloud.before["C a"]
    assert world.apply(lambda: Thing("a", size=1)) == (["U a"] if repairable else ["C a", "D a"])
    assert world.record("a").status == "ok"
    assert len(world.cloud.objects) == 1
    world.settled(lambda: Thing("a", size=1))


def test_16_a_program_that_raises_changes_nothing(world):
    """It declared A only before it raised: B is not deleted."""

    def both():
        Thing("a")
        Thing("b")

    def broken():
        Thing("a")
        raise RuntimeError("no network")

    world.apply(both)
    _, calls = world.fails(broken, RuntimeError, "no network")
    assert calls == []
    assert set(world.snapshot.records) == {"a", "b"}


def test_17_continue_on_error_skips_what_depends_on_the_failure(world):
    """Independent ones go on, removals too; the run is failed all the same."""

    def before():
        Thing("gone")
        kept = Thing("kept", size=1)
        Thing("user", link=kept.id)

    def after():
        f = Thing("f")
        p = Thing("p", link=f.id)
        Thing("q", opts=iac.Options(depends_on=(p,)))
        Thing("free")

    world.apply(before)
    world.cloud.fail("C f")
    error, calls = world.fails(after, ApplyFailed, continue_on_error=True)
    assert "C p" not in calls
    assert "C q" not in calls
    assert {"C free", "D gone", "D user", "D kept"} <= set(calls)
    assert set(world.snapshot.records) == {"free"}
    assert {step.address for step in error.run.steps if step.skipped} == {"p", "q"}


def test_17_without_it_a_failure_stops_what_has_not_begun(world):
    """No removal runs after a failure."""

    def before():
        Thing("gone")

    def after():
        f = Thing("f")
        Thing("p", link=f.id)

    world.apply(before)
    world.cloud.fail("C f")
    _, calls = world.fails(after, ApplyFailed)
    assert calls == ["C f"]
    assert set(world.snapshot.records) == {"gone"}


def test_18_a_kill_after_the_create_is_mended_by_token(world):
    """The next run finds the object and adopts it: one object, one record, no second create."""

    def killed():
        raise Killed

    world.cloud.after["C a"] = killed
    with pytest.raises(Killed):
        world.apply(lambda: Thing("a", size=1))
    assert len(world.snapshot.intents) == 1
    del world.cloud.after["C a"]
    assert world.apply(lambda: Thing("a", size=1)) == []
    assert [world.record("a").id] == list(world.cloud.objects)
    assert not world.snapshot.intents
    world.settled(lambda: Thing("a", size=1))


def test_18_a_kill_before_the_create_is_created_with_the_same_token(world):
    """Nothing was made: the token is kept, and used again for equal inputs only."""

    def killed():
        raise Killed

    world.cloud.before["C a"] = killed
    with pytest.raises(Killed):
        world.apply(lambda: Thing("a", size=1))
    (intent,) = world.snapshot.intents.values()
    world.engine.recover(world.ref)
    assert world.snapshot.tokens["a"].token == intent.token
    del world.cloud.before["C a"]
    world.apply(lambda: Thing("a", size=1))
    assert world.record("a").uid == intent.token
    assert not world.snapshot.tokens


def test_18_a_kept_token_is_not_used_for_other_inputs(world):
    """Other inputs are another request."""

    def killed():
        raise Killed

    world.cloud.before["C a"] = killed
    with pytest.raises(Killed):
        world.apply(lambda: Thing("a", size=1))
    (intent,) = world.snapshot.intents.values()
    del world.cloud.before["C a"]
    world.apply(lambda: Thing("a", size=2))
    assert world.record("a").uid != intent.token


@pytest.mark.parametrize("when", ["before", "after"])
def test_18_a_killed_update_is_compared(world, when):
    """Whether it happened or not, the next run ends where the program wants it."""

    def killed():
        raise Killed

    world.apply(lambda: Thing("a", size=1))
    getattr(world.cloud, when)["U a"] = killed
    with pytest.raises(Killed):
        world.apply(lambda: Thing("a", size=2))
    getattr(world.cloud, when).clear()
    assert world.apply(lambda: Thing("a", size=2)) == ([] if when == "after" else ["U a"])
    world.settled(lambda: Thing("a", size=2))


@pytest.mark.parametrize("when", ["before", "after"])
def test_18_a_killed_delete_is_finished(world, when):
    """It is deleted once; a delete that happened is not made again."""

    def killed():
        raise Killed

    world.apply(lambda: Thing("a", size=1))
    getattr(world.cloud, when)["D a"] = killed
    with pytest.raises(Killed):
        world.apply(lambda: None)
    getattr(world.cloud, when).clear()
    assert world.apply(lambda: None) == ([] if when == "after" else ["D a"])
    assert not world.cloud.objects
    assert not world.snapshot.records


def test_18_a_kill_between_the_halves_waits_for_its_create(world):
    """Deleted first and not yet created again: never deleted twice."""
    first = iac.Options(delete_before_replace=True)
    world.apply(lambda: Thing("a", hard="x", opts=first))
    world.cloud.fail("C a", QuotaError("too many"))
    world.fails(lambda: Thing("a", hard="y", opts=first), ApplyFailed)
    assert world.record("a").status == "awaiting_create"
    assert world.apply(lambda: Thing("a", hard="z", opts=first)) == ["C a"]
    world.cloud.fail("C a", QuotaError("too many"))
    world.fails(lambda: Thing("a", hard="y", opts=first), ApplyFailed)
    assert world.apply(lambda: None) == []
    assert not world.snapshot.records


def test_19_a_stop_lets_what_runs_finish(world):
    """A is being created when the stop is asked for: A is saved, B never starts, the lease is free."""
    world.cloud.after["C a"] = world.engine.cancel

    def program():
        a = Thing("a")
        Thing("b", link=a.id)

    error, calls = world.fails(program, ApplyCancelled)
    assert calls == ["C a"]
    assert set(world.snapshot.records) == {"a"}
    assert not world.snapshot.intents
    assert not error.run.ok
    assert world.engine.history(world.ref)[-1].status == "cancelled"
    world.cloud.after.clear()
    assert world.apply(program) == ["C b"]


def test_a_raw_error_of_a_handler_is_not_retried(world):
    """It becomes an OperationError that chains nothing raw and holds no secret."""
    world.cloud.fail("C a", ValueError("bad hunter2-hunter2"))
    error, calls = world.fails(lambda: Thing("a", password=iac.secret("hunter2-hunter2")), ApplyFailed)
    assert calls == ["C a"]
    assert "hunter2" not in f"{error} {error.exceptions[0]!r} {error.exceptions[0].cause!r}"
    assert error.exceptions[0].__cause__ is None


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

    for n in range(20):
        world.cloud.before[f"C t{n}"] = inside

    def program():
        for n in range(20):
            Thing(f"t{n}")

    assert len(world.apply(program)) == 20
    assert most <= 8
