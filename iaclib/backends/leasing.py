"""What all backends say and decide about leases and writes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from iaclib.errors import LeaseHeldError, LeaseLostError, StateConflictError, StateError
from iaclib.state import packing
from iaclib.state.backend import Holder, Lease

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from iaclib.model.addresses import StackRef


class Held(Struct, frozen=True):
    """The lease row of a stack; ``holder`` is None when nobody has it."""

    fence: int = 0
    holder: Holder | None = None
    expires: float = 0.0


def holder_to(holder: Holder) -> dict[str, Any]:
    """Turn a holder into JSON."""
    return structs.asdict(holder)


def holder_from(data: Mapping[str, Any]) -> Holder:
    """Undo ``holder_to``."""
    return Holder(**data)


def write_holder(holder: Holder) -> str:
    """Write a holder as text."""
    return json.dumps(holder_to(holder))


def read_holder(text: str | None, where: str) -> Holder | None:
    """Undo ``write_holder``; None stands for nobody.

    Raises:
        StateCorruptError: The text is not that.
    """
    try:
        return None if text is None else holder_from(json.loads(text))
    except (TypeError, ValueError):
        raise packing.corrupt(where, "the lease's holder does not read") from None


def take(ref: StackRef, held: Held, holder: Holder, ttl: timedelta, now: float) -> Lease:
    """Decide whether a lease can be taken, and give it with a higher fence.

    Raises:
        LeaseHeldError: Somebody else has it, and lives.
    """
    if held.holder is not None and held.expires > now and not held.holder.is_gone():
        since = datetime.fromtimestamp(held.holder.since, UTC).isoformat(timespec="seconds")
        msg = (
            f"{ref}: {held.holder} holds the stack since {since}, expected nobody to; wait for it (lease_wait=), "
            f"or if it is dead for {held.expires - now:.0f} more seconds until its lease runs out"
        )
        raise LeaseHeldError(msg, ref=str(ref), holder=held.holder)
    return Lease(ref, held.fence + 1, holder, ttl, now + ttl.total_seconds())


def lost(lease: Lease) -> LeaseLostError:
    """Say that a lease was taken over."""
    msg = (
        f"{lease.ref}: the lease with fence {lease.fence} was taken over, expected it to last; "
        "let the run that took it finish, then run again"
    )
    return LeaseLostError(msg, ref=str(lease.ref))


def conflict(ref: StackRef, *, lineage: str, serial: int, stored: tuple[str, int]) -> StateConflictError:
    """Say that state is not what a writer read."""
    msg = (
        f"{ref}: state is at serial {stored[1]} of lineage {stored[0] or '(none)'}, "
        f"expected serial {serial} of {lineage}; run again on the state as it is now"
    )
    return StateConflictError(msg, ref=str(ref))


def not_retained(ref: StackRef, serial: int, first: int, last: int) -> StateError:
    """Say that a serial is not there to be read, and which are.

    Args:
        ref: The stack.
        serial: The one that was asked for.
        first: The oldest one that is retained.
        last: The newest one; less than ``first`` where nothing was written.
    """
    there = f"one of {first} to {last}" if first <= last else "a stack that was written"
    return StateError(
        f"{ref}: serial {serial} is not retained, expected {there}; choose another one", ref=str(ref), serial=serial
    )
