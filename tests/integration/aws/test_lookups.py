"""What exists in AWS can be used without managing it."""

from __future__ import annotations

import pytest

import iaclib as iac
from iaclib import aws
from iaclib.aws import ec2
from iaclib.aws.handlers.ec2_image import ImageHandler
from iaclib.errors import CredentialsError, InvalidPropertyError, PlanError


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


class Machine(iac.Stack):
    """Exports what is known of the newest image of an owner."""

    owner: str
    name_pattern: str = "*"

    def build(self):
        image = ec2.lookup_image("image", owners=[self.owner], name_pattern=self.name_pattern)
        self.export(id=image.id, name=image.name, owner=image.owner_id)


def published(provider, name):
    """Publish an image of one's own; give its id."""
    return provider.client("ec2").call("register_image", Name=name, RootDeviceName="/dev/sda1")["ImageId"]


def test_the_newest_image_that_fits_is_found(engine, provider):
    """By owner, pattern and tags; images of others don't count, whatever their name."""
    ours = published(provider, "web-1")
    published(provider, "db-1")
    provider.client("ec2").call("create_tags", Resources=[ours], Tags=[{"Key": "Role", "Value": "web"}])
    run = engine.apply(Machine("prod", owner="self", name_pattern="web-*"))
    assert dict(run.outputs) == {"id": ours, "name": "web-1", "owner": "123456789012"}
    assert engine.read(ec2.lookup_image("x", owners=["self"], tags={"Role": "web"}).id) == ours
    with pytest.raises(PlanError, match=r'image: there is no aws:ec2:Image with owners \["self"\], name_pattern "no"'):
        engine.plan(Machine("prod", owner="self", name_pattern="no"))


def test_an_image_is_for_an_architecture(engine, provider):
    """What others have published is found by their account."""
    images = list(provider.client("ec2").items("describe_images", "Images"))
    arm = next(image for image in images if image.get("Architecture") == "arm64")
    found = engine.read(ec2.lookup_image("arm", owners=[arm["OwnerId"]], architecture="arm64"))
    known = {image["ImageId"]: image["Architecture"] for image in images if image["OwnerId"] == arm["OwnerId"]}
    assert (found.architecture, known[found.id]) == ("arm64", "arm64")


def test_of_several_images_the_newest_is_taken():
    """By the date of creation, then by the id, so that the answer is one."""

    class Client:
        def items(self, operation, key, **params):
            self.asked = params
            yield from (
                {"ImageId": id, "CreationDate": day, "Name": id}
                for id, day in [("ami-1", "2024-01-01"), ("ami-3", "2024-02-01"), ("ami-2", "2024-02-01")]
            )

    handler, client = ImageHandler(), Client()
    handler.client = lambda ctx: client
    assert handler.lookup(None, {"owners": ["self"]})["id"] == "ami-3"
    assert client.asked["Filters"] == [{"Name": "state", "Values": ["available"]}]


def test_whose_image_it_is_has_to_be_said(engine):
    """Anybody can publish an image under any name."""
    with pytest.raises(InvalidPropertyError, match="image: owners missing"):
        ec2.ImageLookup("image", name_pattern="ubuntu")


def test_credentials_that_are_missing_are_told_as_for_resources(engine, monkeypatch):
    """The provider says who it is before anything is read."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    lookup = ec2.VPC.get("shared", id="vpc-1")
    with pytest.raises(CredentialsError, match="set AWS_ACCESS_KEY_ID"):
        engine.read(lookup)
