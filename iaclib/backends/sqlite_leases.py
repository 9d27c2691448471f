"""Who may write a stack in SQLite: the lease in its row, judged by this machine's clock.

Each function works within a transaction of its caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.backends import leasing
from iaclib.backends.leasing import Held

if TYPE_CHECKING:
    import sqlite3
    from datetime import timedelta

    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Holder, Lease


def take(db: sqlite3.Connection, ref: StackRef, holder: Holder, ttl: timedelta, now: float, where: str) -> Lease:
    """Take the lease.

    Args:
        db: In a transaction.
        ref: The stack.
        holder: Who wants it.
        ttl: For how long.
        now: Seconds since the epoch.
        where: The stack and its place, for messages.

    Raises:
        LeaseHeldError: Somebody else has it, and lives.
    """
    db.execute("INSERT OR IGNORE INTO stacks (project, name) VALUES (?, ?)", ref)
    lease = leasing.take(ref, held(db, ref, where), holder, ttl, now)
    db.execute(
        "UPDATE stacks SET fence=?, holder=?, expires=? WHERE project=? AND name=?",
        (lease.fence, leasing.write_holder(holder), lease.expires, *ref),
    )
    return lease


def prolong(db: sqlite3.Connection, lease: Lease) -> int:
    """Move the lease's end to the one that it names; gives 1, or 0 if it was taken over."""
    return db.execute(
        "UPDATE stacks SET expires=? WHERE project=? AND name=? AND fence=? AND holder IS NOT NULL",
        (lease.expires, *lease.ref, lease.fence),
    ).rowcount


def give_back(db: sqlite3.Connection, lease: Lease) -> int:
    """Give the lease back; gives 1, or 0 if it was taken over."""
    return db.execute(
        "UPDATE stacks SET holder=NULL, expires=0 WHERE project=? AND name=? AND fence=? AND holder IS NOT NULL",
        (*lease.ref, lease.fence),
    ).rowcount


def free(db: sqlite3.Connection, ref: StackRef) -> None:
    """Take the lease from whoever has it."""
    db.execute("UPDATE stacks SET fence=fence+1, holder=NULL, expires=0 WHERE project=? AND name=?", ref)


def held(db: sqlite3.Connection, ref: StackRef, where: str) -> Held:
    """Read a stack's lease.

    Raises:
        StateCorruptError: The holder does not read.
    """
    row = db.execute("SELECT fence, holder, expires FROM stacks WHERE project=? AND name=?", ref).fetchone()
    if row is None:
        return Held()
    fence, holder, expires = row
    return Held(fence, leasing.read_holder(holder, where), expires)
