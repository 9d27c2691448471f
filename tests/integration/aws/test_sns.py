"""Topics, by the real client against moto over HTTP."""

from __future__ import annotations

import pytest

from iaclib.aws.handlers.sns import TopicHandler
from iaclib.errors import ConflictError

TOPIC = TopicHandler()
MAIL = {"endpoint": "ann@example.com", "protocol": "email"}
HOOK = {"endpoint": "https://example.com/hook", "protocol": "https"}
QUEUE = {"endpoint": "arn:aws:sqs:eu-west-1:123456789012:jobs", "protocol": "sqs"}
PLAIN = {"topic_name": "news"}
WIDE = {
    "topic_name": "news",
    "display_name": "News",
    "kms_master_key_id": "alias/mine",
    "subscription": [HOOK, MAIL],
    "tags": {"team": "web"},
}


@pytest.fixture(autouse=True)
def queue(provider):
    provider.client("sqs").call("create_queue", QueueName="jobs")


def shown(live, like):
    seen = {field: live.inputs[field] for field in like}
    if seen.get("subscription"):
        seen["subscription"] = sorted(seen["subscription"], key=lambda one: one["protocol"], reverse=True)
    return seen


def sub(*ones):
    return sorted(ones, key=lambda one: one["protocol"], reverse=True)


def test_a_topic_shows_what_was_declared(ctx):
    """A topic reads back as it was declared, with its subscriptions; its id is its ARN."""
    live = TOPIC.create(ctx(), WIDE)
    assert live.id == "arn:aws:sns:eu-west-1:123456789012:news"
    assert live.outputs == {"topic_arn": live.id}
    assert shown(live, WIDE) == WIDE


def test_a_fifo_topic_gets_its_ending(ctx):
    """The name of a FIFO topic ends in .fifo, given or not."""
    inputs = {"topic_name": "orders", "fifo_topic": True, "content_based_deduplication": True}
    step = ctx()
    live = TOPIC.create(step, inputs)
    assert shown(live, inputs) == {**inputs, "topic_name": "orders.fifo"}
    assert TOPIC.find(step, inputs).id == live.id


def test_a_topic_is_updated_in_place(ctx):
    """Attributes, subscriptions and tags follow the declaration."""
    live = TOPIC.create(ctx(), WIDE)
    after = {
        **WIDE,
        "display_name": "Fresh news",
        "kms_master_key_id": "alias/other",
        "subscription": sub(QUEUE, HOOK),
        "tags": {"env": "prod"},
    }
    assert shown(TOPIC.update(ctx(), live.id, WIDE, after), after) == after
    assert shown(TOPIC.update(ctx(), live.id, WIDE, after), after) == after


def test_attributes_that_only_aws_tells(ctx, provider, monkeypatch):
    """Signing and tracing are sent, shown where AWS tells them, and set back when they are unset."""
    client = provider.client("sns")
    call, sent = client.call, []
    told = {"SignatureVersion": "2", "TracingConfig": "Active"}

    def aws(operation, /, **params):
        sent.append((operation, params))
        answer = call(operation, **params)
        if operation == "get_topic_attributes":
            answer["Attributes"] |= told
        return answer

    monkeypatch.setattr(client, "call", aws)
    before = {**PLAIN, "signature_version": "2", "tracing_config": "Active"}
    live = TOPIC.create(ctx(), before)
    assert shown(live, before) == before
    assert next(params for name, params in sent if name == "create_topic")["Attributes"] == told
    sent.clear()
    TOPIC.update(ctx(), live.id, before, PLAIN)
    changes = [params for name, params in sent if name == "set_topic_attributes"]
    assert [(one["AttributeName"], one["AttributeValue"]) for one in changes] == [
        ("SignatureVersion", "1"),
        ("TracingConfig", "PassThrough"),
    ]


def test_what_is_no_longer_declared_is_unset(ctx):
    """Leaving properties out of the program sets AWS's defaults and unsubscribes."""
    live = TOPIC.create(ctx(), WIDE)
    updated = TOPIC.update(ctx(), live.id, WIDE, PLAIN)
    assert updated.inputs["display_name"] is None
    assert updated.inputs["kms_master_key_id"] is None
    assert updated.inputs["subscription"] is None
    assert updated.inputs["tags"] is None


def test_subscriptions_of_others_stay_unless_the_list_is_declared(ctx, provider):
    """A topic that declares no subscriptions leaves them to others."""
    live = TOPIC.create(ctx(), PLAIN)
    provider.client("sns").call("subscribe", TopicArn=live.id, Protocol="sqs", Endpoint=QUEUE["endpoint"])
    updated = TOPIC.update(ctx(), live.id, PLAIN, {**PLAIN, "display_name": "x"})
    assert updated.inputs["subscription"] == [QUEUE]


def test_an_unconfirmed_subscription_is_left_to_aws(ctx, monkeypatch):
    """A subscription that waits for confirmation can't be removed, which is logged and no error."""
    said = []
    step = ctx(log=said.append)
    live = TOPIC.create(step, WIDE)
    pending = {"SubscriptionArn": "PendingConfirmation", "Endpoint": MAIL["endpoint"], "Protocol": "email"}
    monkeypatch.setattr(TOPIC, "_subscribed", lambda _ctx, _id: [pending])
    TOPIC.update(step, live.id, WIDE, {**WIDE, "subscription": []})
    assert said
    assert MAIL["endpoint"] not in said[0]


def test_find_finishes_a_topic_that_was_cut_short(ctx):
    """What a killed create left is subscribed when it is found, by its own step only."""
    step = ctx()
    TOPIC.make(step, WIDE)
    assert TOPIC.find(ctx(), WIDE) is None
    assert shown(TOPIC.find(step, WIDE), WIDE) == WIDE
    assert shown(TOPIC.create(step, WIDE), WIDE) == WIDE
    with pytest.raises(ConflictError) as caught:
        TOPIC.create(ctx(), WIDE)
    assert caught.value.existing_id.endswith(":news")


def test_more_subscriptions_than_a_page_are_all_shown(ctx):
    """Subscriptions are followed over all pages."""
    many = [{"endpoint": f"https://example.com/{number}", "protocol": "https"} for number in range(105)]
    live = TOPIC.create(ctx(), {**PLAIN, "subscription": many})
    assert len(live.inputs["subscription"]) == 105


def test_a_deleted_topic_is_gone(ctx):
    """Deleting twice is success."""
    live = TOPIC.create(ctx(), WIDE)
    TOPIC.delete(ctx(), live.id)
    assert TOPIC.read(ctx(), live.id) is None
    TOPIC.delete(ctx(), live.id)
