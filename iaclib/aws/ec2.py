"""Declarations of EC2 types: those written by hand, and the others made on demand; and what can be looked up."""

from iaclib.aws._ec2_compute import (
    Instance as Instance,
)
from iaclib.aws._ec2_compute import (
    Volume as Volume,
)
from iaclib.aws._ec2_lookups import (
    ImageLookup as ImageLookup,
)
from iaclib.aws._ec2_lookups import (
    lookup_image as lookup_image,
)
from iaclib.aws._ec2_network import (
    VPC as VPC,
)
from iaclib.aws._ec2_network import (
    InternetGateway as InternetGateway,
)
from iaclib.aws._ec2_network import (
    Route as Route,
)
from iaclib.aws._ec2_network import (
    RouteTable as RouteTable,
)
from iaclib.aws._ec2_network import (
    Subnet as Subnet,
)
from iaclib.aws._ec2_network import (
    SubnetRouteTableAssociation as SubnetRouteTableAssociation,
)
from iaclib.aws._ec2_network import (
    VPCGatewayAttachment as VPCGatewayAttachment,
)
from iaclib.aws._ec2_security import (
    KeyPair as KeyPair,
)
from iaclib.aws._ec2_security import (
    SecurityGroup as SecurityGroup,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
