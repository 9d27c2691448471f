"""Declarations of EC2's compute types: instances and volumes.

Names are CloudFormation's in snake_case. Users import them from
``iaclib.aws.ec2``. Knows nothing of boto3 or of handlers.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Required, TypedDict

from iaclib import declare as iac


class Ebs(TypedDict, total=False):
    """The volume that an instance gets for a block device."""

    delete_on_termination: iac.Input[bool]
    encrypted: iac.Input[bool]
    iops: iac.Input[int]
    kms_key_id: iac.Input[str]
    snapshot_id: iac.Input[str]
    volume_size: iac.Input[int]
    volume_type: iac.Input[Literal["gp2", "gp3", "io1", "io2", "sc1", "st1", "standard"]]


class BlockDeviceMapping(TypedDict, total=False):
    """One block device of an instance."""

    device_name: Required[iac.Input[str]]
    ebs: Required[Ebs]


class CpuOptions(TypedDict, total=False):
    """How many cores and threads an instance uses."""

    core_count: iac.Input[int]
    threads_per_core: iac.Input[int]


class MetadataOptions(TypedDict, total=False):
    """How an instance's metadata service answers."""

    http_endpoint: iac.Input[Literal["disabled", "enabled"]]
    http_protocol_ipv6: iac.Input[Literal["disabled", "enabled"]]
    http_put_response_hop_limit: iac.Input[Annotated[int, iac.Range(1, 64)]]
    http_tokens: iac.Input[Literal["optional", "required"]]
    instance_metadata_tags: iac.Input[Literal["disabled", "enabled"]]


class Instance(iac.Resource, type="aws:ec2:Instance", settle=120, tags="tags"):
    """A virtual machine.

    Changing ``instance_type``, ``ebs_optimized`` or ``user_data`` stops the
    instance, modifies it and starts it again. ``user_data`` may be plain text
    or already base64. A protected instance (``disable_api_termination``) is
    never unprotected by a delete: set it to False and apply first.
    ``block_device_mappings`` compares only the devices that are declared.

    Unsetting ``monitoring``, ``source_dest_check``, ``disable_api_termination``,
    ``instance_initiated_shutdown_behavior`` or ``user_data`` goes back to AWS's
    default, and unsetting ``iam_instance_profile`` detaches it. The others have
    no default of their own and stay as they are.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-instance.html
    """

    image_id: iac.Input[str] = iac.field(replaces=True)
    instance_type: iac.Input[str] | None = iac.field(default=None)
    availability_zone: iac.Input[str] | None = iac.field(default=None, replaces=True)
    block_device_mappings: iac.Input[Sequence[iac.Input[BlockDeviceMapping]]] | None = iac.field(
        default=None, replaces=True, unordered=True
    )
    cpu_options: iac.Input[CpuOptions] | None = iac.field(default=None, replaces=True)
    disable_api_termination: iac.Input[bool] | None = iac.field(default=None)
    ebs_optimized: iac.Input[bool] | None = iac.field(default=None)
    iam_instance_profile: iac.Input[str] | None = iac.field(default=None)
    instance_initiated_shutdown_behavior: iac.Input[Literal["stop", "terminate"]] | None = iac.field(default=None)
    key_name: iac.Input[str] | None = iac.field(default=None, replaces=True)
    metadata_options: iac.Input[MetadataOptions] | None = iac.field(default=None)
    monitoring: iac.Input[bool] | None = iac.field(default=None)
    placement_group_name: iac.Input[str] | None = iac.field(default=None, replaces=True)
    private_ip_address: iac.Input[str] | None = iac.field(default=None, replaces=True)
    security_group_ids: iac.Input[Sequence[iac.Input[str]]] | None = iac.field(default=None, unordered=True)
    source_dest_check: iac.Input[bool] | None = iac.field(default=None)
    subnet_id: iac.Input[str] | None = iac.field(default=None, replaces=True)
    tenancy: iac.Input[Literal["default", "dedicated", "host"]] | None = iac.field(default=None, replaces=True)
    user_data: iac.Input[str] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)

    instance_id: iac.Output[str] = iac.computed(stable=True)
    private_dns_name: iac.Output[str] = iac.computed(stable=True)
    private_ip: iac.Output[str] = iac.computed(stable=True)
    public_dns_name: iac.Output[str] = iac.computed()
    public_ip: iac.Output[str] = iac.computed()
    state: iac.Output[Mapping[str, Any]] = iac.computed()
    vpc_id: iac.Output[str] = iac.computed(stable=True)


class Volume(iac.Resource, type="aws:ec2:Volume", settle=120, tags="tags", stateful=True):
    """A block storage volume.

    ``size`` can only grow; ``volume_type``, ``iops``, ``throughput`` and
    ``multi_attach_enabled`` change in place. Give ``size`` or ``snapshot_id``,
    and ``kms_key_id`` as an ARN, which is what AWS shows.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-volume.html
    """

    availability_zone: iac.Input[str] = iac.field(replaces=True)
    encrypted: iac.Input[bool] | None = iac.field(default=None, replaces=True)
    iops: iac.Input[int] | None = iac.field(default=None)
    kms_key_id: iac.Input[str] | None = iac.field(default=None, replaces=True)
    multi_attach_enabled: iac.Input[bool] | None = iac.field(default=None)
    size: iac.Input[int] | None = iac.field(default=None)
    snapshot_id: iac.Input[str] | None = iac.field(default=None, replaces=True)
    throughput: iac.Input[int] | None = iac.field(default=None)
    volume_type: iac.Input[Literal["gp2", "gp3", "io1", "io2", "sc1", "st1", "standard"]] | None = iac.field(
        default=None
    )
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)

    volume_id: iac.Output[str] = iac.computed(stable=True)
