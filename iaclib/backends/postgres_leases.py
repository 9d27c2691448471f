"""Who may write a stack on Postgres: the lease in its row, judged by the server's clock.

Each function works within a transaction of its caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from iaclib.backends import leasing
from iaclib.backends.leasing import Held

if TYPE_CHECKING:
    from datetime import timedelta

    from iaclib.backends.postgres_server import PostgresServer
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Holder, Lease

#: What holds of a stack's row while a lease lasts; its values are those of ``by``.
OURS: Final = "project=%(project)s AND name=%(name)s AND fence=%(fence)s AND holder IS NOT NULL"


def by(lease: Lease) -> dict[str, Any]:
    """Give the values that ``OURS`` compares."""
    return {"project": lease.ref.project, "name": lease.ref.name, "fence": lease.fence}


def take(server: PostgresServer, ref: StackRef, holder: Holder, ttl: timedelta, claim: str, now: float) -> Lease:
    """Take the lease.

    Args:
        server: In a transaction.
        ref: The stack.
        holder: Who wants it.
        ttl: For how long.
        claim: Names this attempt, by which its repetition knows that it was given the lease already.
        now: The time as this process sees it.

    Raises:
        LeaseHeldError: Somebody else has it, and lives.
    """
    key = {"project": ref.project, "name": ref.name}
    server.execute("INSERT INTO @.stacks (project, name) VALUES (%(project)s, %(name)s) ON CONFLICT DO NOTHING", key)
    there, claimed = held(server, ref, now)
    if claimed == claim:
        there = Held(there.fence - 1)
    lease = leasing.take(ref, there, holder, ttl, now)
    values = {"fence": lease.fence, "holder": leasing.write_holder(holder), "claim": claim, "ttl": ttl.total_seconds()}
    server.execute(
        "UPDATE @.stacks SET fence=%(fence)s, holder=%(holder)s, claim=%(claim)s, "
        "expires=clock_timestamp() + make_interval(secs => %(ttl)s) WHERE project=%(project)s AND name=%(name)s",
        {**key, **values},
    )
    return lease


def prolong(server: PostgresServer, lease: Lease) -> int:
    """Move the lease's end; gives 1, or 0 if it was taken over."""
    moved = f"UPDATE @.stacks SET expires=clock_timestamp() + make_interval(secs => %(ttl)s) WHERE {OURS}"  # noqa: S608
    return int(server.execute(moved, {**by(lease), "ttl": lease.ttl.total_seconds()}).rowcount)


def give_back(server: PostgresServer, lease: Lease) -> int:
    """Give the lease back; gives 1, or 0 if it was taken over."""
    given = f"UPDATE @.stacks SET holder=NULL, claim='', expires='-infinity' WHERE {OURS}"  # noqa: S608 - ours
    return int(server.execute(given, by(lease)).rowcount)


def free(server: PostgresServer, ref: StackRef) -> None:
    """Take the lease from whoever has it."""
    server.execute(
        "UPDATE @.stacks SET fence=fence+1, holder=NULL, claim='', expires='-infinity' WHERE project=%s AND name=%s",
        ref,
    )


def held(server: PostgresServer, ref: StackRef, now: float) -> tuple[Held, str]:
    """Read and lock a stack's lease, and the claim by which it was taken; its end is told in this process's time.

    Raises:
        StateCorruptError: The holder does not read.
        StateVersionError: A later iaclib has been here.
    """
    server.check_format()
    row = server.execute(
        "SELECT fence, holder, claim, CASE WHEN isfinite(expires) "
        "THEN greatest(0, extract(epoch FROM expires - clock_timestamp()))::float8 ELSE 0 END "
        "FROM @.stacks WHERE project=%s AND name=%s FOR UPDATE",
        ref,
    ).fetchone()
    if row is None:
        return Held(), ""
    fence, holder, claim, left = row
    return Held(fence, leasing.read_holder(holder, f"{ref} in {server.where}"), now + left), claim
