"""Log groups, by the real client against moto over HTTP."""

from __future__ import annotations

import pytest

from iaclib.aws.handlers.logs import LogGroupHandler
from iaclib.errors import ConflictError

GROUP = LogGroupHandler()
KEY = "arn:aws:kms:eu-west-1:123456789012:key/mine"
PLAIN = {"log_group_name": "/app/web"}
WIDE = {**PLAIN, "retention_in_days": 30, "kms_key_id": KEY, "log_group_class": "STANDARD", "tags": {"team": "web"}}


def seen(inputs):
    """Leave out the class, of which moto says nothing."""
    return {field: value for field, value in inputs.items() if field != "log_group_class"}


def test_a_log_group_shows_what_was_declared(ctx):
    """A log group reads back as it was declared; its ARN ends as CloudFormation gives it."""
    live = GROUP.create(ctx(), WIDE)
    assert live.id == "/app/web"
    assert live.inputs == seen(WIDE)
    assert live.outputs == {"arn": "arn:aws:logs:eu-west-1:123456789012:log-group:/app/web:*"}


def test_the_class_is_shown_where_aws_tells_it(ctx, monkeypatch):
    """The class of a group is read, and what is not told counts as not readable."""
    GROUP.create(ctx(), WIDE)
    assert "log_group_class" not in GROUP.read(ctx(), "/app/web").inputs
    described = GROUP._described
    told = lambda step, name: {**described(step, name), "logGroupClass": "STANDARD"}
    monkeypatch.setattr(GROUP, "_described", told)
    assert GROUP.read(ctx(), "/app/web").inputs == WIDE


def test_groups_with_the_same_beginning_are_told_apart(ctx):
    """The prefix search of the API does not mix up names."""
    GROUP.create(ctx(), {"log_group_name": "/app/web-2"})
    assert GROUP.read(ctx(), "/app/web") is None
    assert GROUP.find(ctx(), PLAIN) is None


def test_a_log_group_is_updated_in_place(ctx):
    """Retention and tags change; unset ones go."""
    before = {field: value for field, value in WIDE.items() if field != "kms_key_id"}
    GROUP.create(ctx(), before)
    after = {**before, "retention_in_days": 7, "tags": {"env": "prod"}}
    empty = {"retention_in_days": None, "kms_key_id": None, "tags": None}
    assert GROUP.update(ctx(), "/app/web", before, after).inputs == {**empty, **seen(after)}
    assert GROUP.update(ctx(), "/app/web", before, after).inputs == {**empty, **seen(after)}
    assert GROUP.update(ctx(), "/app/web", after, PLAIN).inputs == {**empty, **PLAIN}
    assert GROUP.update(ctx(), "/app/web", PLAIN, before).inputs == {**empty, **seen(before)}


def test_the_key_of_a_log_group_changes(ctx, provider, monkeypatch):
    """A key is exchanged in one call and taken away in another."""
    GROUP.create(ctx(), WIDE)
    client = provider.client("logs")
    call, sent = client.call, []

    def aws(operation, /, **params):  # moto has neither call
        if operation.endswith("associate_kms_key"):
            sent.append((operation, params))
            return {}
        return call(operation, **params)

    monkeypatch.setattr(client, "call", aws)
    GROUP.update(ctx(), "/app/web", WIDE, {**WIDE, "kms_key_id": f"{KEY}-2"})
    GROUP.update(ctx(), "/app/web", WIDE, PLAIN)
    assert sent == [
        ("associate_kms_key", {"logGroupName": "/app/web", "kmsKeyId": f"{KEY}-2"}),
        ("disassociate_kms_key", {"logGroupName": "/app/web"}),
    ]


def test_find_finishes_a_group_that_was_cut_short(ctx):
    """A group whose retention was not set yet gets it, from its own step only."""
    step = ctx()
    GROUP.make(step, WIDE)
    assert GROUP.find(ctx(), WIDE) is None
    assert GROUP.find(step, WIDE).inputs == seen(WIDE)
    assert GROUP.create(step, WIDE).inputs == seen(WIDE)
    with pytest.raises(ConflictError) as caught:
        GROUP.create(ctx(), WIDE)
    assert caught.value.existing_id == "/app/web"


def test_a_deleted_log_group_is_gone(ctx):
    """Deleting twice is success."""
    GROUP.create(ctx(), WIDE)
    GROUP.delete(ctx(), "/app/web")
    assert GROUP.read(ctx(), "/app/web") is None
    GROUP.delete(ctx(), "/app/web")
