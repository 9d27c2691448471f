"""Types that no class declares, by the vendor's names: against Cloud Control's stand-in, and simulated."""

from __future__ import annotations

import json

import pytest

import iaclib as iac
from cloud_control import Server
from iaclib import aws
from iaclib.aws.handlers import described
from iaclib.errors import InvalidPropertyError, InvalidRequestError, ProviderError
from iaclib.provider.base import Identity
from iaclib.schema.pack import pack
from iaclib.testing import Simulator
from registry_rules import schemas
from virtual import VirtualClock

SITE = "Acme::Web::Site"
HANDLERS = {one: {"permissions": [f"acme:{one}"]} for one in ("create", "read", "update", "delete", "list")}
SCHEMA = {
    "typeName": SITE,
    "properties": {
        "Name": {"type": "string"},
        "Rank": {"type": "integer"},
        "Pages": {"type": "array", "insertionOrder": False, "items": {"type": "object"}},
        "Login": {"type": "string"},
        "AdminPassword": {"type": "string"},
        "Arn": {"type": "string"},
        "Id": {"type": "string"},
    },
    "required": ["Name", "Id"],
    "readOnlyProperties": ["/properties/Arn", "/properties/Id"],
    "createOnlyProperties": ["/properties/Name"],
    "writeOnlyProperties": ["/properties/Login"],
    "primaryIdentifier": ["/properties/Id"],
    "handlers": HANDLERS,
}
LOGIN = "hunter2-and-more"


class Sites(iac.Stack):
    """Two sites, one of which names the other."""

    name: str = "shop"
    rank: int = 1

    def build(self) -> None:
        site = aws.resource(
            SITE,
            "site",
            Name=self.name,
            Rank=self.rank,
            Login=iac.secret(LOGIN),
            Pages=[{"Path": "/", "Deep": [1, None, {"Yes": True}]}, {"Path": "/help"}],
        )
        aws.resource(SITE, "mirror", Name=f"of-{site.Arn}", Pages=[{"Of": site.Id}])
        self.export(arn=site.Arn, id=site.id, name=site.Name)


class One(iac.Stack):
    """One site, or none."""

    props: dict[str, object]
    type: str = SITE
    import_id: str | None = None

    def build(self) -> None:
        aws.resource(self.type, "site", opts=iac.Options(import_id=self.import_id), **self.props)


@pytest.fixture
def server(monkeypatch):
    """Give a stand-in that knows one more type; what the process learnt of it is forgotten."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setitem(schemas(), SITE, SCHEMA)
    monkeypatch.setattr(described, "_made", {})
    with Server() as made:
        yield made


@pytest.fixture
def engine(server):
    """Give an engine on it."""
    provider = aws.Provider(region="eu-west-1", endpoint_url=server.url)
    with iac.Engine(state="memory:", providers=[provider], _clock=VirtualClock()) as made:
        yield made


def done(run):
    """Name what was done."""
    return [(one.address, str(one.action)) for one in run.steps]


def asked(server):
    """Name the calls that were made, reads left out."""
    return [name for name, _ in server.cloud.calls if name not in ("GetResource", "GetResourceRequestStatus")]


def test_it_is_made_kept_changed_and_deleted(server, engine):
    run = engine.apply(Sites("prod"))
    (first,) = (one for (_, id), one in server.cloud.objects.items() if id == run.outputs["id"])

    assert first["Pages"] == [{"Path": "/", "Deep": [1, None, {"Yes": True}]}, {"Path": "/help"}]
    assert run.outputs == {"arn": first["Arn"], "id": first["Id"], "name": "shop"}
    assert {one["Name"] for one in server.cloud.objects.values()} == {"shop", f"of-{first['Arn']}"}
    assert not engine.plan(Sites("prod"))
    assert not engine.plan(Sites("prod"), refresh=True)

    assert done(engine.apply(Sites("prod", rank=2))) == [("site", "update")]  # what it is known by stays
    assert first["Rank"] == 1 and server.cloud.objects[SITE, first["Id"]]["Rank"] == 2  # noqa: PT018
    assert server.cloud.objects[SITE, first["Id"]]["Login"] == LOGIN  # sent again

    engine.destroy("sites/prod")
    assert not server.cloud.objects
    assert asked(server).count("DescribeType") == 1


def test_what_only_a_create_takes_replaces_it(server, engine):
    engine.apply(Sites("prod"))
    plan = engine.plan(Sites("prod", name="other"))

    assert [(one.address, str(one.action), one.maybe) for one in plan.changes] == [
        ("site", "replace", False),
        ("mirror", "replace", True),
    ]
    assert engine.apply(plan).ok
    assert {one["Name"][:5] for one in server.cloud.objects.values()} == {"other", "of-ar"}


def test_what_it_needs_is_told_by_the_schema(server, engine):
    plan = engine.plan(One("prod", props={"Name": "a"}))
    assert set(plan.permissions().actions) == {
        "acme:create",
        "acme:read",
        *(f"cloudformation:{one}" for one in ("CreateResource", "DescribeType", "GetResource")),
        *(f"cloudformation:{one}" for one in ("GetResourceRequestStatus", "ListResourceRequests")),
    }
    engine.apply(plan)
    made = {f"cloudformation:{name}" for name, _ in server.cloud.calls}
    assert made <= set(plan.permissions().actions)

    with iac.Stack("prod", project="one") as empty:
        pass
    for program, refresh, needed in (
        (One("prod", props={"Name": "a"}), True, {"acme:read"}),
        (One("prod", props={"Name": "a", "Rank": 2}), False, {"acme:read", "acme:update"}),
        (empty, False, {"acme:read", "acme:delete"}),
    ):
        before = len(server.cloud.calls)
        plan = engine.plan(program, refresh=refresh)
        engine.apply(plan)
        made = {f"cloudformation:{name}" for name, _ in server.cloud.calls[before:]}
        allowed = set(plan.permissions().actions)
        assert {one for one in allowed if one.startswith("acme")} == needed
        assert made <= allowed


def test_the_order_of_what_has_none_is_no_change(server, engine):
    engine.apply(One("prod", props={"Name": "a", "Pages": [{"P": 1}, {"P": 2}]}))

    assert not engine.plan(One("prod", props={"Name": "a", "Pages": [{"P": 2}, {"P": 1}]})).counts
    assert engine.plan(One("prod", props={"Name": "a", "Pages": [{"P": True}, {"P": 2}]}))


def test_it_is_imported(server, engine):
    server.cloud.objects[SITE, "id-7"] = {"Name": "a", "Rank": 1, "Arn": "arn-7", "Id": "id-7"}

    assert done(engine.apply(One("prod", props={"Name": "a", "Rank": 2}, import_id="id-7"))) == [
        ("site", "import"),
        ("site", "update"),
    ]
    assert server.cloud.objects[SITE, "id-7"]["Rank"] == 2


def test_drift_is_seen(server, engine):
    engine.apply(One("prod", props={"Name": "a", "Rank": 1}))
    next(iter(server.cloud.objects.values()))["Rank"] = 5

    (change,) = engine.drift("one/prod").changes
    assert [one.path for one in change.properties] == [("Rank",)]


def test_a_secret_stays_one(server, engine):
    engine.apply(Sites("prod"))
    inputs = engine.snapshot("sites/prod").records["site"].inputs

    assert isinstance(inputs["Login"], iac.Secret)
    assert LOGIN not in str(engine.plan(Sites("prod", rank=3)))


def test_text_under_a_telling_name_is_a_secret(server, engine):
    class Guarded(iac.Stack):
        rank: int = 1

        def build(self) -> None:
            first = aws.resource(SITE, "first", Name="a", Rank=self.rank)
            pages = [{"Path": "/", "Login": {"ApiKey": LOGIN, "User": "x"}}, {"Token": f"{first.Id}/{LOGIN}"}]
            aws.resource(SITE, "second", Name="b", Rank=self.rank, AdminPassword=LOGIN, Pages=pages)

    engine.apply(Guarded("prod"))
    plan = engine.plan(Guarded("prod", rank=2), refresh=True)
    record = engine.snapshot("guarded/prod").records["second"]

    assert [str(one.action) for one in plan.changes] == ["update", "update"]
    assert LOGIN not in str(plan) + repr(record) + str(engine.plan(Guarded("other")))
    sent = next(one for one in server.cloud.objects.values() if one["Name"] == "b")
    assert (sent["AdminPassword"], sent["Pages"][0]["Login"]) == (LOGIN, {"ApiKey": LOGIN, "User": "x"})
    assert sent["Pages"][1]["Token"].endswith(f"/{LOGIN}")


@pytest.mark.parametrize(
    ("props", "said"),
    [
        (
            {"Name": "a", "Rnak": 1},
            "site: no property 'Rnak', expected one of aws:Acme::Web::Site (did you mean 'Rank'",
        ),
        ({"Name": "a", "Arn": "x"}, "site: Arn is computed"),
        ({"Rank": 1}, "site: Name missing"),
    ],
)
def test_a_mistake_is_told_when_planning(server, engine, props, said):
    with pytest.raises(InvalidPropertyError) as caught:
        engine.plan(One("prod", props=props))

    assert str(caught.value).startswith(said)
    assert "test_untyped.py" in str(caught.value)


def test_without_reach_nothing_is_changed(server, tmp_path, monkeypatch):
    def engine(url=server.url):
        provider = aws.Provider(region="eu-west-1", endpoint_url=url)
        return iac.Engine(state=f"sqlite:///{tmp_path}/s.db", providers=[provider], _clock=VirtualClock())

    with engine() as made:
        made.apply(One("prod", props={"Name": "a"}))
    monkeypatch.setattr(described, "_made", {})
    server.cloud.registry = {}
    before = len(server.cloud.calls)
    with engine() as made:
        for attempt in (
            lambda: made.apply(One("prod", props={"Name": "a", "Rank": 2})),
            lambda: made.destroy("one/prod"),
        ):
            with pytest.raises(InvalidRequestError, match=r"Acme::Web::Site: AWS has no such type in this account"):
                attempt()

    assert {name for name, _ in server.cloud.calls[before:]} == {"DescribeType"}


def test_a_cloud_that_cant_be_asked_says_so(server, monkeypatch):
    monkeypatch.setattr(aws.Provider, "identity", lambda _self: Identity("123456789012", "eu-west-1"))
    nowhere = aws.Provider(region="eu-west-1", endpoint_url="http://127.0.0.1:9")
    with (
        iac.Engine(state="memory:", providers=[nowhere]) as engine,
        pytest.raises(ProviderError, match=r"expected to read its schema by cloudformation:DescribeType"),
    ):
        engine.apply(One("prod", props={"Name": "a"}))


def test_a_type_that_cant_be_managed_is_refused(server, engine, monkeypatch):
    monkeypatch.setitem(schemas(), SITE, {**SCHEMA, "handlers": {"create": {}}})
    with pytest.raises(InvalidRequestError, match="has no read, delete handler"):
        engine.plan(One("prod", props={"Name": "a"}))


def test_a_plan_in_a_file_is_carried_out_elsewhere(server, tmp_path):
    provider = aws.Provider(region="eu-west-1", endpoint_url=server.url)
    with iac.Engine(state=f"sqlite:///{tmp_path}/s.db", providers=[provider], _clock=VirtualClock()) as engine:
        engine.plan(One("prod", props={"Name": "a"})).save(tmp_path / "plan")
        assert engine.apply(iac.Plan.load(tmp_path / "plan")).ok
    with iac.Engine(state=f"sqlite:///{tmp_path}/s.db", _clock=VirtualClock()) as later:
        assert later.destroy("one/prod").ok

    assert not server.cloud.objects


def test_a_class_that_comes_later_takes_the_object_over(server, engine, monkeypatch):
    """A program that was written before goes on, and nothing is changed in the cloud."""
    known, places = pack("aws"), pack("aws").archive._places
    props = {"RetentionPeriodHours": 24, "StreamModeDetails": {"StreamMode": "PROVISIONED"}}

    class Streams(iac.Stack):
        shards: int = 1

        def build(self) -> None:
            stream = aws.resource("AWS::Kinesis::Stream", "stream", **{**props, "ShardCount": self.shards})
            self.export(arn=stream.Arn, shards=stream.ShardCount)

    with monkeypatch.context() as before:
        before.setattr(known.archive, "_places", {k: v for k, v in places.items() if "::Kinesis::Stream" not in k})
        first = engine.apply(Streams("prod"))
        engine.apply(Streams("other"))
        assert engine.snapshot("streams/prod").records["stream"].type == "aws:AWS::Kinesis::Stream"
    calls = len(server.cloud.calls)
    run = engine.apply(Streams("prod"))
    record = engine.snapshot("streams/prod").records["stream"]

    assert (done(run), run.outputs) == ([], first.outputs)
    assert (record.type, record.version) == ("aws:kinesis:Stream", 1)
    assert record.inputs["stream_mode_details"] == {"stream_mode": "PROVISIONED"}
    assert "UpdateResource" not in {name for name, _ in server.cloud.calls[calls:]}
    assert not engine.plan(Streams("prod"), refresh=True)
    assert done(engine.apply(Streams("other", shards=2))) == [("stream", "update")]
    assert not engine.plan(Streams("other", shards=2), refresh=True)


def test_it_lives_in_a_simulated_cloud():
    sim = Simulator()
    run = sim.apply(Sites("prod"))

    assert run.outputs["arn"].startswith("arn:aws:")
    assert run.outputs["name"] == "shop"
    assert not sim.plan(Sites("prod"))
    assert ("site", "update") in done(sim.apply(Sites("prod", rank=2)))
    assert sim.destroy("sites/prod").ok
    assert json.dumps(sim.calls[0]) == '["create", "site"]'


def test_it_is_seeded_and_drifts_in_a_simulated_cloud():
    sim = Simulator()
    sim.add(f"aws:{SITE}", "site-1", Name="a", Rank=3)
    program = One("prod", props={"Name": "a", "Rank": 3}, import_id="site-1")

    assert done(sim.apply(program)) == [("site", "import")]
    sim.drift("site-1", Rank=5)
    (change,) = sim.plan(program, refresh=True).changes
    assert [(one.path, one.before, one.after) for one in change.properties] == [(("Rank",), 5, 3)]


def test_it_is_made_step_by_step():
    with Simulator().session("sites/prod") as session:
        site = session.ensure(aws.resource(SITE, "site", Name="a"))

        assert site.Arn.value.startswith("arn:aws:")
