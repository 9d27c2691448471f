"""Roles and the policies inside them.

IAM spreads slowly: what was just made may be unknown to the next call, and a
trust policy may name a principal that AWS does not see yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from iaclib.aws import tags
from iaclib.aws.handlers import documents
from iaclib.aws.handlers.base import AwsContext, AwsHandler
from iaclib.aws.handlers.named import NamedHandler, declared, differs
from iaclib.errors import DependencyViolationError, InvalidRequestError, NotFoundError
from iaclib.model.values import reveal
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iaclib.aws.client import Client

_SESSION = 3600  # seconds; the duration of a role that sets none


class RoleHandler(NamedHandler):
    """Roles with their attached and inline policies.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """

    service: ClassVar[str] = "iam"
    kind: ClassVar[str] = "role"

    def locate(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """Give the role of that name and its tags."""
        try:
            role = self.client(ctx).call("get_role", RoleName=inputs["role_name"])["Role"]
        except NotFoundError:
            return None
        return role["RoleName"], tags.raw(role.get("Tags"))

    def make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        """Create the role, without its policies."""
        made = self.client(ctx).call(
            "create_role",
            RoleName=inputs["role_name"],
            AssumeRolePolicyDocument=documents.text(inputs["assume_role_policy_document"]),
            Path=inputs.get("path"),
            Description=inputs.get("description"),
            MaxSessionDuration=inputs.get("max_session_duration"),
            PermissionsBoundary=inputs.get("permissions_boundary"),
            Tags=tags.to_list(tags.with_own(ctx, inputs.get("tags"))),
        )
        return str(made["Role"]["RoleName"])

    def complete(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Sequence[str]:
        """Attach and write the role's policies; both calls may be repeated."""
        for arn in inputs.get("managed_policy_arns") or ():
            self._attach(ctx, id, arn)
        for policy in inputs.get("policies") or ():
            self._write(ctx, id, policy)
        return [field for field in ("managed_policy_arns", "policies") if inputs.get(field)]

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the role and all its policies.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
        """
        client = self.client(ctx)
        try:
            role = client.call("get_role", RoleName=id)["Role"]
            attached = _attached(client, id)
            names = list(client.items("list_role_policies", "PolicyNames", RoleName=id))
        except NotFoundError:
            return None
        policies = []
        for name in names:
            with self.missing_ok():  # deleted since it was listed
                document = client.call("get_role_policy", RoleName=id, PolicyName=name)["PolicyDocument"]
                policies.append({"policy_name": name, "policy_document": documents.parsed(document)})
        return Live(
            role["RoleName"],
            outputs={"arn": role["Arn"], "role_id": role["RoleId"]},
            inputs={
                "role_name": role["RoleName"],
                "assume_role_policy_document": documents.parsed(role.get("AssumeRolePolicyDocument")),
                "description": role.get("Description") or None,
                "managed_policy_arns": attached or None,
                "max_session_duration": role.get("MaxSessionDuration"),
                "path": role.get("Path"),
                "permissions_boundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
                "policies": policies or None,
                "tags": tags.from_list(role.get("Tags")),
            },
        )

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Change what differs, one call a property.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html
        """
        client = self.client(ctx)
        _, now = self.existing(ctx, id)
        before, after = self.normalise(before), self.normalise(after)
        changed = {field for field in now if differs(field, before, after, now)}
        if reveal(before.get("assume_role_policy_document")) == reveal(after["assume_role_policy_document"]):
            changed.discard("assume_role_policy_document")  # AWS may spell principals in another way
        if "assume_role_policy_document" in changed:
            document = documents.text(after["assume_role_policy_document"])
            client.call("update_assume_role_policy", RoleName=id, PolicyDocument=document)
        if changed & {"description", "max_session_duration"}:
            kept = {field: now.get(field) for field in ("description", "max_session_duration") if field not in changed}
            wanted = {**after, **kept}
            client.call(
                "update_role",
                RoleName=id,
                Description=wanted.get("description") or "",
                MaxSessionDuration=wanted.get("max_session_duration") or _SESSION,
            )
        if "permissions_boundary" in changed:
            self._bound(ctx, id, after.get("permissions_boundary"))
        if "managed_policy_arns" in changed:
            self._reattach(ctx, id, before, after, now)
        if "policies" in changed:
            self._rewrite(ctx, id, before, after, now)
        put, drop = tags.changes(before.get("tags"), after.get("tags"), now.get("tags") or {})
        if put:
            client.call("tag_role", RoleName=id, Tags=tags.to_list(put))
        if drop:
            client.call("untag_role", RoleName=id, TagKeys=drop)
        return self.moved(ctx, id, now, (changed - {"tags"}) | ({"tags"} if put or drop else set()))

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Take away what the resource itself put on the role, then the role.

        What others put there stays and makes AWS refuse.

        Raises:
            DependencyViolationError: Others' policies or instance profiles hold the role.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
        """
        client = self.client(ctx)
        for arn in declared(ctx, "managed_policy_arns") or ():
            with self.missing_ok():
                client.call("detach_role_policy", RoleName=id, PolicyArn=arn)
        for policy in declared(ctx, "policies") or ():
            with self.missing_ok():
                client.call("delete_role_policy", RoleName=id, PolicyName=policy["policy_name"])
        try:
            with self.missing_ok():
                client.call("delete_role", RoleName=id)
        except DependencyViolationError as error:
            holders = self._holders(client, id)
            if not holders:  # gone since; the next try will do
                raise
            msg = (
                f"{ctx.address}: role {id!r} is still held by {holders}, expected it to be free; "
                "remove these, they are not part of this resource"
            )
            raise DependencyViolationError(msg, **error.facts) from None

    def normalise(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Make JSON text and mapping one, for the trust policy and inline policies."""
        normal = _normal(inputs, "assume_role_policy_document")
        if isinstance(policies := normal.get("policies"), list):
            normal["policies"] = [_normal(one, "policy_document") if isinstance(one, dict) else one for one in policies]
        return normal

    def _attach(self, ctx: AwsContext, role: str, arn: str) -> None:
        client = self.client(ctx)
        self.settled(ctx, lambda: client.call("attach_role_policy", RoleName=role, PolicyArn=arn))

    def _write(self, ctx: AwsContext, role: str, policy: Mapping[str, Any]) -> None:
        client, document = self.client(ctx), documents.text(policy["policy_document"])
        name = policy["policy_name"]
        self.settled(
            ctx, lambda: client.call("put_role_policy", RoleName=role, PolicyName=name, PolicyDocument=document)
        )

    def _bound(self, ctx: AwsContext, role: str, arn: str | None) -> None:
        client = self.client(ctx)
        if arn:
            client.call("put_role_permissions_boundary", RoleName=role, PermissionsBoundary=arn)
        else:
            with self.missing_ok():
                client.call("delete_role_permissions_boundary", RoleName=role)

    def _reattach(
        self, ctx: AwsContext, role: str, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]
    ) -> None:
        """Attach what is missing first, so that the role is never without what it keeps."""
        there, wanted = now.get("managed_policy_arns") or (), after.get("managed_policy_arns") or ()
        for arn in wanted:
            if arn not in there:
                self._attach(ctx, role, arn)
        for arn in before.get("managed_policy_arns") or ():
            if arn not in wanted:
                with self.missing_ok():
                    self.client(ctx).call("detach_role_policy", RoleName=role, PolicyArn=arn)

    def _rewrite(
        self, ctx: AwsContext, role: str, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]
    ) -> None:
        """Write the inline policies that differ and delete those no longer declared."""
        there = {one["policy_name"]: one["policy_document"] for one in now.get("policies") or ()}
        wanted = {one["policy_name"]: one for one in after.get("policies") or ()}
        for name, policy in wanted.items():
            if there.get(name) != documents.opened(policy["policy_document"]):
                self._write(ctx, role, policy)
        for policy in before.get("policies") or ():
            if policy["policy_name"] not in wanted:
                with self.missing_ok():
                    self.client(ctx).call("delete_role_policy", RoleName=role, PolicyName=policy["policy_name"])

    def _holders(self, client: Client, role: str) -> str:
        """Name what keeps a role from being deleted; empty if nothing does any more."""
        with self.missing_ok():
            inline = client.items("list_role_policies", "PolicyNames", RoleName=role)
            profiles = client.items(
                "list_instance_profiles_for_role", "InstanceProfiles[].InstanceProfileName", RoleName=role
            )
            held = [
                *(f"attached policy {arn}" for arn in _attached(client, role)),
                *(f"inline policy {name!r}" for name in inline),
                *(f"instance profile {name!r}" for name in profiles),
            ]
            return ", ".join(held)
        return ""


class RolePolicyHandler(AwsHandler):
    """Policies inside a role, each managed apart from it.

    They can carry no token: the names of role and policy are the identity.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
    """

    service: ClassVar[str] = "iam"

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Give ``policy_name|role_name``, or None while one is not known."""
        names = (inputs.get("policy_name"), inputs.get("role_name"))
        return "|".join(str(name) for name in names) if all(isinstance(name, str) for name in names) else None

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Write the policy."""
        name, role = str(inputs["policy_name"]), str(inputs["role_name"])
        return self._put(ctx, f"{name}|{role}", inputs["policy_document"])

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the policy, or None if it or its role is not there.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
        """
        name, role = _split(ctx, id)
        try:
            found = self.client(ctx).call("get_role_policy", RoleName=role, PolicyName=name)
        except NotFoundError:
            return None
        document = documents.parsed(found["PolicyDocument"])
        return Live(id, inputs={"policy_name": name, "role_name": role, "policy_document": document})

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Write the policy over the old one."""
        del before
        return self._put(ctx, id, after["policy_document"])

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the policy.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRolePolicy.html
        """
        name, role = _split(ctx, id)
        with self.missing_ok():
            self.client(ctx).call("delete_role_policy", RoleName=role, PolicyName=name)

    def normalise(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Make JSON text and mapping one."""
        return _normal(inputs, "policy_document")

    def _put(self, ctx: AwsContext, id: str, document: Any) -> Live:
        client, (name, role), text = self.client(ctx), _split(ctx, id), documents.text(document)
        self.settled(ctx, lambda: client.call("put_role_policy", RoleName=role, PolicyName=name, PolicyDocument=text))
        last: Live | None = None

        def probe() -> bool:
            nonlocal last
            last = self.read(ctx, id)
            return last is not None and (last.inputs or {}).get("policy_document") == documents.opened(document)

        self.agreed(ctx, probe)
        return last or Live(id, ready=False)


def _split(ctx: AwsContext, id: str) -> tuple[str, str]:
    """Take ``policy_name|role_name`` apart; neither name can hold the bar."""
    name, bar, role = id.partition("|")
    if not (name and bar and role) or "|" in role:
        msg = f"{ctx.address}: {id!r} is not the id of a role policy, expected 'policy_name|role_name'; correct the id"
        raise InvalidRequestError(msg)
    return name, role


def _attached(client: Client, role: str) -> list[str]:
    return list(client.items("list_attached_role_policies", "AttachedPolicies[].PolicyArn", RoleName=role))


def _normal(inputs: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Parse one field that may be JSON text."""
    normal = dict(inputs)
    if field in normal:
        normal[field] = documents.parsed(normal[field])
    return normal
