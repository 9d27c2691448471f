"""Handlers of VPCs, internet gateways and route tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext, Ec2Handler, wanted
from iaclib.errors import InvalidRequestError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What EC2 does with a VPC attribute that nobody sets.
_VPC_DEFAULTS = {"enable_dns_support": True, "enable_dns_hostnames": False}
_VPC_WIRE = {"enable_dns_support": "EnableDnsSupport", "enable_dns_hostnames": "EnableDnsHostnames"}
_IPV6_LIVE = {"associated", "associating"}


class VPCHandler(Ec2Handler):
    """VPCs.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html
    """

    describe, result, id_key, id_filter, kind = "describe_vpcs", "Vpcs", "VpcId", "vpc-id", "vpc"

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the VPC, then set its DNS attributes, which the create call does not take."""
        id = self.created(ctx, lambda: self._make(ctx, inputs))
        if any(inputs.get(name) is not None for name in _VPC_WIRE):
            with self.finishing(ctx, id, {"vpc_id": id}):
                self._set_dns(ctx, id, {}, inputs)
        return self.fresh(ctx, id)

    def _make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        answer = self.client(ctx).call(
            "create_vpc",
            CidrBlock=inputs.get("cidr_block"),
            Ipv4IpamPoolId=inputs.get("ipv4_ipam_pool_id"),
            Ipv4NetmaskLength=inputs.get("ipv4_netmask_length"),
            InstanceTenancy=inputs.get("instance_tenancy"),
            TagSpecifications=self.tag_specifications(ctx, inputs),
        )
        return str(answer["Vpc"]["VpcId"])

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Set tenancy, DNS attributes and tags in place."""
        found = self.require(ctx, id)
        tenancy = wanted("instance_tenancy", before, after, "default")
        if tenancy is not None and tenancy != found.get("InstanceTenancy", "default"):
            if tenancy != "default":
                msg = (
                    f"{ctx.address}: instance_tenancy cannot become {tenancy!r} on {id}, "
                    "expected 'default', the only change that AWS makes in place; "
                    "replace the VPC with Options(replace_on_changes=('instance_tenancy',))"
                )
                raise InvalidRequestError(msg)
            self.client(ctx).call("modify_vpc_tenancy", VpcId=id, InstanceTenancy=tenancy)
            self.agreed(ctx, lambda: (self.one(ctx, id) or {}).get("InstanceTenancy") == tenancy)
        self._set_dns(ctx, id, before, after)
        self.update_tags(ctx, id, before, after, found)
        return self.fresh(ctx, id)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the VPC."""
        with self.missing_ok():
            self.client(ctx).call("delete_vpc", VpcId=id)
        self.gone(ctx, id)

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Add the attributes and defaults that a description leaves out."""
        return self.show_many(ctx, [found])[0]

    def show_many(self, ctx: AwsContext, found: Sequence[Mapping[str, Any]]) -> list[Live | None]:
        """Ask for default groups and ACLs of all VPCs at once."""
        ids = [vpc["VpcId"] for vpc in found]
        groups = self._defaults(ctx, "describe_security_groups", "SecurityGroups", ids, ("group-name", "default"))
        acls = self._defaults(ctx, "describe_network_acls", "NetworkAcls", ids, ("default", "true"))
        shown: list[Live | None] = []
        for vpc in found:
            id = vpc["VpcId"]
            dns = {name: self._dns(ctx, id, name) for name in _VPC_WIRE}
            if None in dns.values():  # deleted between the two calls
                shown.append(None)
                continue
            inputs = {
                "cidr_block": vpc.get("CidrBlock"),
                "instance_tenancy": vpc.get("InstanceTenancy"),
                "tags": tags.from_list(vpc.get("Tags")),
                **dns,
            }
            outputs = {
                "vpc_id": id,
                "default_security_group": groups.get(id, {}).get("GroupId"),
                "default_network_acl": acls.get(id, {}).get("NetworkAclId"),
                "cidr_block_associations": [
                    block["AssociationId"] for block in vpc.get("CidrBlockAssociationSet") or ()
                ],
                "ipv6_cidr_blocks": [
                    block["Ipv6CidrBlock"]
                    for block in vpc.get("Ipv6CidrBlockAssociationSet") or ()
                    if block.get("Ipv6CidrBlockState", {}).get("State") in _IPV6_LIVE
                ],
            }
            shown.append(Live(id, outputs, inputs, ready=vpc.get("State", "available") == "available"))
        return shown

    def _defaults(
        self, ctx: AwsContext, operation: str, key: str, vpcs: Sequence[str], extra: tuple[str, str]
    ) -> dict[str, Mapping[str, Any]]:
        """Give what AWS made along with each VPC, by VPC."""
        filters = [{"Name": "vpc-id", "Values": list(vpcs)}, {"Name": extra[0], "Values": [extra[1]]}]
        return {item["VpcId"]: item for item in self.client(ctx).items(operation, key, Filters=filters)}

    def _dns(self, ctx: AwsContext, id: str, name: str) -> bool | None:
        """Read one DNS attribute; None if the VPC is not there."""
        wire = _VPC_WIRE[name]
        with self.missing_ok():
            attribute = f"{wire[0].lower()}{wire[1:]}"
            answer = self.client(ctx).call("describe_vpc_attribute", VpcId=id, Attribute=attribute)
            return bool(answer[wire]["Value"])
        return None

    def _set_dns(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Set what differs, one attribute a call as EC2 demands.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcAttribute.html
        """
        goal = {name: wanted(name, before, after, default) for name, default in _VPC_DEFAULTS.items()}
        # Hostnames need support: it is switched on first and off last.
        order = list(_VPC_WIRE) if goal["enable_dns_support"] is not False else list(reversed(_VPC_WIRE))
        for name in order:
            value = goal[name]
            if value is not None and self._dns(ctx, id, name) != value:
                self._modify(ctx, id, name, value)

    def _modify(self, ctx: AwsContext, id: str, name: str, value: bool) -> None:
        change = {_VPC_WIRE[name]: {"Value": value}}
        self.settled(ctx, lambda: self.client(ctx).call("modify_vpc_attribute", VpcId=id, **change))
        self.agreed(ctx, lambda: self._dns(ctx, id, name) == value)


class InternetGatewayHandler(Ec2Handler):
    """Internet gateways.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html
    """

    describe, result = "describe_internet_gateways", "InternetGateways"
    id_key, id_filter, kind = "InternetGatewayId", "internet-gateway-id", "internet-gateway"

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the gateway."""
        return self.fresh(ctx, self.created(ctx, lambda: self._make(ctx, inputs)))

    def _make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        marks = self.tag_specifications(ctx, inputs)
        answer = self.client(ctx).call("create_internet_gateway", TagSpecifications=marks)
        return str(answer["InternetGateway"]["InternetGatewayId"])

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Set tags."""
        self.update_tags(ctx, id, before, after, self.require(ctx, id))
        return self.fresh(ctx, id)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the gateway."""
        with self.missing_ok():
            self.client(ctx).call("delete_internet_gateway", InternetGatewayId=id)
        self.gone(ctx, id)

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Turn a description into what the engine sees."""
        id = found["InternetGatewayId"]
        return Live(id, {"internet_gateway_id": id}, {"tags": tags.from_list(found.get("Tags"))})


class RouteTableHandler(Ec2Handler):
    """Route tables.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html
    """

    describe, result = "describe_route_tables", "RouteTables"
    id_key, id_filter, kind = "RouteTableId", "route-table-id", "route-table"

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the route table."""
        return self.fresh(ctx, self.created(ctx, lambda: self._make(ctx, inputs)))

    def _make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        request = {
            "VpcId": inputs["vpc_id"],
            "ClientToken": ctx.token or None,
            "TagSpecifications": self.tag_specifications(ctx, inputs),
        }
        answer = self.settled(ctx, lambda: self.client(ctx).call("create_route_table", **request))
        return str(answer["RouteTable"]["RouteTableId"])

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Set tags."""
        self.update_tags(ctx, id, before, after, self.require(ctx, id))
        return self.fresh(ctx, id)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the route table."""
        with self.missing_ok():
            self.client(ctx).call("delete_route_table", RouteTableId=id)
        self.gone(ctx, id)

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Turn a description into what the engine sees."""
        id = found["RouteTableId"]
        inputs = {"vpc_id": found["VpcId"], "tags": tags.from_list(found.get("Tags"))}
        return Live(id, {"route_table_id": id}, inputs)
