"""Declarations for EC2: networks, security and compute; and what can be looked up."""

from iaclib.aws._ec2_compute import Instance, Volume
from iaclib.aws._ec2_lookups import ImageLookup, lookup_image
from iaclib.aws._ec2_network import (
    VPC,
    InternetGateway,
    Route,
    RouteTable,
    Subnet,
    SubnetRouteTableAssociation,
    VPCGatewayAttachment,
)
from iaclib.aws._ec2_security import KeyPair, SecurityGroup

__all__ = [
    "VPC",
    "ImageLookup",
    "Instance",
    "InternetGateway",
    "KeyPair",
    "Route",
    "RouteTable",
    "SecurityGroup",
    "Subnet",
    "SubnetRouteTableAssociation",
    "VPCGatewayAttachment",
    "Volume",
    "lookup_image",
]
