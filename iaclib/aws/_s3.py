"""Declarations of S3: buckets and their policies.

Names are CloudFormation's in snake_case. Knows nothing of boto3 or of
handlers.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Required, TypedDict

from iaclib import declare as iac

_STORAGE_CLASS = Literal["DEEP_ARCHIVE", "GLACIER", "GLACIER_IR", "INTELLIGENT_TIERING", "ONEZONE_IA", "STANDARD_IA"]


class VersioningConfiguration(TypedDict):
    """Whether objects keep their old versions."""

    status: iac.Input[Literal["Enabled", "Suspended"]]


class ServerSideEncryptionByDefault(TypedDict, total=False):
    """How new objects are encrypted unless a request says otherwise."""

    sse_algorithm: Required[iac.Input[Literal["aws:kms", "AES256", "aws:kms:dsse"]]]
    kms_master_key_id: iac.Input[str]


class ServerSideEncryptionRule(TypedDict, total=False):
    """One rule of a bucket's encryption."""

    server_side_encryption_by_default: iac.Input[ServerSideEncryptionByDefault]
    bucket_key_enabled: iac.Input[bool]


class BucketEncryption(TypedDict):
    """A bucket's encryption."""

    server_side_encryption_configuration: iac.Input[Sequence[iac.Input[ServerSideEncryptionRule]]]


class PublicAccessBlockConfiguration(TypedDict, total=False):
    """Which ways of making a bucket public are shut; a missing key is False."""

    block_public_acls: iac.Input[bool]
    block_public_policy: iac.Input[bool]
    ignore_public_acls: iac.Input[bool]
    restrict_public_buckets: iac.Input[bool]


class OwnershipControlsRule(TypedDict, total=False):
    """Who owns what is put into a bucket."""

    object_ownership: iac.Input[Literal["ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"]]


class OwnershipControls(TypedDict):
    """A bucket's ownership rules; S3 allows exactly one."""

    rules: iac.Input[Sequence[iac.Input[OwnershipControlsRule]]]


class TagFilter(TypedDict):
    """A tag that an object must have."""

    key: iac.Input[str]
    value: iac.Input[str]


class AbortIncompleteMultipartUpload(TypedDict):
    """When unfinished uploads are dropped."""

    days_after_initiation: iac.Input[int]


class NoncurrentVersionExpiration(TypedDict, total=False):
    """When old versions are deleted."""

    noncurrent_days: Required[iac.Input[int]]
    newer_noncurrent_versions: iac.Input[int]


class NoncurrentVersionTransition(TypedDict, total=False):
    """When old versions move to another storage class."""

    storage_class: Required[iac.Input[_STORAGE_CLASS]]
    transition_in_days: Required[iac.Input[int]]
    newer_noncurrent_versions: iac.Input[int]


class Transition(TypedDict, total=False):
    """When objects move to another storage class; days or a date."""

    storage_class: Required[iac.Input[_STORAGE_CLASS]]
    transition_in_days: iac.Input[int]
    transition_date: iac.Input[str]


class LifecycleRule(TypedDict, total=False):
    """One lifecycle rule; without filters it is for every object."""

    id: iac.Input[str]
    status: Required[iac.Input[Literal["Enabled", "Disabled"]]]
    prefix: iac.Input[str]
    tag_filters: iac.Input[Sequence[iac.Input[TagFilter]]]
    object_size_greater_than: iac.Input[str]
    object_size_less_than: iac.Input[str]
    abort_incomplete_multipart_upload: iac.Input[AbortIncompleteMultipartUpload]
    expiration_date: iac.Input[str]
    expiration_in_days: iac.Input[int]
    expired_object_delete_marker: iac.Input[bool]
    noncurrent_version_expiration: iac.Input[NoncurrentVersionExpiration]
    noncurrent_version_transitions: iac.Input[Sequence[iac.Input[NoncurrentVersionTransition]]]
    transitions: iac.Input[Sequence[iac.Input[Transition]]]


class LifecycleConfiguration(TypedDict):
    """A bucket's lifecycle rules."""

    rules: iac.Input[Sequence[iac.Input[LifecycleRule]]]


class BucketDelete(TypedDict, total=False):
    """What deleting a bucket may do: ``empty`` deletes every version of every object."""

    empty: bool


class Bucket(iac.Resource, type="aws:s3:Bucket", settle=120, tags="tags", stateful=True, on_delete=BucketDelete):
    """A bucket for objects.

    A bucket that holds anything is not deleted unless
    ``Options(on_delete={"empty": True})`` says so. A configuration that is
    unset again goes back to what a new bucket has (versioning, which cannot go
    back, is suspended).

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucket.html
    """

    bucket_name: iac.Input[Annotated[str, iac.Pattern(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]] | None = iac.field(
        default=None, replaces=True, unique=True, generated=True
    )
    bucket_encryption: iac.Input[BucketEncryption] | None = iac.field(default=None)
    lifecycle_configuration: iac.Input[LifecycleConfiguration] | None = iac.field(default=None)
    ownership_controls: iac.Input[OwnershipControls] | None = iac.field(default=None)
    public_access_block_configuration: iac.Input[PublicAccessBlockConfiguration] | None = iac.field(default=None)
    versioning_configuration: iac.Input[VersioningConfiguration] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)

    arn: iac.Output[str] = iac.computed(stable=True)
    domain_name: iac.Output[str] = iac.computed(stable=True)
    dual_stack_domain_name: iac.Output[str] = iac.computed(stable=True)
    regional_domain_name: iac.Output[str] = iac.computed(stable=True)
    website_url: iac.Output[str] = iac.computed(stable=True)


class BucketPolicy(iac.Resource, type="aws:s3:BucketPolicy", settle=120):
    """The resource policy of a bucket, as a mapping or as JSON text.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-s3-bucketpolicy.html
    """

    bucket: iac.Input[str] = iac.field(replaces=True, unique=True)
    policy_document: iac.Input[Mapping[str, Any] | str] = iac.field()
