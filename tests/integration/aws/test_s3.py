"""Buckets and their policies, by the real client against moto over HTTP."""

from __future__ import annotations

import json

import pytest

from iaclib.aws.handlers.s3 import BucketHandler, BucketPolicyHandler, same_policy
from iaclib.aws.provider import Provider
from iaclib.errors import ConflictError, InvalidRequestError, PartialFailure
from iaclib.model.values import Secret
from iaclib.provider.context import Checkpoint

BUCKET, POLICY = BucketHandler(), BucketPolicyHandler()
LIFECYCLE = {
    "rules": [
        {
            "id": "logs",
            "status": "Enabled",
            "prefix": "logs/",
            "tag_filters": [{"key": "kind", "value": "log"}],
            "expiration_in_days": 90,
            "transitions": [{"storage_class": "GLACIER", "transition_in_days": 30}],
            "noncurrent_version_expiration": {"noncurrent_days": 7},
            "noncurrent_version_transitions": [{"storage_class": "STANDARD_IA", "transition_in_days": 30}],
        },
        {"id": "uploads", "status": "Disabled", "abort_incomplete_multipart_upload": {"days_after_initiation": 3}},
        {"id": "dated", "status": "Enabled", "prefix": "old/", "expiration_date": "2030-01-01T00:00:00Z"},
    ]
}
ENCRYPTION = {
    "server_side_encryption_configuration": [
        {
            "server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": "alias/mine"},
            "bucket_key_enabled": True,
        }
    ]
}
BLOCK = {
    "block_public_acls": True,
    "block_public_policy": True,
    "ignore_public_acls": True,
    "restrict_public_buckets": False,
}
WIDE = {
    "bucket_name": "assets-1",
    "versioning_configuration": {"status": "Enabled"},
    "bucket_encryption": ENCRYPTION,
    "public_access_block_configuration": BLOCK,
    "ownership_controls": {"rules": [{"object_ownership": "BucketOwnerEnforced"}]},
    "lifecycle_configuration": LIFECYCLE,
    "tags": {"team": "web"},
}
LEAST = {"bucket_name": "assets-1"}


class Record:
    """What a handler sees of a record."""

    def __init__(self, **inputs):
        self.inputs = inputs


@pytest.fixture
def calls(provider, monkeypatch):
    """Give the list of writing operations called from now on."""
    client = provider.client("s3")
    log, call = [], client.call

    def counted(operation, /, **params):
        if not operation.startswith(("get", "head", "list")):
            log.append(operation)
        return call(operation, **params)

    monkeypatch.setattr(client, "call", counted)
    return log


def test_a_bucket_shows_what_was_declared(ctx):
    """Every setting comes back from a read in the declared shape."""
    made = BUCKET.create(ctx(), WIDE)
    assert made.id == "assets-1"
    assert BUCKET.read(ctx(), "assets-1").inputs == WIDE
    assert made.outputs == {
        "arn": "arn:aws:s3:::assets-1",
        "domain_name": "assets-1.s3.amazonaws.com",
        "dual_stack_domain_name": "assets-1.s3.dualstack.eu-west-1.amazonaws.com",
        "regional_domain_name": "assets-1.s3.eu-west-1.amazonaws.com",
        "website_url": "http://assets-1.s3-website-eu-west-1.amazonaws.com",
    }


def test_the_home_region_names_no_location(ctx, moto):
    """A bucket in us-east-1 is made without the location that S3 refuses there."""
    home = Provider(region="us-east-1", endpoint_url=moto)
    made = BUCKET.create(ctx(provider=home), LEAST)
    assert made.outputs["regional_domain_name"] == "assets-1.s3.us-east-1.amazonaws.com"


def test_a_bucket_is_made_once_for_a_token(ctx):
    """A repeated create goes on where it was; another step's bucket is a conflict with its id."""
    step = ctx(token="a" * 32)
    BUCKET.create(step, LEAST)
    assert BUCKET.create(step, WIDE).inputs == WIDE
    assert BUCKET.find(step, LEAST).id == BUCKET.identity(LEAST) == "assets-1"
    assert BUCKET.find(ctx(), LEAST) is None
    with pytest.raises(ConflictError) as caught:
        BUCKET.create(ctx(), LEAST)
    assert caught.value.existing_id == "assets-1"


def test_an_interrupted_create_is_noted_repairable_and_resumed(ctx, monkeypatch, provider):
    """The id and what is left to do are noted; resume or an update finish the bucket."""
    client = provider.client("s3")
    call, noted = client.call, []

    def refuse(operation, /, **params):
        if operation == "put_bucket_versioning":
            raise InvalidRequestError("no")
        return call(operation, **params)

    monkeypatch.setattr(client, "call", refuse)
    step = ctx(token="b" * 32, checkpoint=lambda *known: noted.append(Checkpoint(*known)))
    with pytest.raises(PartialFailure) as caught:
        BUCKET.create(step, WIDE)
    monkeypatch.undo()
    assert caught.value.repairable
    assert caught.value.live.id == "assets-1"
    assert BUCKET.read(ctx(), "assets-1").inputs != WIDE
    assert BUCKET.resume(step, noted[-1]).inputs == WIDE
    assert BUCKET.resume(ctx(), Checkpoint("no-such-bucket", noted[-1].data)) is None


def test_a_secret_never_enters_a_checkpoint(ctx):
    """Where an input is secret, only the id is noted."""
    noted = []
    BUCKET.create(ctx(checkpoint=lambda _, data: noted.append(data)), {**LEAST, "tags": {"a": Secret("hidden")}})
    assert noted == [None]
    assert BUCKET.read(ctx(), "assets-1").inputs["tags"] == {"a": "hidden"}


def test_an_update_writes_only_what_differs(ctx, calls):
    """Each setting has its own call, and what is as declared is not written."""
    BUCKET.create(ctx(), WIDE)
    calls.clear()
    after = {**WIDE, "versioning_configuration": {"status": "Suspended"}, "tags": {"team": "ops", "more": "yes"}}
    live = BUCKET.update(ctx(), "assets-1", WIDE, after)
    assert calls == ["put_bucket_versioning", "put_bucket_tagging"]
    assert live.inputs == after
    calls.clear()
    BUCKET.update(ctx(), "assets-1", WIDE, after)
    assert calls == []


def test_what_is_unset_again_goes_back_to_a_new_buckets(ctx, calls):
    """Dropped settings are reset to what new buckets have; undeclared ones are left alone."""
    BUCKET.create(ctx(), WIDE)
    record = Record(**{key: value for key, value in WIDE.items() if key != "lifecycle_configuration"})
    live = BUCKET.update(ctx(record=record), "assets-1", WIDE, LEAST)
    assert live.inputs["versioning_configuration"] == {"status": "Suspended"}
    assert set(live.inputs["public_access_block_configuration"].values()) == {True}
    assert live.inputs["bucket_encryption"] != ENCRYPTION
    assert live.inputs["lifecycle_configuration"] == LIFECYCLE  # was not in the record, so somebody else's
    assert live.inputs["tags"] is None
    BUCKET.update(ctx(record=Record(**WIDE)), "assets-1", WIDE, LEAST)
    assert BUCKET.read(ctx(), "assets-1").inputs["lifecycle_configuration"] is None


def test_tags_of_others_and_our_own_survive(ctx, provider):
    """S3 takes only whole sets of tags, so an update sends along what is not the user's."""
    step = ctx(token="c" * 32)
    BUCKET.create(step, {**LEAST, "tags": {"a": "1"}})
    client = provider.client("s3")
    there = client.call("get_bucket_tagging", Bucket="assets-1")["TagSet"]
    client.call("put_bucket_tagging", Bucket="assets-1", Tagging={"TagSet": [*there, {"Key": "other", "Value": "x"}]})
    live = BUCKET.update(ctx(), "assets-1", {"tags": {"a": "1"}}, {**LEAST, "tags": {"b": "2"}})
    assert live.inputs["tags"] == {"b": "2", "other": "x"}
    assert BUCKET.find(step, LEAST) is not None


def test_a_bucket_that_holds_something_is_deleted_only_on_demand(ctx, provider):
    """Without ``empty`` the error names the option; with it every version and marker goes, over all pages."""
    BUCKET.create(ctx(), {**LEAST, "versioning_configuration": {"status": "Enabled"}})
    client = provider.client("s3")
    for number in range(3):
        client.call("put_object", Bucket="assets-1", Key=f"a b/{number}é", Body=b"1")
        client.call("put_object", Bucket="assets-1", Key=f"a b/{number}é", Body=b"2")
    client.call("delete_object", Bucket="assets-1", Key="a b/0é")
    with pytest.raises(InvalidRequestError, match="on_delete"):
        BUCKET.delete(ctx(), "assets-1")
    assert BUCKET.read(ctx(), "assets-1") is not None
    BUCKET.delete(ctx(on_delete={"empty": True}), "assets-1")
    assert BUCKET.read(ctx(), "assets-1") is None
    BUCKET.delete(ctx(), "assets-1")


def test_more_objects_than_a_page_are_emptied(ctx, monkeypatch, provider):
    """Emptying follows pages and deletes in batches."""
    monkeypatch.setattr("iaclib.aws.handlers.s3._BATCH", 2)
    BUCKET.create(ctx(), LEAST)
    client = provider.client("s3")
    for number in range(5):
        client.call("put_object", Bucket="assets-1", Key=str(number), Body=b"")
    items = client.items
    monkeypatch.setattr(client, "items", lambda *names, **params: items(*names, **params, MaxKeys=2))
    BUCKET.delete(ctx(on_delete={"empty": True}), "assets-1")
    assert BUCKET.read(ctx(), "assets-1") is None


def document(**more):
    """Give a policy with one statement."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "123456789012"},
        "Action": ["s3:GetObject"],
        "Resource": "arn:aws:s3:::assets-1/*",
    }
    return {"Version": "2012-10-17", "Statement": [{**statement, **more}]}


def test_a_policy_lives_and_dies(ctx):
    """A policy is put, shown as a mapping, replaced and deleted; text and mapping are the same."""
    BUCKET.create(ctx(), LEAST)
    assert POLICY.read(ctx(), "assets-1") is None
    inputs = {"bucket": "assets-1", "policy_document": document()}
    made = POLICY.create(ctx(), inputs)
    assert made.id == POLICY.identity(inputs) == "assets-1"
    assert POLICY.normalise(made.inputs) == POLICY.normalise(inputs)
    text = {"bucket": "assets-1", "policy_document": json.dumps(document(Action="s3:PutObject"))}
    live = POLICY.update(ctx(), "assets-1", inputs, text)
    assert live.inputs["policy_document"]["Statement"][0]["Action"] == "s3:PutObject"
    POLICY.delete(ctx(), "assets-1")
    assert POLICY.read(ctx(), "assets-1") is None
    POLICY.delete(ctx(), "assets-1")
    BUCKET.delete(ctx(), "assets-1")
    POLICY.delete(ctx(), "assets-1")
    assert POLICY.read(ctx(), "assets-1") is None


def test_policies_are_compared_by_what_they_mean():
    """Order of actions, lists of one and account ids make no difference; other actions do."""
    one = document(Action=["s3:GetObject", "s3:PutObject"])
    other = document(Action=["s3:PutObject", "s3:GetObject"], Principal={"AWS": ["arn:aws:iam::123456789012:root"]})
    assert same_policy(one) == same_policy(json.dumps(other))
    assert same_policy(one) != same_policy(document())
    assert same_policy("no json") == "no json"


def test_a_secret_policy_stays_secret(ctx):
    """A secret document is sent, and compares as a secret."""
    BUCKET.create(ctx(), LEAST)
    hidden = Secret(json.dumps(document()))
    made = POLICY.create(ctx(), {"bucket": "assets-1", "policy_document": hidden})
    assert same_policy(made.inputs["policy_document"]) == same_policy(document())
    assert isinstance(POLICY.normalise({"policy_document": hidden})["policy_document"], Secret)
