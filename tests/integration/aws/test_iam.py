"""IAM roles, policies and instance profiles, by the real client against moto over HTTP."""

from __future__ import annotations

import copy
import json

import pytest

from iaclib.aws.handlers.iam import InstanceProfileHandler, ManagedPolicyHandler, RoleHandler, RolePolicyHandler
from iaclib.errors import ConflictError, DependencyViolationError, InvalidRequestError, NotFoundError, PartialFailure
from iaclib.model.values import Secret
from iaclib.state.record import Record

ROLE, INLINE, POLICY, PROFILE = RoleHandler(), RolePolicyHandler(), ManagedPolicyHandler(), InstanceProfileHandler()
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
OTHER_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def allow(action):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


@pytest.fixture
def iam(provider):
    return provider.client("iam")


@pytest.fixture
def policies(ctx):
    """Give the ARNs of two managed policies that others made."""
    make = lambda name: POLICY.create(ctx(), {"managed_policy_name": name, "policy_document": allow("s3:Get*")}).id
    return [make("first"), make("second")]


def recorded(step, type, id, inputs):
    """Give a step that knows what state holds."""
    step = copy.copy(step)
    step.record = Record(address=step.address, type=type, id=id, inputs=inputs)
    return step


def full(policies):
    return {
        "role_name": "app",
        "assume_role_policy_document": TRUST,
        "description": "runs the app",
        "managed_policy_arns": policies[:1],
        "max_session_duration": 7200,
        "path": "/apps/",
        "permissions_boundary": policies[1],
        "policies": [{"policy_name": "logs", "policy_document": allow("logs:*")}],
        "tags": {"team": "web"},
    }


def test_a_role_shows_what_was_declared(ctx, policies):
    """A role reads back as it was declared, with its computed fields."""
    live = ROLE.create(ctx(), full(policies))
    assert live.id == "app"
    assert live.inputs == full(policies)
    assert live.outputs["arn"].endswith(":role/apps/app")
    assert live.outputs["role_id"].startswith("AROA")


def test_repeating_a_create_takes_up_what_the_step_made(ctx, policies):
    """A create repeated with its token gives the same role, and finishes what was cut short."""
    step = ctx()
    ROLE.make(step, full(policies))
    live = ROLE.create(step, full(policies))
    assert live.inputs == full(policies)
    assert ROLE.create(step, full(policies)).outputs == live.outputs


def test_find_finishes_a_role_that_was_cut_short(ctx, policies):
    """What a killed create left half made is complete when it is found."""
    step = ctx()
    ROLE.make(step, full(policies))
    found = ROLE.find(step, full(policies))
    assert found is not None
    assert found.inputs == full(policies)


def test_find_sees_only_what_the_step_made(ctx, policies):
    """Another step's role of the same name is not found."""
    ROLE.create(ctx(), full(policies))
    assert ROLE.find(ctx(), full(policies)) is None
    assert ROLE.find(ctx(), {**full(policies), "role_name": "nobody"}) is None


def test_a_taken_name_is_a_conflict_that_names_the_id(ctx, policies):
    """A role that another step made is never taken over by a create."""
    ROLE.create(ctx(), full(policies))
    with pytest.raises(ConflictError) as caught:
        ROLE.create(ctx(), full(policies))
    assert caught.value.existing_id == "app"


def test_a_failing_attachment_leaves_a_repairable_role(ctx, policies):
    """A create whose later calls fail says what exists, and an update completes it."""
    missing = "arn:aws:iam::123456789012:policy/nowhere"
    with pytest.raises(PartialFailure) as caught:
        ROLE.create(ctx(), {**full(policies), "managed_policy_arns": [missing]})
    assert caught.value.repairable
    assert caught.value.live.id == "app"
    live = ROLE.update(ctx(), "app", {**full(policies), "managed_policy_arns": [missing]}, full(policies))
    assert live.inputs == full(policies)


def test_a_role_is_updated_in_place(ctx, policies):
    """Each property of a role that AWS can change is changed, and nothing else."""
    before = full(policies)
    ROLE.create(ctx(), before)
    after = {
        **before,
        "assume_role_policy_document": OTHER_TRUST,
        "description": "runs it better",
        "managed_policy_arns": policies[1:],
        "max_session_duration": 3600,
        "permissions_boundary": policies[0],
        "policies": [
            {"policy_name": "logs", "policy_document": allow("logs:Put*")},
            {"policy_name": "more", "policy_document": allow("sqs:*")},
        ],
        "tags": {"team": "db", "env": "prod"},
    }
    assert ROLE.update(ctx(), "app", before, after).inputs == after
    assert ROLE.update(ctx(), "app", before, after).inputs == after


def test_the_order_of_policies_means_nothing(ctx, iam, policies, monkeypatch):
    """Lists in another order than AWS's are no change, and nothing is waited for."""
    before = {**full(policies), "managed_policy_arns": [*policies]}
    ROLE.create(ctx(), before)
    calls, call = [], iam.call
    monkeypatch.setattr(iam, "call", lambda name, /, **params: calls.append(name) or call(name, **params))
    after = {**before, "managed_policy_arns": policies[::-1], "description": "new"}
    ROLE.update(ctx(), "app", before, after)
    assert [name for name in calls if not name.startswith("get")] == ["update_role"]
    assert calls.count("get_role") == 2


def test_a_trust_policy_that_aws_spells_otherwise_is_not_written_again(ctx, iam, policies, monkeypatch):
    """A trust policy is written when the declaration changes, not because AWS shows another spelling."""
    before = full(policies)
    ROLE.create(ctx(), before)
    iam.call("update_assume_role_policy", RoleName="app", PolicyDocument=json.dumps(OTHER_TRUST))
    calls, call = [], iam.call
    monkeypatch.setattr(iam, "call", lambda name, /, **params: calls.append(name) or call(name, **params))
    ROLE.update(ctx(), "app", before, {**before, "max_session_duration": 3600})
    assert "update_assume_role_policy" not in calls
    drifted = {**before, "assume_role_policy_document": OTHER_TRUST}
    assert ROLE.update(ctx(), "app", drifted, before).inputs == {**before, "max_session_duration": 7200}


def test_properties_that_are_no_longer_declared_are_unset(ctx, policies):
    """Leaving a property out of the program takes it away in the cloud, or sets its default."""
    before = full(policies)
    ROLE.create(ctx(), before)
    after = {"role_name": "app", "assume_role_policy_document": TRUST, "path": "/apps/"}
    live = ROLE.update(ctx(), "app", before, after)
    empty = dict.fromkeys(["description", "managed_policy_arns", "permissions_boundary", "policies", "tags"])
    assert live.inputs == {**after, **empty, "max_session_duration": 3600}


def test_an_update_leaves_what_others_added(ctx, iam, policies):
    """Tags and policies that are not declared stay through an update of something else."""
    before = {"role_name": "app", "assume_role_policy_document": TRUST}
    ROLE.create(ctx(), before)
    iam.call("tag_role", RoleName="app", Tags=[{"Key": "cost", "Value": "7"}])
    iam.call("attach_role_policy", RoleName="app", PolicyArn=policies[0])
    live = ROLE.update(ctx(), "app", before, {**before, "description": "new"})
    assert live.inputs["tags"] == {"cost": "7"}
    assert live.inputs["managed_policy_arns"] == policies[:1]


def test_json_text_and_mapping_are_one(ctx, policies):
    """A policy given as JSON text equals the same policy given as a mapping."""
    text = {
        **full(policies),
        "assume_role_policy_document": json.dumps(TRUST, indent=1),
        "policies": [{"policy_name": "logs", "policy_document": json.dumps(allow("logs:*"))}],
    }
    assert ROLE.normalise(text) == ROLE.normalise(full(policies))
    assert ROLE.create(ctx(), text).inputs == full(policies)


def test_a_secret_in_a_policy_stays_out_of_errors(ctx):
    """An error about a policy that holds a secret does not quote it."""
    ROLE.create(ctx(), {"role_name": "app", "assume_role_policy_document": TRUST})
    bad = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": Secret("hunter2"), "Resource": "*"}]}
    with pytest.raises(InvalidRequestError) as caught:
        INLINE.create(ctx(), {"policy_name": "p", "role_name": "app", "policy_document": bad})
    assert "hunter2" not in str(caught.value)


def test_deleting_a_role_takes_its_own_policies_with_it(ctx, policies):
    """What the resource declares on a role does not hold it."""
    ROLE.create(ctx(), full(policies))
    step = recorded(ctx(), "aws:iam:Role", "app", full(policies))
    ROLE.delete(step, "app")
    assert ROLE.read(ctx(), "app") is None
    ROLE.delete(step, "app")


def test_deleting_a_role_that_others_use_says_who(ctx, iam, policies):
    """What others put on a role stays, holds it, and is named."""
    ROLE.create(ctx(), full(policies))
    iam.call("attach_role_policy", RoleName="app", PolicyArn=policies[1])
    PROFILE.create(ctx(), {"instance_profile_name": "front", "roles": ["app"]})
    with pytest.raises(DependencyViolationError, match=r"policy/second.*instance profile 'front'"):
        ROLE.delete(recorded(ctx(), "aws:iam:Role", "app", full(policies)), "app")
    live = ROLE.read(ctx(), "app")
    assert live is not None
    assert live.inputs["managed_policy_arns"] == [policies[1]]


def test_more_policies_than_a_page_are_all_shown(ctx, monkeypatch):
    """Lists are followed over all their pages."""
    names = [f"p{number:03}" for number in range(110)]
    live = ROLE.create(
        ctx(),
        {
            "role_name": "app",
            "assume_role_policy_document": TRUST,
            "policies": [{"policy_name": name, "policy_document": allow("s3:*")} for name in names],
        },
    )
    assert sorted(one["policy_name"] for one in live.inputs["policies"]) == names


def test_updating_a_role_that_is_gone_says_so(ctx):
    """An update of nothing is a NotFoundError."""
    with pytest.raises(NotFoundError, match="does not exist"):
        ROLE.update(ctx(), "app", {}, {"assume_role_policy_document": TRUST})


def test_a_role_policy_lives_by_its_names(ctx, policies):
    """A role policy is created, read, changed and deleted by policy and role name."""
    ROLE.create(ctx(), full(policies))
    inputs = {"policy_name": "extra", "role_name": "app", "policy_document": allow("sns:*")}
    assert INLINE.identity(inputs) == "extra|app"
    assert INLINE.read(ctx(), "extra|app") is None
    live = INLINE.create(ctx(), inputs)
    assert (live.id, live.inputs) == ("extra|app", inputs)
    after = {**inputs, "policy_document": json.dumps(allow("sns:Publish"))}
    assert INLINE.update(ctx(), live.id, inputs, after).inputs == INLINE.normalise(after)
    INLINE.delete(ctx(), live.id)
    assert INLINE.read(ctx(), live.id) is None
    INLINE.delete(ctx(), live.id)


def test_a_role_policy_has_no_identity_before_its_role(ctx):
    """Names that are not known yet lead to no id, and a malformed id is refused."""
    assert INLINE.identity({"policy_name": "extra"}) is None
    with pytest.raises(InvalidRequestError, match="policy_name"):
        INLINE.read(ctx(), "extra")


def test_a_role_policy_of_a_missing_role_is_absent(ctx):
    """A policy whose role went away is gone, and deleting it is success."""
    assert INLINE.read(ctx(), "extra|nobody") is None
    INLINE.delete(ctx(), "extra|nobody")


@pytest.fixture
def principals(ctx, iam):
    """Make a role, a user and a group to attach to."""
    for name in ("app", "web"):
        ROLE.create(ctx(), {"role_name": name, "assume_role_policy_document": TRUST})
    iam.call("create_user", UserName="ann")
    iam.call("create_group", GroupName="ops")


WIDE = {
    "managed_policy_name": "read-all",
    "policy_document": allow("s3:Get*"),
    "description": "reads",
    "path": "/team/",
    "roles": ["app"],
    "users": ["ann"],
    "groups": ["ops"],
}


def test_a_managed_policy_shows_what_was_declared(ctx, principals):
    """A managed policy reads back with its attachments and computed fields."""
    live = POLICY.create(ctx(), WIDE)
    assert live.inputs == WIDE
    assert live.id == live.outputs["policy_arn"]
    assert live.id.endswith(":policy/team/read-all")
    assert live.outputs["default_version_id"] == "v1"
    assert live.outputs["is_attachable"] is True


def test_a_managed_policy_keeps_five_versions(ctx, iam, principals):
    """Any number of updates works; the oldest version not in force makes room."""
    before = POLICY.create(ctx(), WIDE)
    for number in range(1, 8):
        after = {**WIDE, "policy_document": allow(f"s3:Get{number}")}
        live = POLICY.update(ctx(), before.id, WIDE, after)
        assert live.inputs == after
    assert live.outputs["default_version_id"] == "v8"
    versions = iam.items("list_policy_versions", "Versions[].VersionId", PolicyArn=before.id)
    assert set(versions) == {"v4", "v5", "v6", "v7", "v8"}


def test_the_version_in_force_is_never_dropped(ctx, iam, principals):
    """Room is made among the versions that are not in force, even if the one in force is older."""
    made = POLICY.create(ctx(), WIDE)
    for number in range(4):
        document = json.dumps(allow(f"s3:Put{number}"))
        iam.call("create_policy_version", PolicyArn=made.id, PolicyDocument=document, SetAsDefault=False)
    after = {**WIDE, "policy_document": allow("s3:List*")}
    assert POLICY.update(ctx(), made.id, WIDE, after).inputs == after
    versions = iam.items("list_policy_versions", "Versions[].VersionId", PolicyArn=made.id)
    assert set(versions) == {"v1", "v3", "v4", "v5", "v6"}


def test_attachments_of_a_managed_policy_follow_the_lists(ctx, principals):
    """Roles, users and groups are attached and detached as the lists change."""
    made = POLICY.create(ctx(), WIDE)
    after = {**WIDE, "roles": ["web"], "groups": ["ops"]}
    del after["users"]
    live = POLICY.update(ctx(), made.id, WIDE, after)
    assert live.inputs == {**after, "users": None}


def test_a_taken_policy_name_is_a_conflict(ctx, iam, principals, monkeypatch):
    """Policy names count whatever the path; the error names what has it."""
    made = POLICY.create(ctx(), WIDE)
    with pytest.raises(ConflictError) as caught:
        POLICY.create(ctx(), WIDE)
    assert caught.value.existing_id == made.id
    call = iam.call

    def aws(operation, /, **params):  # moto takes the name under another path
        if operation == "create_policy":
            msg = "aws iam create_policy: EntityAlreadyExists"
            raise ConflictError(msg, code="EntityAlreadyExists")
        return call(operation, **params)

    monkeypatch.setattr(iam, "call", aws)
    with pytest.raises(ConflictError, match="taken by") as caught:
        POLICY.create(ctx(), {**WIDE, "path": "/other/"})
    assert caught.value.existing_id == made.id


def test_a_managed_policy_is_found_and_finished_by_its_step(ctx, principals):
    """A create that was cut short is taken up by its token and attached."""
    step = ctx()
    POLICY.make(step, WIDE)
    assert POLICY.find(ctx(), WIDE) is None
    assert POLICY.find(step, WIDE).inputs == WIDE
    assert POLICY.create(step, WIDE).inputs == WIDE


def test_deleting_a_managed_policy_detaches_only_its_own(ctx, iam, principals):
    """Versions and own attachments go with the policy; others' attachments hold it and are named."""
    made = POLICY.create(ctx(), WIDE)
    POLICY.update(ctx(), made.id, WIDE, {**WIDE, "policy_document": allow("s3:Put*")})
    iam.call("attach_role_policy", RoleName="web", PolicyArn=made.id)
    step = recorded(ctx(), "aws:iam:ManagedPolicy", made.id, WIDE)
    with pytest.raises(DependencyViolationError, match="attached to role 'web'"):
        POLICY.delete(step, made.id)
    iam.call("detach_role_policy", RoleName="web", PolicyArn=made.id)
    POLICY.delete(step, made.id)
    assert POLICY.read(ctx(), made.id) is None
    POLICY.delete(step, made.id)


def test_an_instance_profile_carries_and_exchanges_its_role(ctx, principals):
    """A profile is created with a role, gets another one, and goes."""
    inputs = {"instance_profile_name": "front", "path": "/web/", "roles": ["app"]}
    live = PROFILE.create(ctx(), inputs)
    assert (live.id, live.inputs) == ("front", inputs)
    assert live.outputs["arn"].endswith(":instance-profile/web/front")
    after = {**inputs, "roles": ["web"]}
    assert PROFILE.update(ctx(), "front", inputs, after).inputs == after
    step = recorded(ctx(), "aws:iam:InstanceProfile", "front", after)
    PROFILE.delete(step, "front")
    assert PROFILE.read(ctx(), "front") is None
    PROFILE.delete(step, "front")


def test_an_instance_profile_is_taken_up_by_its_step_only(ctx, principals):
    """A profile half made is found and finished by its token; for others it is a conflict."""
    inputs = {"instance_profile_name": "front", "path": "/", "roles": ["app"]}
    step = ctx()
    PROFILE.make(step, inputs)
    assert PROFILE.find(ctx(), inputs) is None
    assert PROFILE.find(step, inputs).inputs == inputs
    assert PROFILE.create(step, inputs).inputs == inputs
    with pytest.raises(ConflictError) as caught:
        PROFILE.create(ctx(), inputs)
    assert caught.value.existing_id == "front"


def test_a_profile_whose_role_was_taken_out_already_is_deleted(provider, ctx):
    """A delete that was killed between its two calls is finished by the next."""
    client = provider.client("iam")
    client.call("create_role", RoleName="r", AssumeRolePolicyDocument="{}")
    client.call("create_instance_profile", InstanceProfileName="p")
    record = Record("a", "aws:iam:InstanceProfile", "p", inputs={"roles": ["r"]})
    handler = provider.handler("aws:iam:InstanceProfile")
    handler.delete(ctx(record=record), "p")
    assert handler.read(ctx(), "p") is None
