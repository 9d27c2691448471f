"""Declarations of SNS types: those written by hand, and the others made on demand."""

from iaclib.aws._sns import (
    Topic as Topic,
)
from iaclib.aws._sns import (
    TopicSubscription as TopicSubscription,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
