"""Declarations of EC2 types: those written by hand, and the others made on demand; and what can be looked up."""

from iaclib.aws._ec2_compute import (
    Instance as Instance,
    Volume as Volume,
)
from iaclib.aws._ec2_lookups import (
    ImageLookup as ImageLookup,
    lookup_image as lookup_image,
)
from iaclib.aws._ec2_network import (
    InternetGateway as InternetGateway,
    Route as Route,
    RouteTable as RouteTable,
    Subnet as Subnet,
    SubnetRouteTableAssociation as SubnetRouteTableAssociation,
    VPC as VPC,
    VPCGatewayAttachment as VPCGatewayAttachment,
)
from iaclib.aws._ec2_security import (
    KeyPair as KeyPair,
    SecurityGroup as SecurityGroup,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
