"""Declarations of CloudWatch Logs types: those written by hand, and the others made on demand."""

from iaclib.aws._logs import (
    LogGroup as LogGroup,
)
from iaclib.aws._logs import (
    RetentionDays as RetentionDays,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
