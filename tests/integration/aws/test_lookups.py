"""What exists in AWS can be used without managing it."""

from __future__ import annotations

import pytest

import iaclib as iac
from iaclib import aws
from iaclib.aws import ec2
from iaclib.errors import CredentialsError, PlanError


@pytest.fixture
def engine(provider):
    with iac.Engine(state="memory:", providers=[provider]) as made:
        yield made


@pytest.fixture
def vpc_id(engine):
    """A VPC that another stack made, in the same account."""

    class Base(iac.Stack):
        def build(self):
            self.export(vpc=ec2.VPC("vpc", cidr_block="10.7.0.0/16", tags={"Name": "shared"}).id)

    return engine.apply(Base("prod")).outputs["vpc"]


class Web(iac.Stack):
    """A subnet in somebody else's VPC."""

    vpc_id: str
    region: str = ""

    def build(self):
        opts = iac.Options(provider=aws.Provider(region=self.region)) if self.region else None
        shared = ec2.VPC.get("shared", id=self.vpc_id, opts=opts)
        ec2.Subnet("subnet", vpc_id=shared.id, cidr_block="10.7.1.0/24", tags={"In": shared.cidr_block})
        self.export(name=shared.tags["Name"], dns=shared.enable_dns_support)


def test_get_reads_a_vpc_that_another_stack_manages(engine, vpc_id):
    """Its properties feed a subnet; destroying the subnet's stack leaves it alone."""
    plan = engine.plan(Web("prod", vpc_id=vpc_id))
    assert [(change.action, change.address) for change in plan.changes] == [("read", "shared"), ("create", "subnet")]
    run = engine.apply(plan)
    assert run.outputs == {"name": "shared", "dns": True}
    assert engine.snapshot("web/prod").records["subnet"].inputs["tags"] == {"In": "10.7.0.0/16"}
    assert not engine.plan(Web("prod", vpc_id=vpc_id))

    engine.destroy("web/prod")
    assert engine.read(ec2.VPC.get("shared", id=vpc_id)).cidr_block == "10.7.0.0/16"


def test_a_vpc_that_is_not_there_is_named(engine):
    """Nothing is planned."""
    with pytest.raises(PlanError, match=r'shared: there is no aws:ec2:VPC with id "vpc-404", expected one to be there'):
        engine.plan(Web("prod", vpc_id="vpc-404"))


def test_the_provider_in_options_is_asked(engine, vpc_id, moto, monkeypatch):
    """Another region has no such VPC."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    with pytest.raises(PlanError, match="there is no aws:ec2:VPC"):
        engine.plan(Web("prod", vpc_id=vpc_id, region="eu-central-1"))


def test_credentials_that_are_missing_are_told_as_for_resources(engine, monkeypatch):
    """The provider says who it is before anything is read."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    lookup = ec2.VPC.get("shared", id="vpc-1")
    with pytest.raises(CredentialsError, match="set AWS_ACCESS_KEY_ID"):
        engine.read(lookup)
