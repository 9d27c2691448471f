"""Log groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext
from iaclib.aws.handlers.named import NamedHandler, differs
from iaclib.errors import NotFoundError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class LogGroupHandler(NamedHandler):
    """Log groups of CloudWatch Logs.

    Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
    """

    service: ClassVar[str] = "logs"
    kind: ClassVar[str] = "log group"

    def locate(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """Give the group of that name and its tags."""
        group = self._described(ctx, inputs["log_group_name"])
        marks = None if group is None else self._tags(ctx, group)
        return None if group is None or marks is None else (group["logGroupName"], marks)

    def make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        """Create the group; how long it keeps things is a call of its own."""
        name = str(inputs["log_group_name"])
        self.client(ctx).call(
            "create_log_group",
            logGroupName=name,
            kmsKeyId=inputs.get("kms_key_id"),
            logGroupClass=inputs.get("log_group_class"),
            tags=tags.with_own(ctx, inputs.get("tags")),
        )
        return name

    def complete(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Sequence[str]:
        """Set how long the group keeps things."""
        if not inputs.get("retention_in_days"):
            return []
        self.settled(ctx, lambda: self._retain(ctx, id, inputs["retention_in_days"]))
        return ["retention_in_days"]

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the group.

        Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html
        """
        group = self._described(ctx, id)
        marks = None if group is None else self._tags(ctx, group)
        if group is None or marks is None:
            return None
        inputs = {
            "log_group_name": group["logGroupName"],
            "retention_in_days": group.get("retentionInDays"),
            "kms_key_id": group.get("kmsKeyId") or None,
            "tags": tags.users(marks),
        }
        if group.get("logGroupClass"):  # not said is not the same as not set
            inputs["log_group_class"] = group["logGroupClass"]
        return Live(group["logGroupName"], outputs={"arn": f"{_plain_arn(group)}:*"}, inputs=inputs)

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Change retention, key and tags.

        Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
        """
        client = self.client(ctx)
        live, now = self.existing(ctx, id)
        changed = {field for field in ("retention_in_days", "kms_key_id") if differs(field, before, after, now)}
        if "retention_in_days" in changed:
            self._retain(ctx, id, after.get("retention_in_days"))
        if "kms_key_id" in changed:
            if after.get("kms_key_id"):
                client.call("associate_kms_key", logGroupName=id, kmsKeyId=after["kms_key_id"])
            else:
                client.call("disassociate_kms_key", logGroupName=id)
        put, drop = tags.changes(before.get("tags"), after.get("tags"), now.get("tags") or {})
        arn = live.outputs["arn"].removesuffix(":*")  # tagging takes the ARN without the streams' mark
        if put:
            client.call("tag_resource", resourceArn=arn, tags=put)
        if drop:
            client.call("untag_resource", resourceArn=arn, tagKeys=drop)
        return self.moved(ctx, id, now, changed | ({"tags"} if put or drop else set()))

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the group with all its logs.

        Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html
        """
        with self.missing_ok():
            self.client(ctx).call("delete_log_group", logGroupName=id)
        self.wait(
            ctx,
            lambda: True if self._described(ctx, id) is None else None,
            what=f"log group {id!r} is deleted but still there",
        )

    def _described(self, ctx: AwsContext, name: str) -> dict[str, Any] | None:
        """Find the group; the API only knows prefixes."""
        groups = self.client(ctx).items("describe_log_groups", "logGroups", logGroupNamePrefix=name)
        return next((group for group in groups if group["logGroupName"] == name), None)

    def _tags(self, ctx: AwsContext, group: Mapping[str, Any]) -> dict[str, str] | None:
        """Give a group's tags; None if it is gone by now."""
        try:
            return dict(
                self.client(ctx).call("list_tags_for_resource", resourceArn=_plain_arn(group)).get("tags") or {}
            )
        except NotFoundError:
            return None

    def _retain(self, ctx: AwsContext, name: str, days: int | None) -> None:
        client = self.client(ctx)
        if days:
            client.call("put_retention_policy", logGroupName=name, retentionInDays=days)
        else:
            client.call("delete_retention_policy", logGroupName=name)


def _plain_arn(group: Mapping[str, Any]) -> str:
    return str(group.get("logGroupArn") or group["arn"]).removesuffix(":*")
