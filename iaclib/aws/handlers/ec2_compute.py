"""Handler of instances; the one of volumes is in ``ec2_volume`` and named here too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext, Ec2Handler
from iaclib.aws.handlers.ec2_instance import (
    CPU,
    EBS,
    METADATA,
    comparable,
    data_change,
    data_request,
    device_request,
    renamed,
    reveal,
    shown,
    shown_instance,
    shown_outputs,
    user_data_bytes,
)
from iaclib.aws.handlers.ec2_volume import VolumeHandler, goal
from iaclib.errors import InvalidRequestError, NotReadyError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from iaclib.provider.context import Checkpoint

__all__ = ["InstanceHandler", "VolumeHandler"]

_GONE = {"shutting-down", "terminated"}
#: On an instance that an update has stopped and not started again yet.
_RESTART = "iaclib:restart"
_READERS = 8  # threads that read attributes of several instances; EC2 gives them one at a time
_REPLAYS = 3  # client tokens to try if the instance that one stands for was terminated
#: What an instance goes back to when a property is unset again.
_DEFAULTS: dict[str, Any] = {
    "disable_api_termination": False,
    "iam_instance_profile": "",
    "instance_initiated_shutdown_behavior": "stop",
    "monitoring": False,
    "source_dest_check": True,
    "user_data": "",
}


class InstanceHandler(Ec2Handler):
    """Instances.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
    """

    describe, result = "describe_instances", "Reservations[].Instances[]"
    id_key, id_filter, kind = "InstanceId", "instance-id", "instance"

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Launch the instance, set its source/destination check, and see to it that it is protected."""
        id = self.created(ctx, lambda: self._run(ctx, inputs))
        check, protect = inputs.get("source_dest_check"), inputs.get("disable_api_termination")
        if check is not None or protect:
            with self.finishing(ctx, id, {"instance_id": id}):
                if check is not None:
                    self._set_check(ctx, id, check)
                # The launch asked for it; not every server that speaks EC2 listens.
                if protect and not self.settled(ctx, lambda: self._attribute(ctx, id, "disableApiTermination")):
                    self._modify(ctx, id, DisableApiTermination={"Value": True})
        return self.fresh(ctx, id)

    def _run(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        data = inputs.get("user_data")
        profile = inputs.get("iam_instance_profile")
        shutdown = inputs.get("instance_initiated_shutdown_behavior")
        placement = {
            "AvailabilityZone": inputs.get("availability_zone"),
            "GroupName": inputs.get("placement_group_name"),
            "Tenancy": inputs.get("tenancy"),
        }
        monitoring = inputs.get("monitoring")
        request = {
            "MinCount": 1,
            "MaxCount": 1,
            "ImageId": inputs["image_id"],
            "InstanceType": inputs.get("instance_type"),
            "BlockDeviceMappings": [device_request(one) for one in inputs.get("block_device_mappings") or ()] or None,
            "CpuOptions": renamed(inputs.get("cpu_options"), CPU),
            "DisableApiTermination": inputs.get("disable_api_termination"),
            "EbsOptimized": inputs.get("ebs_optimized"),
            "IamInstanceProfile": {"Name": profile} if profile else None,
            "InstanceInitiatedShutdownBehavior": shutdown,
            "KeyName": inputs.get("key_name"),
            "MetadataOptions": renamed(inputs.get("metadata_options"), METADATA),
            "Monitoring": None if monitoring is None else {"Enabled": monitoring},
            "Placement": {key: value for key, value in placement.items() if value is not None} or None,
            "PrivateIpAddress": inputs.get("private_ip_address"),
            "SecurityGroupIds": list(inputs.get("security_group_ids") or ()) or None,
            "SubnetId": inputs.get("subnet_id"),
            "TagSpecifications": self.tag_specifications(ctx, inputs),
            # The SDK encodes what it is given.
            "UserData": data_request(data),
        }
        for attempt in range(_REPLAYS):
            token = f"{ctx.token}-{attempt}" if attempt else ctx.token
            call = {**request, "ClientToken": token or None}
            try:
                answer = self.settled(ctx, lambda call=call: self._launch(ctx, call))  # type: ignore[misc]
            except InvalidRequestError as error:
                # What an earlier try of this very step launched was terminated meanwhile.
                if error.facts.get("code") != "IdempotentInstanceTerminated" or attempt + 1 == _REPLAYS:
                    raise
            else:
                return str(answer["Instances"][0]["InstanceId"])
        raise AssertionError  # the last try returns or raises

    def _launch(self, ctx: AwsContext, request: Mapping[str, Any]) -> dict[str, Any]:
        return self.client(ctx).call("run_instances", **request)

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Change what differs: what AWS takes while the instance runs first, then what needs a stop."""
        found = self.require(ctx, id)
        live = self.show(ctx, found)
        if live is None:
            msg = f"{ctx.address}: {id} is {found['State']['Name']}, expected to change it; refresh the stack"
            raise InvalidRequestError(msg)
        there: Mapping[str, Any] = live.inputs or {}
        goals = {name: goal(ctx, name, before, after, default) for name, default in _DEFAULTS.items()}
        self._change_running(ctx, id, goals, after, there)
        self._change_stopped(ctx, found, goals, after, there)
        self.update_tags(ctx, id, before, after, found)
        return self.fresh(ctx, id)

    def resume(self, ctx: AwsContext, checkpoint: Checkpoint) -> Live | None:
        """Start an instance again that an interrupted update had stopped."""
        if checkpoint.id is None:
            return self.find(ctx, {})
        found = self.one(ctx, checkpoint.id)
        if found is not None and _RESTART in tags.raw(found.get("Tags")):
            self._start(ctx, checkpoint.id)
        return self.read(ctx, checkpoint.id)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Terminate the instance, and wait until it holds nothing any more."""
        try:
            with self.missing_ok():
                self.client(ctx).call("terminate_instances", InstanceIds=[id])
        except InvalidRequestError as error:
            if error.facts.get("code") != "OperationNotPermitted":
                raise
            msg = (
                f"{ctx.address}: {id} is protected from termination, expected disable_api_termination to be off "
                "before a delete; set disable_api_termination=False, apply, then delete"
            )
            raise InvalidRequestError(msg, **error.facts) from None
        self.wait(ctx, lambda: self._state(ctx, id) in (None, "terminated") or None, what=f"{id} is still terminating")

    def is_live(self, found: Mapping[str, Any]) -> bool:
        """Whether an instance is not terminated or about to be."""
        return found["State"]["Name"] not in _GONE

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Add the attributes that a description leaves out."""
        if not self.is_live(found):
            return None
        id = found["InstanceId"]
        inputs: dict[str, Any] = {}
        with self.missing_ok():
            inputs = {
                "disable_api_termination": bool(self._attribute(ctx, id, "disableApiTermination") or False),
                "instance_initiated_shutdown_behavior": self._attribute(ctx, id, "instanceInitiatedShutdownBehavior"),
                "user_data": self._attribute(ctx, id, "userData") or None,
            }
        if not inputs:  # gone between the two calls
            return None
        inputs |= shown_instance(found)
        devices = (getattr(ctx.record, "inputs", None) or {}).get("block_device_mappings")
        if devices:
            inputs["block_device_mappings"] = self._devices(ctx, found, devices)
        return Live(id, shown_outputs(found), inputs, ready=found["State"]["Name"] != "pending")

    def show_many(self, ctx: AwsContext, found: Sequence[Mapping[str, Any]]) -> list[Live | None]:
        """Read the attributes of several instances at a time."""
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(lambda one: self.show(ctx, one), found))

    def _attribute(self, ctx: AwsContext, id: str, name: str) -> Any:
        """Read one attribute.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceAttribute.html
        """
        answer = self.client(ctx).call("describe_instance_attribute", InstanceId=id, Attribute=name)
        return (answer.get(f"{name[0].upper()}{name[1:]}") or {}).get("Value")

    def _devices(
        self, ctx: AwsContext, found: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Show the declared block devices; volumes attached by others are not this instance's business."""
        attached = {one["DeviceName"]: one.get("Ebs") or {} for one in found.get("BlockDeviceMappings") or ()}
        ids = [attached[one["device_name"]].get("VolumeId") for one in wanted if one["device_name"] in attached]
        filters = [{"Name": "volume-id", "Values": [id for id in ids if id]}]
        volumes = {v["VolumeId"]: v for v in self.client(ctx).items("describe_volumes", "Volumes", Filters=filters)}
        devices = []
        for one in wanted:
            attachment = attached.get(one["device_name"])
            volume = volumes.get((attachment or {}).get("VolumeId"))
            if attachment is None or volume is None:
                continue
            whole = {**volume, "VolumeSize": volume.get("Size"), **attachment}
            ebs = shown(whole, EBS) or {}
            if not ebs.get("snapshot_id"):
                ebs.pop("snapshot_id", None)
            key = (one.get("ebs") or {}).get("kms_key_id")
            if key is not None and ebs.get("kms_key_id"):
                ebs["kms_key_id"] = key  # AWS shows an ARN, whatever the key was called; a volume's key never changes
            devices.append({"device_name": one["device_name"], "ebs": ebs})
        return devices

    def _change_running(
        self, ctx: AwsContext, id: str, goals: Mapping[str, Any], after: Mapping[str, Any], there: Mapping[str, Any]
    ) -> None:
        """Change what needs no stop.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
        """
        client = self.client(ctx)
        groups = after.get("security_group_ids")
        if groups is not None and sorted(groups) != sorted(there["security_group_ids"] or ()):
            self._modify_interface(ctx, id, Groups=list(groups))
        check = goals["source_dest_check"]
        if check is not None and check != there["source_dest_check"]:
            self._set_check(ctx, id, check)
        protect, shutdown = goals["disable_api_termination"], goals["instance_initiated_shutdown_behavior"]
        if protect is not None and protect != there["disable_api_termination"]:
            self._modify(ctx, id, DisableApiTermination={"Value": protect})
        if shutdown is not None and shutdown != there["instance_initiated_shutdown_behavior"]:
            self._modify(ctx, id, Attribute="instanceInitiatedShutdownBehavior", Value=shutdown)
        monitoring = goals["monitoring"]
        if monitoring is not None and monitoring != there["monitoring"]:
            client.call("monitor_instances" if monitoring else "unmonitor_instances", InstanceIds=[id])
        profile = goals["iam_instance_profile"]
        if profile is not None and profile != (there["iam_instance_profile"] or ""):
            self._set_profile(ctx, id, profile)
        options = after.get("metadata_options") or {}
        current = there.get("metadata_options") or {}
        if any(current.get(key) != value for key, value in options.items()):
            client.call("modify_instance_metadata_options", InstanceId=id, **(renamed(options, METADATA) or {}))
        self.agreed(ctx, lambda: self._agrees(ctx, id, goals, groups, options))

    def _agrees(
        self,
        ctx: AwsContext,
        id: str,
        goals: Mapping[str, Any],
        groups: Sequence[str] | None,
        options: Mapping[str, Any],
    ) -> bool:
        """Whether the description shows what was set."""
        found = self.one(ctx, id)
        if found is None:
            return True
        live = shown_instance(found)
        names = ("iam_instance_profile", "monitoring", "source_dest_check")
        return (
            all(goals[name] is None or goals[name] == (live[name] or type(goals[name])()) for name in names)
            and (groups is None or sorted(groups) == sorted(live["security_group_ids"] or ()))
            and all((live["metadata_options"] or {}).get(key) == value for key, value in options.items())
        )

    def _set_check(self, ctx: AwsContext, id: str, check: bool) -> None:
        """Set the source/destination check, which a pending instance may still refuse."""

        def attempt() -> bool | None:
            try:
                self.settled(ctx, lambda: self._modify_interface(ctx, id, SourceDestCheck={"Value": check}))
            except NotReadyError:
                return None
            return True

        self.wait(ctx, attempt, what=f"{id} does not take source_dest_check yet")

    def _modify_interface(self, ctx: AwsContext, id: str, **change: Any) -> None:
        """Change the primary interface; with several interfaces EC2 does not take it by instance."""
        interfaces = self.require(ctx, id).get("NetworkInterfaces") or ()
        primary = [one for one in interfaces if (one.get("Attachment") or {}).get("DeviceIndex") == 0]
        if len(interfaces) > 1 and primary:
            where = {"NetworkInterfaceId": primary[0]["NetworkInterfaceId"]}
            self.client(ctx).call("modify_network_interface_attribute", **where, **change)
        else:
            self._modify(ctx, id, **change)

    def _modify(self, ctx: AwsContext, id: str, **change: Any) -> None:
        """Change one attribute, as EC2 takes one a call."""
        self.client(ctx).call("modify_instance_attribute", InstanceId=id, **change)

    def _set_profile(self, ctx: AwsContext, id: str, name: str) -> None:
        """Attach, exchange or detach the instance profile.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceIamInstanceProfileAssociation.html
        """
        client = self.client(ctx)
        filters = [{"Name": "instance-id", "Values": [id]}]
        key = "IamInstanceProfileAssociations"
        every = client.items("describe_iam_instance_profile_associations", key, Filters=filters)
        present = [one["AssociationId"] for one in every if one.get("State") in ("associated", "associating")]
        if not name:
            for association in present:
                with self.missing_ok():
                    client.call("disassociate_iam_instance_profile", AssociationId=association)
        elif present:
            operation = "replace_iam_instance_profile_association"
            client.call(operation, AssociationId=present[0], IamInstanceProfile={"Name": name})
        else:
            client.call("associate_iam_instance_profile", InstanceId=id, IamInstanceProfile={"Name": name})

    def _change_stopped(
        self,
        ctx: AwsContext,
        found: Mapping[str, Any],
        goals: Mapping[str, Any],
        after: Mapping[str, Any],
        there: Mapping[str, Any],
    ) -> None:
        """Change what AWS takes from a stopped instance only.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-resize.html
        """
        id = found["InstanceId"]
        changes: list[dict[str, Any]] = [
            {wire: {"Value": after[name]}}
            for name, wire in (("instance_type", "InstanceType"), ("ebs_optimized", "EbsOptimized"))
            if after.get(name) is not None and after[name] != there[name]
        ]
        data = goals["user_data"]
        if data is not None and user_data_bytes(reveal(data)) != user_data_bytes(there["user_data"] or ""):
            changes.append(data_change(data))
        if changes:
            with self._stopped(ctx, found):
                for change in changes:
                    self._modify(ctx, id, **change)
        elif _RESTART in tags.raw(found.get("Tags")):
            self._start(ctx, id)

    @contextmanager
    def _stopped(self, ctx: AwsContext, found: Mapping[str, Any]) -> Iterator[None]:
        """Keep an instance stopped for a while, and start it again if it was running.

        That it was is noted in a tag, so that whoever repeats an interrupted
        update knows it.
        """
        id, client = found["InstanceId"], self.client(ctx)
        if found.get("RootDeviceType") == "instance-store":
            msg = (
                f"{ctx.address}: {id} has an instance-store root and cannot be stopped, expected an EBS root to change "
                "instance_type, ebs_optimized or user_data; replace the instance with Options(replace_on_changes=...)"
            )
            raise InvalidRequestError(msg)
        running = found["State"]["Name"] in ("pending", "running")
        restart = running or _RESTART in tags.raw(found.get("Tags"))
        if running:
            client.call("create_tags", Resources=[id], Tags=[{"Key": _RESTART, "Value": "true"}])
            ctx.checkpoint(id=id, data={"restart": True})
            self.wait(ctx, lambda: self._state(ctx, id) != "pending" or None, what=f"{id} is still pending")
            ctx.log(f"stopping {id}")
            client.call("stop_instances", InstanceIds=[id])
        try:
            self.wait(ctx, lambda: self._state(ctx, id) == "stopped" or None, what=f"{id} is still stopping")
            yield
        finally:
            if restart:
                self._start(ctx, id)

    def _start(self, ctx: AwsContext, id: str) -> None:
        """Start a stopped instance, wait until it runs, and take the note off."""
        ctx.log(f"starting {id}")
        self.wait(ctx, lambda: self._state(ctx, id) != "stopping" or None, what=f"{id} is still stopping")
        if self._state(ctx, id) == "stopped":
            self.client(ctx).call("start_instances", InstanceIds=[id])
        running = ("running", None, *_GONE)
        self.wait(ctx, lambda: self._state(ctx, id) in running or None, what=f"{id} is not running yet")
        with self.missing_ok():
            self.client(ctx).call("delete_tags", Resources=[id], Tags=[{"Key": _RESTART}])

    def _state(self, ctx: AwsContext, id: str) -> str | None:
        found = self.one(ctx, id)
        return None if found is None else str(found["State"]["Name"])

    def normalise(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Compare user data by the bytes that it stands for."""
        return comparable(inputs)
