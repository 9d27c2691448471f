"""Small pieces of state, and a clock that stands still, for tests of places where state is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from msgspec import structs

from iaclib.model.addresses import StackRef
from iaclib.state.backend import Backend, Holder
from iaclib.state.journal import Ended
from iaclib.state.record import Record

REF: Final = StackRef("shop", "prod")
TTL: Final = timedelta(seconds=60)
LINEAGE: Final = "0123456789abcdef"
ELSEWHERE: Final = {"host": "elsewhere"}  # facts of a holder of whom nobody here can tell whether it lives


class Clock:
    """Gives the time that it was set to, in seconds since the epoch."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def holder(operation: str = "apply", **facts: Any) -> Holder:
    """Describe this process, with some facts changed."""
    return structs.replace(Holder.here(operation, 1_700_000_000.0), **facts)


def record(address: str, **facts: Any) -> Record:
    """Make a small record."""
    return Record(address, "test:Thing", facts.pop("id", f"id-of-{address}"), uid=f"uid-of-{address}", **facts)


def put(*addresses: str, **facts: Any) -> list[Ended]:
    """Make the entries that put a record at each address."""
    return [Ended(put=record(address, **facts)) for address in addresses]


def write(backend: Backend, *addresses: str, serial: int = 0, ref: StackRef = REF) -> int:
    """Take the lease, put records, give the lease back; gives the new serial."""
    lease = backend.acquire(ref, holder(), TTL)
    serial = backend.append(lease, put(*addresses), lineage=LINEAGE, serial=serial)
    backend.release(lease)
    return serial
