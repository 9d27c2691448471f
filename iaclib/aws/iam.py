"""Declarations of IAM types: those written by hand, and the others made on demand."""

from iaclib.aws._iam import (
    InstanceProfile as InstanceProfile,
)
from iaclib.aws._iam import (
    ManagedPolicy as ManagedPolicy,
)
from iaclib.aws._iam import (
    Policy as Policy,
)
from iaclib.aws._iam import (
    Role as Role,
)
from iaclib.aws._iam import (
    RolePolicy as RolePolicy,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
