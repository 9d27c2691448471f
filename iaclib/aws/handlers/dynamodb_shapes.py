"""Tables between the shape that is declared and the one that the API speaks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

#: The API describes throughput with times and counts that nobody declares.
_THROUGHPUT = ("ReadCapacityUnits", "WriteCapacityUnits")
_INDEX = ("IndexName", "KeySchema", "Projection")


def to_wire(value: Any) -> Any:
    """Turn snake_case keys into AWS's at any depth; secrets stay wrapped."""
    if isinstance(value, dict):
        return {key.title().replace("_", ""): to_wire(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [to_wire(item) for item in value]
    return value


def from_wire(value: Any) -> Any:
    """Turn AWS's keys into snake_case at any depth."""
    if isinstance(value, dict):
        return {_WORD.sub("_", key).lower(): from_wire(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_wire(item) for item in value]
    return value


def stream_to_wire(stream: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Ask for a stream; the API wants it said that it is on."""
    return None if not stream else {"StreamEnabled": True, "StreamViewType": stream["stream_view_type"]}


def sse_to_wire(sse: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Ask for encryption by a KMS key."""
    if sse is None:
        return None
    names = {"sse_enabled": "Enabled", "sse_type": "SSEType", "kms_master_key_id": "KMSMasterKeyId"}
    return {names[key]: value for key, value in sse.items() if value is not None}


def stream_arn(table: Mapping[str, Any]) -> str | None:
    """Give the ARN of the stream that is on; a stopped one still shows for a day."""
    return table.get("LatestStreamArn") if _stream(table) else None


def is_ready(table: Mapping[str, Any]) -> bool:
    """Whether neither the table nor an index of it is being made or changed."""
    indexes = table.get("GlobalSecondaryIndexes") or ()
    busy = {"CREATING", "UPDATING", "DELETING"}
    return table.get("TableStatus") not in busy and not any(one.get("IndexStatus") in busy for one in indexes)


def inputs(table: Mapping[str, Any]) -> dict[str, Any]:
    """Give a described table in the shape that is declared, but for what has calls of its own."""
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode") or "PROVISIONED"
    provisioned = mode == "PROVISIONED"
    return {
        "table_name": table["TableName"],
        "attribute_definitions": from_wire(table["AttributeDefinitions"]),
        "key_schema": from_wire(table["KeySchema"]),
        "billing_mode": mode,
        "provisioned_throughput": _throughput(table) if provisioned else None,
        "global_secondary_indexes": [
            _index(one, provisioned=provisioned)
            for one in table.get("GlobalSecondaryIndexes") or ()
            if one.get("IndexStatus") != "DELETING"
        ]
        or None,
        "local_secondary_indexes": [_index(one, provisioned=False) for one in table.get("LocalSecondaryIndexes") or ()]
        or None,
        "stream_specification": _stream(table),
        "sse_specification": _sse(table),
        "deletion_protection_enabled": bool(table.get("DeletionProtectionEnabled")),
        "table_class": (table.get("TableClassSummary") or {}).get("TableClass") or "STANDARD",
    }


def same_key(index: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two indexes are built the same way, so that one need not be built again."""
    return bool(index["key_schema"] == other["key_schema"]) and _projection(index) == _projection(other)


def _projection(index: Mapping[str, Any]) -> tuple[Any, list[str]]:
    projection = index["projection"]
    return projection.get("projection_type"), sorted(projection.get("non_key_attributes") or ())


def _index(one: Mapping[str, Any], *, provisioned: bool) -> dict[str, Any]:
    shown: dict[str, Any] = from_wire({key: one[key] for key in _INDEX if key in one})
    if provisioned and (throughput := _throughput(one)):
        shown["provisioned_throughput"] = throughput
    return shown


def _throughput(holder: Mapping[str, Any]) -> dict[str, int] | None:
    found = holder.get("ProvisionedThroughput") or {}
    shown: dict[str, int] = from_wire({key: found[key] for key in _THROUGHPUT if key in found})
    return shown or None


def _stream(table: Mapping[str, Any]) -> dict[str, Any] | None:
    found = table.get("StreamSpecification") or {}
    return {"stream_view_type": found["StreamViewType"]} if found.get("StreamEnabled") else None


def _sse(table: Mapping[str, Any]) -> dict[str, Any] | None:
    found = table.get("SSEDescription") or {}
    if found.get("Status") not in {"ENABLED", "ENABLING", "UPDATING"}:
        return None
    shown = {"sse_enabled": True, "sse_type": found.get("SSEType"), "kms_master_key_id": found.get("KMSMasterKeyArn")}
    return {key: value for key, value in shown.items() if value is not None}
