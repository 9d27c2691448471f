"""Signals, stops and a lost lease."""

from __future__ import annotations

import os
import signal
import threading
from datetime import timedelta

import pytest

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyCancelled, LeaseHeldError, LeaseLostError
from iaclib.execute.limits import Limit
from iaclib.execute.stopping import Stop
from iaclib.model.redact import Redactor, redacted
from iaclib.provider.registry import load_named
from recording import Cloud, Now, Thing
from virtual import VirtualClock


class Two(iac.Stack, project="p"):
    """A and B, one after the other."""

    def build(self):
        a = Thing("a")
        Thing("b", link=a.id)


@pytest.fixture
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


def test_the_first_signal_drains(cloud):
    """What runs is finished and saved, nothing new begins, the handlers are as before."""
    before = signal.getsignal(signal.SIGINT)
    cloud.after["C a"] = lambda: os.kill(os.getpid(), signal.SIGINT)
    with Engine(state="memory:") as engine:
        with pytest.raises(ApplyCancelled) as caught:
            engine.apply(Two("s"))
        assert [step.address for step in caught.value.run.steps if not step.skipped] == ["a"]
        assert not engine.snapshot("p/s").intents
        assert signal.getsignal(signal.SIGINT) is before
        cloud.after.clear()
        assert engine.apply(Two("s")).ok


def test_the_second_signal_aborts_and_leaves_intents(cloud):
    """The call that hangs is left behind; the next run decides its intent."""
    hanging, go_on = threading.Event(), threading.Event()

    def hang():
        hanging.set()
        go_on.wait(30)

    cloud.after["C a"] = hang

    def press():
        hanging.wait(30)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with Engine(state="memory:") as engine:
        with pytest.raises(ApplyCancelled, match="finish 1 more step and to learn what became of a;"):
            engine.apply(Two("s"))
        presser.join()
        assert [intent.record.address for intent in engine.snapshot("p/s").intents.values()] == ["a"]
        go_on.set()
        cloud.after.clear()
        engine.apply(Two("s"))
        assert sorted(engine.snapshot("p/s").records) == ["a", "b"]
    assert len(cloud.objects) == 2


def test_the_second_signal_interrupts_a_call_in_the_main_thread(cloud):
    """Without threads nothing can be left behind, so the handler itself is ended; the next run decides."""
    went_on = []

    def press_twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        went_on.append(True)

    cloud.after["C a"] = press_twice
    with Engine(state="memory:", parallelism=0) as engine:
        with pytest.raises(ApplyCancelled):
            engine.apply(Two("s"))
        assert not went_on
        assert [intent.record.address for intent in engine.snapshot("p/s").intents.values()] == ["a"]
        cloud.after.clear()
        assert engine.apply(Two("s")).ok
    assert len(cloud.objects) == 2


def test_other_threads_set_no_handlers():
    """Signals belong to the main thread."""
    seen = []

    def elsewhere():
        before = signal.getsignal(signal.SIGINT)
        with Stop().signals():
            seen.append(signal.getsignal(signal.SIGINT) is before)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [True]


def test_a_lost_lease_stops_new_calls(cloud):
    """Somebody took over: LeaseLostError, bare, with the run so far."""
    with Engine(state="memory:") as engine:
        backend, append = engine._backend, engine._backend.append

        def lose(lease, entries, **options):
            if cloud.calls:
                raise LeaseLostError("taken over")
            return append(lease, entries, **options)

        backend.append = lose
        with pytest.raises(LeaseLostError) as caught:
            engine.apply(Two("s"))
        assert cloud.calls == ["C a"]
        assert caught.value.run is not None
        backend.append = append


def test_the_lease_is_renewed_during_long_calls(cloud):
    """A third of its time after it was taken, from another thread."""
    renewed = threading.Event()
    cloud.after["C a"] = lambda: renewed.wait(20)
    with Engine(state="memory:", lease_ttl=timedelta(milliseconds=150)) as engine:
        renew = engine._backend.renew

        def seen(lease):
            renewed.set()
            return renew(lease)

        engine._backend.renew = seen
        assert engine.apply(Two("s")).ok
    assert renewed.is_set()


def test_a_held_stack_is_refused(cloud):
    """The holder is named, and nothing is called."""
    backend = load_named("iaclib.backends", "memory")("memory:")
    entered, leave = threading.Event(), threading.Event()
    cloud.after["C a"] = lambda: (entered.set(), leave.wait(20))
    with Engine(state=backend) as one, Engine(state=backend) as two:
        thread = threading.Thread(target=lambda: one.apply(Two("s")))
        thread.start()
        entered.wait(20)
        with pytest.raises(LeaseHeldError) as caught:
            two.apply(Two("s"))
        leave.set()
        thread.join()
        assert caught.value.holder.operation == "apply"


def test_limits_halve_and_rise():
    """Additive rise, halved when throttled, never above the cap."""
    limit = Limit(8, VirtualClock())
    limit.throttled(None)
    limit.throttled(None)
    assert limit.allowed == 2
    for _ in range(200):
        limit.succeeded()
    assert limit.allowed == 8


def test_redaction_keeps_type_and_hides_secrets():
    """Text, repr form and arguments; nothing is chained."""
    error = ValueError("no hunter2\n here", 5)
    copy = redacted(error, Redactor(["hunter2"]))
    assert isinstance(copy, ValueError)
    assert "hunter2" not in repr(copy)
    assert Redactor(["a\nb"]).text("a\\nb") == "(secret)"
