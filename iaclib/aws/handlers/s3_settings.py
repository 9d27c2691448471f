"""The settings of a bucket that have calls of their own, in both shapes.

A setting is a row: how to read, write and reset it, and how its declared shape
and S3's turn into each other. Knows nothing of creating or deleting buckets.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from iaclib.aws.client import Client

Shape = dict[str, Any]


class Setting(Struct, frozen=True):
    """One setting.

    Args:
        field: The field of Bucket that declares it.
        get: The operation that reads it, and the key of its answer (None: all of it).
        put: The operation that writes it, and the parameter that it takes.
        wire: Turns the declared shape into S3's.
        shape: Turns S3's into the declared one; None if it says nothing.
        new: The declared shape of what a new bucket has, written on reset.
        drop: The operation that resets it; used instead of ``new``.
    """

    field: str
    get: tuple[str, str | None]
    put: tuple[str, str]
    wire: Callable[[Mapping[str, Any]], Shape]
    shape: Callable[[Mapping[str, Any]], Shape | None]
    new: Shape | None = None
    drop: str | None = None

    def read(self, client: Client, bucket: str) -> Shape | None:
        """Show the setting; None if the bucket has none.

        Raises:
            NotFoundError: S3's way of saying the same of some settings, and
                of a missing bucket.
        """
        operation, key = self.get
        answer = client.call(operation, Bucket=bucket)
        return self.shape(answer if key is None else answer[key])

    def write(self, client: Client, bucket: str, goal: Mapping[str, Any]) -> None:
        """Replace the setting."""
        operation, parameter = self.put
        client.call(operation, Bucket=bucket, **{parameter: self.wire(goal)})

    def reset(self, client: Client, bucket: str) -> None:
        """Go back to what a new bucket has."""
        if self.drop is not None:
            client.call(self.drop, Bucket=bucket)
        elif self.new is not None:
            self.write(client, bucket, self.new)


def agrees(wanted: Any, live: Any) -> bool:
    """Whether what is there has everything that is wanted; more keys do no harm.

    >>> agrees({"status": "Enabled"}, {"status": "Enabled", "mfa": "no"})
    True
    >>> agrees([{"id": "a"}], [])
    False
    """
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(agrees(value, live.get(key)) for key, value in wanted.items())
    if isinstance(wanted, (list, tuple)):
        return isinstance(live, list) and len(wanted) == len(live) and all(map(agrees, wanted, live))
    return bool(wanted == live)


def whole(field: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a declared setting as S3 will show it: with the False of missing switches, and dates in one form."""
    if field == "public_access_block_configuration":
        return {name: bool(wanted.get(name)) for name in _BLOCKS}
    if field == "lifecycle_configuration":
        return _lifecycle(_lifecycle_wire(wanted)) or {"rules": []}
    return wanted


def _renamed(value: Mapping[str, Any], names: Mapping[str, str]) -> Shape:
    return {names[key]: item for key, item in value.items() if item is not None}


def _shown(value: Mapping[str, Any], names: Mapping[str, str]) -> Shape:
    return {name: value[wire] for name, wire in names.items() if value.get(wire) is not None}


# ------------------------------------------------------------------------------------- encryption, access, ownership

_DEFAULT = {"sse_algorithm": "SSEAlgorithm", "kms_master_key_id": "KMSMasterKeyID"}
_BLOCKS = {
    "block_public_acls": "BlockPublicAcls",
    "block_public_policy": "BlockPublicPolicy",
    "ignore_public_acls": "IgnorePublicAcls",
    "restrict_public_buckets": "RestrictPublicBuckets",
}
_OWNERSHIP = {"object_ownership": "ObjectOwnership"}


def _encryption_wire(wanted: Mapping[str, Any]) -> Shape:
    rules = []
    for rule in wanted["server_side_encryption_configuration"]:
        one: Shape = {}
        if rule.get("server_side_encryption_by_default") is not None:
            default = _renamed(rule["server_side_encryption_by_default"], _DEFAULT)
            one["ApplyServerSideEncryptionByDefault"] = default
        if rule.get("bucket_key_enabled") is not None:
            one["BucketKeyEnabled"] = rule["bucket_key_enabled"]
        rules.append(one)
    return {"Rules": rules}


def _encryption(live: Mapping[str, Any]) -> Shape:
    rules = []
    for rule in live.get("Rules") or ():
        one: Shape = {"bucket_key_enabled": bool(rule.get("BucketKeyEnabled", False))}
        if rule.get("ApplyServerSideEncryptionByDefault"):
            one["server_side_encryption_by_default"] = _shown(rule["ApplyServerSideEncryptionByDefault"], _DEFAULT)
        rules.append(one)
    return {"server_side_encryption_configuration": rules}


# --------------------------------------------------------------------------------------------------------- lifecycle

_TRANSITION = {"storage_class": "StorageClass", "transition_in_days": "Days", "transition_date": "Date"}
_OLD_TRANSITION = {
    "storage_class": "StorageClass",
    "transition_in_days": "NoncurrentDays",
    "newer_noncurrent_versions": "NewerNoncurrentVersions",
}
_OLD_EXPIRATION = {"noncurrent_days": "NoncurrentDays", "newer_noncurrent_versions": "NewerNoncurrentVersions"}
_EXPIRATION = {
    "expiration_date": "Date",
    "expiration_in_days": "Days",
    "expired_object_delete_marker": "ExpiredObjectDeleteMarker",
}
_ABORT = {"days_after_initiation": "DaysAfterInitiation"}
_TAG = {"key": "Key", "value": "Value"}
_SIZES = {"object_size_greater_than": "ObjectSizeGreaterThan", "object_size_less_than": "ObjectSizeLessThan"}


def _lifecycle_wire(wanted: Mapping[str, Any]) -> Shape:
    return {"Rules": [_rule_wire(rule) for rule in wanted["rules"]]}


def _rule_wire(rule: Mapping[str, Any]) -> Shape:
    wire: Shape = {"Status": rule["status"], "Filter": _filter_wire(rule)}
    if rule.get("id"):
        wire["ID"] = rule["id"]
    expiration = _renamed({name: rule.get(name) for name in _EXPIRATION}, _EXPIRATION)
    if expiration:
        wire["Expiration"] = expiration
    if rule.get("transitions"):
        wire["Transitions"] = [_renamed(one, _TRANSITION) for one in rule["transitions"]]
    if rule.get("noncurrent_version_transitions"):
        wire["NoncurrentVersionTransitions"] = [
            _renamed(one, _OLD_TRANSITION) for one in rule["noncurrent_version_transitions"]
        ]
    if rule.get("noncurrent_version_expiration"):
        wire["NoncurrentVersionExpiration"] = _renamed(rule["noncurrent_version_expiration"], _OLD_EXPIRATION)
    if rule.get("abort_incomplete_multipart_upload"):
        wire["AbortIncompleteMultipartUpload"] = _renamed(rule["abort_incomplete_multipart_upload"], _ABORT)
    return wire


def _filter_wire(rule: Mapping[str, Any]) -> Shape:
    """Give a rule's filters as S3 wants them: bare if there is one, in ``And`` if there are more."""
    parts: Shape = {} if rule.get("prefix") is None else {"Prefix": rule["prefix"]}
    parts |= {wire: int(rule[name]) for name, wire in _SIZES.items() if rule.get(name) is not None}
    found = [_renamed(tag, _TAG) for tag in rule.get("tag_filters") or ()]
    if len(parts) + len(found) > 1:
        return {"And": {**parts, "Tags": found} if found else parts}
    if found:
        return {"Tag": found[0]}
    return parts or {"Prefix": ""}


def _lifecycle(live: Mapping[str, Any]) -> Shape | None:
    rules = [_rule(rule) for rule in live.get("Rules") or ()]
    return {"rules": rules} if rules else None


def _rule(live: Mapping[str, Any]) -> Shape:
    rule: Shape = {"status": live["Status"]}
    if live.get("ID"):
        rule["id"] = live["ID"]
    filters = live.get("Filter") or {}
    parts = {**filters, **(filters.get("And") or {})}
    prefix = parts.get("Prefix") or live.get("Prefix")  # the latter in rules of the old form
    if prefix:
        rule["prefix"] = prefix
    rule |= {name: str(parts[wire]) for name, wire in _SIZES.items() if parts.get(wire) is not None}
    found = [*(parts.get("Tags") or ()), *([parts["Tag"]] if parts.get("Tag") else ())]
    if found:
        rule["tag_filters"] = [_shown(tag, _TAG) for tag in found]
    expiration = dict(live.get("Expiration") or {})
    if expiration.get("ExpiredObjectDeleteMarker") is False and len(expiration) > 1:
        del expiration["ExpiredObjectDeleteMarker"]  # emulators add it
    rule |= _dated(_shown(expiration, _EXPIRATION))
    if live.get("Transitions"):
        rule["transitions"] = [_dated(_shown(one, _TRANSITION)) for one in live["Transitions"]]
    if live.get("NoncurrentVersionTransitions"):
        old = live["NoncurrentVersionTransitions"]
        rule["noncurrent_version_transitions"] = [_shown(one, _OLD_TRANSITION) for one in old]
    if live.get("NoncurrentVersionExpiration"):
        rule["noncurrent_version_expiration"] = _shown(live["NoncurrentVersionExpiration"], _OLD_EXPIRATION)
    if live.get("AbortIncompleteMultipartUpload"):
        rule["abort_incomplete_multipart_upload"] = _shown(live["AbortIncompleteMultipartUpload"], _ABORT)
    return rule


def _dated(shape: Shape) -> Shape:
    """Spell dates in one form, whether they come from the program or from the SDK."""
    for name in ("expiration_date", "transition_date"):
        if name in shape:
            shape[name] = one_date(shape[name])
    return shape


def one_date(value: str | dt.datetime) -> str:
    """Spell a date as S3's schema does.

    >>> one_date("2030-01-01T00:00:00.000Z")
    '2030-01-01T00:00:00Z'
    """
    if isinstance(value, dt.datetime):
        when = value
    else:
        try:
            when = dt.datetime.fromisoformat(value)
        except ValueError:
            return value  # S3 will say what is wrong with it
    if when.tzinfo is not None:
        when = when.astimezone(dt.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


SETTINGS = (
    Setting(
        field="ownership_controls",
        get=("get_bucket_ownership_controls", "OwnershipControls"),
        put=("put_bucket_ownership_controls", "OwnershipControls"),
        wire=lambda wanted: {"Rules": [_renamed(rule, _OWNERSHIP) for rule in wanted["rules"]]},
        shape=lambda live: {"rules": [_shown(rule, _OWNERSHIP) for rule in live.get("Rules") or ()]},
        new={"rules": [{"object_ownership": "BucketOwnerEnforced"}]},
    ),
    Setting(
        field="public_access_block_configuration",
        get=("get_public_access_block", "PublicAccessBlockConfiguration"),
        put=("put_public_access_block", "PublicAccessBlockConfiguration"),
        wire=lambda wanted: {wire: bool(wanted.get(name)) for name, wire in _BLOCKS.items()},
        shape=lambda live: {name: bool(live.get(wire)) for name, wire in _BLOCKS.items()},
        new=dict.fromkeys(_BLOCKS, True),
    ),
    Setting(
        field="bucket_encryption",
        get=("get_bucket_encryption", "ServerSideEncryptionConfiguration"),
        put=("put_bucket_encryption", "ServerSideEncryptionConfiguration"),
        wire=_encryption_wire,
        shape=_encryption,
        drop="delete_bucket_encryption",
    ),
    Setting(
        field="versioning_configuration",
        get=("get_bucket_versioning", None),
        put=("put_bucket_versioning", "VersioningConfiguration"),
        wire=lambda wanted: {"Status": wanted["status"]},
        shape=lambda live: {"status": live["Status"]} if live.get("Status") else None,
        new={"status": "Suspended"},
    ),
    Setting(
        field="lifecycle_configuration",
        get=("get_bucket_lifecycle_configuration", None),
        put=("put_bucket_lifecycle_configuration", "LifecycleConfiguration"),
        wire=_lifecycle_wire,
        shape=_lifecycle,
        drop="delete_bucket_lifecycle",
    ),
)
