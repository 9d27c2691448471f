"""Declarations of DynamoDB types: those written by hand, and the others made on demand."""

from iaclib.aws._dynamodb import (
    AttributeDefinition as AttributeDefinition,
)
from iaclib.aws._dynamodb import (
    GlobalSecondaryIndex as GlobalSecondaryIndex,
)
from iaclib.aws._dynamodb import (
    KeySchema as KeySchema,
)
from iaclib.aws._dynamodb import (
    LocalSecondaryIndex as LocalSecondaryIndex,
)
from iaclib.aws._dynamodb import (
    PointInTimeRecoverySpecification as PointInTimeRecoverySpecification,
)
from iaclib.aws._dynamodb import (
    Projection as Projection,
)
from iaclib.aws._dynamodb import (
    ProvisionedThroughput as ProvisionedThroughput,
)
from iaclib.aws._dynamodb import (
    SSESpecification as SSESpecification,
)
from iaclib.aws._dynamodb import (
    StreamSpecification as StreamSpecification,
)
from iaclib.aws._dynamodb import (
    Table as Table,
)
from iaclib.aws._dynamodb import (
    TimeToLiveSpecification as TimeToLiveSpecification,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
