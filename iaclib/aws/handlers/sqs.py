"""Queues.

SQS spreads slowly: a new setting may take a minute to show, a deleted queue a
minute to go, and its name is refused for a minute after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, structs

from iaclib.aws import tags
from iaclib.aws.handlers import documents
from iaclib.aws.handlers.base import AwsContext
from iaclib.aws.handlers.named import NamedHandler, differs
from iaclib.errors import NotFoundError
from iaclib.model.values import Secret
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Attribute(Struct, frozen=True):
    """One queue attribute: AWS's name, what it holds, and what AWS takes if nothing is set."""

    wire: str
    kind: str
    default: str


#: Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
_ATTRIBUTES: dict[str, _Attribute] = {
    "content_based_deduplication": _Attribute("ContentBasedDeduplication", "bool", "false"),
    "deduplication_scope": _Attribute("DeduplicationScope", "text", "queue"),
    "delay_seconds": _Attribute("DelaySeconds", "int", "0"),
    "fifo_throughput_limit": _Attribute("FifoThroughputLimit", "text", "perQueue"),
    "kms_data_key_reuse_period_seconds": _Attribute("KmsDataKeyReusePeriodSeconds", "int", "300"),
    "kms_master_key_id": _Attribute("KmsMasterKeyId", "text", ""),
    # AWS has raised the default of new queues to 1 MiB; this value is taken everywhere.
    "maximum_message_size": _Attribute("MaximumMessageSize", "int", "262144"),
    "message_retention_period": _Attribute("MessageRetentionPeriod", "int", "345600"),
    "receive_message_wait_time_seconds": _Attribute("ReceiveMessageWaitTimeSeconds", "int", "0"),
    "redrive_allow_policy": _Attribute("RedriveAllowPolicy", "json", ""),
    "redrive_policy": _Attribute("RedrivePolicy", "json", ""),
    "sqs_managed_sse_enabled": _Attribute("SqsManagedSseEnabled", "bool", "true"),
    "visibility_timeout": _Attribute("VisibilityTimeout", "int", "30"),
}
_JSON = tuple(field for field, attribute in _ATTRIBUTES.items() if attribute.kind == "json")


class QueueHandler(NamedHandler):
    """Standard and FIFO queues.

    Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    """

    service: ClassVar[str] = "sqs"
    kind: ClassVar[str] = "queue"
    # A second create of a queue with the same attributes just gives its URL.
    look_first: ClassVar[bool] = True

    def locate(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """Give the URL of the queue of that name, and its tags."""
        client = self.client(ctx)
        try:
            url = str(client.call("get_queue_url", QueueName=_name(inputs))["QueueUrl"])
            return url, client.call("list_queue_tags", QueueUrl=url).get("Tags") or {}
        except NotFoundError:
            return None

    def make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        """Create the queue with everything in one call."""
        attributes = {
            _ATTRIBUTES[field].wire: _written(value)
            for field, value in inputs.items()
            if field in _ATTRIBUTES and value is not None
        }
        if inputs.get("fifo_queue"):  # AWS refuses an explicit "false"
            attributes["FifoQueue"] = "true"
        made = self.client(ctx).call(
            "create_queue", QueueName=_name(inputs), Attributes=attributes, tags=tags.with_own(ctx, inputs.get("tags"))
        )
        return str(made["QueueUrl"])

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the queue.

        Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
        """
        client = self.client(ctx)
        try:
            found = client.call("get_queue_attributes", QueueUrl=id, AttributeNames=["All"]).get("Attributes") or {}
            marks = client.call("list_queue_tags", QueueUrl=id).get("Tags")
        except NotFoundError:
            return None
        arn = str(found["QueueArn"])
        return Live(
            id,
            outputs={"arn": arn, "queue_url": id},
            inputs={
                "queue_name": arn.rpartition(":")[2],
                "fifo_queue": found.get("FifoQueue") == "true" or None,
                **{field: _shown(field, found.get(one.wire)) for field, one in _ATTRIBUTES.items()},
                "tags": tags.users(marks),
            },
        )

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Set what differs in one call, and tags.

        What AWS has accepted counts as what it shows: reads may lag a minute.

        Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
        """
        client = self.client(ctx)
        live, now = self.existing(ctx, id)
        before, after = self.normalise(before), self.normalise(after)
        changed = [field for field in _ATTRIBUTES if differs(field, before, after, now)]
        settings = {
            field: _ATTRIBUTES[field].default if after.get(field) is None else _written(after[field])
            for field in changed
        }
        if settings:
            wire = {_ATTRIBUTES[field].wire: value for field, value in settings.items()}
            client.call("set_queue_attributes", QueueUrl=id, Attributes=wire)
        put, drop = tags.changes(before.get("tags"), after.get("tags"), now.get("tags") or {})
        if put:
            client.call("tag_queue", QueueUrl=id, Tags=put)
        if drop:
            client.call("untag_queue", QueueUrl=id, TagKeys=drop)
        marks = {key: value for key, value in {**(now.get("tags") or {}), **put}.items() if key not in drop}
        accepted = {
            field: _shown(field, value.reveal() if isinstance(value, Secret) else value)
            for field, value in settings.items()
        }
        return structs.replace(live, inputs={**now, **accepted, "tags": marks or None})

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the queue with its messages and wait until it no longer shows.

        Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
        """
        with self.missing_ok():
            self.client(ctx).call("delete_queue", QueueUrl=id)
        self.wait(
            ctx,
            lambda: True if self.read(ctx, id) is None else None,
            what=f"queue {id!r} is deleted but still there",
        )

    def normalise(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Make JSON text and mapping one, and counts numbers."""
        return {**inputs, **{field: _redrive(inputs[field]) for field in _JSON if inputs.get(field) is not None}}


def _name(inputs: Mapping[str, Any]) -> str:
    """Give the queue's name; that of a FIFO queue has to end in ``.fifo``."""
    name = str(inputs["queue_name"])
    return f"{name}.fifo" if inputs.get("fifo_queue") and not name.endswith(".fifo") else name


def _written(value: Any) -> str | Secret[str]:
    """Give a value as the text that attributes are."""
    if isinstance(value, Secret):
        return Secret(str(_written(value.reveal())))
    if isinstance(value, bool):
        return "true" if value else "false"
    return documents.text(value) if isinstance(value, dict) else str(value)


def _shown(field: str, value: str | None) -> Any:
    """Give an attribute's text as the value that is declared; None if nothing is set."""
    if value is None or value == "":
        return None
    match _ATTRIBUTES[field].kind:
        case "bool":
            return value.lower() == "true"
        case "int":
            return int(value)
        case "json":
            return _redrive(value)
        case _:
            return value


def _redrive(value: Any) -> Any:
    """Parse a redrive policy; AWS takes and may give its count as text."""
    policy = documents.parsed(value)
    if isinstance(policy, dict) and isinstance(count := policy.get("maxReceiveCount"), str) and count.isdecimal():
        return {**policy, "maxReceiveCount": int(count)}
    return policy
