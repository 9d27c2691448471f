"""One call with its retries, limits, readiness and what is looked for after a failure."""

from __future__ import annotations

import pytest

from iaclib.errors import (
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OperationTimeoutError,
    PartialFailure,
    ThrottledError,
    UndecidedError,
)
from iaclib.execute.calls import perform
from iaclib.execute.job import Job, World
from iaclib.execute.limits import Limit
from iaclib.execute.stopping import Stop
from iaclib.model.values import Secret
from iaclib.provider.context import Checkpoint
from iaclib.provider.handler import Live
from iaclib.state.record import Record
from virtual import VirtualClock


class Handler:
    """Answers with what a test has prepared; an exception is raised."""

    def __init__(self, **answers):
        self.answers = {name: list(given) for name, given in answers.items()}
        self.calls = []
        for name in answers:
            if name not in {"create", "read", "update", "delete"}:
                setattr(self, name, lambda ctx, *args, name=name: self._answer(name, ctx))

    def _answer(self, name, ctx):
        self.calls.append(name)
        given = self.answers[name]
        answer = given.pop(0) if len(given) > 1 else given[0]
        if callable(answer):
            answer = answer(ctx)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def create(self, ctx, inputs):
        return self._answer("create", ctx)

    def read(self, ctx, id):
        return self._answer("read", ctx)

    def update(self, ctx, id, before, after):
        return self._answer("update", ctx)

    def delete(self, ctx, id):
        return self._answer("delete", ctx)


class Bench:
    """A job on a virtual clock."""

    def __init__(self, handler, action, *, timeout=100.0, settle=0.0, **more):
        self.clock = VirtualClock()
        self.stop = Stop()
        self.notes = []
        self.limit = Limit(8, self.clock)
        self.world = World(self.clock, self.stop, self._note, lambda *_: None)
        self.job = Job(
            action, "step", "net/a", "p/s:net/a", "p/s", handler, None, self.limit,
            timeout=timeout, settle=settle, begun=self.clock.now(), **more,
        )  # fmt: skip

    def _note(self, job, id, data):
        self.notes.append((id, data))

    def run(self):
        return perform(self.job, self.world)


def test_throttled_calls_wait_as_long_as_the_cloud_says():
    """retry_after is obeyed, and the shared limit is halved."""
    handler = Handler(create=[ThrottledError("slow down", retry_after=7.0), Live("i")])
    bench = Bench(handler, "create")
    assert bench.run().live.id == "i"
    assert bench.clock.now() - 1_000_000.0 >= 7.0
    assert bench.limit.allowed < 5


def test_a_wait_beyond_the_deadline_is_not_begun():
    """The error says that time was up, and keeps what the cloud said."""
    bench = Bench(Handler(create=[ThrottledError("slow down", retry_after=100.0)]), "create", timeout=5.0)
    error = bench.run().error
    assert isinstance(error, ThrottledError)
    assert str(error).startswith("slow down; still so at try 1, and 5 s leave no time for another")
    assert error.retry_after == 100.0
    assert bench.clock.slept == []


def test_dependency_violations_are_retried_slowly_on_delete():
    """First after min(5 s, timeout/10), then doubling; then it says what helps."""
    bench = Bench(Handler(delete=[DependencyViolationError("net/a: eni-1 uses it")]), "delete", timeout=30.0, id="i")
    outcome = bench.run()
    assert bench.clock.slept[:3] == [3.0, 6.0, 12.0]
    assert isinstance(outcome.error, DependencyViolationError)
    assert "eni-1" in str(outcome.error)
    assert "retain_on_delete" in str(outcome.error)


def test_dependency_violations_of_other_calls_are_final():
    """Only a delete waits for others to go."""
    handler = Handler(update=[DependencyViolationError("no")])
    Bench(handler, "update", id="i").run()
    assert handler.calls == ["update"]


def test_already_gone_is_a_delete_that_succeeded():
    """NotFoundError out of delete is success."""
    assert Bench(Handler(delete=[NotFoundError("gone")]), "delete", id="i").run().error is None


def test_not_ready_is_retried_within_settle():
    """After the settle time it is a failure."""
    handler = Handler(create=[NotReadyError("not yet"), NotReadyError("not yet"), Live("i")])
    assert Bench(handler, "create", settle=60.0).run().live.id == "i"
    handler = Handler(create=[NotReadyError("not yet")])
    bench = Bench(handler, "create", settle=60.0, timeout=10_000.0)
    assert isinstance(bench.run().error, NotReadyError)
    assert bench.clock.now() - 1_000_000.0 <= 60.0


def test_an_object_that_is_not_ready_is_noted_and_polled():
    """Its id is durable before the first poll; the last look counts."""
    handler = Handler(create=[Live("i", ready=False)], read=[Live("i", ready=False), Live("i", {"ip": "1"})])
    bench = Bench(handler, "create")
    outcome = bench.run()
    assert bench.notes == [("i", None)]
    assert outcome.live.outputs == {"ip": "1"}
    assert outcome.error is None


def test_an_object_that_never_gets_ready_is_half_made():
    """OperationTimeoutError at timeouts.create, with what exists."""
    bench = Bench(Handler(create=[Live("i", ready=False)], read=[Live("i", ready=False)]), "create", timeout=60.0)
    outcome = bench.run()
    assert isinstance(outcome.error, OperationTimeoutError)
    assert outcome.partial
    assert outcome.live.id == "i"


def test_a_partial_failure_brings_what_exists():
    """Its id is what counts."""
    outcome = Bench(Handler(create=[PartialFailure(Live("i"), "half", repairable=True)]), "create").run()
    assert (outcome.partial, outcome.repairable, outcome.live.id) == (True, True, "i")


def test_after_a_foreign_exception_the_object_is_looked_for():
    """Nobody knows what a crash of the handler left behind: find is asked, within settle."""
    handler = Handler(create=[ZeroDivisionError()], find=[None, Live("i")])
    outcome = Bench(handler, "create", settle=10.0).run()
    assert outcome.partial
    assert outcome.live.id == "i"
    handler = Handler(create=[ZeroDivisionError()], find=[None])
    assert Bench(handler, "create").run().absent
    assert handler.calls == ["create", "find"]


def test_a_refusal_is_not_looked_for():
    """The cloud said no: nothing was made."""
    handler = Handler(create=[InvalidRequestError("no")], find=[Live("i")])
    assert Bench(handler, "create").run().live is None
    assert handler.calls == ["create"]


def test_what_cannot_be_looked_for_now_stays_undecided():
    """find fails too: the intent stays for the next run."""
    handler = Handler(create=[ZeroDivisionError()], find=[InvalidRequestError("no rights")])
    assert Bench(handler, "create").run().undecided


def test_a_noted_id_is_read_after_a_crash():
    """What a checkpoint noted is looked at before anything else."""

    def crash(ctx):
        ctx.checkpoint(id="i")
        return ZeroDivisionError()

    handler = Handler(create=[crash], find=[None], read=[Live("i")])
    outcome = Bench(handler, "create").run()
    assert outcome.live.id == "i"
    assert handler.calls == ["create", "read"]


def test_resume_decides_when_something_was_noted():
    """The handler's own way goes before read and find."""
    handler = Handler(resume=[Live("i")], find=[None])
    bench = Bench(handler, "decide", decides="create", noted=Checkpoint("op-1", {"step": 2}))
    assert bench.run().live.id == "i"
    assert handler.calls == ["resume"]


def test_identity_is_read_only_if_absence_was_noted():
    """Without token and noted absence a create can't be decided."""
    handler = Handler(read=[Live("a-b")])
    assert Bench(handler, "decide", decides="create", identity="a-b").run().live.id == "a-b"
    assert isinstance(Bench(handler, "decide", decides="create").run().error, UndecidedError)


def test_not_there_is_asked_again_within_settle():
    """Eventual consistency: absence counts only after the settle time."""
    handler = Handler(find=[None, None, Live("i")])
    assert Bench(handler, "decide", decides="create", settle=120.0).run().live.id == "i"
    bench = Bench(Handler(find=[None]), "decide", decides="create", settle=120.0)
    assert bench.run().absent
    assert bench.clock.now() - 1_000_000.0 >= 120.0


def test_a_base_exception_leaves_the_intent():
    """It is as if the process had been killed."""
    assert isinstance(Bench(Handler(create=[KeyboardInterrupt()]), "create").run().fatal, KeyboardInterrupt)


def test_a_stop_ends_retrying():
    """The error so far is the outcome."""
    handler = Handler(delete=[DependencyViolationError("in use")])
    bench = Bench(handler, "delete", id="i")
    bench.stop.request()
    assert isinstance(bench.run().error, DependencyViolationError)
    assert handler.calls == ["delete"]


WRONG = [None, {"id": "i"}, Live(""), Live("i", {"x": object()}), Live("i", {"x": float("nan")})]


@pytest.mark.parametrize("given", WRONG)
def test_what_is_no_live_is_the_handlers_fault(given):
    """Wrong values never reach state."""
    outcome = Bench(Handler(create=[given], find=[None]), "create").run()
    assert outcome.error is not None
    assert "net/a" in str(outcome.error)


def test_a_handler_is_told_what_is_secret_and_when_nobody_waits_any_more():
    """Inputs come in clear, and beside them as state holds them; the second request to stop shows."""
    told = []

    def create(ctx):
        told.append((ctx.inputs, ctx.cancelled, ctx.aborted))
        bench.stop.request()
        told.append((ctx.cancelled, ctx.aborted))
        bench.stop.request()
        told.append((ctx.cancelled, ctx.aborted))
        return Live("i-1")

    inputs = {"password": Secret("hunter22")}
    bench = Bench(Handler(create=[create]), "create", guard=Record("net/a", "t:T", "", inputs=inputs))
    bench.run()
    assert told == [(inputs, False, False), (True, False), (True, True)]
