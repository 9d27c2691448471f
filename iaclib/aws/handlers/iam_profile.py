"""Instance profiles, each with at most one role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext
from iaclib.aws.handlers.named import NamedHandler, declared, differs
from iaclib.errors import NotFoundError
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class InstanceProfileHandler(NamedHandler):
    """Instance profiles.

    A new profile takes some seconds to reach EC2. IAM cannot tell when it has,
    so the calls that use a profile are repeated where they come too early.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html
    """

    service: ClassVar[str] = "iam"
    kind: ClassVar[str] = "instance profile"

    def locate(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """Give the profile of that name and its tags."""
        profile = self._described(ctx, inputs["instance_profile_name"])
        return None if profile is None else (profile["InstanceProfileName"], tags.raw(profile.get("Tags")))

    def make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        """Create the profile, without a role."""
        made = self.client(ctx).call(
            "create_instance_profile",
            InstanceProfileName=inputs["instance_profile_name"],
            Path=inputs.get("path"),
            Tags=tags.to_list(tags.own(ctx)),
        )
        return str(made["InstanceProfile"]["InstanceProfileName"])

    def complete(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Sequence[str]:
        """Add the roles that are missing."""
        profile = self._described(ctx, id)
        there = [] if profile is None else _roles(profile)
        for role in inputs.get("roles") or ():
            if role not in there:
                self._add(ctx, id, role)
        return ["roles"] if inputs.get("roles") else []

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the profile and its roles.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetInstanceProfile.html
        """
        profile = self._described(ctx, id)
        if profile is None:
            return None
        return Live(
            profile["InstanceProfileName"],
            outputs={"arn": profile["Arn"]},
            inputs={
                "instance_profile_name": profile["InstanceProfileName"],
                "path": profile.get("Path"),
                "roles": _roles(profile),
            },
        )

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Exchange the role: the old one leaves first, as there is room for one."""
        _, now = self.existing(ctx, id)
        changed = {"roles"} if differs("roles", before, after, now) else set()
        wanted = after.get("roles") or ()
        for role in now["roles"]:
            if role not in wanted:
                self._remove(ctx, id, role)
        for role in wanted:
            if role not in now["roles"]:
                self._add(ctx, id, role)
        return self.moved(ctx, id, now, changed)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Take the declared role out and delete the profile.

        Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteInstanceProfile.html
        """
        mine = declared(ctx, "roles") or ()
        for role in _roles(self._described(ctx, id) or {}):  # a killed delete may have taken it out already
            if role in mine:
                self._remove(ctx, id, role)
        with self.missing_ok():
            self.client(ctx).call("delete_instance_profile", InstanceProfileName=id)

    def _described(self, ctx: AwsContext, name: str) -> dict[str, Any] | None:
        try:
            return dict(self.client(ctx).call("get_instance_profile", InstanceProfileName=name)["InstanceProfile"])
        except NotFoundError:
            return None

    def _add(self, ctx: AwsContext, id: str, role: str) -> None:
        client = self.client(ctx)
        self.settled(ctx, lambda: client.call("add_role_to_instance_profile", InstanceProfileName=id, RoleName=role))

    def _remove(self, ctx: AwsContext, id: str, role: str) -> None:
        with self.missing_ok():
            self.client(ctx).call("remove_role_from_instance_profile", InstanceProfileName=id, RoleName=role)


def _roles(profile: Mapping[str, Any]) -> list[str]:
    return [role["RoleName"] for role in profile.get("Roles") or ()]
