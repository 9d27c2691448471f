"""Queues, by the real client against moto over HTTP."""

from __future__ import annotations

import json

import pytest

from iaclib.aws.handlers.sqs import QueueHandler
from iaclib.errors import ConflictError, NotReadyError
from iaclib.model.values import Secret

QUEUE = QueueHandler()
PLAIN = {"queue_name": "jobs"}


def wide(dead):
    return {
        "queue_name": "jobs",
        "delay_seconds": 5,
        "maximum_message_size": 2048,
        "message_retention_period": 600,
        "receive_message_wait_time_seconds": 10,
        "redrive_policy": {"deadLetterTargetArn": dead, "maxReceiveCount": 4},
        "visibility_timeout": 45,
        "kms_master_key_id": "alias/mine",
        "kms_data_key_reuse_period_seconds": 600,
        "tags": {"team": "web"},
    }


@pytest.fixture
def dead(ctx):
    return QUEUE.create(ctx(), {"queue_name": "dead"}).outputs["arn"]


def shown(live, like):
    return {field: live.inputs[field] for field in like}


def test_a_queue_shows_what_was_declared(ctx, dead):
    """A queue reads back as it was declared; its id is its URL."""
    live = QUEUE.create(ctx(), wide(dead))
    assert shown(live, wide(dead)) == wide(dead)
    assert live.id.endswith("/jobs")
    assert live.outputs == {"arn": dead.replace("dead", "jobs"), "queue_url": live.id}
    assert live.ready


def test_a_fifo_queue_gets_its_ending(ctx):
    """The name of a FIFO queue ends in .fifo, given or not."""
    inputs = {
        "queue_name": "orders",
        "fifo_queue": True,
        "content_based_deduplication": True,
        "deduplication_scope": "messageGroup",
        "fifo_throughput_limit": "perMessageGroupId",
    }
    step = ctx()
    live = QUEUE.create(step, inputs)
    assert shown(live, inputs) == {**inputs, "queue_name": "orders.fifo"}
    assert QUEUE.find(step, inputs).id == live.id
    assert QUEUE.find(step, {**inputs, "queue_name": "orders.fifo"}).id == live.id


def test_a_queue_is_updated_in_place(ctx, dead):
    """Changed attributes are set in one call, and reading shows them."""
    before = wide(dead)
    live = QUEUE.create(ctx(), before)
    after = {
        **before,
        "delay_seconds": 0,
        "visibility_timeout": 60,
        "redrive_policy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": "7"}),
        "tags": {"env": "prod"},
    }
    updated = QUEUE.update(ctx(), live.id, before, after)
    assert shown(updated, after) == QUEUE.normalise(after)
    assert shown(QUEUE.read(ctx(), live.id), after) == QUEUE.normalise(after)


def test_attributes_that_are_no_longer_declared_get_their_defaults(ctx, dead):
    """Leaving attributes out of the program sets what AWS takes by itself."""
    before = {key: value for key, value in wide(dead).items() if not key.startswith("kms")}
    live = QUEUE.create(ctx(), before)
    updated = QUEUE.update(ctx(), live.id, before, PLAIN)
    assert updated.inputs["visibility_timeout"] == 30
    assert updated.inputs["delay_seconds"] == 0
    assert updated.inputs["message_retention_period"] == 345600
    assert updated.inputs["redrive_policy"] is None
    assert updated.inputs["tags"] is None
    read = QUEUE.read(ctx(), live.id)
    assert read.inputs["visibility_timeout"] == 30
    assert read.inputs["redrive_policy"] is None


def test_an_update_that_differs_in_nothing_writes_nothing(ctx, dead, provider, monkeypatch):
    """Repeating an update makes no further write call."""
    before = wide(dead)
    live = QUEUE.create(ctx(), before)
    after = {**before, "delay_seconds": 9}
    QUEUE.update(ctx(), live.id, before, after)
    client = provider.client("sqs")
    calls, call = [], client.call
    monkeypatch.setattr(client, "call", lambda name, /, **params: calls.append(name) or call(name, **params))
    QUEUE.update(ctx(), live.id, before, after)
    assert set(calls) == {"get_queue_attributes", "list_queue_tags"}


def test_a_create_is_repeated_by_its_step_only(ctx):
    """The token gives the same queue again; for any other step it is a conflict naming the URL."""
    step = ctx()
    live = QUEUE.create(step, PLAIN)
    assert QUEUE.create(step, PLAIN).id == live.id
    assert QUEUE.find(step, PLAIN).id == live.id
    assert QUEUE.find(ctx(), PLAIN) is None
    with pytest.raises(ConflictError) as caught:
        QUEUE.create(ctx(), PLAIN)
    assert caught.value.existing_id == live.id


def test_drift_shows(ctx, provider):
    """A setting changed behind our back is read, and our own tags are not shown."""
    live = QUEUE.create(ctx(), {**PLAIN, "delay_seconds": 5})
    provider.client("sqs").call("set_queue_attributes", QueueUrl=live.id, Attributes={"DelaySeconds": "7"})
    read = QUEUE.read(ctx(), live.id)
    assert read.inputs["delay_seconds"] == 7
    assert read.inputs["tags"] is None


def test_a_deleted_queue_is_gone(ctx):
    """Delete waits until the queue no longer shows, and doing it again is success."""
    live = QUEUE.create(ctx(), PLAIN)
    QUEUE.delete(ctx(), live.id)
    assert QUEUE.read(ctx(), live.id) is None
    QUEUE.delete(ctx(), live.id)


def test_a_name_deleted_a_moment_ago_is_tried_again(ctx, provider, monkeypatch):
    """AWS's refusal of a name within 60 seconds of its deletion is an error worth retrying."""
    from botocore.exceptions import ClientError

    client = provider.client("sqs")

    def refuse(**_params):
        error = {"Code": "AWS.SimpleQueueService.QueueDeletedRecently", "Message": "wait 60 seconds"}
        raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}, "CreateQueue")

    monkeypatch.setattr(client._boto, "create_queue", refuse)
    with pytest.raises(NotReadyError) as caught:
        QUEUE.create(ctx(), PLAIN)
    assert caught.value.retryable


def test_a_secret_attribute_is_sent_opened(ctx):
    """A secret reaches AWS as what it is."""
    live = QUEUE.create(ctx(), {**PLAIN, "kms_master_key_id": Secret("alias/hidden")})
    assert live.inputs["kms_master_key_id"] == "alias/hidden"
