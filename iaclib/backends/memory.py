"""State in memory: for tests, and for what need not outlive the process.

Holds encoded bytes, as the other backends do, so that nothing is shared with
the caller and a secret that isn't sealed is refused here too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct, field, structs

from iaclib.backends import leasing
from iaclib.backends.leasing import Held
from iaclib.errors import ConfigError, StateError
from iaclib.state import codec, rows
from iaclib.state.journal import Ran
from iaclib.state.keyfile import Ephemeral
from iaclib.state.record import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import timedelta

    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Holder, Lease
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary
    from iaclib.state.seal import Keyring


class _Stack(Struct):
    """One stack: its head, rows folded so far, and the journal since."""

    lineage: str = ""
    serial: int = 0
    held: Held = field(default_factory=Held)
    rows: dict[tuple[str, str], bytes] = field(default_factory=dict)
    journal: list[bytes] = field(default_factory=list)
    base: dict[tuple[str, str], bytes] = field(default_factory=dict)
    past: deque[bytes] = field(default_factory=deque)  # the journal since the base, folded or not
    runs: dict[str, bytes] = field(default_factory=dict)


class Memory:
    """A backend that lives as long as its object; each engine has its own.

    Args:
        clock: Gives seconds since the epoch.
        keep: How many serials can be looked back at.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, keep: int = 10_000) -> None:
        self._clock = clock
        self._keep = keep
        self._lock = threading.RLock()
        self._stacks: dict[StackRef, _Stack] = {}
        self._keyring = Ephemeral()

    @classmethod
    def from_url(cls, url: str) -> Memory:
        """Make one from ``memory:``."""
        if url not in ("memory:", "memory://"):
            raise ConfigError(f"{url!r}: not a memory backend, expected 'memory:'; a memory backend has no path")
        return cls()

    def default_keyring(self) -> Keyring | None:
        """Give the keyring to use if the user gave none: a key that dies with the backend."""
        return self._keyring

    def close(self) -> None:
        """Keep everything: memory is freed with the object."""

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state."""
        with self._lock:
            return sorted(ref for ref, stack in self._stacks.items() if stack.lineage)

    def acquire(self, ref: StackRef, holder: Holder, ttl: timedelta) -> Lease:
        """Take the lease; see ``Backend.acquire``."""
        with self._lock:
            stack = self._stacks.setdefault(ref, _Stack())
            lease = leasing.take(ref, stack.held, holder, ttl, self._clock())
            stack.held = Held(lease.fence, holder, lease.expires)
            return lease

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end; see ``Backend.renew``."""
        with self._lock:
            stack = self._mine(lease)
            renewed = structs.replace(lease, expires=self._clock() + lease.ttl.total_seconds())
            stack.held = Held(lease.fence, lease.holder, renewed.expires)
            return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back; not holding it any more is fine."""
        with self._lock:
            stack = self._stacks.get(lease.ref)
            if stack is not None and stack.held.fence == lease.fence:
                stack.held = Held(lease.fence)

    def evict(self, ref: StackRef) -> Holder | None:
        """Take the lease from whoever holds it; see ``Steward.evict``."""
        with self._lock:
            stack = self._stacks.get(ref)
            if stack is None or stack.held.holder is None:
                return None
            evicted = stack.held.holder
            stack.held = Held(stack.held.fence + 1)
            return evicted

    def remove(self, lease: Lease) -> None:
        """Drop a stack's state and history; see ``Steward.remove``."""
        with self._lock:
            self._stacks[lease.ref] = _Stack(held=self._mine(lease).held)

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state; an empty snapshot for a stack that was never written."""
        with self._lock:
            stack = self._stacks.get(ref)
            if stack is None or not stack.lineage:
                return Snapshot()
            where = str(ref)
            providers = codec.Providers()
            entries = [entry for data in stack.journal for entry in codec.load_entries(data, where, providers)]
            if entries:
                self._fold(stack.rows, entries, where)
                stack.journal.clear()
            base = rows.unfold(((*key, data) for key, data in stack.rows.items()), stack.lineage, stack.serial, where)
            return rows.replay(base, (), stack.serial)

    def load_at(self, ref: StackRef, serial: int) -> Snapshot:
        """Read the state at an earlier serial; see ``Steward.load_at``."""
        with self._lock:
            stack = self._stacks.get(ref) or _Stack()
            based = stack.serial - len(stack.past)
            if not max(1, based) <= serial <= stack.serial:
                raise leasing.not_retained(ref, serial, max(1, based), stack.serial)
            where, providers = str(ref), codec.Providers()
            base = rows.unfold(((*key, data) for key, data in stack.base.items()), stack.lineage, based, where)
            wanted = islice(stack.past, serial - based)
            return rows.replay(base, [codec.load_entries(data, where, providers) for data in wanted], serial)

    def forget_past(self, lease: Lease) -> None:
        """Drop earlier serials; see ``Oblivious``."""
        with self._lock:
            stack = self._mine(lease)
            self.load(lease.ref)  # folds what is left of the journal
            stack.past.clear()
            stack.base = dict(stack.rows)

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries; see ``Backend.append``."""
        if not lineage:
            raise StateError(f"{lease.ref}: a write without lineage, expected one; draw it before the first write")
        data = codec.dump_entries(entries)
        with self._lock:
            stack = self._mine(lease)
            if stack.serial != serial or stack.lineage not in ("", lineage):
                stored = (stack.lineage, stack.serial)
                raise leasing.conflict(lease.ref, lineage=lineage, serial=serial, stored=stored)
            stack.lineage = lineage
            stack.serial += 1
            stack.journal.append(data)
            stack.past.append(data)
            if len(stack.past) > self._keep:
                oldest = codec.load_entries(stack.past.popleft(), str(lease.ref), codec.Providers())
                self._fold(stack.base, oldest, str(lease.ref))
            stack.runs.update({entry.run.id: codec.dump_run(entry.run) for entry in entries if isinstance(entry, Ran)})
            return stack.serial

    def history(self, ref: StackRef) -> Sequence[RunSummary]:
        """List runs, oldest first."""
        with self._lock:
            stack = self._stacks.get(ref)
            return [codec.load_run(data, str(ref)) for data in stack.runs.values()] if stack is not None else []

    def _mine(self, lease: Lease) -> _Stack:
        stack = self._stacks.get(lease.ref)
        if stack is None or stack.held.fence != lease.fence or stack.held.holder is None:
            raise leasing.lost(lease)
        return stack

    @staticmethod
    def _fold(into: dict[tuple[str, str], bytes], entries: Sequence[Entry], where: str) -> None:
        def read(kind: str, names: Collection[str]) -> Mapping[str, bytes]:
            return {name: data for name in names if (data := into.get((kind, name))) is not None}

        for key, data in rows.fold(entries, read, where).items():
            if data is None:
                into.pop(key, None)
            else:
                into[key] = data
