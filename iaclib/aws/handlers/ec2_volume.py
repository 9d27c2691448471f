"""Handler of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext, Ec2Handler
from iaclib.errors import InvalidRequestError, ProviderError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What ModifyVolume can change.
_ELASTIC = {
    "iops": "Iops",
    "multi_attach_enabled": "MultiAttachEnabled",
    "size": "Size",
    "throughput": "Throughput",
    "volume_type": "VolumeType",
}
_GP3 = {"iops": 3000, "throughput": 125}


def declared(ctx: AwsContext, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the inputs that were declared so far.

    ``before`` may also show properties that nobody declared; what was never
    declared must not be reset when it is not declared now.
    """
    inputs = getattr(ctx.record, "inputs", None)
    return before if inputs is None else inputs


def goal(ctx: AwsContext, name: str, before: Mapping[str, Any], after: Mapping[str, Any], default: Any) -> Any:
    """Tell what a property shall be; None: leave it alone."""
    if after.get(name) is not None:
        return after[name]
    return default if declared(ctx, before).get(name) is not None else None


class VolumeHandler(Ec2Handler):
    """Volumes.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html
    """

    describe, result, id_key, id_filter, kind = "describe_volumes", "Volumes", "VolumeId", "volume-id", "volume"

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the volume; it is ready once it is available."""
        return self.fresh(ctx, self.created(ctx, lambda: self._make(ctx, inputs)))

    def _make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        request = {
            "AvailabilityZone": inputs["availability_zone"],
            "Encrypted": inputs.get("encrypted"),
            "KmsKeyId": inputs.get("kms_key_id"),
            "SnapshotId": inputs.get("snapshot_id"),
            "ClientToken": ctx.token or None,
            "TagSpecifications": self.tag_specifications(ctx, inputs),
            **{wire: inputs.get(name) for name, wire in _ELASTIC.items()},
        }
        return str(self.settled(ctx, lambda: self.client(ctx).call("create_volume", **request))["VolumeId"])

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Modify the volume, also while it is in use.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html
        """
        self._modified(ctx, id)  # by an update that was interrupted, perhaps
        found = self.require(ctx, id)
        changes = self._changes(ctx, found, before, after)
        if changes:
            self.client(ctx).call("modify_volume", VolumeId=id, **changes)
            self._modified(ctx, id)
            self.agreed(ctx, lambda: not self._changes(ctx, self.one(ctx, id) or {}, before, after))
        self.update_tags(ctx, id, before, after, found)
        return self.fresh(ctx, id)

    def _changes(
        self, ctx: AwsContext, found: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Tell what to modify, in AWS's names."""
        kind = after.get("volume_type") or found.get("VolumeType")
        defaults = _GP3 if kind == "gp3" else {}
        goals = {name: goal(ctx, name, before, after, defaults.get(name)) for name in _ELASTIC}
        size = goals["size"]
        if size is not None and size < found.get("Size", 0):
            msg = (
                f"{ctx.address}: size cannot shrink from {found['Size']} to {size} GiB, expected it to grow; keep the "
                "size, or make a new volume with Options(replace_on_changes=('size',)) and lose the data"
            )
            raise InvalidRequestError(msg)
        return {
            wire: goals[name]
            for name, wire in _ELASTIC.items()
            if goals[name] is not None and goals[name] != found.get(wire)
        }

    def _modified(self, ctx: AwsContext, id: str) -> None:
        """Wait until a modification has taken effect; optimising goes on behind the scenes.

        Source: https://docs.aws.amazon.com/ebs/latest/userguide/monitoring-volume-modifications.html
        """

        def probe() -> bool | None:
            filters = [{"Name": "volume-id", "Values": [id]}]
            listed = self.client(ctx).items("describe_volumes_modifications", "VolumesModifications", Filters=filters)
            state = next((one.get("ModificationState") for one in listed if one.get("VolumeId") == id), None)
            return None if state == "modifying" else True

        self.wait(ctx, probe, what=f"{id} is still being modified")

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the volume."""
        with self.missing_ok():
            self.client(ctx).call("delete_volume", VolumeId=id)

        def probe() -> bool | None:
            found = self.one(ctx, id)
            return True if found is None or found.get("State") == "deleted" else None

        self.wait(ctx, probe, what=f"{id} is deleted but still there")

    def is_live(self, found: Mapping[str, Any]) -> bool:
        """Whether a volume is not deleted or about to be."""
        return found.get("State") not in ("deleting", "deleted")

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Turn a description into what the engine sees."""
        if not self.is_live(found):
            return None
        id = found["VolumeId"]
        if found.get("State") == "error":
            msg = (
                f"{ctx.address}: AWS failed to make {id}, expected a volume; see why in its events (often a KMS key "
                "that may not be used), then taint it"
            )
            if ctx.record is None:
                raise ProviderError(msg)
            ctx.log(msg)
        inputs = {
            "availability_zone": found.get("AvailabilityZone"),
            "encrypted": bool(found.get("Encrypted", False)),
            "kms_key_id": found.get("KmsKeyId"),
            "snapshot_id": found.get("SnapshotId") or None,
            "tags": tags.from_list(found.get("Tags")),
            **{name: found.get(wire) for name, wire in _ELASTIC.items()},
        }
        return Live(id, {"volume_id": id}, inputs, ready=found.get("State") in ("available", "in-use"))
