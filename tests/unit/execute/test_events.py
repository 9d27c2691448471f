"""What a listener is told, in which order, and that it can do no harm."""

from __future__ import annotations

import threading

import pytest

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyCancelled, ApplyFailed, InvalidRequestError, ThrottledError
from iaclib.execute import delivery
from iaclib.execute.delivery import Delivery, Reporter
from iaclib.execute.events import Event
from iaclib.provider.handler import Live
from recording import Cloud, Now, Thing, ThingHandler
from virtual import VirtualClock


@pytest.fixture
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


def stack(build):
    return type("Shop", (iac.Stack,), {"build": lambda self: build()})("dev")


def two():
    a = Thing("a", size=1, password="hunter2")
    Thing("b", link=a.id)


def brief(events):
    return [(event.kind, event.address, event.action) for event in events]


@pytest.mark.parametrize("parallelism", [0, 8])
def test_a_run_is_told_from_its_start_to_its_end(cloud, parallelism):
    """In order, numbered, with the run's and the steps' ids, before the operation returns."""
    seen = []
    with Engine(state="memory:", on_event=seen.append, parallelism=parallelism, _clock=VirtualClock()) as engine:
        run = engine.apply(stack(two))
        (summary,) = engine.history("shop/dev")
    assert brief(seen) == [
        ("run_started", "", "apply"),
        ("planned", "", ""),
        ("step_started", "a", "create"),
        ("step_finished", "a", "create"),
        ("step_started", "b", "create"),
        ("step_finished", "b", "create"),
        ("run_finished", "", "apply"),
    ]
    assert [event.sequence for event in seen] == [1, 2, 3, 4, 5, 6, 7]
    assert {event.run for event in seen} == {summary.id}
    assert {event.stack for event in seen} == {"shop/dev"}
    assert all(event.time >= 1_000_000.0 for event in seen)
    assert seen[1].total == 2
    assert seen[2].step == seen[3].step != seen[4].step == seen[5].step
    assert [seen[3].id, seen[5].id] == [step.id for step in run.steps]
    assert seen[3].ok
    assert seen[3].seconds is not None
    assert seen[6].ok


def test_both_halves_of_a_replacement_are_told(cloud):
    """As create and delete, marked as belonging together; the delete knows its id from the start."""
    seen = []
    with Engine(state="memory:", on_event=seen.append) as engine:
        engine.apply(stack(lambda: Thing("a", hard="1")))
        seen.clear()
        engine.apply(stack(lambda: Thing("a", hard="2")))
    steps = [event for event in seen if event.address]
    assert [(event.kind, event.action, event.id, event.replacing) for event in steps] == [
        ("step_started", "create", None, True),
        ("step_finished", "create", "id-2", True),
        ("step_started", "delete", "id-1", True),
        ("step_finished", "delete", "id-1", True),
    ]
    assert seen[1].total == 2


def test_failures_and_what_they_skip_are_told(cloud):
    """With the reason, without secrets; the run's end too."""
    cloud.fail("C a", InvalidRequestError("hunter2 is too short"))
    seen = []
    with Engine(state="memory:", on_event=seen.append) as engine, pytest.raises(ApplyFailed):
        engine.apply(stack(two))
    failed, skipped, end = seen[3:]
    assert (failed.kind, failed.address, failed.ok) == ("step_finished", "a", False)
    assert failed.message == "a: create failed: (secret) is too short"
    assert (skipped.kind, skipped.address, skipped.action) == ("step_skipped", "b", "create")
    assert skipped.message == "because a failed"
    assert (end.kind, end.ok) == ("run_finished", False)
    assert "hunter2" not in repr(seen)


def test_retries_and_log_lines_are_told_within_their_step(cloud):
    """Each with the step's id; a retry says which try comes next."""

    class Talkative(ThingHandler):
        def create(self, ctx, inputs):
            ctx.log(f"making it with {inputs['password']}")
            return super().create(ctx, inputs)

    class Talker(iac.Resource, type="test:Talker", handler=Talkative):
        password: iac.Input[str] = iac.field(secret=True)

    cloud.fail("C a", ThrottledError("slow down"), ThrottledError("slow down"))
    seen = []
    with Engine(state="memory:", on_event=seen.append, _clock=VirtualClock()) as engine:
        engine.apply(stack(lambda: Talker("a", password="hunter2")))
    inner = [event for event in seen if event.address]
    assert [(event.kind, event.attempt) for event in inner] == [
        ("step_started", 0), ("log", 0), ("retry", 2), ("log", 0), ("retry", 3), ("log", 0), ("step_finished", 0),
    ]  # fmt: skip
    assert len({event.step for event in inner}) == 1
    assert inner[1].message == "making it with (secret)"


def test_a_create_that_looks_for_its_identity_first_starts_once(cloud):
    """Looking is part of the step."""

    class Known:
        def identity(self, inputs):
            return "known"

        def read(self, ctx, id):
            return None

        def create(self, ctx, inputs):
            return Live("known")

    class Route(iac.Resource, type="test:Route", handler=Known):
        pass

    seen = []
    with Engine(state="memory:", on_event=seen.append) as engine:
        engine.apply(stack(lambda: Route("a")))
    assert [event.kind for event in seen if event.address] == ["step_started", "step_finished"]


def test_hooks_belong_to_their_step(cloud):
    """It starts with its call, and is finished when the last hook is."""
    order = []
    hooks = iac.Hooks(before_create=lambda _: order.append("before"), after_create=lambda _: order.append("after"))
    seen = []
    with Engine(state="memory:", on_event=seen.append) as engine:
        engine.apply(stack(lambda: Thing("a", opts=iac.Options(hooks=(hooks,)))))
    started, finished = (event for event in seen if event.address)
    assert (started.kind, finished.kind, finished.action) == ("step_started", "step_finished", "create")
    assert started.step == finished.step != ""
    assert order == ["before", "after"]


def test_a_step_is_told_finished_when_that_is_durable(cloud):
    """A listener that asks the state finds what it was told."""
    found = []

    def listen(event):
        if event.kind == "step_finished":
            found.append(event.address in engine.snapshot("shop/dev").records)

    with Engine(state="memory:", on_event=listen) as engine:
        engine.apply(stack(two))
    assert found == [True, True]


def test_recovered_steps_are_told(cloud):
    """What became of them, under the id that their run gave them."""

    class Killed(BaseException):
        pass

    def die():
        raise Killed

    cloud.after["C a"] = die
    seen = []
    with Engine(state="memory:", on_event=seen.append, parallelism=0) as engine:
        with pytest.raises(Killed):
            engine.apply(stack(lambda: Thing("a")))
        assert (seen[-1].kind, seen[-1].ok) == ("run_finished", False)
        started = next(event for event in seen if event.kind == "step_started")
        seen.clear()
        cloud.after.clear()
        engine.apply(stack(lambda: Thing("a")))
    recovered = seen[1]
    assert (recovered.kind, recovered.step, recovered.id) == ("recovered", started.step, "id-1")
    assert recovered.message == "adopted id-1"
    assert recovered.run != started.run


def test_a_refused_run_is_told_to_end(cloud):
    """Also one that fails before its first step."""
    seen = []
    with Engine(state="memory:", on_event=seen.append) as engine:
        engine.apply(stack(lambda: Thing("a", opts=iac.Options(protect=True))))
        seen.clear()
        with pytest.raises(Exception, match="protected"):
            engine.destroy("shop/dev")
    assert [event.kind for event in seen] == ["run_started", "run_finished"]
    assert "a: it is protected" in seen[1].message
    assert not seen[1].ok


def test_a_session_is_one_run(cloud):
    """All its steps are told under one id; a failure that the program caught makes it no success."""
    seen = []
    with Engine(state="memory:", on_event=seen.append) as engine, engine.session("shop/dev") as session:
        session.ensure(Thing("a"))
        cloud.fail("C b", InvalidRequestError("no"))
        with pytest.raises(ApplyFailed):
            session.ensure(Thing("b"))
    assert len({event.run for event in seen}) == 1
    assert brief(seen)[0] == ("run_started", "", "session")
    assert (seen[-1].kind, seen[-1].ok, seen[-1].message) == ("run_finished", False, "b: create failed: no")


# ------------------------------------------------------------------------------------------------ listeners that misbehave


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failing_listener_is_reported_once_and_goes_on(cloud, caplog, error):
    """It harms nothing, and gets all later events."""
    seen = []

    def listen(event):
        seen.append(event.kind)
        raise error("broken")

    with Engine(state="memory:", on_event=listen) as engine:
        assert engine.apply(stack(two)).ok
    assert len(seen) == 7
    (record,) = caplog.records
    assert record.name == "iaclib"
    assert f"raised {error.__name__}" in record.getMessage()
    assert "listen" in record.getMessage()


def test_a_slow_listener_holds_nothing_up(cloud, monkeypatch):
    """The operation returns and gives the lease back; the rest is delivered afterwards, in order."""
    monkeypatch.setattr(delivery, "_PATIENCE", 0.01)
    go_on, all_there, seen = threading.Event(), threading.Event(), []

    def listen(event):
        go_on.wait(30)
        seen.append(event.sequence)
        if event.kind == "run_finished":
            all_there.set()

    with Engine(state="memory:", on_event=listen) as engine:
        assert engine.apply(stack(two)).ok
        assert seen == []
        assert engine.recover("shop/dev").ok  # the lease is free
        go_on.set()
        assert all_there.wait(30)
    assert seen[:7] == [1, 2, 3, 4, 5, 6, 7]


def test_a_listener_may_cancel(cloud):
    """It runs beside the operation, so nothing waits for itself."""

    def listen(event):
        if event.kind == "step_started":
            engine.cancel()
            go_on.set()

    go_on = threading.Event()
    cloud.after["C a"] = lambda: go_on.wait(30)
    with Engine(state="memory:", on_event=listen) as engine:
        with pytest.raises(ApplyCancelled):
            engine.apply(stack(two))
        assert sorted(engine.snapshot("shop/dev").records) == ["a"]


def test_a_listener_may_run_operations(cloud):
    """They don't wait for their own events, which come after."""
    seen = []

    def listen(event):
        seen.append(event.action)
        if event.kind == "run_finished" and event.action == "apply":
            engine.refresh("shop/dev")

    with Engine(state="memory:", on_event=listen) as engine:
        engine.apply(stack(two))
        engine._settings.events.flush()
    assert seen[-2:] == ["refresh", "refresh"]


def test_the_thread_ends_when_idle_and_starts_again(monkeypatch):
    """Engines that are dropped leave no thread behind."""
    monkeypatch.setattr(delivery, "_IDLE", 0.0)
    seen = []
    made = Delivery(seen.append)
    reporter = Reporter(made, VirtualClock(), "p/s", "run")
    for _ in range(2):
        reporter.tell("log", message="x")
        made.flush()
        thread = made._thread
        if thread is not None:
            thread.join(30)
        assert made._thread is None
    assert seen == [Event("log", "p/s", "run", sequence=n, time=1_000_000.0, message="x") for n in (1, 2)]
    assert not Reporter(Delivery(None), VirtualClock(), "p/s")
