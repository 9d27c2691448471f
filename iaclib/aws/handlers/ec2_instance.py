"""The shapes of an instance: as declared, as EC2 takes them, as EC2 shows them.

Knows nothing of calls.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.model.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

METADATA = {
    "http_endpoint": "HttpEndpoint",
    "http_protocol_ipv6": "HttpProtocolIpv6",
    "http_put_response_hop_limit": "HttpPutResponseHopLimit",
    "http_tokens": "HttpTokens",
    "instance_metadata_tags": "InstanceMetadataTags",
}
CPU = {"core_count": "CoreCount", "threads_per_core": "ThreadsPerCore"}
EBS = {
    "delete_on_termination": "DeleteOnTermination",
    "encrypted": "Encrypted",
    "iops": "Iops",
    "kms_key_id": "KmsKeyId",
    "snapshot_id": "SnapshotId",
    "volume_size": "VolumeSize",
    "volume_type": "VolumeType",
}


def renamed(value: Mapping[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    """Give a nested shape in AWS's names; None stays None."""
    return None if value is None else {names[key]: item for key, item in value.items() if item is not None}


def shown(value: Mapping[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    """Give a nested shape of AWS in our names; None if it has none of them."""
    return {name: value[wire] for name, wire in names.items() if value.get(wire) is not None} or None if value else None


def user_data_bytes(text: str) -> bytes:
    """Give the bytes that user data stands for: base64 is decoded, other text is itself.

    Scripts and cloud-config begin with characters that base64 does not have.

    >>> user_data_bytes("IyEvYmluL3No") == user_data_bytes("#!/bin/sh")
    True
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return text.encode()


def reveal(value: Any) -> Any:
    """Unwrap a secret to compare it with what the cloud shows."""
    return value.reveal() if isinstance(value, Secret) else value


def data_request(data: Any) -> Any:
    """Give user data as bytes, still secret if it was."""
    if not reveal(data):
        return None
    opened = user_data_bytes(reveal(data))
    return Secret(opened) if isinstance(data, Secret) else opened


def data_change(data: Any) -> dict[str, Any]:
    """Give the change of an attribute that sets user data, still secret if it was.

    Of the two forms that EC2 takes, the one for a value wants base64; the other is the way to have none.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
    """
    opened = data_request(data)
    if opened is None:
        return {"UserData": {"Value": b""}}
    value = base64.b64encode(reveal(opened)).decode()
    return {"Attribute": "userData", "Value": Secret(value) if isinstance(data, Secret) else value}


def device_request(device: Mapping[str, Any]) -> dict[str, Any]:
    """Give a block device as a launch takes it."""
    return {"DeviceName": device["device_name"], "Ebs": renamed(device.get("ebs"), EBS) or {}}


def shown_instance(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give the inputs that a description shows."""
    placement = found.get("Placement") or {}
    profile = (found.get("IamInstanceProfile") or {}).get("Arn")
    return {
        "image_id": found.get("ImageId"),
        "instance_type": found.get("InstanceType"),
        "availability_zone": placement.get("AvailabilityZone"),
        "cpu_options": shown(found.get("CpuOptions"), CPU),
        "ebs_optimized": bool(found.get("EbsOptimized", False)),
        "iam_instance_profile": profile.rpartition("/")[2] if profile else None,
        "key_name": found.get("KeyName") or None,
        "metadata_options": shown(found.get("MetadataOptions"), METADATA),
        "monitoring": (found.get("Monitoring") or {}).get("State") in ("enabled", "pending"),
        "placement_group_name": placement.get("GroupName") or None,
        "private_ip_address": found.get("PrivateIpAddress"),
        "security_group_ids": [group["GroupId"] for group in found.get("SecurityGroups") or ()] or None,
        "source_dest_check": bool(found.get("SourceDestCheck", True)),
        "subnet_id": found.get("SubnetId"),
        "tenancy": placement.get("Tenancy"),
        "tags": tags.from_list(found.get("Tags")),
    }


def shown_outputs(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give the outputs that a description shows."""
    return {
        "instance_id": found["InstanceId"],
        "private_dns_name": found.get("PrivateDnsName") or None,
        "private_ip": found.get("PrivateIpAddress"),
        "public_dns_name": found.get("PublicDnsName") or None,
        "public_ip": found.get("PublicIpAddress"),
        "state": {"code": str(found["State"].get("Code", "")), "name": found["State"]["Name"]},
        "vpc_id": found.get("VpcId"),
    }


def comparable(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give inputs with user data in the one form in which two of the same bytes are equal."""
    data = inputs.get("user_data")
    if isinstance(data, str) and data:
        return {**inputs, "user_data": base64.b64encode(user_data_bytes(data)).decode()}
    if isinstance(data, Secret) and isinstance(data.reveal(), str):
        return {**inputs, "user_data": Secret(base64.b64encode(user_data_bytes(data.reveal())).decode())}
    return inputs
