"""Tables: their whole life but for changing indexes and settings, which is next door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from iaclib.aws import tags
from iaclib.aws.handlers import dynamodb_shapes as shapes
from iaclib.aws.handlers.base import AwsContext
from iaclib.aws.handlers.dynamodb_change import TableChange
from iaclib.aws.handlers.named import NamedHandler
from iaclib.errors import InvalidRequestError, NotFoundError, NotReadyError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_AFTER_CREATE = ("time_to_live_specification", "point_in_time_recovery_specification")


class TableHandler(NamedHandler):
    """Tables with their indexes, stream, backups and expiry.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
    """

    service: ClassVar[str] = "dynamodb"
    kind: ClassVar[str] = "table"

    def locate(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """Give the table of that name and its tags."""
        table = self._described(ctx, inputs["table_name"])
        marks = None if table is None else self._tags(ctx, table)
        return None if table is None or marks is None else (table["TableName"], marks)

    def make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        """Create the table with all that the call takes; expiry and backups want a finished table."""
        made = self.client(ctx).call(
            "create_table",
            TableName=inputs["table_name"],
            AttributeDefinitions=shapes.to_wire(inputs["attribute_definitions"]),
            KeySchema=shapes.to_wire(inputs["key_schema"]),
            BillingMode=inputs.get("billing_mode"),
            ProvisionedThroughput=shapes.to_wire(inputs.get("provisioned_throughput")),
            GlobalSecondaryIndexes=shapes.to_wire(inputs.get("global_secondary_indexes") or None),
            LocalSecondaryIndexes=shapes.to_wire(inputs.get("local_secondary_indexes") or None),
            StreamSpecification=shapes.stream_to_wire(inputs.get("stream_specification")),
            SSESpecification=shapes.sse_to_wire(inputs.get("sse_specification")),
            TableClass=inputs.get("table_class"),
            DeletionProtectionEnabled=inputs.get("deletion_protection_enabled"),
            Tags=tags.to_list(tags.with_own(ctx, inputs.get("tags"))),
        )
        return str(made["TableDescription"]["TableName"])

    def complete(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Sequence[str]:
        """Wait for the table and set up expiry and backups, if it has any."""
        fields = [field for field in _AFTER_CREATE if inputs.get(field)]
        if fields:
            change = self._change(ctx, id)
            change.active()
            change.expiry(inputs.get("time_to_live_specification"))
            change.backups(inputs.get("point_in_time_recovery_specification"))
        return ()  # `read` shows them at once, and what is off shows as nothing

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the table; it is ready when it and all its indexes are active.

        Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
        """
        table = self._described(ctx, id)
        if table is None or table.get("TableStatus") == "DELETING":
            return None
        change = self._change(ctx, id)
        marks = self._tags(ctx, table)
        try:
            expiry, backups = change.expiry_now(), change.backups_now()
        except NotFoundError:  # the table is too new, or on its way out
            expiry = backups = None
        return Live(
            table["TableName"],
            outputs={"arn": table["TableArn"], "stream_arn": shapes.stream_arn(table)},
            inputs={
                **shapes.inputs(table),
                "time_to_live_specification": expiry,
                "point_in_time_recovery_specification": backups,
                "tags": tags.users(marks),
            },
            ready=marks is not None and shapes.is_ready(table),
        )

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Change what differs, one call at a time, waiting for the table in between.

        Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
        """
        live, now = self.existing(ctx, id)
        change = self._change(ctx, id)
        change.apply(before, after, now)
        client, arn = self.client(ctx), live.outputs["arn"]
        put, drop = tags.changes(before.get("tags"), after.get("tags"), now.get("tags") or {})
        if put:
            client.call("tag_resource", ResourceArn=arn, Tags=tags.to_list(put))
        if drop:
            client.call("untag_resource", ResourceArn=arn, TagKeys=drop)
        return self.moved(ctx, id, now, {"tags"} if put or drop else ())

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the table with all its items and wait until it is gone.

        Raises:
            InvalidRequestError: Deletion protection is on; it is not lifted here.

        Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html
        """
        table = self._described(ctx, id)
        if table is None:
            return
        if table.get("DeletionProtectionEnabled"):
            msg = (
                f"{ctx.address}: table {id!r} has deletion protection, expected it to be off; "
                "set deletion_protection_enabled=False and apply that first"
            )
            raise InvalidRequestError(msg, property="deletion_protection_enabled")

        def deleted() -> bool | None:
            try:
                self.client(ctx).call("delete_table", TableName=id)
            except NotReadyError:  # a table or index that is changing can't be deleted
                state = self._described(ctx, id)
                return True if state is None or state.get("TableStatus") == "DELETING" else None
            except NotFoundError:
                pass
            return True

        self.wait(ctx, deleted, what=f"table {id!r} is changing and cannot be deleted yet")
        self.wait(
            ctx,
            lambda: True if self._described(ctx, id) is None else None,
            what=f"table {id!r} is deleted but still there",
        )

    def _change(self, ctx: AwsContext, name: str) -> TableChange:
        return TableChange(ctx, self.client(ctx), name, self.wait)

    def _described(self, ctx: AwsContext, name: str) -> dict[str, Any] | None:
        try:
            return dict(self.client(ctx).call("describe_table", TableName=name)["Table"])
        except NotFoundError:
            return None

    def _tags(self, ctx: AwsContext, table: Mapping[str, Any]) -> dict[str, str] | None:
        """Give a table's tags; None if it has gone or does not show yet."""
        try:
            return tags.raw(self.client(ctx).items("list_tags_of_resource", "Tags", ResourceArn=table["TableArn"]))
        except NotFoundError:
            return None
