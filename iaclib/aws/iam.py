"""Declarations of IAM types: those written by hand, and the others made on demand."""

from iaclib.aws._iam import (
    InstanceProfile as InstanceProfile,
    ManagedPolicy as ManagedPolicy,
    Policy as Policy,
    Role as Role,
    RolePolicy as RolePolicy,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
