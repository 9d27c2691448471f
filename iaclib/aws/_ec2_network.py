"""Declarations for EC2 networks: VPCs, subnets, gateways and routes."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from iaclib import declare as iac


class PrivateDnsNameOptions(TypedDict, total=False):
    """How instances of a subnet are named."""

    hostname_type: iac.Input[Literal["ip-name", "resource-name"]]
    enable_resource_name_dns_a_record: iac.Input[bool]
    enable_resource_name_dns_aaaa_record: iac.Input[bool]


class VPC(iac.Resource, type="aws:ec2:VPC", settle=120, tags="tags"):
    """A virtual network.

    ``instance_tenancy`` can change in place from ``dedicated`` to ``default``
    only; AWS offers no other way than a replacement for the rest.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpc.html
    """

    cidr_block: iac.Input[str] | None = iac.field(default=None, replaces=True)
    ipv4_ipam_pool_id: iac.Input[str] | None = iac.field(default=None, replaces=True, write_only=True)
    ipv4_netmask_length: iac.Input[int] | None = iac.field(default=None, replaces=True, write_only=True)
    instance_tenancy: iac.Input[Literal["default", "dedicated", "host"]] | None = iac.field(
        default=None, replaces="maybe"
    )
    enable_dns_support: iac.Input[bool] | None = iac.field(default=None)
    enable_dns_hostnames: iac.Input[bool] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    vpc_id: iac.Output[str] = iac.computed(stable=True)
    default_security_group: iac.Output[str] = iac.computed(stable=True)
    default_network_acl: iac.Output[str] = iac.computed(stable=True)
    cidr_block_associations: iac.Output[Sequence[str]] = iac.computed()
    ipv6_cidr_blocks: iac.Output[Sequence[str]] = iac.computed()


class Subnet(
    iac.Resource,
    type="aws:ec2:Subnet",
    settle=120,
    tags="tags",
    unique=(("vpc_id", "cidr_block"), ("vpc_id", "ipv6_cidr_block")),
):
    """A range of addresses of a VPC, in one zone.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-subnet.html
    """

    vpc_id: iac.Input[str] = iac.field(replaces=True)
    cidr_block: iac.Input[str] | None = iac.field(default=None, replaces=True)
    availability_zone: iac.Input[str] | None = iac.field(default=None, replaces=True)
    availability_zone_id: iac.Input[str] | None = iac.field(default=None, replaces=True)
    ipv4_ipam_pool_id: iac.Input[str] | None = iac.field(default=None, replaces=True, write_only=True)
    ipv4_netmask_length: iac.Input[int] | None = iac.field(default=None, replaces=True, write_only=True)
    ipv6_cidr_block: iac.Input[str] | None = iac.field(default=None)
    ipv6_ipam_pool_id: iac.Input[str] | None = iac.field(default=None, replaces=True, write_only=True)
    ipv6_netmask_length: iac.Input[int] | None = iac.field(default=None, replaces=True, write_only=True)
    ipv6_native: iac.Input[bool] | None = iac.field(default=None, replaces=True)
    outpost_arn: iac.Input[str] | None = iac.field(default=None, replaces=True)
    map_public_ip_on_launch: iac.Input[bool] | None = iac.field(default=None)
    assign_ipv6_address_on_creation: iac.Input[bool] | None = iac.field(default=None)
    enable_dns64: iac.Input[bool] | None = iac.field(default=None)
    private_dns_name_options_on_launch: iac.Input[PrivateDnsNameOptions] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    subnet_id: iac.Output[str] = iac.computed(stable=True)
    network_acl_association_id: iac.Output[str] = iac.computed()
    ipv6_cidr_blocks: iac.Output[Sequence[str]] = iac.computed()
    block_public_access_states: iac.Output[Mapping[str, Any]] = iac.computed()


class InternetGateway(iac.Resource, type="aws:ec2:InternetGateway", settle=120, tags="tags"):
    """The door between a VPC and the internet, once attached.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-internetgateway.html
    """

    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    internet_gateway_id: iac.Output[str] = iac.computed(stable=True)


class VPCGatewayAttachment(
    iac.Resource,
    type="aws:ec2:VPCGatewayAttachment",
    settle=120,
    unique=(("internet_gateway_id",), ("vpn_gateway_id",)),  # a gateway is attached to one VPC at a time
):
    """Attaches an internet gateway or a VPN gateway to a VPC; give exactly one.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-vpcgatewayattachment.html
    """

    vpc_id: iac.Input[str] = iac.field(replaces=True)
    internet_gateway_id: iac.Input[str] | None = iac.field(default=None)
    vpn_gateway_id: iac.Input[str] | None = iac.field(default=None)
    attachment_type: iac.Output[str] = iac.computed(stable=True)


class RouteTable(iac.Resource, type="aws:ec2:RouteTable", settle=120, tags="tags"):
    """A set of routes for subnets of a VPC.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-routetable.html
    """

    vpc_id: iac.Input[str] = iac.field(replaces=True)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    route_table_id: iac.Output[str] = iac.computed(stable=True)


class Route(
    iac.Resource,
    type="aws:ec2:Route",
    settle=120,
    unique=(
        ("route_table_id", "destination_cidr_block"),
        ("route_table_id", "destination_ipv6_cidr_block"),
        ("route_table_id", "destination_prefix_list_id"),
    ),
):
    """Where a route table sends one destination; give one destination and one target.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-route.html
    """

    route_table_id: iac.Input[str] = iac.field(replaces=True)
    destination_cidr_block: iac.Input[str] | None = iac.field(default=None, replaces=True)
    destination_ipv6_cidr_block: iac.Input[str] | None = iac.field(default=None, replaces=True)
    destination_prefix_list_id: iac.Input[str] | None = iac.field(default=None, replaces=True)
    carrier_gateway_id: iac.Input[str] | None = iac.field(default=None)
    core_network_arn: iac.Input[str] | None = iac.field(default=None)
    egress_only_internet_gateway_id: iac.Input[str] | None = iac.field(default=None)
    gateway_id: iac.Input[str] | None = iac.field(default=None)
    instance_id: iac.Input[str] | None = iac.field(default=None)
    local_gateway_id: iac.Input[str] | None = iac.field(default=None)
    nat_gateway_id: iac.Input[str] | None = iac.field(default=None)
    network_interface_id: iac.Input[str] | None = iac.field(default=None)
    odb_network_arn: iac.Input[str] | None = iac.field(default=None)
    transit_gateway_id: iac.Input[str] | None = iac.field(default=None)
    vpc_endpoint_id: iac.Input[str] | None = iac.field(default=None)
    vpc_peering_connection_id: iac.Input[str] | None = iac.field(default=None)
    cidr_block: iac.Output[str] = iac.computed(stable=True)


class SubnetRouteTableAssociation(
    iac.Resource, type="aws:ec2:SubnetRouteTableAssociation", settle=120, unique=(("subnet_id",),)
):
    """Makes a subnet use a route table; a subnet has at most one.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-subnetroutetableassociation.html
    """

    subnet_id: iac.Input[str] = iac.field(replaces=True)
    route_table_id: iac.Input[str] = iac.field(replaces=True)
