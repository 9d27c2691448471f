"""Topics and the subscriptions that they declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext
from iaclib.aws.handlers.named import NamedHandler, differs, partition
from iaclib.errors import ConflictError, InvalidRequestError, NotFoundError
from iaclib.model.values import reveal
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class _Attribute(NamedTuple):
    """One topic attribute: AWS's name, and what AWS takes if nothing is set."""

    wire: str
    default: str


#: Source: https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
_ATTRIBUTES: dict[str, _Attribute] = {
    "content_based_deduplication": _Attribute("ContentBasedDeduplication", "false"),
    "display_name": _Attribute("DisplayName", ""),
    "fifo_throughput_scope": _Attribute("FifoThroughputScope", "Topic"),
    "kms_master_key_id": _Attribute("KmsMasterKeyId", ""),
    "signature_version": _Attribute("SignatureVersion", "1"),
    "tracing_config": _Attribute("TracingConfig", "PassThrough"),
}
#: Attributes that every topic has a value of, whether AWS tells it or not.
_ALWAYS_SET = {"signature_version", "tracing_config"}


class TopicHandler(NamedHandler):
    """Standard and FIFO topics.

    Source: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    """

    service: ClassVar[str] = "sns"
    kind: ClassVar[str] = "topic"
    # A second create of a topic with the same attributes and tags just gives its ARN.
    look_first: ClassVar[bool] = True

    def locate(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """Give the ARN of the topic of that name, and its tags."""
        arn, client = _arn(ctx, inputs), self.client(ctx)
        try:
            client.call("get_topic_attributes", TopicArn=arn)
            return arn, tags.raw(client.call("list_tags_for_resource", ResourceArn=arn).get("Tags"))
        except NotFoundError:
            return None

    def make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        """Create the topic, without subscriptions."""
        attributes = {
            _ATTRIBUTES[field].wire: _written(value)
            for field, value in inputs.items()
            if field in _ATTRIBUTES and value is not None
        }
        if inputs.get("fifo_topic"):
            attributes["FifoTopic"] = "true"
        try:
            made = self.client(ctx).call(
                "create_topic",
                Name=_name(inputs),
                Attributes=attributes,
                Tags=tags.to_list(tags.with_own(ctx, inputs.get("tags"))),
            )
        except InvalidRequestError as error:
            if "already exists" not in str(error):
                raise
            # Somebody else was faster, with other attributes or tags.
            raise ConflictError(str(error), **{**error.facts, "existing_id": _arn(ctx, inputs)}) from None
        return str(made["TopicArn"])

    def complete(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Sequence[str]:
        """Subscribe whom the topic declares; subscribing again changes nothing."""
        for one in inputs.get("subscription") or ():
            self._subscribe(ctx, id, one)
        return ["subscription"] if inputs.get("subscription") else []

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the topic and who is subscribed, also who has not confirmed yet.

        Source: https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
        """
        client = self.client(ctx)
        try:
            found = client.call("get_topic_attributes", TopicArn=id).get("Attributes") or {}
            marks = client.call("list_tags_for_resource", ResourceArn=id).get("Tags")
            subscribed = self._subscribed(ctx, id)
        except NotFoundError:
            return None
        inputs: dict[str, Any] = {
            field: found.get(one.wire) or None
            for field, one in _ATTRIBUTES.items()
            if field not in _ALWAYS_SET or found.get(one.wire)  # not said is not the same as not set
        }
        if inputs["content_based_deduplication"] is not None:
            inputs["content_based_deduplication"] = inputs["content_based_deduplication"].lower() == "true"
        inputs |= {
            "topic_name": id.rpartition(":")[2],
            "fifo_topic": (found.get("FifoTopic") or "").lower() == "true" or None,
            "subscription": [_shape(one) for one in subscribed] or None,
            "tags": tags.from_list(marks),
        }
        return Live(id, outputs={"topic_arn": id}, inputs=inputs)

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Set what differs, one call an attribute, and subscribe and unsubscribe.

        Source: https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
        """
        client = self.client(ctx)
        _, now = self.existing(ctx, id)
        changed = {field for field in (*_ATTRIBUTES, "subscription") if differs(field, before, after, now)}
        for field in sorted(changed - {"subscription"}):
            value = _ATTRIBUTES[field].default if after.get(field) is None else _written(after[field])
            client.call(
                "set_topic_attributes", TopicArn=id, AttributeName=_ATTRIBUTES[field].wire, AttributeValue=value
            )
        if "subscription" in changed:
            self._resubscribe(ctx, id, before, after)
        put, drop = tags.changes(before.get("tags"), after.get("tags"), now.get("tags") or {})
        if put:
            client.call("tag_resource", ResourceArn=id, Tags=tags.to_list(put))
        if drop:
            client.call("untag_resource", ResourceArn=id, TagKeys=drop)
        return self.moved(ctx, id, now, changed - {"subscription"})

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the topic; its subscriptions go with it.

        Source: https://docs.aws.amazon.com/sns/latest/api/API_DeleteTopic.html
        """
        with self.missing_ok():
            self.client(ctx).call("delete_topic", TopicArn=id)
        self.wait(
            ctx,
            lambda: True if self.read(ctx, id) is None else None,
            what=f"topic {id!r} is deleted but still there",
        )

    def _subscribed(self, ctx: AwsContext, id: str) -> list[dict[str, Any]]:
        found = self.client(ctx).items("list_subscriptions_by_topic", "Subscriptions", TopicArn=id)
        return [one for one in found if one["SubscriptionArn"] != "Deleted"]

    def _subscribe(self, ctx: AwsContext, id: str, one: Mapping[str, Any]) -> None:
        """Subscribe one receiver.

        Source: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
        """
        self.client(ctx).call("subscribe", TopicArn=id, Protocol=one["protocol"], Endpoint=one["endpoint"])

    def _resubscribe(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Subscribe whom the list has gained and unsubscribe whom it has lost."""
        there = self._subscribed(ctx, id)
        wanted = reveal(after.get("subscription")) or []
        known = [_shape(one) for one in there]
        for one in wanted:
            if one not in known:
                self._subscribe(ctx, id, one)
        lost = [one for one in reveal(before.get("subscription")) or () if one not in wanted]
        for one in there:
            if _shape(one) not in lost:
                continue
            if one["SubscriptionArn"].startswith("arn:"):
                with self.missing_ok():
                    self.client(ctx).call("unsubscribe", SubscriptionArn=one["SubscriptionArn"])
            else:  # AWS has no call for it
                ctx.log(
                    f"{ctx.address}: a subscription by {one['Protocol']} waits for confirmation, AWS drops it later"
                )


def _name(inputs: Mapping[str, Any]) -> str:
    """Give the topic's name; that of a FIFO topic has to end in ``.fifo``."""
    name = str(inputs["topic_name"])
    return f"{name}.fifo" if inputs.get("fifo_topic") and not name.endswith(".fifo") else name


def _arn(ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
    account, region = ctx.provider.identity()
    return f"arn:{partition(region)}:sns:{region}:{account}:{_name(inputs)}"


def _shape(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"endpoint": one.get("Endpoint"), "protocol": one.get("Protocol")}


def _written(value: Any) -> Any:
    """Give a value as the text that attributes are; secrets stay wrapped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
