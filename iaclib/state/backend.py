"""The contract of a place where state is kept, and the lease on a stack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec import Struct

from iaclib.model.addresses import StackRef
from iaclib.state.record import RunSummary, Snapshot

if TYPE_CHECKING:
    from iaclib.state.journal import Entry


class Holder(Struct, frozen=True):
    """Who holds a lease; enough to tell whether that process still lives."""

    user: str
    host: str
    boot_id: str
    pid: int
    process_start: str
    operation: str
    since: float  # seconds since the epoch

    @classmethod
    def here(cls, operation: str, since: float) -> Holder:
        """Describe this process."""
        return cls(_user(), _host(), boot_id(), os.getpid(), process_start(os.getpid()) or "", operation, since)

    def is_gone(self) -> bool:
        """Tell whether the holding process surely ended: same host and boot, and no such process."""
        if not self.boot_id or self.host != _host() or self.boot_id != boot_id():
            return False
        start = process_start(self.pid)
        return start is None or (bool(self.process_start) and start != self.process_start)

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (pid {self.pid}, {self.operation})"


def _host() -> str:
    import platform

    return platform.node()


def _user() -> str:
    try:
        import getpass

        return getpass.getuser()
    except (OSError, KeyError):  # no such uid in the user database, as in containers
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def boot_id() -> str:
    """Tell this boot of this machine from others; "" where the system doesn't say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def process_start(pid: int) -> str | None:
    """Give the start time of a process (opaque text), or None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        return _alive(pid)
    except ProcessLookupError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _alive(pid: int) -> str | None:
    """Ask for a process's life where there is no /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""


class Lease(Struct, frozen=True):
    """The right to write one stack's state until ``expires`` (seconds since the epoch)."""

    ref: StackRef
    fence: int
    holder: Holder
    ttl: timedelta
    expires: float


@runtime_checkable
class Backend(Protocol):
    """Where state lives. Narrow on purpose.

    Secrets reach a backend sealed (``state.seal``); ``state.codec`` writes the
    bytes and refuses an unsealed one.
    """

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state.

        One that is damaged, or that a newer iaclib wrote, is listed too where the others can be: loading it tells.
        """
        ...

    def acquire(self, ref: StackRef, holder: Holder, ttl: timedelta) -> Lease:
        """Take the lease; its fence is the previous one plus 1.

        Raises:
            LeaseHeldError: Somebody else holds it, with ``holder``.
        """
        ...

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end to now plus ttl.

        Raises:
            LeaseLostError: It was taken over.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Give the lease back; not holding it any more is fine."""
        ...

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state; an empty snapshot for a stack that was never written."""
        ...

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries atomically; they are durable when this returns.

        Args:
            lease: Whose fence must still be the newest.
            entries: What to add.
            lineage: The stack's lineage; the first write sets it.
            serial: The serial that the writer last saw.

        Returns:
            The new serial, ``serial`` + 1.

        Raises:
            LeaseLostError: The fence is stale.
            StateConflictError: Serial or lineage differ from what is stored.
        """
        ...

    def history(self, ref: StackRef) -> Sequence[RunSummary]:
        """List runs, oldest first."""
        ...


@runtime_checkable
class Steward(Backend, Protocol):
    """A backend that can also look back, make room and be told that a holder is dead; iaclib's own all can."""

    def evict(self, ref: StackRef) -> Holder | None:
        """Take the lease from whoever holds it, with a higher fence, and give who that was; None if nobody did."""
        ...

    def load_at(self, ref: StackRef, serial: int) -> Snapshot:
        """Read the state as it was at an earlier serial.

        Raises:
            StateError: That serial is not retained; it says which are.
        """
        ...

    def remove(self, lease: Lease) -> None:
        """Drop a stack's state and history, as if it had never been written; the lease stays held, the fence rises on.

        Raises:
            LeaseLostError: The fence is stale.
        """
        ...


@runtime_checkable
class Oblivious(Backend, Protocol):
    """A backend that can forget for good what a stack's state was earlier; iaclib's own all can."""

    def forget_past(self, lease: Lease) -> None:
        """Drop what is kept of earlier serials, so that nothing of it is left in what the backend keeps.

        Raises:
            LeaseLostError: The fence is stale.
            StateError: It is dropped, but can be read by other means yet; doing it again is fine.
        """
        ...


class Damage(Struct, frozen=True):
    """Something in state that isn't as it was written.

    Args:
        what: What it is.
        known: Whether what it said is known all the same.
        data: What is left of its bytes.
        problem: What is wrong with it.
    """

    what: str
    known: bool
    data: bytes
    problem: str = "can't be read"


class Salvaged(Struct, frozen=True):
    """What could be read of a stack's state.

    Args:
        snapshot: What is known; its serial is that of the state.
        runs: The history that is known, in order.
        damage: What can't be read; nothing where state is whole.
        past: Whether earlier serials can be read all the same.
    """

    snapshot: Snapshot
    runs: Sequence[RunSummary] = ()
    damage: Sequence[Damage] = ()
    past: bool = True


@runtime_checkable
class Mender(Backend, Protocol):
    """A backend that can tell what is left of damaged state, and start from that; iaclib's own that last all can."""

    def salvage(self, ref: StackRef) -> Salvaged:
        """Read all that is kept of a stack, whatever of it is damaged; changes nothing.

        Raises:
            StateVersionError: A newer iaclib wrote it.
            StateCorruptError: So much is damaged that nothing can be told.
        """
        ...

    def reopen(self, ref: StackRef) -> None:
        """Make leases possible where what says who holds one can't be read; whoever it was has lost it.

        Nothing is done where it can be read.
        """
        ...

    def rewrite(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int, past: bool) -> int:
        """Put what entries make of nothing, history included, in the place of all that was, as one more serial.

        Args:
            lease: Whose fence must still be the newest.
            entries: All of the state and its history, beginning with what drops all that was.
            lineage: The stack's lineage.
            serial: The serial of what was salvaged.
            past: Whether earlier serials stay readable.

        Returns:
            The new serial.

        Raises:
            LeaseLostError: The fence is stale.
            StateConflictError: Somebody wrote since.
        """
        ...
