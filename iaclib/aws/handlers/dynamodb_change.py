"""Changing a table that exists.

One call of the API changes one thing, and while that is under way the next one
is refused; so each change is a call and a wait. Everything is compared with
what is there, so a change that was cut short goes on where it stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct

from iaclib.aws.client import Client
from iaclib.aws.handlers import dynamodb_shapes as shapes
from iaclib.aws.handlers.base import AwsContext
from iaclib.aws.handlers.named import differs
from iaclib.errors import NotFoundError
from iaclib.model.values import reveal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


T = TypeVar("T")


class _Wait(Protocol):
    def __call__(self, ctx: AwsContext, probe: Callable[[], T | None], *, what: str) -> T: ...


class TableChange(Struct, frozen=True):
    """The changes of one table in one step.

    Args:
        ctx: The step.
        client: DynamoDB's client.
        name: The table.
        wait: How to wait, from the handler's base.
    """

    ctx: AwsContext
    client: Client
    name: str
    wait: _Wait

    def active(self) -> dict[str, Any]:
        """Wait until the table and its indexes are active; give the description."""

        def probe() -> dict[str, Any] | None:
            try:
                table: dict[str, Any] = self.client.call("describe_table", TableName=self.name)["Table"]
            except NotFoundError:  # it may take a moment to show
                return None
            return table if shapes.is_ready(table) else None

        return self.wait(self.ctx, probe, what=f"table {self.name!r} or an index of it is still changing")

    def apply(self, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Change all that differs.

        Indexes that go leave first: what stays must fit the new billing mode.

        Args:
            before: Inputs as they were.
            after: Inputs as they shall be.
            now: Inputs as the cloud shows them.
        """
        before, after = reveal(dict(before)), reveal(dict(after))

        def changed(field: str) -> bool:
            return differs(field, before, after, now)

        if changed("deletion_protection_enabled"):
            self._update(DeletionProtectionEnabled=bool(after.get("deletion_protection_enabled")))
        if changed("table_class"):
            self._update(TableClass=after.get("table_class") or "STANDARD")
        self._drop_indexes(before, after, now)
        self._capacity(before, after)
        self._add_indexes(after)
        if changed("stream_specification"):
            self._stream(now.get("stream_specification"), after.get("stream_specification"))
        if _sse_differs(before, after, now):
            self._update(SSESpecification=shapes.sse_to_wire(after.get("sse_specification")) or {"Enabled": False})
        if before.get("time_to_live_specification") or after.get("time_to_live_specification"):
            self.expiry(after.get("time_to_live_specification"))
        if before.get("point_in_time_recovery_specification") or after.get("point_in_time_recovery_specification"):
            self.backups(after.get("point_in_time_recovery_specification"))

    def expiry_now(self) -> dict[str, Any] | None:
        """Show what makes items expire; None if nothing does.

        Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTimeToLive.html
        """
        found = self.client.call("describe_time_to_live", TableName=self.name).get("TimeToLiveDescription") or {}
        if found.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
            return None
        return {"enabled": True, "attribute_name": found.get("AttributeName")}

    def expiry(self, wanted: Mapping[str, Any] | None) -> None:
        """Turn expiry on or off, unless it is so already, which AWS refuses.

        Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html
        """
        there = self.expiry_now()
        off = not wanted or not wanted.get("enabled")
        if off and there is not None:
            self._expire(enabled=False, attribute=there["attribute_name"])
        elif not off and wanted is not None and wanted.get("attribute_name") != (there or {}).get("attribute_name"):
            if there is not None:  # the attribute of an expiry that is on can't be changed
                self._expire(enabled=False, attribute=there["attribute_name"])
            self._expire(enabled=True, attribute=wanted.get("attribute_name"))

    def backups_now(self) -> dict[str, Any] | None:
        """Show continuous backups; None if there are none.

        Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeContinuousBackups.html
        """
        found = self.client.call("describe_continuous_backups", TableName=self.name)["ContinuousBackupsDescription"]
        recovery = found.get("PointInTimeRecoveryDescription") or {}
        if recovery.get("PointInTimeRecoveryStatus") not in {"ENABLED", "ENABLING"}:
            return None
        shown = {
            "point_in_time_recovery_enabled": True,
            "recovery_period_in_days": recovery.get("RecoveryPeriodInDays"),
        }
        return {key: value for key, value in shown.items() if value is not None}

    def backups(self, wanted: Mapping[str, Any] | None) -> None:
        """Turn continuous backups on or off, or change how far they reach.

        Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateContinuousBackups.html
        """
        there = self.backups_now()
        if not wanted or not wanted.get("point_in_time_recovery_enabled"):
            if there is not None:
                self._back_up({"PointInTimeRecoveryEnabled": False})
        elif there is None or any(there.get(key) != value for key, value in wanted.items()):
            self._back_up(shapes.to_wire(dict(wanted)))

    def _update(self, **params: Any) -> dict[str, Any]:
        self.client.call("update_table", TableName=self.name, **params)
        return self.active()

    def _expire(self, *, enabled: bool, attribute: str | None) -> None:
        setting = {"Enabled": enabled, "AttributeName": attribute}
        self.client.call("update_time_to_live", TableName=self.name, TimeToLiveSpecification=setting)

    def _back_up(self, setting: Mapping[str, Any]) -> None:
        self.client.call(
            "update_continuous_backups", TableName=self.name, PointInTimeRecoverySpecification=dict(setting)
        )

    def _there(self) -> dict[str, Any]:
        return shapes.inputs(self.active())

    def _drop_indexes(self, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Drop indexes that are no longer declared or are built differently."""
        wanted = _by_name(after)
        managed = {**_by_name(before), **wanted}  # what others added to an undeclared list stays
        for name, index in _by_name(now).items():
            keep = name in wanted and shapes.same_key(wanted[name], index)
            if name in managed and not keep:
                self.active()
                self._update(GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])

    def _capacity(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Change billing mode and throughput, of the table and of its indexes, in one call."""
        now = self._there()
        mode = after.get("billing_mode") or ("PROVISIONED" if before.get("billing_mode") else now["billing_mode"])
        params: dict[str, Any] = {}
        if mode != now["billing_mode"]:
            params["BillingMode"] = mode
        if mode == "PROVISIONED":
            wanted = after.get("provisioned_throughput")
            if wanted and wanted != now["provisioned_throughput"]:
                params["ProvisionedThroughput"] = shapes.to_wire(wanted)
            there = _by_name(now)
            updates = [
                {
                    "Update": {
                        "IndexName": name,
                        "ProvisionedThroughput": shapes.to_wire(index["provisioned_throughput"]),
                    }
                }
                for name, index in _by_name(after).items()
                if name in there
                and index.get("provisioned_throughput")
                and index["provisioned_throughput"] != there[name].get("provisioned_throughput")
            ]
            if updates:
                params["GlobalSecondaryIndexUpdates"] = updates
        if params:
            self._update(**params)

    def _add_indexes(self, after: Mapping[str, Any]) -> None:
        """Build missing indexes, one after the other."""
        for name, index in _by_name(after).items():
            if name not in _by_name(self._there()):
                self._update(
                    AttributeDefinitions=shapes.to_wire(after["attribute_definitions"]),
                    GlobalSecondaryIndexUpdates=[{"Create": shapes.to_wire(index)}],
                )

    def _stream(self, now: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> None:
        """Exchange the stream; one that is on has to stop before another starts."""
        if now:
            self._update(StreamSpecification={"StreamEnabled": False})
        if wanted:
            self._update(StreamSpecification=shapes.stream_to_wire(wanted))


def _by_name(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {index["index_name"]: index for index in inputs.get("global_secondary_indexes") or ()}


def _sse_differs(before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether encryption has to be set; a key's name and its ARN can't be told apart by looking."""
    old, new, there = (inputs.get("sse_specification") for inputs in (before, after, now))
    if bool((new or {}).get("sse_enabled")) != bool(there):
        return bool(old or new)
    return bool(there) and old != new
