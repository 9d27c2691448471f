"""State that lives as long as its engine: for tests and trials.

What is written passes through the codec, so that anything that another backend
would refuse is refused here too.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import attrs

from iaclib.backends.leasing import Held, conflict, lost, take
from iaclib.state import codec
from iaclib.state.journal import Entry, Ran, Working
from iaclib.state.keyfile import Ephemeral
from iaclib.state.record import RunSummary, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Holder, Lease

_URL: Final = "memory:"


class _Stack:
    def __init__(self) -> None:
        self.held = Held()
        self.working = Working(Snapshot())
        self.runs: dict[str, RunSummary] = {}


class Memory:
    """State in this process; any thread may use it.

    Args:
        clock: Gives seconds since the epoch.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stacks: dict[StackRef, _Stack] = {}
        self._providers = codec.Providers()
        self._keyring = Ephemeral()

    @classmethod
    def from_url(cls, _url: str = _URL) -> Memory:
        """Make the backend of ``memory:``."""
        return cls()

    def default_keyring(self) -> Ephemeral:
        """Seal with a key that lives as long as the state."""
        return self._keyring

    def close(self) -> None:
        """Keep nothing open."""

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state."""
        with self._lock:
            return sorted(ref for ref, stack in self._stacks.items() if stack.working.lineage)

    def acquire(self, ref: StackRef, holder: Holder, ttl: timedelta) -> Lease:
        """Take the lease."""
        with self._lock:
            stack = self._stacks.setdefault(ref, _Stack())
            lease = take(ref, stack.held, holder, ttl, self._clock())
            stack.held = Held(lease.fence, holder, lease.expires)
            return lease

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end."""
        with self._lock:
            stack = self._mine(lease)
            renewed = attrs.evolve(lease, expires=self._clock() + lease.ttl.total_seconds())
            stack.held = Held(lease.fence, lease.holder, renewed.expires)
            return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back."""
        with self._lock:
            stack = self._stacks.get(lease.ref)
            if stack is not None and stack.held.fence == lease.fence:
                stack.held = Held(lease.fence)

    def _mine(self, lease: Lease) -> _Stack:
        stack = self._stacks.get(lease.ref)
        if stack is None or stack.held.fence != lease.fence or stack.held.holder is None:
            raise lost(lease)
        return stack

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state."""
        with self._lock:
            stack = self._stacks.get(ref)
            return stack.working.freeze() if stack is not None else Snapshot()

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries."""
        data = codec.dump_entries(entries)
        with self._lock:
            stack = self._mine(lease)
            working = stack.working
            if working.serial != serial or (working.lineage or lineage) != lineage:
                raise conflict(lease.ref, lineage=lineage, serial=serial, stored=(working.lineage, working.serial))
            for entry in codec.load_entries(data, str(lease.ref), self._providers):
                working.apply(entry)
                if isinstance(entry, Ran):
                    stack.runs[entry.run.id] = entry.run
            working.lineage = lineage
            working.serial = serial + 1
            return working.serial

    def history(self, ref: StackRef) -> Sequence[RunSummary]:
        """List runs, oldest first."""
        with self._lock:
            stack = self._stacks.get(ref)
            return tuple(stack.runs.values()) if stack is not None else ()
