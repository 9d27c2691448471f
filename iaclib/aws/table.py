"""Which handler class serves which AWS type; each is imported on first use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from iaclib.aws.tags import TOKEN
from iaclib.provider.registry import load

if TYPE_CHECKING:
    from iaclib.provider.handler import Handler

_HERE = "iaclib.aws.handlers"

#: type -> "module:Class".
HANDLERS: dict[str, str] = {
    "aws:ec2:VPC": f"{_HERE}.ec2_network:VPCHandler",
    "aws:ec2:Subnet": f"{_HERE}.ec2_subnet:SubnetHandler",
    "aws:ec2:InternetGateway": f"{_HERE}.ec2_network:InternetGatewayHandler",
    "aws:ec2:VPCGatewayAttachment": f"{_HERE}.ec2_routing:VPCGatewayAttachmentHandler",
    "aws:ec2:RouteTable": f"{_HERE}.ec2_network:RouteTableHandler",
    "aws:ec2:Route": f"{_HERE}.ec2_routing:RouteHandler",
    "aws:ec2:SubnetRouteTableAssociation": f"{_HERE}.ec2_routing:SubnetRouteTableAssociationHandler",
    "aws:ec2:SecurityGroup": f"{_HERE}.ec2_security:SecurityGroupHandler",
    "aws:ec2:KeyPair": f"{_HERE}.ec2_security:KeyPairHandler",
    "aws:ec2:Instance": f"{_HERE}.ec2_compute:InstanceHandler",
    "aws:ec2:Volume": f"{_HERE}.ec2_compute:VolumeHandler",
    "aws:s3:Bucket": f"{_HERE}.s3:BucketHandler",
    "aws:s3:BucketPolicy": f"{_HERE}.s3:BucketPolicyHandler",
    "aws:iam:Role": f"{_HERE}.iam:RoleHandler",
    "aws:iam:RolePolicy": f"{_HERE}.iam:RolePolicyHandler",
    "aws:iam:ManagedPolicy": f"{_HERE}.iam:ManagedPolicyHandler",
    "aws:iam:InstanceProfile": f"{_HERE}.iam:InstanceProfileHandler",
    "aws:sqs:Queue": f"{_HERE}.sqs:QueueHandler",
    "aws:sns:Topic": f"{_HERE}.sns:TopicHandler",
    "aws:logs:LogGroup": f"{_HERE}.logs:LogGroupHandler",
    "aws:dynamodb:Table": f"{_HERE}.dynamodb:TableHandler",
}
#: The same for what is looked up only.
LOOKUPS: dict[str, str] = {
    "aws:ec2:Image": f"{_HERE}.ec2_image:ImageHandler",
}

#: The service of all other types.
CLOUD_CONTROL = "cloudcontrol"

_loaded: dict[str, Handler[Any]] = {}
_lock = threading.Lock()


def service(type: str) -> str:
    """Name the service that a type's handler calls."""
    return type.split(":")[1] if type in HANDLERS or type in LOOKUPS else CLOUD_CONTROL


def handler(type: str) -> Handler[Any]:
    """Give the handler of a type; handlers keep no state, so one serves all.

    Raises:
        KeyError: The wing has no such type.
    """
    found = _loaded.get(type)
    if found is None:
        written = HANDLERS.get(type) or LOOKUPS.get(type)
        made = _generic(type) if written is None else load(written)()
        with _lock:
            found = _loaded.setdefault(type, made)
    return found


def described(provider: Any, type: str) -> Handler[Any]:
    """Give the handler of a type that has no class, as the provider's AWS describes it.

    Raises:
        ProviderError: AWS does not tell, or has no such type.
    """
    found: Handler[Any] = load(f"{_HERE}.described:handler_of")(provider, type)
    return found


def _generic(type: str) -> Handler[Any]:
    """Make the handler of a type that has none of its own.

    Raises:
        KeyError: The pack has no such type, or the cloud can't create, read and delete it.
    """
    from iaclib.schema.pack import pack

    aws = pack("aws")
    found = aws.located(type)
    if found is None:
        raise KeyError(type)
    made: Handler[Any] = load(f"{_HERE}.cloud_control:CloudControlHandler")(
        aws.facts(*found), markable=aws.takes_tag(*found, TOKEN, "0" * 32)
    )
    return made
