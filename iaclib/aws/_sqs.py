"""Declarations of Amazon Simple Queue Service types.

Knows no SDK and no handler.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from iaclib import declare as iac


class Queue(iac.Resource, type="aws:sqs:Queue", settle=120, tags="tags"):
    """A message queue; its id is its URL.

    The name of a FIFO queue ends in ``.fifo``; the ending is added where it is missing.
    ``redrive_policy`` and ``redrive_allow_policy`` are JSON with the API's own keys, such as
    ``{"deadLetterTargetArn": dlq.arn, "maxReceiveCount": 5}``, as a mapping or as text.
    AWS refuses a queue's name for 60 seconds after its deletion; a create waits for that.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html
    """

    queue_name: (
        iac.Input[Annotated[str, iac.Pattern(r"^[A-Za-z0-9_-]{1,75}(\.fifo)?$|^[A-Za-z0-9_-]{1,80}$")]] | None
    ) = iac.field(default=None, replaces=True, unique=True, generated=True)
    fifo_queue: iac.Input[bool] | None = iac.field(default=None, replaces=True)
    content_based_deduplication: iac.Input[bool] | None = iac.field(default=None)
    deduplication_scope: iac.Input[Literal["messageGroup", "queue"]] | None = iac.field(default=None)
    fifo_throughput_limit: iac.Input[Literal["perQueue", "perMessageGroupId"]] | None = iac.field(default=None)
    delay_seconds: iac.Input[Annotated[int, iac.Range(0, 900)]] | None = iac.field(default=None)
    kms_data_key_reuse_period_seconds: iac.Input[Annotated[int, iac.Range(60, 86400)]] | None = iac.field(default=None)
    kms_master_key_id: iac.Input[str] | None = iac.field(default=None)
    maximum_message_size: iac.Input[Annotated[int, iac.Range(1024, 1048576)]] | None = iac.field(default=None)
    message_retention_period: iac.Input[Annotated[int, iac.Range(60, 1209600)]] | None = iac.field(default=None)
    receive_message_wait_time_seconds: iac.Input[Annotated[int, iac.Range(0, 20)]] | None = iac.field(default=None)
    redrive_allow_policy: iac.Input[Mapping[str, Any] | str] | None = iac.field(default=None)
    redrive_policy: iac.Input[Mapping[str, Any] | str] | None = iac.field(default=None)
    sqs_managed_sse_enabled: iac.Input[bool] | None = iac.field(default=None)
    visibility_timeout: iac.Input[Annotated[int, iac.Range(0, 43200)]] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
    queue_url: iac.Output[str] = iac.computed(stable=True)
