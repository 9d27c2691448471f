"""Wrong programs: both checkers reject exactly the lines that end in `# E`."""

from collections.abc import Mapping, Sequence
from typing import Literal

import iaclib as iac
from iaclib import aws
from iaclib.schema import search


class Net(iac.Resource, type="typing:BadNet"):
    cidr: iac.Input[str] = iac.field(replaces=True)
    size: iac.Input[int] | None = iac.field(default=None)
    mode: iac.Input[Literal["on", "off"]] | None = iac.field(default=None)
    zones: iac.Input[Sequence[iac.Input[str]]] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed()
    ports: iac.Output[list[int]] = iac.computed()
    facts: iac.Output[dict[str, int]] = iac.computed()


class Image(iac.Lookup, type="typing:BadImage"):
    owner: iac.Input[str]
    image_id: iac.Output[str] = iac.computed()


class Page(iac.Resource, type="typing:BadPage"):
    content: iac.Input[iac.Asset]


class Group(iac.Component):
    cidr: str
    net_id: iac.Output[str] = iac.computed()

    def build(self) -> None:
        self.net_id = Net("net", cidr=self.cidr).ports  # E


class Shop(iac.Stack):
    cidr: str

    def build(self) -> None:
        net = Net("net", cidr=self.cidr)
        Net("missing")  # E
        Net(cidr="x")  # E
        Net("unknown", cidr="x", cidrr="y")  # E
        Net("wrong", cidr=3)  # E
        Net("wrong output", cidr=net.ports)  # E
        Net("wrong int", cidr="x", size="3")  # E
        Net("text for int", cidr="x", size=f"{net.id}")  # E
        Net("enum", cidr="x", mode="onn")  # E
        Net("list", cidr="x", zones=["a", 1])  # E
        Net("list of outputs", cidr="x", zones=[net.id, net.ports])  # E
        Net("map", cidr="x", tags={"a": 1})  # E
        Net("map of outputs", cidr="x", tags={"a": net.ports})  # E
        Net("gather", cidr=iac.gather(net.arn, net.ports))  # E
        Net("gather map", cidr="x", size=iac.gather(net.arn, net.arn).map(lambda both: both[0] + both[1]))  # E
        Net("item", cidr=net.ports[0])  # E
        Net("key", cidr=net.facts["a"])  # E
        Net("map result", cidr="x", size=net.arn.map(str.upper))  # E
        Net("opts", cidr="x", opts={"protect": True})  # E
        Net("option", cidr="x", opts=iac.Options(protected=True))  # E
        Net("positional", "x")  # E
        net.arn.map(lambda arn: arn.nothing)  # E
        net.nothing  # E
        for _ in net.ports:  # E
            pass
        net.arn + "x"  # E
        Net.get("shared")  # E
        Net.get("shared", id=3)  # E
        Net("got", cidr=Net.get("other", id="x").ports)  # E
        Image("image")  # E
        Image("image", owner=1)  # E
        Image("image", owner="x", image_id="y")  # E
        Net("from stack", cidr=iac.stack_output("base/prod", "size", type=int))  # E
        Page("page", content="index.html")  # E
        Group("group")  # E
        Group("group", cidr=net.arn)  # E
        Group("group", cidr="x", size=1)  # E


Shop("prod")  # E
Shop("prod", cidr=3)  # E
Shop("prod", cidr="x", nothing=1)  # E
Shop.from_config()  # E
iac.Engine(state="memory:").read("text")  # E


@iac.policy(level="strict")  # E
def strict(change: object) -> str | None:
    return None


@iac.policy(level="mandatory")  # E
def a_bool(change: object) -> bool:
    return True


@iac.policy(level="remediate")  # E
def a_message(declaration: object) -> str:
    return "no"


@iac.policy(level="advisory")
def right(change: object) -> str | None:
    return None


right()  # E
iac.Engine(policies=[3])  # E
iac.Engine(on_event=3)  # E
iac.Plan.load(3)  # E
iac.Engine().apply(Shop("prod", cidr="x"), program="shop")  # E
iac.Engine().plan(Shop("prod", cidr="x")).permissions(refresh="yes")  # E
aws.resource("Acme::Web::Site", name="site")  # E
aws.resource("Acme::Web::Site", "site", opts="protect")  # E
search(3)  # E
