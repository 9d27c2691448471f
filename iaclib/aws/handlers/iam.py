"""The handlers of AWS Identity and Access Management, by subject."""

from __future__ import annotations

from iaclib.aws.handlers.iam_policy import ManagedPolicyHandler
from iaclib.aws.handlers.iam_profile import InstanceProfileHandler
from iaclib.aws.handlers.iam_role import RoleHandler, RolePolicyHandler

__all__ = ["InstanceProfileHandler", "ManagedPolicyHandler", "RoleHandler", "RolePolicyHandler"]
