"""The quickstart's stack, tested without a cloud."""

from __future__ import annotations

import pytest
from quickstart import Network, Shop

import iaclib as iac
from iaclib.aws import ec2, s3
from iaclib.errors import ApplyFailed, InvalidPropertyError

SHOP = Shop("test", image="ami-1")


def test_everything_is_created(sim):
    """The URL is the machine's."""
    run = sim.apply(SHOP)
    (web,) = run.resources(ec2.Instance)
    assert run.outputs["url"] == f"http://{web.private_ip}:80/"
    assert web.vpc_id == run.outputs["vpc"]
    assert not sim.plan(SHOP, refresh=True)


def test_the_network_is_spread_over_its_zones(sim):
    """A component alone, with other zones than its own."""

    class Three(iac.Stack):
        def build(self) -> None:
            Network("net", cidr="10.7.0.0/16", zones=("a", "b", "c"))

    subnets = sim.apply(Three("test")).resources(ec2.Subnet)
    assert [subnet.cidr_block for subnet in subnets] == ["10.7.0.0/24", "10.7.1.0/24", "10.7.2.0/24"]


def test_another_port_or_machine_replaces_nothing(sim):
    """Both change in place."""
    sim.apply(SHOP)
    plan = sim.plan(Shop("test", image="ami-1", port=8080, machine="t3.small"))
    assert plan.updates() == ["firewall", "web"]
    assert not plan.replaces()


def test_another_range_leaves_the_bucket_alone(sim):
    """The network is replaced, and all that stands in it."""
    before = sim.apply(SHOP).resources(s3.Bucket)[0].id
    moved = Shop("test", image="ami-1", cidr="10.1.0.0/16")
    assert sim.plan(moved).replaces(ec2.VPC) == ["net/vpc"]
    assert sim.apply(moved).resources(s3.Bucket)[0].id == before
    assert not sim.plan(moved)


def test_drift_is_corrected(sim):
    """A renamed VPC gets its name back."""
    sim.apply(SHOP)
    sim.drift("net/vpc", tags={"Name": "mine now"})
    sim.apply(SHOP, refresh=True)
    assert sim.objects["net/vpc"].tags["Name"] == "net"


def test_an_interrupted_apply_is_finished_by_the_next(sim):
    """Nothing is made twice."""
    sim.fail("create", "net/subnet-*", error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sim.apply(SHOP)
    assert sim.apply(SHOP).ok
    assert sim.calls.count(("create", "net/vpc")) == 1


def test_mistakes_say_what_and_where(sim):
    """A wrong type, a missing reference."""
    with pytest.raises(InvalidPropertyError, match="shop/test: image: expected str, got int 5"):
        sim.plan(Shop("test", image=5))
    sim.apply(SHOP)
    sim.vanish("net/subnet-eu-west-1a")
    with pytest.raises(ApplyFailed) as caught:
        sim.apply(Shop("test", image="ami-2"))
    assert "subnet_id refers to net/subnet-eu-west-1a" in str(caught.value.run.errors[0])
