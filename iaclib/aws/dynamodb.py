"""Declarations of DynamoDB types: those written by hand, and the others made on demand."""

from iaclib.aws._dynamodb import (
    AttributeDefinition as AttributeDefinition,
    GlobalSecondaryIndex as GlobalSecondaryIndex,
    KeySchema as KeySchema,
    LocalSecondaryIndex as LocalSecondaryIndex,
    PointInTimeRecoverySpecification as PointInTimeRecoverySpecification,
    Projection as Projection,
    ProvisionedThroughput as ProvisionedThroughput,
    SSESpecification as SSESpecification,
    StreamSpecification as StreamSpecification,
    Table as Table,
    TimeToLiveSpecification as TimeToLiveSpecification,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
