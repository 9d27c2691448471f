"""The three tiers, tested without a cloud."""

from __future__ import annotations

import pytest
from three_tier import ThreeTier, Tier, only_the_web_is_public

import iaclib as iac
from iaclib.aws import ec2
from iaclib.errors import ApplyFailed
from iaclib.testing import check

SHOP = ThreeTier("test", image="ami-1")


def test_each_tier_has_a_machine_in_each_zone(sim):
    """Two tiers in two zones, each machine in its tier's subnets."""
    run = sim.apply(SHOP)
    machines = run.resources(ec2.Instance)
    assert [machine.address for machine in machines] == [
        "app/machine-eu-west-1a",
        "app/machine-eu-west-1b",
        "web/machine-eu-west-1a",
        "web/machine-eu-west-1b",
    ]
    assert len({machine.subnet_id for machine in machines}) == 4
    assert run.outputs["web"].split(",") == [machine.private_ip for machine in machines[2:]]


def test_the_application_is_reached_from_the_web_only(sim):
    """Its firewall names the web's as the source."""
    app, web = sim.apply(SHOP).resources(ec2.SecurityGroup)
    (rule,) = app.security_group_ingress
    assert rule["source_security_group_id"] == web.id
    assert "cidr_ip" not in rule


def test_only_the_web_is_public(sim):
    """The stack keeps the rule, and the rule finds what breaks it."""
    check(sim.plan(SHOP), only_the_web_is_public)

    class Open(iac.Stack):
        def build(self) -> None:
            vpc = ec2.VPC("vpc", cidr_block="10.0.0.0/16")
            Tier("app", vpc_id=vpc.id, image="ami-1", number=1, port=8080, cidr="0.0.0.0/0")

    with pytest.raises(AssertionError, match="app/firewall: lets the world in"):
        check(sim.plan(Open("test")), only_the_web_is_public)


def test_a_new_image_replaces_machines_and_nothing_else(sim):
    """Networks, roles and data stay."""
    sim.apply(SHOP)
    plan = sim.plan(ThreeTier("test", image="ami-2"))
    assert len(plan.replaces(ec2.Instance)) == len(plan.replaces()) == 4
    assert plan.creates() == plan.deletes() == []


def test_orders_outlive_the_stack(sim):
    """The table is left in the cloud."""
    sim.apply(SHOP)
    sim.destroy("three-tier/test")
    assert [thing.type for thing in sim.objects.values()] == ["aws:dynamodb:Table"]


def test_a_machine_that_fails_is_made_by_the_next_run(sim):
    """What was made stays, and is made once."""
    sim.fail("create", "app/machine-*")
    with pytest.raises(ApplyFailed):
        sim.apply(SHOP)
    assert sim.apply(SHOP).ok
    assert not sim.plan(SHOP, refresh=True)
    assert sim.calls.count(("create", "vpc")) == 1
