"""What tests of state write, and a clock that stands still."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

from iaclib.model.addresses import StackRef
from iaclib.state.backend import Holder, Lease
from iaclib.state.journal import Ended
from iaclib.state.record import Record

REF = StackRef("shop", "prod")
TTL = timedelta(seconds=60)
LINEAGE = "0123456789abcdef"


class Clock:
    """Gives the time that it was set to."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def holder(operation: str = "apply", **facts: Any) -> Holder:
    """Describe this process."""
    return attrs.evolve(Holder.here(operation, 1_700_000_000.0), **facts)


def record(address: str, **facts: Any) -> Record:
    """Make a small record."""
    return Record(address, "test:Thing", facts.pop("id", f"id-of-{address}"), uid=f"uid-of-{address}", **facts)


def put(*addresses: str, **facts: Any) -> list[Ended]:
    """Make the entries that put a record at each address."""
    return [Ended(put=record(address, **facts)) for address in addresses]


def write(backend: Any, *addresses: str, serial: int = 0, ref: StackRef = REF) -> int:
    """Take the lease, put records, give the lease back."""
    lease: Lease = backend.acquire(ref, holder(), TTL)
    serial = backend.append(lease, put(*addresses), lineage=LINEAGE, serial=serial)
    backend.release(lease)
    return serial
