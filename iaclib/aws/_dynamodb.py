"""Declarations of Amazon DynamoDB types.

Knows no SDK and no handler.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Required, TypedDict

from iaclib import declare as iac


class AttributeDefinition(TypedDict, total=False):
    """The type of an attribute that a key uses."""

    attribute_name: Required[iac.Input[str]]
    attribute_type: Required[iac.Input[Literal["S", "N", "B"]]]


class KeySchema(TypedDict, total=False):
    """One part of a key: HASH first, then RANGE."""

    attribute_name: Required[iac.Input[str]]
    key_type: Required[iac.Input[Literal["HASH", "RANGE"]]]


class Projection(TypedDict, total=False):
    """Which attributes an index holds."""

    projection_type: iac.Input[Literal["ALL", "INCLUDE", "KEYS_ONLY"]]
    non_key_attributes: iac.Input[Sequence[iac.Input[str]]]


class ProvisionedThroughput(TypedDict, total=False):
    """Capacity units a second, reserved."""

    read_capacity_units: Required[iac.Input[int]]
    write_capacity_units: Required[iac.Input[int]]


class GlobalSecondaryIndex(TypedDict, total=False):
    """An index with a key of its own; may come and go while the table lives."""

    index_name: Required[iac.Input[str]]
    key_schema: Required[iac.Input[Sequence[iac.Input[KeySchema]]]]
    projection: Required[iac.Input[Projection]]
    provisioned_throughput: iac.Input[ProvisionedThroughput]


class LocalSecondaryIndex(TypedDict, total=False):
    """An index with the table's hash key; made with the table and fixed for its life."""

    index_name: Required[iac.Input[str]]
    key_schema: Required[iac.Input[Sequence[iac.Input[KeySchema]]]]
    projection: Required[iac.Input[Projection]]


class StreamSpecification(TypedDict, total=False):
    """What a table's change stream shows of each change."""

    stream_view_type: Required[iac.Input[Literal["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]]]


class SSESpecification(TypedDict, total=False):
    """Encryption with a KMS key; off means AWS's own key."""

    sse_enabled: Required[iac.Input[bool]]
    sse_type: iac.Input[Literal["KMS"]]
    kms_master_key_id: iac.Input[str]


class TimeToLiveSpecification(TypedDict, total=False):
    """The attribute that says when an item expires, in seconds of the epoch."""

    enabled: Required[iac.Input[bool]]
    attribute_name: iac.Input[str]


class PointInTimeRecoverySpecification(TypedDict, total=False):
    """Continuous backups."""

    point_in_time_recovery_enabled: iac.Input[bool]
    recovery_period_in_days: iac.Input[Annotated[int, iac.Range(1, 35)]]


class Table(iac.Resource, type="aws:dynamodb:Table", settle=120, stateful=True, tags="tags"):
    """A key-value table; its id is its name.

    The order of attribute definitions and of indexes means nothing. Global secondary indexes
    change one at a time, and the table is waited for in between; one whose key or projection
    changes is dropped and built again. The table is ready when it and all its indexes are.
    iaclib never lifts deletion protection by itself.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
    """

    table_name: iac.Input[Annotated[str, iac.Pattern(r"^[a-zA-Z0-9_.-]{3,255}$")]] | None = iac.field(
        default=None, replaces=True, unique=True, generated=True
    )
    attribute_definitions: iac.Input[Sequence[iac.Input[AttributeDefinition]]] = iac.field(unordered=True)
    key_schema: iac.Input[Sequence[iac.Input[KeySchema]]] = iac.field(replaces=True)
    billing_mode: iac.Input[Literal["PAY_PER_REQUEST", "PROVISIONED"]] | None = iac.field(default=None)
    provisioned_throughput: iac.Input[ProvisionedThroughput] | None = iac.field(default=None)
    global_secondary_indexes: iac.Input[Sequence[iac.Input[GlobalSecondaryIndex]]] | None = iac.field(
        default=None, unordered=True
    )
    # The API has no call that adds or drops a local index, although the schema does not say so.
    local_secondary_indexes: iac.Input[Sequence[iac.Input[LocalSecondaryIndex]]] | None = iac.field(
        default=None, replaces=True, unordered=True
    )
    stream_specification: iac.Input[StreamSpecification] | None = iac.field(default=None)
    sse_specification: iac.Input[SSESpecification] | None = iac.field(default=None)
    time_to_live_specification: iac.Input[TimeToLiveSpecification] | None = iac.field(default=None)
    point_in_time_recovery_specification: iac.Input[PointInTimeRecoverySpecification] | None = iac.field(default=None)
    deletion_protection_enabled: iac.Input[bool] | None = iac.field(default=None)
    table_class: iac.Input[Literal["STANDARD", "STANDARD_INFREQUENT_ACCESS"]] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
    stream_arn: iac.Output[str] = iac.computed()
