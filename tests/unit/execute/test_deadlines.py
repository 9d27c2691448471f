"""Calls that hang, places among others, and leases while a call takes long."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import ClassVar

import pytest

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import (
    ApplyCancelled,
    ApplyFailed,
    LeaseLostError,
    OperationError,
    OperationTimeoutError,
    ThrottledError,
    UndecidedError,
)
from iaclib.execute import dispatch, limits
from iaclib.execute.calls import perform
from iaclib.execute.job import Abandoned, Job, World
from iaclib.execute.limits import Limit
from iaclib.execute.pool import Pool
from iaclib.execute.stopping import Stop
from iaclib.provider.base import Provider
from iaclib.provider.handler import Live
from recording import Cloud, Now, Thing
from virtual import VirtualClock

SHORT = iac.Options(timeouts=iac.Timeouts(create=60, update=60, delete=60))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look more often than people need."""
    monkeypatch.setattr(dispatch, "_SLICE", 0.02)
    monkeypatch.setattr(limits, "_LOOK", 0.02)


@pytest.fixture
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


class Hang:
    """A call that never answers by itself; ``release`` lets it end, and waits until it has."""

    def __init__(self, clock):
        self.clock = clock
        self.hanging, self.go_on, self.over = threading.Event(), threading.Event(), threading.Event()
        self.thread = None

    def __call__(self):
        self.thread = threading.current_thread()
        self.clock.sleep(1000.0)  # far beyond any deadline, whatever the handler was told
        self.hanging.set()
        self.go_on.wait(60)

    def release(self):
        self.go_on.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def hang(clock):
    made = Hang(clock)
    yield made
    made.go_on.set()


@pytest.fixture
def engine(cloud, clock):
    with Engine(state="memory:", _clock=clock, _grace=0.0, parallelism=4) as made:
        yield made


def stack(build):
    return type("Shop", (iac.Stack,), {"build": lambda self: build()})("dev")


def a_then_b():
    a = Thing("a", opts=SHORT)
    Thing("b", link=a.id)


def test_a_create_that_hangs_is_left_behind_undecided(engine, cloud, hang):
    """The run ends and says so; the next one finds what was made: one object, one record."""
    cloud.after["C a"] = hang
    with pytest.raises(ApplyFailed) as caught:
        engine.apply(stack(a_then_b))
    (error,) = caught.value.exceptions
    assert isinstance(error, OperationError)
    assert isinstance(error.cause, OperationTimeoutError)
    assert str(error).startswith("a: create failed: its call still hangs, expected it to end within 60 s; it")
    assert "the next run finds out what became of it" in str(error)
    assert [(step.address, step.skipped) for step in caught.value.run.steps] == [("a", ""), ("b", "because a failed")]
    assert [intent.record.address for intent in engine.snapshot("shop/dev").intents.values()] == ["a"]
    with pytest.raises(UndecidedError):
        engine.plan(stack(a_then_b))
    cloud.after.clear()
    assert engine.apply(stack(a_then_b)).ok
    hang.release()
    assert cloud.calls == ["C a", "C b"]
    assert engine.snapshot("shop/dev").records["a"].id == "id-1"


@pytest.mark.parametrize("call", ["U a", "D a"])
def test_updates_and_deletes_that_hang_are_left_undecided_too(engine, cloud, hang, call):
    """Their intents stay; what they did is seen by the next run."""
    engine.apply(stack(lambda: Thing("a", size=1, opts=SHORT)))
    cloud.after[call] = hang
    program = stack(lambda: Thing("a", size=2, opts=SHORT)) if call == "U a" else stack(lambda: None)
    with pytest.raises(ApplyFailed):
        engine.apply(program)
    assert len(engine.snapshot("shop/dev").intents) == 1
    cloud.after.clear()
    assert engine.apply(program).ok
    assert cloud.calls == ["C a", call]


def test_what_a_call_says_after_it_was_left_behind_is_not_written(engine, cloud, clock, hang):
    """Neither its outcome nor a checkpoint, and it makes no further call."""
    said = []

    class Slow:
        def create(self, ctx, inputs):
            hang()
            try:
                ctx.checkpoint(id="late")
            except Abandoned:
                said.append("refused")
                raise
            return Live("late")

        def find(self, ctx, inputs):
            return None

    class Slowly(iac.Resource, type="test:Slowly", handler=Slow, timeouts={"create": 60}):
        pass

    with pytest.raises(ApplyFailed):
        engine.apply(stack(lambda: Slowly("a")))
    serial = engine.snapshot("shop/dev").serial
    hang.release()
    assert said == ["refused"]
    snapshot = engine.snapshot("shop/dev")
    assert snapshot.serial == serial
    assert [intent.id for intent in snapshot.intents.values()] == [None]


def test_independent_steps_go_on_beside_a_call_that_hangs(clock, hang):
    """With continue_on_error; its thread and its place in the service's limit go to others."""

    class Narrow(Provider):
        name = "narrow"
        limits: ClassVar = {"narrow": 1}

        def handler(self, type):
            return Handler()

    class Handler:
        def create(self, ctx, inputs):
            if ctx.address == "a":
                hang()
            return Live(ctx.address)

        def delete(self, ctx, id):
            pass

    class One(iac.Resource, type="narrow:One", timeouts={"create": 60}):
        pass

    with Engine(state="memory:", _clock=clock, _grace=0.0, parallelism=1, providers=[Narrow()]) as engine:
        with pytest.raises(ApplyFailed) as caught:
            engine.apply(stack(lambda: (One("a"), One("b"))), continue_on_error=True)
        assert [(step.address, step.error is None) for step in caught.value.run.steps] == [("a", False), ("b", True)]
        assert sorted(engine.snapshot("shop/dev").records) == ["b"]


def test_a_read_that_hangs_fails_and_changes_nothing(engine, cloud, clock, hang):
    """The record is kept, the rest is read."""
    engine.apply(stack(lambda: (Thing("a"), Thing("b"))))

    def slowly():
        clock.sleep(2000.0)
        hang()

    cloud.before["R a"] = slowly
    with pytest.raises(ApplyFailed) as caught:
        engine.refresh("shop/dev")
    (error,) = caught.value.exceptions
    assert "a: read failed: " in str(error)
    assert "nothing waits for it any more" in str(error)
    assert sorted(engine.snapshot("shop/dev").records) == ["a", "b"]


def test_a_hook_that_hangs_fails_its_step(engine, cloud, hang):
    """The program's own functions have a deadline too; before a create nothing was done yet."""
    hooks = iac.Hooks(before_create=lambda _event: hang())
    opts = iac.Options(hooks=(hooks,), timeouts=iac.Timeouts(create=60))
    with pytest.raises(ApplyFailed) as caught:
        engine.apply(stack(lambda: Thing("a", opts=opts)))
    assert "a: before_create hook failed: its call still hangs" in str(caught.value)
    assert not engine.snapshot("shop/dev").intents
    assert cloud.calls == []


def test_a_refresh_that_is_stopped_says_so(cloud):
    """What was read is written, but the whole is not taken for done."""
    with Engine(state="memory:", parallelism=1) as engine:
        engine.apply(stack(lambda: (Thing("a"), Thing("b"))))
        cloud.before["R a"] = engine.cancel
        with pytest.raises(ApplyCancelled, match="reading what there is"):
            engine.refresh("shop/dev")
        cloud.before.clear()
        assert not engine.refresh("shop/dev")


def test_a_decision_that_hangs_leaves_the_intent(engine, cloud, clock, hang, monkeypatch):
    """Recovery says what it could not find out."""
    cloud.after["C a"] = hang
    with pytest.raises(ApplyFailed):
        engine.apply(stack(a_then_b))
    again = Hang(clock)
    monkeypatch.setattr("recording.ThingHandler.find", lambda self, ctx, inputs: again())
    with pytest.raises(UndecidedError, match="a: an interrupted create can't be decided.*still hangs"):
        engine.recover("shop/dev")
    again.go_on.set()
    assert len(engine.snapshot("shop/dev").intents) == 1


def test_within_the_grace_a_late_answer_counts(cloud, clock):
    """A handler that overruns its deadline a little has still made what it made."""
    cloud.after["C a"] = lambda: clock.sleep(100.0)
    with Engine(state="memory:", _clock=clock) as engine:
        assert engine.apply(stack(a_then_b)).ok


@pytest.mark.parametrize("operation", ["apply", "recover"])
def test_cancelling_twice_ends_a_run_whose_handler_blocks(engine, cloud, operation, monkeypatch):
    """The first request waits for it, the second leaves it behind with its intent."""
    blocked, go_on = threading.Event(), threading.Event()

    def block(*_):
        blocked.set()
        go_on.wait(60)

    cloud.after["C a"] = block
    caught = []

    def run(name):
        try:
            engine.apply(stack(a_then_b)) if name == "apply" else engine.recover("shop/dev")
        except ApplyCancelled as error:
            caught.append(error)

    for name in ["apply", operation] if operation == "recover" else ["apply"]:
        blocked.clear()
        thread = threading.Thread(target=run, args=(name,))
        thread.start()
        assert blocked.wait(30)
        engine.cancel()
        assert thread.is_alive()
        engine.cancel()
        thread.join(30)
        assert not thread.is_alive()
        monkeypatch.setattr("recording.ThingHandler.find", block)
    assert len(caught) == (2 if operation == "recover" else 1)
    assert [intent.record.address for intent in engine.snapshot("shop/dev").intents.values()] == ["a"]
    monkeypatch.undo()
    cloud.after.clear()
    assert engine.recover("shop/dev").ok  # the lease was given back
    go_on.set()


# --------------------------------------------------------------------------------------------------- one call by itself


class Bench:
    """A job on a virtual clock, among others that share its limit."""

    def __init__(self, create, cap=1, timeout=60.0):
        self.clock, self.stop = VirtualClock(), Stop()
        self.limit = Limit(cap, self.clock)
        handler = type("Handler", (), {"create": lambda _self, ctx, inputs: create(ctx)})()
        self.job = Job(
            "create", "step", "a", "p/s:a", "p/s", handler, None, self.limit, timeout=timeout, begun=self.clock.now()
        )
        self.world = World(self.clock, self.stop, lambda *_: None, lambda *_: None)

    def start(self):
        """Perform it in a thread; give a function that waits for the outcome."""
        outcomes = []
        thread = threading.Thread(target=lambda: outcomes.append(perform(self.job, self.world)), daemon=True)
        thread.start()

        def outcome():
            thread.join(30)
            return outcomes[0]

        return outcome


def test_waiting_for_a_place_is_not_the_steps_time():
    """The deadline counts from its first call, and the handler is told that one."""
    told = []
    bench = Bench(lambda ctx: (told.append(ctx.remaining), Live("i"))[1])
    bench.limit.enter("other", lambda: False)
    outcome = bench.start()
    bench.clock.sleep(1000.0)
    bench.limit.leave("other")
    assert outcome().live.id == "i"
    assert told == [60.0]


@pytest.mark.parametrize("how", ["abort", "lost", "abandoned"])
def test_who_waits_for_a_place_makes_no_call_once_left_behind(how):
    """A run that has ended must not change the cloud any more."""
    called = []
    bench = Bench(lambda ctx: called.append(1))
    bench.limit.enter("other", lambda: False)
    outcome = bench.start()
    if how == "abort":
        bench.stop.level = 2
    elif how == "lost":
        bench.stop.lose(LeaseLostError("taken over"))
    else:
        bench.job.abandoned = True
    assert isinstance(outcome().fatal, Abandoned)
    assert called == []


def test_a_retry_that_gets_no_place_in_time_is_given_up():
    """What went wrong before is what is told."""

    def create(ctx):
        bench.limit.leave(bench.job)
        bench.limit.enter("other", lambda: False)
        bench.clock.sleep(50.0)
        raise ThrottledError("slow down", retry_after=9.0)

    bench, slept = Bench(create), threading.Event()
    sleep = bench.clock.sleep
    bench.clock.sleep = lambda seconds, wake=None: (sleep(seconds, wake), slept.set() if seconds == 9.0 else None)
    waiting = bench.start()
    assert slept.wait(30)  # from here on it waits for a place again
    sleep(10.0)
    assert isinstance(waiting().error, ThrottledError)


def test_places_come_back_once():
    """One given back for a call that hangs is not given back again when it ends."""
    limit = Limit(2, VirtualClock())
    assert limit.enter("a", lambda: True)
    assert limit.enter("b", lambda: True)
    assert not limit.enter("c", lambda: True)
    limit.leave("a")
    limit.leave("a")
    assert limit.enter("c", lambda: True)
    assert not limit.enter("d", lambda: True)


def test_a_pool_replaces_a_thread_that_does_not_come_back():
    """What is submitted later runs although all threads hang."""
    pool, go_on, ran = Pool(1), threading.Event(), threading.Event()
    pool.submit(lambda: go_on.wait(30), bool)
    pool.abandon()
    pool.submit(ran.set, bool)
    assert ran.wait(30)
    go_on.set()
    pool.close()


# ------------------------------------------------------------------------------------------------------------ the lease


def test_a_lease_lost_during_a_long_call_stops_new_calls(cloud):
    """The renewal says so; the run ends at once, with what it knows."""
    lost, go_on = threading.Event(), threading.Event()
    cloud.after["C a"] = lambda: go_on.wait(30)
    with Engine(state="memory:", lease_ttl=timedelta(milliseconds=30)) as engine:

        def renew(lease):
            if not cloud.calls:
                return lease
            lost.set()
            raise LeaseLostError("taken over")

        engine._backend.renew = renew
        with pytest.raises(LeaseLostError) as caught:
            engine.apply(stack(a_then_b))
        assert lost.is_set()
        assert caught.value.run is not None
        go_on.set()
        assert cloud.calls == ["C a"]
