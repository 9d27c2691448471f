"""Instances and volumes, by the real client against moto over HTTP."""

from __future__ import annotations

import base64

import pytest

from iaclib.aws import tags
from iaclib.aws.handlers.ec2_compute import InstanceHandler, VolumeHandler
from iaclib.aws.handlers.ec2_instance import user_data_bytes
from iaclib.errors import InvalidRequestError, PartialFailure, ProviderError
from iaclib.model.values import Secret
from iaclib.provider.context import Checkpoint

INSTANCE, VOLUME = InstanceHandler(), VolumeHandler()
ZONE = "eu-west-1a"


class Record:
    """What a handler sees of a record."""

    def __init__(self, **inputs):
        self.inputs = inputs


@pytest.fixture
def image(provider):
    """Give the id of an image that moto knows."""
    images = provider.client("ec2").call("describe_images")["Images"]
    return next(one["ImageId"] for one in images if one["Architecture"] == "x86_64")


@pytest.fixture
def subnet(provider):
    """Give a subnet of the default VPC."""
    filters = [{"Name": "availability-zone", "Values": [ZONE]}]
    return provider.client("ec2").call("describe_subnets", Filters=filters)["Subnets"][0]["SubnetId"]


@pytest.fixture
def group(provider):
    """Give a security group beside the default one."""
    return provider.client("ec2").call("create_security_group", GroupName="web", Description="web")["GroupId"]


@pytest.fixture
def calls(provider, monkeypatch):
    """Give the list of operations called from now on."""
    client = provider.client("ec2")
    log, call = [], client.call

    def counted(operation, /, **params):
        log.append(operation)
        return call(operation, **params)

    monkeypatch.setattr(client, "call", counted)
    return log


@pytest.fixture
def profiles(provider):
    """Make two instance profiles."""
    for name in ("one", "two"):
        provider.client("iam").call("create_instance_profile", InstanceProfileName=name, Path="/a/b/")


def wide(image, subnet, group):
    """Give inputs that use about everything."""
    return {
        "image_id": image,
        "instance_type": "t3.micro",
        "subnet_id": subnet,
        "security_group_ids": [group],
        "monitoring": True,
        "ebs_optimized": True,
        "source_dest_check": False,
        "disable_api_termination": False,
        "instance_initiated_shutdown_behavior": "terminate",
        "iam_instance_profile": "one",
        "user_data": "#!/bin/sh\necho hello",
        "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 2},
        "tags": {"Name": "web"},
    }


def test_an_instance_shows_what_was_declared(ctx, image, subnet, group, profiles):
    """Every input of a create comes back from a read in the declared shape."""
    inputs = wide(image, subnet, group)
    made = INSTANCE.create(ctx(), inputs)
    live = INSTANCE.read(ctx(), made.id)
    seen = {key: live.inputs[key] for key in inputs}
    seen["metadata_options"] = {key: seen["metadata_options"][key] for key in inputs["metadata_options"]}
    assert seen == INSTANCE.normalise(inputs)
    assert live.ready
    assert live.outputs["instance_id"] == made.id
    assert live.outputs["private_ip"]
    assert live.outputs["vpc_id"].startswith("vpc-")


def test_an_instance_is_made_once_for_a_token(ctx, provider, image):
    """Repeating a create with the same token gives the same instance, also where client tokens are ignored."""
    inputs = {"image_id": image, "instance_type": "t3.micro"}
    first = INSTANCE.create(ctx(token="a" * 32), inputs)
    assert INSTANCE.create(ctx(token="a" * 32), inputs).id == first.id
    assert INSTANCE.create(ctx(token="b" * 32), inputs).id != first.id


def test_a_terminated_instance_is_not_found_and_not_read(ctx, image):
    """What was terminated is gone for find, read, read_many and delete."""
    token = "c" * 32
    made = INSTANCE.create(ctx(token=token), {"image_id": image, "instance_type": "t3.micro"})
    assert INSTANCE.find(ctx(token=token), {}).id == made.id
    INSTANCE.delete(ctx(), made.id)
    assert INSTANCE.find(ctx(token=token), {}) is None
    assert INSTANCE.read(ctx(), made.id) is None
    assert INSTANCE.read_many(ctx(), [made.id, "i-0123456789abcdef0"]) == {made.id: None, "i-0123456789abcdef0": None}
    INSTANCE.delete(ctx(), made.id)
    INSTANCE.delete(ctx(), "i-0123456789abcdef0")


def test_another_type_stops_modifies_and_starts(ctx, calls, image):
    """A change of type goes through a stop, leaves the instance running and no note behind."""
    inputs = {"image_id": image, "instance_type": "t3.micro", "tags": {"Name": "a"}}
    made = INSTANCE.create(ctx(), inputs)
    calls.clear()
    live = INSTANCE.update(ctx(), made.id, inputs, {**inputs, "instance_type": "t3.small"})
    order = [call for call in calls if not call.startswith("describe")]
    assert order == ["create_tags", "stop_instances", "modify_instance_attribute", "start_instances", "delete_tags"]
    assert live.id == made.id
    assert live.inputs["instance_type"] == "t3.small"
    assert live.outputs["state"]["name"] == "running"
    assert live.inputs["tags"] == {"Name": "a"}
    assert not [tag for tag in INSTANCE.one(ctx(), made.id)["Tags"] if tag["Key"] == "iaclib:restart"]


def test_a_failed_change_starts_the_instance_again(ctx, monkeypatch, provider, image):
    """If AWS refuses a change of a stopped instance, the instance runs again afterwards."""
    inputs = {"image_id": image, "instance_type": "t3.micro"}
    made = INSTANCE.create(ctx(), inputs)
    client = provider.client("ec2")
    call = client.call

    def refuse(operation, /, **params):
        if operation == "modify_instance_attribute":
            raise InvalidRequestError("no")
        return call(operation, **params)

    monkeypatch.setattr(client, "call", refuse)
    with pytest.raises(InvalidRequestError, match="no"):
        INSTANCE.update(ctx(), made.id, inputs, {**inputs, "instance_type": "t3.small"})
    assert INSTANCE.read(ctx(), made.id).outputs["state"]["name"] == "running"


def test_an_interrupted_stop_is_healed_by_resume_or_by_the_next_update(ctx, provider, image):
    """An instance that a killed update left stopped is started again; one that a person stopped is not."""
    inputs = {"image_id": image, "instance_type": "t3.micro"}
    made = INSTANCE.create(ctx(), inputs)
    client = provider.client("ec2")

    def state():
        return INSTANCE.read(ctx(), made.id).outputs["state"]["name"]

    def kill():
        client.call("create_tags", Resources=[made.id], Tags=[{"Key": "iaclib:restart", "Value": "true"}])
        client.call("stop_instances", InstanceIds=[made.id])

    kill()
    INSTANCE.resume(ctx(), Checkpoint(made.id, {"restart": True}))
    assert state() == "running"
    kill()
    INSTANCE.update(ctx(), made.id, inputs, inputs)
    assert state() == "running"
    client.call("stop_instances", InstanceIds=[made.id])
    INSTANCE.update(ctx(), made.id, inputs, inputs)
    assert state() == "stopped"


def test_what_runs_changes_without_a_stop(ctx, calls, image, subnet, group, profiles):
    """Groups, profile, monitoring, check, protection, shutdown behaviour, metadata and tags change in place."""
    before = wide(image, subnet, group)
    made = INSTANCE.create(ctx(), before)
    default = INSTANCE.client(ctx()).call(
        "describe_security_groups", Filters=[{"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    after = {
        **before,
        "security_group_ids": [default],
        "source_dest_check": True,
        "disable_api_termination": True,
        "instance_initiated_shutdown_behavior": "stop",
        "metadata_options": {"http_tokens": "optional"},
        "tags": {"Name": "new", "more": "yes"},
    }
    calls.clear()
    live = INSTANCE.update(ctx(), made.id, before, after)
    assert "stop_instances" not in calls
    for name in set(after) - {"metadata_options", "user_data"}:
        assert live.inputs[name] == after[name], name
    assert live.inputs["metadata_options"]["http_tokens"] == "optional"
    calls.clear()
    INSTANCE.update(ctx(), made.id, before, after)
    assert [call for call in calls if not call.startswith("describe")] == []


def test_an_instance_profile_is_attached_exchanged_and_detached(ctx, provider, image, profiles):
    """The profile changes in place, by its association."""
    inputs = {"image_id": image, "instance_type": "t3.micro"}
    made = INSTANCE.create(ctx(), inputs)

    def attached():
        listed = provider.client("ec2").call("describe_iam_instance_profile_associations")
        return [one["IamInstanceProfile"]["Arn"].rpartition("/")[2] for one in listed["IamInstanceProfileAssociations"]]

    one, two = ({**inputs, "iam_instance_profile": name} for name in ("one", "two"))
    INSTANCE.update(ctx(), made.id, inputs, one)
    assert attached() == ["one"]
    INSTANCE.update(ctx(), made.id, one, two)
    assert attached() == ["two"]
    INSTANCE.update(ctx(), made.id, two, inputs)
    assert attached() == []


def test_user_data_that_is_unset_again_is_emptied(ctx, monkeypatch, provider, image):
    """Dropped user data is removed in the form that EC2 has for it."""
    inputs = {"image_id": image, "instance_type": "t3.micro"}
    made = INSTANCE.create(ctx(), {**inputs, "user_data": "#!/bin/sh"})
    client, asked = provider.client("ec2"), []
    call = client.call

    def noted(operation, /, **params):
        if operation == "modify_instance_attribute":
            asked.append(params)
        return call(operation, **params)

    monkeypatch.setattr(client, "call", noted)
    INSTANCE.update(ctx(), made.id, {**inputs, "user_data": "#!/bin/sh"}, inputs)
    assert asked == [{"InstanceId": made.id, "UserData": {"Value": b""}}]


def test_monitoring_has_calls_of_its_own(ctx, monkeypatch, provider, image):
    """Detailed monitoring is switched on and off while the instance runs (moto does not know the calls)."""
    inputs = {"image_id": image, "instance_type": "t3.micro"}
    made = INSTANCE.create(ctx(), {**inputs, "monitoring": True})
    client, asked = provider.client("ec2"), []
    call = client.call

    def noted(operation, /, **params):
        if operation.endswith("monitor_instances"):
            asked.append((operation, params))
            return {}
        return call(operation, **params)

    monkeypatch.setattr(client, "call", noted)
    INSTANCE.update(ctx(), made.id, {**inputs, "monitoring": True}, {**inputs, "monitoring": True})
    INSTANCE.update(ctx(), made.id, {**inputs, "monitoring": True}, {**inputs, "monitoring": False})
    INSTANCE.update(ctx(), made.id, {**inputs, "monitoring": True}, inputs)
    assert asked == [("unmonitor_instances", {"InstanceIds": [made.id]})] * 2


def test_an_instance_that_a_token_stands_for_may_be_terminated(ctx, monkeypatch, provider, image):
    """A client token that stands for a terminated instance is followed by another of the same step."""
    client, tokens = provider.client("ec2"), []
    call = client.call

    def replayed(operation, /, **params):
        if operation == "run_instances":
            tokens.append(params["ClientToken"])
            if len(tokens) == 1:
                raise InvalidRequestError("gone", code="IdempotentInstanceTerminated")
        return call(operation, **params)

    monkeypatch.setattr(client, "call", replayed)
    assert INSTANCE.create(ctx(token="a" * 32), {"image_id": image, "instance_type": "t3.micro"}).ready
    assert tokens == ["a" * 32, f"{'a' * 32}-1"]


def test_what_is_unset_again_goes_back_to_the_default(ctx, image, subnet, group, profiles):
    """A property that was declared and is no more has AWS's default afterwards; undeclared ones are left alone."""
    before = {**wide(image, subnet, group), "disable_api_termination": True}
    made = INSTANCE.create(ctx(), before)
    kept = {key: before[key] for key in ("image_id", "instance_type", "subnet_id")}
    record = Record(**{key: value for key, value in before.items() if key != "monitoring"})
    live = INSTANCE.update(ctx(record=record), made.id, before, kept)
    assert live.inputs["iam_instance_profile"] is None
    assert live.inputs["disable_api_termination"] is False
    assert live.inputs["source_dest_check"] is True
    assert live.inputs["instance_initiated_shutdown_behavior"] == "stop"
    assert live.inputs["tags"] is None
    assert live.inputs["monitoring"] is True  # was not in the record, so somebody else's


def test_a_protected_instance_is_not_deleted(ctx, image):
    """Deleting a protected instance names the property to set, and lifts nothing by itself."""
    inputs = {"image_id": image, "instance_type": "t3.micro", "disable_api_termination": True}
    made = INSTANCE.create(ctx(), inputs)
    with pytest.raises(InvalidRequestError, match="disable_api_termination=False"):
        INSTANCE.delete(ctx("net/web"), made.id)
    assert INSTANCE.read(ctx(), made.id).inputs["disable_api_termination"] is True


def test_a_create_that_fails_halfway_is_repairable(ctx, monkeypatch, provider, image):
    """If a call after the launch fails, the instance's id is known, and an update does the rest."""
    client = provider.client("ec2")
    call = client.call

    def refuse(operation, /, **params):
        if operation == "modify_instance_attribute":
            raise InvalidRequestError("no")
        return call(operation, **params)

    inputs = {"image_id": image, "instance_type": "t3.micro", "source_dest_check": False}
    noted = []
    monkeypatch.setattr(client, "call", refuse)
    with pytest.raises(PartialFailure) as caught:
        INSTANCE.create(ctx(checkpoint=lambda known, _: noted.append(known)), inputs)
    monkeypatch.undo()
    id = caught.value.live.id
    assert caught.value.repairable
    assert noted == [id]
    assert INSTANCE.update(ctx(), id, inputs, inputs).inputs["source_dest_check"] is False


def test_only_declared_block_devices_are_shown(ctx, provider, image):
    """A read compares the devices that the record declares; a volume attached by others is no drift."""
    devices = [
        {"device_name": "/dev/sdf", "ebs": {"volume_size": 3, "volume_type": "gp3", "delete_on_termination": True}}
    ]
    inputs = {"image_id": image, "instance_type": "t3.micro", "block_device_mappings": devices}
    made = INSTANCE.create(ctx(), inputs)
    client = provider.client("ec2")
    zone = made.inputs["availability_zone"]
    extra = client.call("create_volume", AvailabilityZone=zone, Size=1)["VolumeId"]
    client.call("attach_volume", VolumeId=extra, InstanceId=made.id, Device="/dev/sdg")
    shown = INSTANCE.read(ctx(record=Record(**inputs)), made.id).inputs["block_device_mappings"]
    assert [one["device_name"] for one in shown] == ["/dev/sdf"]
    assert {key: shown[0]["ebs"][key] for key in devices[0]["ebs"]} == devices[0]["ebs"]
    assert "block_device_mappings" not in INSTANCE.read(ctx(), made.id).inputs


def test_user_data_may_be_text_base64_or_secret(ctx, image):
    """Text and its base64 are the same user data, and a secret one is sent and not shown by errors."""
    text = "#cloud-config\n"
    coded = base64.b64encode(text.encode()).decode()
    assert user_data_bytes(text) == user_data_bytes(coded) == text.encode()
    assert INSTANCE.normalise({"user_data": Secret(text)})["user_data"].reveal() == coded
    inputs = {"image_id": image, "instance_type": "t3.micro", "user_data": Secret(text)}
    made = INSTANCE.create(ctx(), inputs)
    assert made.inputs["user_data"] == coded
    with pytest.raises(ProviderError) as caught:
        INSTANCE.create(ctx(), {**inputs, "instance_type": "no.such"})
    assert "cloud-config" not in str(caught.value)
    live = INSTANCE.update(ctx(), made.id, inputs, {**inputs, "user_data": Secret("#!/bin/sh")})
    assert user_data_bytes(live.inputs["user_data"]) == b"#!/bin/sh"


def test_own_tags_never_show(ctx, image):
    """The tags that find an object by are in the cloud, and neither in inputs nor removed by an update."""
    made = INSTANCE.create(ctx(token="d" * 32), {"image_id": image, "instance_type": "t3.micro", "tags": {"a": "b"}})
    live = INSTANCE.update(ctx(), made.id, {"tags": {"a": "b"}}, {"image_id": image})
    assert live.inputs["tags"] is None
    raw = tags.raw(INSTANCE.one(ctx(), made.id)["Tags"])
    assert raw == {"iaclib:urn": "test/it:it", "iaclib:token": "d" * 32}


def test_a_volume_lives_and_dies(ctx):
    """A volume is made once a token, shown, modified in place, found, and deleted for good."""
    inputs = {"availability_zone": ZONE, "size": 10, "volume_type": "gp3", "encrypted": True, "tags": {"Name": "data"}}
    step = ctx(token="e" * 32)
    made = VOLUME.create(step, inputs)
    assert VOLUME.create(step, inputs).id == made.id
    assert VOLUME.find(step, inputs).id == made.id
    assert {key: made.inputs[key] for key in inputs} == inputs
    after = {**inputs, "size": 20, "iops": 4000, "throughput": 200, "tags": {"Name": "more"}}
    live = VOLUME.update(ctx(), made.id, inputs, after)
    assert live.id == made.id
    assert (live.inputs["size"], live.inputs["tags"]) == (20, {"Name": "more"})
    VOLUME.delete(ctx(), made.id)
    assert VOLUME.read(ctx(), made.id) is None
    VOLUME.delete(ctx(), made.id)


def test_a_volume_never_shrinks(ctx):
    """A smaller size is refused before any call, by an error that says what there is and what would help."""
    inputs = {"availability_zone": ZONE, "size": 10}
    made = VOLUME.create(ctx(), inputs)
    with pytest.raises(InvalidRequestError, match="size cannot shrink from 10 to 5 GiB"):
        VOLUME.update(ctx(), made.id, inputs, {**inputs, "size": 5})


def test_an_equal_volume_is_not_modified(ctx, calls):
    """An update that is repeated after a crash makes no second modification."""
    inputs = {"availability_zone": ZONE, "size": 10}
    made = VOLUME.create(ctx(), inputs)
    calls.clear()
    VOLUME.update(ctx(), made.id, {**inputs, "size": 5}, inputs)
    assert "modify_volume" not in calls
