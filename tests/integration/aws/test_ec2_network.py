"""The network handlers against moto over HTTP."""

from __future__ import annotations

import copy
import ipaddress
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from iaclib.errors import ConflictError, DependencyViolationError, InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.aws.provider import Provider
    from iaclib.provider.context import Context
    from iaclib.provider.handler import Live

    Step = Callable[..., Context[Provider]]


def handler(provider: Provider, name: str) -> Any:
    """Give the handler of an EC2 type."""
    return provider.handler(f"aws:ec2:{name}")


def make(ctx: Step, name: str, token: str | None = None, **inputs: Any) -> Live:
    """Create an object and give what the handler shows of it."""
    step = ctx(name, token=token) if token else ctx(name)
    live: Live = handler(step.provider, name).create(step, inputs)
    assert live.ready
    return live


@pytest.fixture
def vpc(ctx: Step) -> str:
    """Give a VPC's id."""
    return make(ctx, "VPC", cidr_block="10.0.0.0/16").id


@pytest.fixture
def subnet(ctx: Step, vpc: str) -> str:
    """Give a subnet's id."""
    return make(ctx, "Subnet", vpc_id=vpc, cidr_block="10.0.1.0/24").id


@pytest.fixture
def table(ctx: Step, vpc: str) -> str:
    """Give a route table's id."""
    return make(ctx, "RouteTable", vpc_id=vpc).id


@pytest.fixture
def gateway(ctx: Step) -> str:
    """Give an internet gateway's id."""
    return make(ctx, "InternetGateway").id


SIMPLE = {
    "VPC": {"cidr_block": "10.1.0.0/16", "enable_dns_hostnames": True},
    "Subnet": {"cidr_block": "10.0.7.0/24", "map_public_ip_on_launch": True},
    "InternetGateway": {},
    "RouteTable": {},
}


@pytest.mark.parametrize("name", SIMPLE)
def test_create_repeated_with_its_token_makes_one_object(provider: Provider, ctx: Step, vpc: str, name: str) -> None:
    """A create repeated after a lost answer gives the object of the first try."""
    inputs = SIMPLE[name] | ({"vpc_id": vpc} if name in {"Subnet", "RouteTable"} else {})
    first = make(ctx, name, token="a" * 32, **inputs)
    again = make(ctx, name, token="a" * 32, **inputs)
    other = make(ctx, name, token="b" * 32, **inputs) if name != "Subnet" else None
    assert first == again
    assert other is None or other.id != first.id


@pytest.mark.parametrize("name", SIMPLE)
def test_life_of_a_tagged_object(provider: Provider, ctx: Step, vpc: str, name: str) -> None:
    """Create, find, read, retag and delete work, and own tags never show."""
    inputs = {**SIMPLE[name], "tags": {"Name": "one", "Old": "x"}}
    inputs |= {"vpc_id": vpc} if name in {"Subnet", "RouteTable"} else {}
    it, step = handler(provider, name), ctx("thing", token="c" * 32)
    live = it.create(step, inputs)
    assert {key: live.inputs[key] for key in inputs} == inputs
    assert it.find(step, inputs) == live
    assert it.find(ctx("thing"), inputs) is None
    assert it.read_many(ctx(), [live.id, "vpc-0123456789abcdef0"]) == {live.id: live, "vpc-0123456789abcdef0": None}

    after = {**inputs, "tags": {"Name": "two", "New": "y"}}
    provider.client("ec2").call("create_tags", Resources=[live.id], Tags=[{"Key": "Foreign", "Value": "z"}])
    changed = it.update(ctx(), live.id, inputs, after)
    assert changed.inputs["tags"] == {"Name": "two", "New": "y", "Foreign": "z"}
    assert it.update(ctx(), live.id, inputs, after) == changed
    assert it.find(step, inputs) == changed

    it.delete(ctx(), live.id)
    assert it.read(ctx(), live.id) is None
    it.delete(ctx(), live.id)
    with pytest.raises(NotFoundError, match=f"thing: {live.id} is not there"):
        it.update(ctx("thing"), live.id, inputs, after)


def test_vpc_shows_what_aws_made_along_with_it(provider: Provider, ctx: Step) -> None:
    """A VPC's outputs name its default group, its default ACL and its ranges."""
    live = make(ctx, "VPC", cidr_block="10.0.0.0/16", instance_tenancy="default")
    assert live.outputs["vpc_id"] == live.id
    assert live.outputs["default_security_group"].startswith("sg-")
    assert live.outputs["default_network_acl"].startswith("acl-")
    assert len(live.outputs["cidr_block_associations"]) == 1
    assert live.inputs == {
        "cidr_block": "10.0.0.0/16",
        "instance_tenancy": "default",
        "enable_dns_support": True,
        "enable_dns_hostnames": False,
        "tags": None,
    }


def test_vpc_dns_attributes_change_in_place_and_fall_back(provider: Provider, ctx: Step, vpc: str) -> None:
    """DNS attributes are set in place; dropping one gives AWS's default back."""
    it, base = handler(provider, "VPC"), {"cidr_block": "10.0.0.0/16"}
    on = base | {"enable_dns_support": True, "enable_dns_hostnames": True}
    assert it.update(ctx(), vpc, base, on).inputs["enable_dns_hostnames"] is True
    off = base | {"enable_dns_support": False}
    live = it.update(ctx(), vpc, on, off)
    assert (live.inputs["enable_dns_support"], live.inputs["enable_dns_hostnames"]) == (False, False)
    live = it.update(ctx(), vpc, off, base)
    assert (live.inputs["enable_dns_support"], live.inputs["enable_dns_hostnames"]) == (True, False)


def test_vpc_tenancy_that_aws_cannot_change_is_refused(provider: Provider, ctx: Step, vpc: str) -> None:
    """A tenancy that needs a new VPC is an error that says so, before any call."""
    with pytest.raises(InvalidRequestError, match="only change that AWS makes in place"):
        handler(provider, "VPC").update(ctx(), vpc, {}, {"instance_tenancy": "dedicated"})


def test_subnet_switches_change_in_place(provider: Provider, ctx: Step, subnet: str, vpc: str) -> None:
    """A subnet's switches are set in place; dropping one switches it off."""
    it, base = handler(provider, "Subnet"), {"vpc_id": vpc, "cidr_block": "10.0.1.0/24"}
    on = base | {"map_public_ip_on_launch": True}
    assert it.update(ctx(), subnet, base, on).inputs["map_public_ip_on_launch"] is True
    assert it.update(ctx(), subnet, on, base).inputs["map_public_ip_on_launch"] is False


def test_subnet_zone_is_taken(provider: Provider, ctx: Step, vpc: str) -> None:
    """A subnet lies in the zone that was asked for."""
    live = make(ctx, "Subnet", vpc_id=vpc, cidr_block="10.0.9.0/24", availability_zone="eu-west-1b")
    assert live.inputs["availability_zone"] == "eu-west-1b"
    assert live.outputs["network_acl_association_id"].startswith("aclassoc-")


def test_subnet_of_a_taken_range_is_a_conflict(ctx: Step, vpc: str, subnet: str) -> None:
    """A range that another subnet has is a conflict that names that subnet."""
    with pytest.raises(ConflictError) as caught:
        make(ctx, "Subnet", vpc_id=vpc, cidr_block="10.0.1.0/24")
    assert caught.value.existing_id == subnet


def test_subnet_in_a_vpc_that_is_not_there(ctx: Step) -> None:
    """A missing VPC is a NotFoundError with AWS's code, after a short wait for consistency."""
    with pytest.raises(NotFoundError) as caught:
        make(ctx, "Subnet", vpc_id="vpc-0123456789abcdef0", cidr_block="10.0.1.0/24")
    assert caught.value.facts["code"] == "InvalidVpcID.NotFound"


def test_gateway_attachment_lives_by_its_identity(provider: Provider, ctx: Step, vpc: str, gateway: str) -> None:
    """An attachment is found by what it joins, may be repeated, and can change its gateway."""
    it, inputs = handler(provider, "VPCGatewayAttachment"), {"vpc_id": vpc, "internet_gateway_id": gateway}
    id = it.identity(inputs)
    assert id == f"IGW|{vpc}"
    assert it.read(ctx(), id) is None
    live = it.create(ctx(), inputs)
    assert live.ready
    assert it.create(ctx(), inputs) == live == it.read(ctx(), id)
    assert live.outputs == {"attachment_type": "IGW"}

    second = make(ctx, "InternetGateway").id
    with pytest.raises(ConflictError) as caught:
        it.create(ctx(), inputs | {"internet_gateway_id": second})
    assert caught.value.existing_id == id
    changed = it.update(ctx(), id, inputs, inputs | {"internet_gateway_id": second})
    assert (changed.id, changed.inputs["internet_gateway_id"]) == (id, second)

    with pytest.raises(DependencyViolationError):
        handler(provider, "InternetGateway").delete(ctx(), second)
    it.delete(ctx(), id)
    it.delete(ctx(), id)
    assert it.read(ctx(), id) is None


def test_gateway_attachment_turns_to_a_vpn_gateway(provider: Provider, ctx: Step, vpc: str, gateway: str) -> None:
    """An attachment of another kind is made and the old one removed."""
    it, inputs = handler(provider, "VPCGatewayAttachment"), {"vpc_id": vpc, "internet_gateway_id": gateway}
    made = provider.client("ec2").call("create_vpn_gateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    old = it.create(ctx(), inputs)
    new = it.update(ctx(), old.id, inputs, {"vpc_id": vpc, "vpn_gateway_id": made})
    assert (new.id, new.inputs["vpn_gateway_id"]) == (f"VGW|{vpc}", made)
    assert it.read(ctx(), old.id) is None
    it.delete(ctx(), new.id)
    assert it.read(ctx(), new.id) is None


def test_gateway_attachment_wants_exactly_one_gateway(provider: Provider, ctx: Step, vpc: str) -> None:
    """Neither or both gateways is an error before any call."""
    with pytest.raises(InvalidRequestError, match="expected one of internet_gateway_id and vpn_gateway_id"):
        make(ctx, "VPCGatewayAttachment", vpc_id=vpc)


def test_route_lives_by_its_identity(provider: Provider, ctx: Step, vpc: str, table: str, gateway: str) -> None:
    """A route is found by table and destination, may be repeated, led elsewhere and deleted."""
    make(ctx, "VPCGatewayAttachment", vpc_id=vpc, internet_gateway_id=gateway)
    peer = make(ctx, "VPC", cidr_block="10.9.0.0/16").id
    peering = provider.client("ec2").call("create_vpc_peering_connection", VpcId=vpc, PeerVpcId=peer)
    other = peering["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    it, inputs = handler(provider, "Route"), {"route_table_id": table, "destination_cidr_block": "0.0.0.0/0"}
    inputs["gateway_id"] = gateway
    id = it.identity(inputs)
    assert id == f"{table}|0.0.0.0/0"
    assert it.read(ctx(), id) is None
    live = it.create(ctx(), inputs)
    assert live.outputs == {"cidr_block": "0.0.0.0/0"}
    assert {name: value for name, value in live.inputs.items() if value is not None} == inputs
    assert it.create(ctx(), inputs) == live
    with pytest.raises(ConflictError) as caught:
        it.create(ctx(), {**inputs, "gateway_id": None, "vpc_peering_connection_id": other})
    assert caught.value.existing_id == id

    after = {"route_table_id": table, "destination_cidr_block": "0.0.0.0/0", "vpc_peering_connection_id": other}
    changed = it.update(ctx(), id, inputs, after)
    assert (changed.inputs["gateway_id"], changed.inputs["vpc_peering_connection_id"]) == (None, other)
    it.delete(ctx(), id)
    it.delete(ctx(), id)
    assert it.read(ctx(), id) is None
    it.delete(ctx(), "rtb-0123456789abcdef0|0.0.0.0/0")


def test_routes_of_many_tables_are_read_together(
    provider: Provider, ctx: Step, vpc: str, table: str, gateway: str
) -> None:
    """Many routes are read with one call, IPv6 ones too, and the missing shown as missing."""
    make(ctx, "VPCGatewayAttachment", vpc_id=vpc, internet_gateway_id=gateway)
    it = handler(provider, "Route")
    ids = [
        it.create(ctx(), {"route_table_id": table, name: range_, "gateway_id": gateway}).id
        for name, range_ in (("destination_cidr_block", "0.0.0.0/0"), ("destination_ipv6_cidr_block", "::/0"))
    ]
    missing = f"{table}|192.168.0.0/16"
    shown = it.read_many(ctx(), [*ids, missing])
    assert [shown[id] is not None for id in (*ids, missing)] == [True, True, False]


def test_route_spellings_of_one_range_are_one_identity(provider: Provider) -> None:
    """A range with host bits or long zeroes is the route that AWS makes of it."""
    it = handler(provider, "Route")
    assert it.identity({"route_table_id": "rtb-1", "destination_cidr_block": "10.1.2.3/16"}) == "rtb-1|10.1.0.0/16"
    assert it.normalise({"destination_ipv6_cidr_block": "2001:DB8:0::/32"}) == {
        "destination_ipv6_cidr_block": "2001:db8::/32"
    }
    assert it.identity({"route_table_id": "rtb-1", "destination_prefix_list_id": "pl-1"}) == "rtb-1|pl-1"
    assert it.identity({"route_table_id": "rtb-1"}) is None


def test_route_wants_one_target(provider: Provider, ctx: Step, table: str) -> None:
    """Two targets are an error before any call."""
    with pytest.raises(InvalidRequestError, match="expected one target"):
        make(
            ctx,
            "Route",
            route_table_id=table,
            destination_cidr_block="0.0.0.0/0",
            gateway_id="igw-1",
            nat_gateway_id="nat-1",
        )


def test_association_lives_by_what_it_joins(provider: Provider, ctx: Step, vpc: str, subnet: str, table: str) -> None:
    """An association is found by subnet and table, may be repeated, and conflicts name the one there."""
    it, inputs = handler(provider, "SubnetRouteTableAssociation"), {"subnet_id": subnet, "route_table_id": table}
    identity = it.identity(inputs)
    assert it.read(ctx(), identity) is None
    live = it.create(ctx(), inputs)
    assert live.id.startswith("rtbassoc-")
    assert live.inputs == inputs
    assert it.read(ctx(), identity) == it.read(ctx(), live.id) == live
    assert it.create(ctx(), inputs) == live
    assert it.read_many(ctx(), [live.id, "rtbassoc-0123"]) == {live.id: live, "rtbassoc-0123": None}
    assert it.update(ctx(), live.id, inputs, inputs) == live

    other = make(ctx, "RouteTable", vpc_id=vpc).id
    with pytest.raises(ConflictError) as caught:
        it.create(ctx(), {"subnet_id": subnet, "route_table_id": other})
    assert caught.value.existing_id == live.id
    it.delete(ctx(), live.id)
    it.delete(ctx(), live.id)
    assert it.read(ctx(), identity) is None


def test_subnet_ipv6_range_is_swapped_in_place(provider: Provider, ctx: Step, vpc: str) -> None:
    """An IPv6 range is added, changed and dropped in place, with what depends on it switched in the right order."""
    provider.client("ec2").call("associate_vpc_cidr_block", VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)
    block = handler(provider, "VPC").read(ctx(), vpc).outputs["ipv6_cidr_blocks"][0]
    first, second = (str(net) for net in islice(ipaddress.ip_network(block).subnets(new_prefix=64), 2))
    it, base = handler(provider, "Subnet"), {"vpc_id": vpc, "cidr_block": "10.0.1.0/24"}
    id = it.create(ctx(), base).id
    one = base | {"ipv6_cidr_block": first, "assign_ipv6_address_on_creation": True}
    live = it.update(ctx(), id, base, one)
    assert live.outputs["ipv6_cidr_blocks"] == [first]
    assert live.inputs["assign_ipv6_address_on_creation"] is True
    two = one | {"ipv6_cidr_block": second}
    assert it.update(ctx(), id, one, two).inputs["ipv6_cidr_block"] == second
    live = it.update(ctx(), id, two, base)
    assert live.inputs["ipv6_cidr_block"] is None
    assert live.inputs["assign_ipv6_address_on_creation"] is False


class SlowEc2:
    """EC2 as AWS is and moto is not: what was written shows only after some reads.

    Serves as provider and client of the subnet handler.
    """

    def __init__(self, lag: int) -> None:
        self.lag, self.reads, self.calls = lag, 0, []
        self.subnet: dict[str, Any] = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "State": "available", "Tags": []}
        self.subnet["PrivateDnsNameOptionsOnLaunch"] = {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        }
        self.shown: dict[str, Any] | None = None

    def client(self, _service: str) -> SlowEc2:
        return self

    def items(self, operation: str, _key: str, **params: Any) -> list[dict[str, Any]]:
        if operation != "describe_subnets":
            return []
        self.reads += 1
        if self.reads > self.lag:
            self.shown = copy.deepcopy(self.subnet)
        token = [f["Values"] for f in params["Filters"] if f["Name"].startswith("tag:")]
        return [] if self.shown is None or (token and self.shown["Tags"] == []) else [self.shown]

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        self.calls.append((operation, *[key for key in params if key != "SubnetId"]))
        if operation == "create_subnet":
            if sum(name == "create_subnet" for name, *_ in self.calls) == 1:
                raise NotFoundError("the VPC does not show yet", code="InvalidVpcID.NotFound")
            self.subnet["Tags"] = params["TagSpecifications"][0]["Tags"]
            self.reads = 0
            return {"Subnet": self.subnet}
        assert operation == "modify_subnet_attribute"
        assert len(params) == 2, "EC2 takes one attribute a call"
        names = self.subnet["PrivateDnsNameOptionsOnLaunch"]
        for key, value in params.items():
            if key == "PrivateDnsHostnameTypeOnLaunch":
                names["HostnameType"] = value
            elif key.startswith("EnableResourceName"):
                names[key.removesuffix("OnLaunch")] = value["Value"]
            elif key != "SubnetId":
                self.subnet[key] = value["Value"]
        self.reads = 0
        return {}


def test_subnet_waits_until_slow_aws_shows_what_was_written(ctx: Step) -> None:
    """Against an EC2 that shows writes late, create gives what was asked for, not what was before."""
    slow: Any = SlowEc2(lag=3)
    names = {"hostname_type": "resource-name", "enable_resource_name_dns_a_record": True}
    inputs = {
        "vpc_id": "vpc-1",
        "map_public_ip_on_launch": True,
        "enable_dns64": True,
        "private_dns_name_options_on_launch": names,
    }
    it = handler(ctx().provider, "Subnet")
    live = it.create(ctx(provider=slow), inputs)
    assert live.inputs["map_public_ip_on_launch"] is live.inputs["enable_dns64"] is True
    assert live.inputs["private_dns_name_options_on_launch"] == names | {"enable_resource_name_dns_aaaa_record": False}
    assert slow.calls[0][0] == slow.calls[1][0] == "create_subnet"
    live = it.update(ctx(provider=slow), "subnet-1", inputs, {"vpc_id": "vpc-1"})
    assert live.inputs["map_public_ip_on_launch"] is live.inputs["enable_dns64"] is False
    assert live.inputs["private_dns_name_options_on_launch"]["hostname_type"] == "ip-name"
    assert live.inputs["private_dns_name_options_on_launch"]["enable_resource_name_dns_a_record"] is False
