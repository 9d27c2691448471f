"""Declarations of Amazon Simple Notification Service types.

Knows no SDK and no handler.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Required, TypedDict

from iaclib import declare as iac


class TopicSubscription(TypedDict, total=False):
    """Who gets what is published, and how."""

    endpoint: Required[iac.Input[str]]
    protocol: Required[
        iac.Input[Literal["http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"]]
    ]


class Topic(iac.Resource, type="aws:sns:Topic", settle=120, tags="tags"):
    """A topic to publish to; its id is its ARN.

    The name of a FIFO topic ends in ``.fifo``; the ending is added where it is missing.
    A ``subscription`` list that is declared is the whole list. A subscription that its
    receiver has not confirmed yet counts as there, and cannot be taken away by anybody:
    AWS drops it after some days.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-topic.html
    """

    topic_name: (
        iac.Input[Annotated[str, iac.Pattern(r"^[A-Za-z0-9_-]{1,251}(\.fifo)?$|^[A-Za-z0-9_-]{1,256}$")]] | None
    ) = iac.field(default=None, replaces=True, unique=True, generated=True)
    display_name: iac.Input[str] | None = iac.field(default=None)
    fifo_topic: iac.Input[bool] | None = iac.field(default=None, replaces=True)
    content_based_deduplication: iac.Input[bool] | None = iac.field(default=None)
    fifo_throughput_scope: iac.Input[Literal["Topic", "MessageGroup"]] | None = iac.field(default=None)
    kms_master_key_id: iac.Input[str] | None = iac.field(default=None)
    signature_version: iac.Input[Literal["1", "2"]] | None = iac.field(default=None)
    tracing_config: iac.Input[Literal["PassThrough", "Active"]] | None = iac.field(default=None)
    subscription: iac.Input[Sequence[iac.Input[TopicSubscription]]] | None = iac.field(default=None, unordered=True)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    topic_arn: iac.Output[str] = iac.computed(stable=True)
