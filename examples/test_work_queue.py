"""The component, tested without a cloud: by itself, and inside a stack that uses it."""

from __future__ import annotations

import pytest
from work_queue import WorkQueue, every_queue_keeps_its_dead

import iaclib as iac
from iaclib.aws import sqs
from iaclib.errors import ApplyFailed, DeclarationError
from iaclib.testing import check
from iaclib.testing.contracts import ComponentContract


class Mail(iac.Stack):
    """A stack as users write it."""

    attempts: int = 5

    def build(self) -> None:
        work = WorkQueue("work", attempts=self.attempts, tags={"team": "mail"})
        self.export(url=work.queue_url, dead=work.dead_url)


class TestWorkQueue(ComponentContract):
    """It declares the same twice, touches nothing, and gets through failures."""

    def declare(self) -> None:
        WorkQueue("work")


def test_what_fails_goes_to_the_dead_letter_queue(sim):
    """By its ARN, after as many tries as were asked for."""
    dead, queue = sim.apply(Mail("test", attempts=3)).resources(sqs.Queue)
    assert dead.address == "work/dead"
    assert queue.redrive_policy == {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 3}
    assert queue.tags == {"team": "mail"}


def test_more_attempts_change_the_queue_in_place(sim):
    """No message is lost."""
    sim.apply(Mail("test"))
    plan = sim.plan(Mail("test", attempts=9))
    assert plan.updates() == ["work/queue"]
    assert not plan.replaces()


def test_queues_keep_the_rule(sim):
    """Those of the component do, one without a dead-letter queue does not."""
    check(sim.plan(Mail("test")), every_queue_keeps_its_dead)
    with iac.Stack("bare", project="mail") as bare:
        sqs.Queue("lost")
    with pytest.raises(AssertionError, match="lost: what fails here is lost"):
        check(sim.plan(bare), every_queue_keeps_its_dead)


def test_mistakes_say_where_they_are(sim):
    """A wrong type is found while declaring, a value out of range as well."""
    with pytest.raises(DeclarationError, match="visibility_timeout"), iac.Stack("test", project="mail"):
        WorkQueue("work", seconds=99_999)
    sim.fail("create", "work/dead")
    with pytest.raises(ApplyFailed) as caught:
        sim.apply(Mail("test"))
    assert "work/dead: create failed" in str(caught.value.run.errors[0])
