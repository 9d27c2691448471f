"""Managed policies: five versions at most, attached to roles, users and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from iaclib.aws import tags
from iaclib.aws.handlers import documents
from iaclib.aws.handlers.base import AwsContext
from iaclib.aws.handlers.named import NamedHandler, declared, differs, partition
from iaclib.errors import ConflictError, DependencyViolationError, NotFoundError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iaclib.aws.client import Client

_VERSIONS = 5  # AWS keeps no more of one policy


class _Side(NamedTuple):
    """How one kind of principal is attached."""

    attach: str
    detach: str
    argument: str


_SIDES = {
    "groups": _Side("attach_group_policy", "detach_group_policy", "GroupName"),
    "roles": _Side("attach_role_policy", "detach_role_policy", "RoleName"),
    "users": _Side("attach_user_policy", "detach_user_policy", "UserName"),
}
_ENTITIES = (
    "[PolicyGroups[].['groups', GroupName], PolicyRoles[].['roles', RoleName], PolicyUsers[].['users', UserName]][]"
)


class ManagedPolicyHandler(NamedHandler):
    """Managed policies and whom they are attached to.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
    """

    service: ClassVar[str] = "iam"
    kind: ClassVar[str] = "managed policy"

    def locate(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """Give the policy that has the ARN that path and name lead to, and its tags."""
        try:
            policy = self.client(ctx).call("get_policy", PolicyArn=_arn(ctx, inputs))["Policy"]
        except NotFoundError:
            return None
        return policy["Arn"], tags.raw(policy.get("Tags"))

    def make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        """Create the policy, attached to nobody.

        Names are unique in an account whatever the path, so the name may be
        taken although nothing has the ARN.
        """
        client, name = self.client(ctx), inputs["managed_policy_name"]
        try:
            made = client.call(
                "create_policy",
                PolicyName=name,
                PolicyDocument=documents.text(inputs["policy_document"]),
                Path=inputs.get("path"),
                Description=inputs.get("description"),
                Tags=tags.to_list(tags.own(ctx)),
            )
        except ConflictError as error:
            holders = client.items("list_policies", "Policies", Scope="Local")
            taken = next((one["Arn"] for one in holders if one["PolicyName"].lower() == name.lower()), None)
            if taken is None or taken == _arn(ctx, inputs):
                raise
            msg = (
                f"{ctx.address}: the name {name!r} is taken by {taken}, expected a free one; "
                "choose another name or the same path"
            )
            raise ConflictError(msg, **{**error.facts, "existing_id": taken}) from None
        return str(made["Policy"]["Arn"])

    def complete(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Sequence[str]:
        """Attach the policy; attaching again changes nothing."""
        for field in _SIDES:
            for name in inputs.get(field) or ():
                self._attach(ctx, id, field, name)
        return [field for field in _SIDES if inputs.get(field)]

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the policy, the document in force and all attachments.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicy.html
        """
        client = self.client(ctx)
        try:
            policy = client.call("get_policy", PolicyArn=id)["Policy"]
            version = client.call("get_policy_version", PolicyArn=id, VersionId=policy["DefaultVersionId"])
            attached = _attached(client, id)
        except NotFoundError:
            return None
        return Live(
            policy["Arn"],
            outputs={
                "policy_arn": policy["Arn"],
                "policy_id": policy["PolicyId"],
                "default_version_id": policy["DefaultVersionId"],
                "attachment_count": policy.get("AttachmentCount", 0),
                "permissions_boundary_usage_count": policy.get("PermissionsBoundaryUsageCount", 0),
                "is_attachable": policy.get("IsAttachable", True),
                "create_date": _date(policy.get("CreateDate")),
                "update_date": _date(policy.get("UpdateDate")),
            },
            inputs={
                "managed_policy_name": policy["PolicyName"],
                "policy_document": documents.parsed(version["PolicyVersion"]["Document"]),
                "description": policy.get("Description") or None,
                "path": policy.get("Path"),
                **{field: attached[field] or None for field in _SIDES},
            },
        )

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Put a new version in force, and attach and detach what differs."""
        _, now = self.existing(ctx, id)
        before, after = self.normalise(before), self.normalise(after)
        changed = {field for field in ("policy_document", *_SIDES) if differs(field, before, after, now)}
        if "policy_document" in changed:
            self._renew(ctx, id, after["policy_document"])
        for field in _SIDES.keys() & changed:
            there, wanted = now.get(field) or (), after.get(field) or ()
            for name in wanted:
                if name not in there:
                    self._attach(ctx, id, field, name)
            for name in before.get(field) or ():
                if name not in wanted:
                    self._detach(ctx, id, field, name)
        return self.moved(ctx, id, now, changed)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Detach what the resource itself attached, then delete all versions.

        Raises:
            DependencyViolationError: Others attach the policy.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html
        """
        client = self.client(ctx)
        for field in _SIDES:
            for name in declared(ctx, field) or ():
                self._detach(ctx, id, field, name)
        with self.missing_ok():
            attached = _attached(client, id)
            holders = ", ".join(f"{field[:-1]} {name!r}" for field, names in attached.items() for name in names)
            if holders:  # asked first, so that a policy that stays keeps its older versions
                msg = (
                    f"{ctx.address}: managed policy {id!r} is still attached to {holders}, expected it to be free; "
                    "detach it there, these attachments are not part of this resource"
                )
                raise DependencyViolationError(msg)
            for version in list(client.items("list_policy_versions", "Versions", PolicyArn=id)):
                if not version["IsDefaultVersion"]:
                    client.call("delete_policy_version", PolicyArn=id, VersionId=version["VersionId"])
            client.call("delete_policy", PolicyArn=id)

    def normalise(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Make JSON text and mapping one."""
        normal = dict(inputs)
        if "policy_document" in normal:
            normal["policy_document"] = documents.parsed(normal["policy_document"])
        return normal

    def _renew(self, ctx: AwsContext, arn: str, document: Any) -> None:
        """Make a new version the one in force; drop the oldest other one if there is no room.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicyVersion.html
        """
        client = self.client(ctx)
        versions = list(client.items("list_policy_versions", "Versions", PolicyArn=arn))
        if len(versions) >= _VERSIONS:
            others = [one for one in versions if not one["IsDefaultVersion"]]
            oldest = min(others, key=lambda one: int(one["VersionId"].removeprefix("v")))  # numbers only rise
            with self.missing_ok():
                client.call("delete_policy_version", PolicyArn=arn, VersionId=oldest["VersionId"])
        client.call("create_policy_version", PolicyArn=arn, PolicyDocument=documents.text(document), SetAsDefault=True)

    def _attach(self, ctx: AwsContext, arn: str, field: str, name: str) -> None:
        client, side = self.client(ctx), _SIDES[field]
        self.settled(ctx, lambda: client.call(side.attach, PolicyArn=arn, **{side.argument: name}))

    def _detach(self, ctx: AwsContext, arn: str, field: str, name: str) -> None:
        side = _SIDES[field]
        with self.missing_ok():
            self.client(ctx).call(side.detach, PolicyArn=arn, **{side.argument: name})


def _arn(ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
    account, region = ctx.provider.identity()
    path = inputs.get("path") or "/"
    return f"arn:{partition(region)}:iam::{account}:policy{path}{inputs['managed_policy_name']}"


def _attached(client: Client, arn: str) -> dict[str, list[str]]:
    """List whom a policy is attached to; where it is a permissions boundary is another matter."""
    found: dict[str, list[str]] = {field: [] for field in _SIDES}
    for field, name in client.items(
        "list_entities_for_policy", _ENTITIES, PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy"
    ):
        found[field].append(name)
    return found


def _date(value: Any) -> str | None:
    return None if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
