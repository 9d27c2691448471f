"""Right programs: both checkers accept every line."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypedDict, assert_type

import iaclib as iac
from iaclib.plan.changes import Change
from iaclib.plan.remedy import DeclaredResource
from iaclib.testing import Simulator, check


class Rule(TypedDict, total=False):
    port: iac.Input[int]
    cidr: iac.Input[str]


class Net(iac.Resource, type="typing:Net", settle=1, tags="tags"):
    cidr: iac.Input[str] = iac.field(replaces=True)
    size: iac.Input[Annotated[int, iac.Range(1, 9)]] | None = iac.field(default=None)
    mode: iac.Input[Literal["on", "off"]] | None = iac.field(default=None)
    zones: iac.Input[Sequence[iac.Input[str]]] | None = iac.field(default=None)
    rules: iac.Input[Sequence[iac.Input[Rule]]] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
    ports: iac.Output[list[int]] = iac.computed()
    facts: iac.Output[dict[str, int]] = iac.computed()


class Image(iac.Lookup, type="typing:Image"):
    owner: iac.Input[str]
    arch: iac.Input[str] | None = iac.field(default=None)
    image_id: iac.Output[str] = iac.computed()


class Page(iac.Resource, type="typing:Page"):
    content: iac.Input[iac.Asset]


class Group(iac.Component):
    cidr: str = "10.0.0.0/16"
    zones: tuple[str, ...] = ()
    net_id: iac.Output[str] = iac.computed()

    def build(self) -> None:
        net = Net("net", cidr=self.cidr, zones=list(self.zones), tags={"Name": self.logical_name})
        self.net_id = net.id


class Shop(iac.Stack, project="shop"):
    cidr: str
    password: iac.Input[str] | None = iac.field(default=None, secret=True)

    def build(self) -> None:
        first = Net("first", cidr=self.cidr, size=3, mode="on")
        group = Group("group", cidr=self.cidr, opts=iac.Options(depends_on=[first], protect=True))
        second = Net(
            "second",
            cidr=first.arn,
            size=first.ports[0],
            zones=[first.id, "b", f"{first.id}-c"],
            rules=[{"port": first.ports[0], "cidr": "0.0.0.0/0"}],
            tags={"one": first.id, "two": "plain"},
            opts=iac.Options(timeouts=iac.Timeouts(create=60), ignore_changes=["tags.one"]),
        )
        Net("third", cidr="x", zones=first.ports.map(lambda ports: [str(port) for port in ports]))
        assert_type(first.id, iac.Output[str])
        assert_type(first.arn, iac.Output[str])
        assert_type(first.ports[0], iac.Output[int])
        assert_type(first.facts["a"], iac.Output[int])
        assert_type(first.arn.map(len), iac.Output[int])
        assert_type(iac.gather(first.arn, first.ports), iac.Output[tuple[str, list[int]]])
        assert_type(iac.gather(first.arn, second.arn).map(lambda both: both[0] + both[1]), iac.Output[str])
        assert_type(iac.output(first.arn), iac.Output[str])
        assert_type(iac.json({"a": first.arn}), iac.Output[str])
        assert_type(iac.secret("x"), iac.Output[str])
        assert_type(iac.secret(first.arn), iac.Output[str])
        assert_type(group.net_id, iac.Output[str])
        assert_type(first.urn, str)
        shared = Net.get("shared", id="net-1", opts=iac.Options())
        assert_type(shared, Net)
        assert_type(shared.id, iac.Output[str])
        assert_type(shared.ports[0], iac.Output[int])
        image = Image("image", owner=shared.arn)
        assert_type(image.image_id, iac.Output[str])
        Net("fourth", cidr=image.image_id, size=iac.stack_output("base/prod", "size", type=int))
        assert_type(iac.stack_output("base/prod", "vpc", type=str), iac.Output[str])
        assert_type(iac.stack_output("base/prod", "zones", type=list[str]), iac.Output[list[str]])
        Page("page", content=iac.Asset("index.html", zip=True))
        wide: iac.Output[object] = first.arn  # covariant
        self.export(one=group.net_id, two=f"{second.id}/x", three=3, four=wide)


shop = Shop("prod", cidr="10.0.0.0/16")
with iac.Stack("prod", project="inline") as stack:
    net = Net("net", cidr="10.0.0.0/16")
    stack.export(net=net.id)

assert_type(Shop.from_config("prod"), Shop)
plain = iac.Engine(state="memory:")
assert_type(plain.read(iac.stack_output("base/prod", "zones", type=list[str])), list[str])
found = plain.read(Net.get("shared", id="net-1"))
cidr: str = found.cidr


@iac.policy(level="mandatory")
def no_deletes(change: Change) -> str | None:
    return "stays" if change.action is iac.Action.DELETE else None


@iac.policy(level="advisory")
def few(plan: iac.Plan) -> str | None:
    return None if len(plan.changes) < 9 else "many changes"


@iac.policy(level="remediate")
def owned(declaration: DeclaredResource) -> dict[str, object] | None:
    return {"tags": {**declaration.inputs.get("tags", {}), "owner": "ops"}}


assert_type(few(iac.Engine().plan(shop)), str | None)
engine = iac.Engine(state="memory:", policies=[no_deletes, few, owned, "by-name"], on_event=print)
plan = engine.plan(shop)
plan.save("prod.plan")
assert_type(iac.Plan.load("prod.plan"), iac.Plan)
assert_type(engine.apply(plan, program=shop).ok, bool)

with Simulator(policies=[no_deletes]) as sim:
    assert_type(sim.plan(shop, refresh=True).creates(Net), list[str])
    assert_type(sim.apply(shop).resources(Net)[0].id, str)
    assert_type(sim.calls, list[tuple[str, str]])
    assert_type(sim.objects["net"].address, str)
    sim.fail("create", "net", times=2, error=TimeoutError)
    sim.drift("net", cidr="10.1.0.0/16")
    check(sim.plan(shop), no_deletes)
