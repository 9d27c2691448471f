"""Declarations of AWS Identity and Access Management types: names, properties and what replaces.

Knows no SDK and no handler. Policies are free JSON: a mapping or JSON text.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Required, TypedDict

from iaclib import declare as iac


class Policy(TypedDict, total=False):
    """A policy that lives inside a role and goes with it."""

    policy_name: Required[iac.Input[str]]
    policy_document: Required[iac.Input[Mapping[str, Any] | str]]


class Role(iac.Resource, type="aws:iam:Role", settle=120, is_global=True, tags="tags"):
    """An identity that services and people assume; its id is its name.

    A list that is declared is the whole list: attachments of ``managed_policy_arns`` and
    inline ``policies`` that others add show as drift. Leave a list unset where
    ``ManagedPolicy(roles=...)`` or ``RolePolicy`` manage it. Deleting the role detaches and
    deletes what it declares itself; anything else on it makes the delete wait and then fail.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
    """

    role_name: iac.Input[Annotated[str, iac.Pattern(r"^[\w+=,.@-]{1,64}$")]] | None = iac.field(
        default=None, replaces=True, unique=True, generated=True
    )
    assume_role_policy_document: iac.Input[Mapping[str, Any] | str] = iac.field()
    description: iac.Input[str] | None = iac.field(default=None)
    managed_policy_arns: iac.Input[Sequence[iac.Input[str]]] | None = iac.field(default=None, unordered=True)
    max_session_duration: iac.Input[Annotated[int, iac.Range(3600, 43200)]] | None = iac.field(default=None)
    path: iac.Input[str] | None = iac.field(default=None, replaces=True)
    permissions_boundary: iac.Input[str] | None = iac.field(default=None)
    policies: iac.Input[Sequence[iac.Input[Policy]]] | None = iac.field(default=None, unordered=True)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
    role_id: iac.Output[str] = iac.computed(stable=True)


class RolePolicy(
    iac.Resource, type="aws:iam:RolePolicy", settle=120, is_global=True, unique=(("policy_name", "role_name"),)
):
    """A policy inside a role, managed apart from it; its id is ``policy_name|role_name``.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-rolepolicy.html
    """

    policy_name: iac.Input[Annotated[str, iac.Pattern(r"^[\w+=,.@-]{1,128}$")]] = iac.field(replaces=True)
    role_name: iac.Input[str] = iac.field(replaces=True)
    policy_document: iac.Input[Mapping[str, Any] | str] = iac.field()


class ManagedPolicy(iac.Resource, type="aws:iam:ManagedPolicy", settle=120, is_global=True):
    """A policy of its own that roles, users and groups attach; its id is its ARN.

    AWS keeps five versions of the document: an update drops the oldest one that is not in
    force to make room. Lists of ``roles``, ``users`` and ``groups`` that are declared are
    whole lists; leave them unset where the other side attaches.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-managedpolicy.html
    """

    managed_policy_name: iac.Input[Annotated[str, iac.Pattern(r"^[\w+=,.@-]{1,128}$")]] | None = iac.field(
        default=None, replaces=True, unique=True, generated=True
    )
    policy_document: iac.Input[Mapping[str, Any] | str] = iac.field()
    description: iac.Input[str] | None = iac.field(default=None, replaces=True)
    path: iac.Input[str] | None = iac.field(default=None, replaces=True)
    groups: iac.Input[Sequence[iac.Input[str]]] | None = iac.field(default=None, unordered=True)
    roles: iac.Input[Sequence[iac.Input[str]]] | None = iac.field(default=None, unordered=True)
    users: iac.Input[Sequence[iac.Input[str]]] | None = iac.field(default=None, unordered=True)
    policy_arn: iac.Output[str] = iac.computed(stable=True)
    policy_id: iac.Output[str] = iac.computed(stable=True)
    default_version_id: iac.Output[str] = iac.computed()
    attachment_count: iac.Output[int] = iac.computed()
    permissions_boundary_usage_count: iac.Output[int] = iac.computed()
    is_attachable: iac.Output[bool] = iac.computed()
    create_date: iac.Output[str] = iac.computed(stable=True)
    update_date: iac.Output[str] = iac.computed()


class InstanceProfile(iac.Resource, type="aws:iam:InstanceProfile", settle=120, is_global=True):
    """What carries a role to an EC2 instance; its id is its name.

    EC2 may need some seconds before it accepts a profile that IAM already shows; calls that
    use it too early are tried again.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-instanceprofile.html
    """

    instance_profile_name: iac.Input[Annotated[str, iac.Pattern(r"^[\w+=,.@-]{1,128}$")]] | None = iac.field(
        default=None, replaces=True, unique=True, generated=True
    )
    path: iac.Input[str] | None = iac.field(default=None, replaces=True)
    roles: iac.Input[Sequence[iac.Input[str]]] = iac.field(unordered=True)
    arn: iac.Output[str] = iac.computed(stable=True)
