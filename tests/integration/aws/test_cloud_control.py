"""Types without a handler of their own, by the real SDK against a stand-in that holds them to their schemas."""

from __future__ import annotations

import json

import pytest

import iaclib as iac
from any_life import step
from any_type import all_types, facts_of, inputs_of
from cloud_control import Server
from iaclib.aws import kinesis, secretsmanager
from iaclib.aws.provider import Provider
from iaclib.aws.table import HANDLERS
from iaclib.errors import (
    ApplyFailed,
    ConflictError,
    CredentialsError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OperationTimeoutError,
    PartialFailure,
    ProviderError,
    QuotaError,
    ThrottledError,
    UndecidedError,
)
from iaclib.provider.context import Checkpoint
from virtual import VirtualClock

STREAM = {"name": "orders", "shard_count": 1}
ASKED = (None, {"try": 0, "at": 2e9})
LOGIN = "hunter2-and-more"


@pytest.fixture
def server(monkeypatch):
    """Give the stand-in."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with Server() as made:
        yield made


@pytest.fixture
def provider(server):
    """Give access to it."""
    return Provider(region="eu-west-1", endpoint_url=server.url)


@pytest.fixture
def stream(provider):
    """Give the handler of a type that takes tags."""
    return provider.handler("aws:kinesis:Stream")


class Streams(iac.Stack):
    """A stream and a secret."""

    shards: int = 1
    login: str = LOGIN

    def build(self) -> None:
        kinesis.Stream("stream", name="orders", shard_count=self.shards)
        secretsmanager.Secret("secret", name="login", secret_string=iac.secret(self.login))


def operations(server):
    """Name the calls that were made."""
    return [name for name, _ in server.cloud.calls]


def test_a_stack_is_made_kept_changed_and_deleted(server, provider):
    with iac.Engine(state="memory:", providers=[provider], _clock=VirtualClock()) as engine:
        assert engine.apply(Streams("prod")).ok
        assert not engine.plan(Streams("prod"), refresh=True)
        assert [str(one.action) for one in engine.apply(Streams("prod", shards=2)).steps] == ["update"]
        assert server.cloud.objects["AWS::Kinesis::Stream", "orders"]["ShardCount"] == 2
        engine.destroy("streams/prod")

    assert not server.cloud.objects


def test_waiting_follows_the_cloud(server, provider):
    server.cloud.polls = 3
    clock = VirtualClock()
    with iac.Engine(state="memory:", providers=[provider], _clock=clock) as engine:
        engine.apply(Streams("prod"))

    assert clock.slept.count(3.0) == 6  # the RetryAfter of each answer


def test_a_secret_reaches_the_cloud_and_no_message(server, provider):
    server.cloud.fail = ["InvalidRequest", "InvalidRequest"]  # the cloud's text quotes what was sent
    with iac.Engine(state="memory:", providers=[provider], _clock=VirtualClock()) as engine:
        with pytest.raises(ApplyFailed) as caught:
            engine.apply(Streams("prod"), continue_on_error=True)
        engine.apply(Streams("prod"))

    assert LOGIN not in "".join(map(str, [caught.value, *caught.value.exceptions]))
    assert server.cloud.objects["AWS::SecretsManager::Secret", next(iter(secrets(server)))]["SecretString"] == LOGIN


def secrets(server):
    """Give the ids of all secrets."""
    return [id for type, id in server.cloud.objects if type == "AWS::SecretsManager::Secret"]


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("AccessDenied", CredentialsError, False),
        ("NotHeardOfYet", ProviderError, False),
        ("AlreadyExists", ConflictError, False),
        ("GeneralServiceException", ProviderError, False),
        ("InternalFailure", ProviderError, True),
        ("InvalidCredentials", CredentialsError, False),
        ("InvalidRequest", InvalidRequestError, False),
        ("NetworkFailure", ProviderError, True),
        ("NotFound", NotFoundError, False),
        ("NotStabilized", ProviderError, True),
        ("NotUpdatable", InvalidRequestError, False),
        ("ResourceConflict", NotReadyError, True),
        ("ServiceInternalError", ProviderError, True),
        ("ServiceLimitExceeded", QuotaError, False),
        ("ServiceTimeout", ProviderError, True),
        ("Throttling", ThrottledError, True),
        ("UnauthorizedTaggingOperation", CredentialsError, False),
    ],
)
def test_every_failure_has_its_error(server, provider, stream, code, kind, retryable):
    server.cloud.fail = [code]
    with pytest.raises(kind) as caught:
        stream.create(step(provider, STREAM, []), STREAM)

    assert caught.value.retryable is retryable
    assert caught.value.facts["code"] == code
    assert not server.cloud.objects


def test_a_failed_request_is_made_anew_by_the_next_try(server, provider, stream):
    """Its client token leads to the failure alone."""
    server.cloud.fail = ["NotStabilized"]
    ctx = step(provider, STREAM, [])
    with pytest.raises(ProviderError):
        stream.create(ctx, STREAM)

    assert stream.create(ctx, STREAM).id == "orders"
    assert stream.create(ctx, STREAM).id == "orders"  # joins it
    assert len(server.cloud.objects) == 1


def test_what_a_failed_create_left_is_told(server, provider, stream):
    server.cloud.fail, server.cloud.leave = ["NotStabilized"], True
    with pytest.raises(PartialFailure) as caught:
        stream.create(step(provider, STREAM, []), STREAM)

    assert caught.value.live.id == "orders"


def test_somebody_elses_object_is_never_taken_over(server, provider, stream):
    server.cloud.objects["AWS::Kinesis::Stream", "orders"] = {"Name": "orders", "ShardCount": 9}
    with pytest.raises(ConflictError) as caught:
        stream.create(step(provider, STREAM, []), STREAM)

    assert caught.value.existing_id == "orders"
    assert stream.find(step(provider, STREAM, [ASKED]), STREAM) is None


def test_what_cannot_be_changed_says_how_to_replace_it(server, provider, stream):
    ctx = step(provider, STREAM, [])
    stream.create(ctx, STREAM)
    server.cloud.fail = ["NotUpdatable"]

    with pytest.raises(InvalidRequestError, match=r"plan\(replace="):
        stream.update(step(provider, STREAM, []), "orders", STREAM, STREAM | {"shard_count": 3})


def test_throttling_before_a_request_is_made(server, provider, stream):
    server.cloud.throttle = 1
    with pytest.raises(ThrottledError):
        stream.create(step(provider, STREAM, []), STREAM)


def test_a_type_that_the_cloud_does_not_have_is_not_an_object_that_is_gone(server, provider, stream, monkeypatch):
    from registry_rules import RefusedError

    def refuse(_given):
        raise RefusedError("TypeNotFoundException", "no such type")

    monkeypatch.setattr(server.cloud, "on_get_resource", refuse, raising=False)
    with pytest.raises(InvalidRequestError):
        stream.read(step(provider, STREAM, []), "orders")


def test_what_is_gone_reads_as_none_and_deletes(provider, stream):
    assert stream.read(step(provider, STREAM, []), "orders") is None
    stream.delete(step(provider, STREAM, []), "orders")


def test_what_is_in_use_says_so(server, provider, stream):
    stream.create(step(provider, STREAM, []), STREAM)
    server.cloud.fail = ["InvalidRequest"]
    server.cloud.said = "the stream has dependent objects: DependencyViolation"
    with pytest.raises(DependencyViolationError):
        stream.delete(step(provider, STREAM, []), "orders")


def test_time_is_up(server, provider, stream):
    server.cloud.polls = 10**6
    ctx = step(provider, STREAM, [])
    ctx.deadline = 0.0
    with pytest.raises(OperationTimeoutError, match="still works on request"):
        stream.create(ctx, STREAM)


def test_an_interrupted_create_is_resumed_by_its_request(server, provider, stream):
    noted = []
    ctx = step(provider, STREAM, noted)
    ctx.deadline = 0.0
    with pytest.raises(OperationTimeoutError):
        stream.create(ctx, STREAM)
    data = noted[-1][1]

    live = stream.resume(step(provider, STREAM, []), Checkpoint(None, json.loads(json.dumps(data))))

    assert live.id == "orders"


def test_an_interrupted_create_that_failed_is_absent(server, provider, stream):
    noted = []
    ctx = step(provider, STREAM, noted)
    ctx.deadline = 0.0
    with pytest.raises(OperationTimeoutError):
        stream.create(ctx, STREAM)
    server.cloud.fail = ["InvalidRequest"]

    assert stream.resume(step(provider, STREAM, []), Checkpoint(None, noted[-1][1])) is None


def test_a_request_that_the_cloud_forgot_is_found_by_its_mark(server, provider, stream):
    stream.create(step(provider, STREAM, []), STREAM)

    assert stream.resume(step(provider, STREAM, []), Checkpoint(None, {"request": "forgotten"})).id == "orders"


def test_objects_without_a_mark_are_never_guessed(server, provider):
    handler = provider.handler("aws:apigateway:Deployment")
    inputs = {"rest_api_id": "api"}
    assert handler.find(step(provider, inputs, [ASKED]), inputs) is None
    handler.create(step(provider, inputs, []), inputs)

    with pytest.raises(UndecidedError, match="look at them in AWS"):
        handler.find(step(provider, inputs, [ASKED]), inputs)
    assert handler.find(step(provider, inputs, []), inputs) is None  # it was killed before it asked


def test_a_create_that_failed_is_known_by_its_request(server, provider):
    """Whatever else was made of the type meanwhile."""
    handler, inputs, noted = provider.handler("aws:apigateway:Deployment"), {"rest_api_id": "api"}, []
    handler.create(step(provider, inputs, []), inputs)
    server.cloud.tokens.clear()
    server.cloud.fail = ["GeneralServiceException"]
    with pytest.raises(ProviderError):
        handler.create(step(provider, inputs, noted), inputs)

    assert handler.find(step(provider, inputs, noted), inputs) is None


def test_our_tags_and_those_of_others_stay(server, provider, stream):
    inputs = STREAM | {"tags": {"team": "shop", "stage": "one"}}
    stream.create(step(provider, inputs, []), inputs)
    model = server.cloud.objects["AWS::Kinesis::Stream", "orders"]
    model["Tags"].append({"Key": "theirs", "Value": "x"})

    live = stream.update(step(provider, inputs, []), "orders", inputs, STREAM | {"tags": {"team": "web"}})

    left = {one["Key"]: one["Value"] for one in server.cloud.objects["AWS::Kinesis::Stream", "orders"]["Tags"]}
    assert live.inputs["tags"] == {"team": "web", "theirs": "x"}
    assert set(left) == {"team", "theirs", "iaclib:urn", "iaclib:token"}


def test_nested_parts_that_only_a_create_takes_replace(provider):
    export = provider.handler("aws:bcmdataexports:Export")
    one = {"export": {"name": "a", "description": "x"}}

    assert set(export.replaces(one, {"export": {"name": "b", "description": "x"}})) == {"export"}
    assert not export.replaces(one, {"export": {"name": "a", "description": "y"}})


def test_case_that_the_cloud_changes_is_no_difference(provider):
    broker = provider.handler("aws:amazonmq:Broker")

    assert broker.normalise({"engine_type": "ActiveMQ"}) == broker.normalise({"engine_type": "ACTIVEMQ"})


def test_ids_of_several_parts_are_joined(provider):
    handler = provider.handler("aws:apigateway:Model")

    assert handler.identity({"rest_api_id": "api", "name": "pet"}) == "api|pet"
    assert handler.identity({"rest_api_id": "api"}) is None


def test_a_type_that_refuses_our_tags_is_not_given_them(server, provider):
    """Its objects are known by what else there is."""
    inputs = inputs_of("aws:sso:Application") | {"tags": {"team": "shop"}}
    handler = provider.handler("aws:sso:Application")

    live = handler.create(step(provider, inputs, []), inputs)

    (model,) = server.cloud.objects.values()
    assert model["Tags"] == [{"Key": "team", "Value": "shop"}]
    assert live.inputs["tags"] == {"team": "shop"}


def late():
    """Name a type whose create takes no tags."""
    return next(
        type
        for type in all_types()
        if type not in HANDLERS
        and (facts := facts_of(type)).tags is not None
        and not facts.cloud.tags.at_create
        and "update" in facts.cloud.handlers
    )


def test_tags_that_a_create_does_not_take_come_after_it_also_when_it_is_resumed(server, provider):
    inputs = inputs_of(late()) | {facts_of(late()).tags: {"team": "shop"}}
    handler, noted = provider.handler(late()), []
    ctx = step(provider, inputs, noted)
    ctx.deadline = 0.0
    with pytest.raises(OperationTimeoutError):
        handler.create(ctx, inputs)

    live = handler.resume(step(provider, inputs, []), Checkpoint(None, noted[-1][1]))

    assert live.inputs[facts_of(late()).tags] == {"team": "shop"}
    assert operations(server).count("UpdateResource") == 1
