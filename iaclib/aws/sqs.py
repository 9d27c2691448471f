"""Declarations of SQS types: those written by hand, and the others made on demand."""

from iaclib.aws._sqs import (
    Queue as Queue,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
