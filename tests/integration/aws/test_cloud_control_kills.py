"""Runs that are killed around a call to Cloud Control: the next one leaves exactly what was declared."""

from __future__ import annotations

import time

import pytest

import iaclib as iac
from any_life import Fragile, Killed, step
from cloud_control import Cloud, Server
from iaclib.aws import apigateway, kinesis
from iaclib.aws.provider import Provider
from iaclib.errors import ConflictError, InvalidRequestError, OperationTimeoutError, UndecidedError
from iaclib.provider.context import Checkpoint
from registry_rules import RefusedError
from virtual import VirtualClock

#: A type with neither tags nor an id that its inputs lead to.
BARE = "aws:apigateway:Deployment"
INPUTS = {"rest_api_id": "api"}


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


class Deployed(iac.Stack):
    """Two deployments that nothing tells apart."""

    note: str = "one"
    both: bool = True

    def build(self):
        apigateway.Deployment("a", rest_api_id="api", description=self.note)
        if self.both:
            apigateway.Deployment("b", rest_api_id="api", description=self.note)


class Streams(iac.Stack):
    """A stream."""

    shards: int = 1

    def build(self):
        kinesis.Stream("stream", name="orders", shard_count=self.shards)


def engine(state, provider):
    """Give an engine."""
    return iac.Engine(state=state, providers=[provider], parallelism=1, _clock=VirtualClock())


def killed_at(state, server, at, *, after, what):
    """Do something in a process that is killed around its ``at``-th call; tell whether it came so far."""
    dying = Provider(region="eu-west-1", endpoint_url=server.url)
    fragile, whole = Fragile(dying.client("cloudcontrol"), at, after), dying.client
    dying.client = lambda service: fragile if service == "cloudcontrol" else whole(service)
    with engine(state, dying) as running:
        try:
            what(running)
        except Killed:
            return True
    return False


def finished(server, operation):
    """Count the requests of a kind that succeeded."""
    return sum(one["operation"] == operation and one["status"] == "SUCCESS" for one in server.cloud.requests.values())


def every_kill(tmp_path, server, provider, *, before, what):
    """Begin anew for every call, before and after which what is done is killed."""
    for at in range(1, 30):
        for after in (False, True):
            server.cloud.forget()
            state = f"sqlite:///{tmp_path}/{at}-{after}.db"
            with engine(state, provider) as whole:
                before(whole)
            if not killed_at(state, server, at, after=after, what=what):
                assert at > 2
                return
            with engine(state, provider) as whole:
                yield whole
    raise AssertionError("it never ends")


def test_creates_that_nothing_tells_apart_happen_once(tmp_path, server, provider):
    """The one after whose call nothing was noted is repeated with its token."""
    for whole in every_kill(
        tmp_path, server, provider, before=lambda _: None, what=lambda running: running.apply(Deployed("prod"))
    ):
        whole.apply(Deployed("prod"))

        assert len(server.cloud.objects) == finished(server, "CREATE") == 2
        assert not whole.plan(Deployed("prod"))


def test_a_killed_create_leaves_nothing_behind_although_the_program_wants_something_else_now(
    tmp_path, server, provider
):
    for whole in every_kill(
        tmp_path, server, provider, before=lambda _: None, what=lambda running: running.apply(Deployed("prod"))
    ):
        whole.apply(Deployed("prod", note="two", both=False))

        (model,) = server.cloud.objects.values()
        assert model["Description"] == "two"
        assert not whole.plan(Deployed("prod", note="two", both=False))


def test_a_killed_update_is_made_once_more_or_known_to_be_done(tmp_path, server, provider):
    for whole in every_kill(
        tmp_path,
        server,
        provider,
        before=lambda first: first.apply(Streams("prod")),
        what=lambda running: running.apply(Streams("prod", shards=2)),
    ):
        whole.apply(Streams("prod", shards=2))

        (model,) = server.cloud.objects.values()
        assert model["ShardCount"] == 2
        assert finished(server, "CREATE") == 1
        assert not whole.plan(Streams("prod", shards=2), refresh=True)


def test_a_killed_delete_is_made_once(tmp_path, server, provider):
    for whole in every_kill(
        tmp_path,
        server,
        provider,
        before=lambda first: first.apply(Streams("prod")),
        what=lambda running: running.destroy("streams/prod"),
    ):
        whole.destroy("streams/prod")

        assert not server.cloud.objects
        assert finished(server, "DELETE") == 1
        assert not whole.snapshot("streams/prod").records


def test_a_token_that_aws_has_forgotten_makes_no_second_object(server, provider):
    handler, noted = provider.handler(BARE), []
    ctx = step(provider, INPUTS, noted)
    handler.create(ctx, INPUTS)
    tried = noted[0][1] | {"at": noted[0][1]["at"] - 40 * 3600}

    with pytest.raises(UndecidedError, match="look at them in AWS"):
        handler.resume(step(provider, INPUTS, []), Checkpoint(None, tried))

    assert len(server.cloud.objects) == 1


@pytest.mark.parametrize("noted", [{"try": 0}, {"request": "forgotten"}])
def test_a_create_that_aws_has_forgotten_is_sought_among_all_objects(server, provider, noted):
    type, inputs = "aws:kinesis:Stream", {"name": "orders", "shard_count": 1}
    handler, ctx = provider.handler(type), step(provider, inputs, [])
    long_ago = Checkpoint(None, noted | {"at": time.time() - 8 * 86400})
    handler.create(ctx, inputs | {"name": "other"})
    server.cloud.objects["AWS::Kinesis::Stream", "other"]["Tags"] = []
    server.cloud.tokens.clear()
    absent = handler.resume(step(provider, inputs, []), long_ago)
    handler.create(ctx, inputs)
    server.cloud.requests.clear()

    assert absent is None
    assert handler.resume(step(provider, inputs, []), long_ago).id == "orders"


def test_a_create_that_aws_has_forgotten_and_nothing_marks_is_never_guessed(server, provider):
    handler = provider.handler(BARE)

    with pytest.raises(
        UndecidedError, match=r"has forgotten the request; look at them in AWS, then say engine\.resolve"
    ):
        handler.resume(step(provider, INPUTS, []), Checkpoint(None, {"try": 0, "at": 0.0}))

    assert not server.cloud.objects


def test_a_create_that_aws_refuses_as_such_never_was(server, provider):
    """It was refused the first time too."""

    def refuse(_given):
        raise RefusedError("UnsupportedActionException", "not here")

    server.cloud.on_create_resource = refuse
    handler = provider.handler(BARE)

    assert handler.resume(step(provider, INPUTS, []), Checkpoint(None, {"try": 0, "at": 2e9})) is None


def test_a_create_is_not_answered_by_an_object_that_is_gone(server, provider):
    """Its token still leads to the request that made it."""
    handler = provider.handler(BARE)
    ctx = step(provider, INPUTS, [])
    first = handler.create(ctx, INPUTS).id
    server.cloud.objects.clear()
    server.cloud.age(600)

    second = handler.create(ctx, INPUTS)

    assert second.ready
    assert [id for _, id in server.cloud.objects] == [second.id]
    assert second.id != first


def test_a_create_is_not_answered_by_an_object_of_somebody_elses(server, provider):
    handler, inputs = provider.handler("aws:kinesis:Stream"), {"name": "orders", "shard_count": 1}
    ctx = step(provider, inputs, [])
    handler.create(ctx, inputs)
    server.cloud.objects["AWS::Kinesis::Stream", "orders"]["Tags"] = []
    server.cloud.age(600)

    with pytest.raises(ConflictError):
        handler.create(ctx, inputs)


def test_an_object_that_may_not_show_yet_is_waited_for(server, provider):
    handler = provider.handler(BARE)
    ctx = step(provider, INPUTS, [])
    first = handler.create(ctx, INPUTS).id
    server.cloud.objects.clear()

    again = handler.create(ctx, INPUTS)

    assert (again.id, again.ready) == (first, False)


def test_a_first_create_that_fails_at_once_takes_one_request(server, provider, monkeypatch):
    request = Cloud._request

    def at_once(cloud, *given):
        answer = request(cloud, *given)
        known = cloud.requests[answer["ProgressEvent"]["RequestToken"]]
        cloud._proceed(known)
        return {"ProgressEvent": cloud._event(known)}

    monkeypatch.setattr(Cloud, "_request", at_once)
    server.cloud.fail = ["InvalidRequest"] * 2
    ctx = step(provider, INPUTS, [])
    ctx.repeated = False

    with pytest.raises(InvalidRequestError):
        provider.handler(BARE).create(ctx, INPUTS)

    assert len(server.cloud.requests) == 1


def test_waiting_for_what_others_make_is_not_noted_as_ones_own(server, provider):
    handler, inputs = provider.handler("aws:kinesis:Stream"), {"name": "orders", "shard_count": 1}
    hasty = step(provider, inputs, [])
    hasty.token, hasty.deadline = "f" * 32, 0.0
    with pytest.raises(OperationTimeoutError):  # it goes on
        handler.create(hasty, inputs | {"name": "other"})
    noted = [(None, {"try": 0, "at": time.time()})]

    assert handler.find(step(provider, inputs, noted), inputs) is None
    assert len(noted) == 1
    assert [id for _, id in server.cloud.objects] == ["other"]
