"""Passwords within values, through a whole life: the cloud gets them, and nothing that is written or printed shows one."""

from __future__ import annotations

import pytest

import iaclib as iac
from any_type import inputs_of
from cloud_control import Server
from iaclib.aws import amazonmq, lambda_
from iaclib.aws.provider import Provider
from iaclib.errors import ApplyFailed, InvalidPropertyError
from iaclib.plan.plan import Plan
from sentinels import files, leaks
from virtual import VirtualClock

SECRETS = {"first": "S3ntin3l-first-0123456789", "second": "S3ntin3l-second-987654321", "short": "S3ntin3l"}


class Brokers(iac.Stack):
    """A broker whose user has a password."""

    login: str = iac.field(secret=True)
    direct: bool = False

    def build(self):
        given = inputs_of("aws:amazonmq:Broker")
        login = SECRETS["first"] if self.direct else self.login
        broker = amazonmq.Broker("broker", **given | {"users": [{"username": "shop", "password": login}]})
        self.export(user=f"the user is {broker.users[0]['username']}, by {broker.users[0]['password']}")


@pytest.fixture
def server(monkeypatch):
    """Give the stand-in."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with Server() as made:
        yield made


@pytest.mark.parametrize("direct", [True, False])
def test_a_password_within_a_value_is_sealed_and_masked(tmp_path, server, direct):
    provider = Provider(region="eu-west-1", endpoint_url=server.url)
    told = []

    def stack(login):
        return Brokers("prod", login=SECRETS[login], direct=direct)

    with iac.Engine(
        state=f"sqlite:///{tmp_path}/state.db", providers=[provider], on_event=told.append, _clock=VirtualClock()
    ) as engine:
        plan = engine.plan(stack("first"))
        plan.save(tmp_path / "plan.json")
        told += [plan, plan.change("broker"), Plan.load(tmp_path / "plan.json")]
        server.cloud.fail = ["InvalidRequest"]  # the cloud's text quotes what was sent
        with pytest.raises(ApplyFailed) as caught:
            engine.apply(stack("first"))
        told += [caught.value, *caught.value.exceptions]
        run = engine.apply(stack("first"))
        told += [run, run.outputs]
        (model,) = server.cloud.objects.values()
        assert model["Users"][0]["Password"] == SECRETS["first"]
        assert not engine.plan(stack("first"), refresh=True)
        if not direct:
            told.append(str(engine.plan(stack("second"))))
            engine.apply(stack("second"))
            (model,) = server.cloud.objects.values()
            assert model["Users"][0]["Password"] == SECRETS["second"]
        record = engine.snapshot("brokers/prod").records["broker"]
        told += [record.inputs, record.baseline, record.outputs]
        engine.destroy("brokers/prod")
    written = files(tmp_path)

    assert "shop" in "".join(map(repr, told))  # what is beside it shows
    assert not leaks("".join(map(repr, told)).encode() + "".join(map(str, told)).encode(), SECRETS)
    assert not {name: found for name, data in written.items() if (found := leaks(data, SECRETS))}


def test_a_wrong_password_within_a_value_is_not_repeated():
    with iac.Stack("prod", project="shop"), pytest.raises(InvalidPropertyError) as caught:
        amazonmq.Broker(
            "broker",
            **inputs_of("aws:amazonmq:Broker") | {"users": [{"username": "shop", "password": [SECRETS["short"]]}]},
        )

    assert "users[0].password" in str(caught.value)
    assert SECRETS["short"] not in str(caught.value)


def test_what_is_only_never_shown_is_no_secret(server):
    """The code of a function isn't: then what AWS says of it is told."""
    server.cloud.fail, server.cloud.said = ["InvalidRequest"], "the runtime is gone"
    provider = Provider(region="eu-west-1", endpoint_url=server.url)
    with iac.Stack("prod", project="shop") as stack:
        lambda_.Function("it", **inputs_of("aws:lambda:Function"))

    engine = iac.Engine(state="memory:", providers=[provider], _clock=VirtualClock())
    with engine, pytest.raises(ApplyFailed) as caught:
        engine.apply(stack)

    assert "the runtime is gone" in str(caught.value.exceptions[0])
