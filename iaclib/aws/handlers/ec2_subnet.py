"""The handler of subnets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext, Ec2Handler, wanted
from iaclib.errors import ConflictError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: States of an IPv6 range that is not, or no longer, the subnet's.
_IPV6_GONE = {"disassociated", "failing", "failed"}
_IPV6_LEAVING = {"disassociating"}
_DNS_NAMES = "private_dns_name_options_on_launch"
#: field -> EC2's name in descriptions and requests alike; all are off by default.
_SWITCHES = {
    "map_public_ip_on_launch": "MapPublicIpOnLaunch",
    "assign_ipv6_address_on_creation": "AssignIpv6AddressOnCreation",
    "enable_dns64": "EnableDns64",
}
#: key -> EC2's name in descriptions, its name in requests, what counts if nobody sets it.
_NAME_OPTIONS: dict[str, tuple[str, str, Any]] = {
    "hostname_type": ("HostnameType", "PrivateDnsHostnameTypeOnLaunch", "ip-name"),
    "enable_resource_name_dns_a_record": (
        "EnableResourceNameDnsARecord",
        "EnableResourceNameDnsARecordOnLaunch",
        False,
    ),
    "enable_resource_name_dns_aaaa_record": (
        "EnableResourceNameDnsAAAARecord",
        "EnableResourceNameDnsAAAARecordOnLaunch",
        False,
    ),
}


class SubnetHandler(Ec2Handler):
    """Subnets.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html
    """

    describe, result, id_key, id_filter, kind = "describe_subnets", "Subnets", "SubnetId", "subnet-id", "subnet"

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the subnet, then set the attributes that the create call does not take."""
        id = self.created(ctx, lambda: self._make(ctx, inputs))
        if any(inputs.get(name) is not None for name in (*_SWITCHES, _DNS_NAMES)):
            with self.finishing(ctx, id, {"subnet_id": id}):
                self._set_attributes(ctx, id, {}, inputs)
        return self.fresh(ctx, id)

    def _make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        request = {
            "VpcId": inputs["vpc_id"],
            "CidrBlock": inputs.get("cidr_block"),
            "AvailabilityZone": inputs.get("availability_zone"),
            "AvailabilityZoneId": inputs.get("availability_zone_id"),
            "Ipv4IpamPoolId": inputs.get("ipv4_ipam_pool_id"),
            "Ipv4NetmaskLength": inputs.get("ipv4_netmask_length"),
            "Ipv6CidrBlock": inputs.get("ipv6_cidr_block"),
            "Ipv6IpamPoolId": inputs.get("ipv6_ipam_pool_id"),
            "Ipv6NetmaskLength": inputs.get("ipv6_netmask_length"),
            "Ipv6Native": inputs.get("ipv6_native"),
            "OutpostArn": inputs.get("outpost_arn"),
            "TagSpecifications": self.tag_specifications(ctx, inputs),
        }
        try:
            answer = self.settled(ctx, lambda: self.client(ctx).call("create_subnet", **request))
        except ConflictError as error:
            existing = self._same_range(ctx, inputs)
            raise ConflictError(error.message, **{**error.facts, "existing_id": existing}) from None
        return str(answer["Subnet"]["SubnetId"])

    def _same_range(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str | None:
        """Find the subnet of exactly this range, which adopting would take over."""
        if not inputs.get("cidr_block"):
            return None
        filters = {"vpc-id": [inputs["vpc_id"]], "cidr-block": [inputs["cidr_block"]]}
        return next((found["SubnetId"] for found in self.described(ctx, filters)), None)

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Set attributes, the IPv6 range and tags in place."""
        found = self.require(ctx, id)
        self._set_attributes(ctx, id, before, after)
        self.update_tags(ctx, id, before, after, found)
        return self.fresh(ctx, id)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the subnet."""
        with self.missing_ok():
            self.client(ctx).call("delete_subnet", SubnetId=id)
        self.gone(ctx, id)

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Add the ACL association that a description leaves out."""
        return self.show_many(ctx, [found])[0]

    def show_many(self, ctx: AwsContext, found: Sequence[Mapping[str, Any]]) -> list[Live | None]:
        """Ask for the ACL associations of all subnets at once."""
        filters = [{"Name": "association.subnet-id", "Values": [subnet["SubnetId"] for subnet in found]}]
        acls: dict[str, str] = {
            association["SubnetId"]: association["NetworkAclAssociationId"]
            for association in self.client(ctx).items(
                "describe_network_acls", "NetworkAcls[].Associations[]", Filters=filters
            )
        }
        return [_shown_subnet(subnet, acls.get(subnet["SubnetId"])) for subnet in found]

    def _set_attributes(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Set what differs: what needs no IPv6 range any more goes off first, what needs one goes on last."""
        subnet = self.settled(ctx, lambda: self.require(ctx, id))
        goals = {name: wanted(name, before, after, False) for name in _SWITCHES}
        differ = {wire: goals[name] for name, wire in _SWITCHES.items() if goals[name] is not None}
        differ = {wire: goal for wire, goal in differ.items() if bool(subnet.get(wire)) != goal}
        for wire in [wire for wire, goal in differ.items() if not goal]:
            self._modify(ctx, id, {wire: {"Value": False}}, (wire,), False)
        self._set_ipv6(ctx, id, before, after, subnet)
        for wire in [wire for wire, goal in differ.items() if goal]:
            self._modify(ctx, id, {wire: {"Value": True}}, (wire,), True)
        self._set_names(ctx, id, before, after, subnet)

    def _modify(self, ctx: AwsContext, id: str, change: Mapping[str, Any], path: Sequence[str], value: object) -> None:
        """Change one attribute, as EC2 takes one a call, and wait for it to show.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySubnetAttribute.html
        """

        def shows() -> bool:
            found: Any = self.one(ctx, id)
            for key in path:
                found = (found or {}).get(key)
            return bool(found in (value, None))  # an emulator may not show it at all

        self.settled(ctx, lambda: self.client(ctx).call("modify_subnet_attribute", SubnetId=id, **change))
        self.agreed(ctx, shows)

    def _set_names(
        self,
        ctx: AwsContext,
        id: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        subnet: Mapping[str, Any],
    ) -> None:
        default = {"hostname_type": "resource-name" if subnet.get("Ipv6Native") else "ip-name"}
        goal = wanted(_DNS_NAMES, before, after, default)
        if goal is None:
            return
        old = before.get(_DNS_NAMES) or {}
        live = subnet.get("PrivateDnsNameOptionsOnLaunch") or {}
        for name, (shown, request, fallback) in _NAME_OPTIONS.items():
            value = wanted(name, old, goal, default.get(name, fallback))
            if value is None or live.get(shown, fallback) == value:
                continue
            change = {request: value if name == "hostname_type" else {"Value": value}}
            self._modify(ctx, id, change, ("PrivateDnsNameOptionsOnLaunch", shown), value)

    def _set_ipv6(
        self,
        ctx: AwsContext,
        id: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        subnet: Mapping[str, Any],
    ) -> None:
        """Change the IPv6 range: a subnet has at most one, so the old goes first.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateSubnetCidrBlock.html
        """
        goal, old = after.get("ipv6_cidr_block"), before.get("ipv6_cidr_block")
        there = {block["Ipv6CidrBlock"]: block["AssociationId"] for block in _ipv6_blocks(subnet)}
        if goal in there or (goal is None and old is None):
            return
        for association in there.values():
            with self.missing_ok():
                self.client(ctx).call("disassociate_subnet_cidr_block", AssociationId=association)
        self.wait(
            ctx,
            lambda: None if there.keys() & self._ipv6_states(ctx, id).keys() else True,
            what=f"the IPv6 range is still leaving {id}",
        )
        if goal is not None:
            self.client(ctx).call("associate_subnet_cidr_block", SubnetId=id, Ipv6CidrBlock=goal)
            self.wait(
                ctx,
                lambda: None if self._ipv6_states(ctx, id).get(goal, "associating") == "associating" else True,
                what=f"the IPv6 range {goal} is not associated with {id} yet",
            )

    def _ipv6_states(self, ctx: AwsContext, id: str) -> dict[str, str]:
        return {block["Ipv6CidrBlock"]: _state(block) for block in _ipv6_blocks(self.one(ctx, id) or {}, leaving=True)}


def _state(block: Mapping[str, Any]) -> str:
    return str(block.get("Ipv6CidrBlockState", {}).get("State", "associated"))


def _ipv6_blocks(subnet: Mapping[str, Any], *, leaving: bool = False) -> list[Mapping[str, Any]]:
    """List the IPv6 ranges that a subnet has, or also those on their way out."""
    gone = _IPV6_GONE if leaving else _IPV6_GONE | _IPV6_LEAVING
    return [block for block in subnet.get("Ipv6CidrBlockAssociationSet") or () if _state(block) not in gone]


def _shown_subnet(subnet: Mapping[str, Any], acl_association: str | None) -> Live:
    """Turn a description into what the engine sees."""
    ipv6 = [str(block["Ipv6CidrBlock"]) for block in _ipv6_blocks(subnet)]
    names = subnet.get("PrivateDnsNameOptionsOnLaunch")
    states = subnet.get("BlockPublicAccessStates")
    inputs: dict[str, Any] = {
        "vpc_id": subnet["VpcId"],
        "cidr_block": subnet.get("CidrBlock") or None,
        "availability_zone": subnet.get("AvailabilityZone"),
        "availability_zone_id": subnet.get("AvailabilityZoneId"),
        "ipv6_cidr_block": ipv6[0] if ipv6 else None,
        "ipv6_native": bool(subnet.get("Ipv6Native", False)),
        "outpost_arn": subnet.get("OutpostArn"),
        "tags": tags.from_list(subnet.get("Tags")),
        **{name: bool(subnet[wire]) for name, wire in _SWITCHES.items() if wire in subnet},
    }
    if names:
        inputs[_DNS_NAMES] = {name: names[shown] for name, (shown, _, _) in _NAME_OPTIONS.items() if shown in names}
    outputs = {
        "subnet_id": subnet["SubnetId"],
        "network_acl_association_id": acl_association,
        "ipv6_cidr_blocks": ipv6,
        "block_public_access_states": (
            {"internet_gateway_block_mode": states.get("InternetGatewayBlockMode")} if states else None
        ),
    }
    return Live(subnet["SubnetId"], outputs, inputs, ready=subnet.get("State", "available") == "available")
