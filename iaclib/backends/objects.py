"""State in an object store: what S3, Google Cloud Storage and Azure Blob Storage share.

Knows how leases and appends become objects; what the objects say is
``object_layout``'s and ``object_base``'s business, how one is asked for a
service module's. Everything rests on conditional writes of single objects: no
second service, and no lease of the store's own (Azure has one, which must be
renewed within a minute and guards single blobs; conditions guard as well
everywhere).

Under the prefix::

    iaclib.json                       says that this store was probed
    heads/<project>/<stack>           the head: lease, fence, pointer to the base; overwritten by condition
    stacks/<project>/<stack>/
        journal/<thousands>/<slot>    one object an append, made only where there is none
        base/<hash>-<random>          chunks of sorted rows, about 64 KiB each, and indexes of them

**An append** makes the next journal slot: one request, whatever the size of the
stack. The slot is the compare-and-swap: of two writers one finds it taken. As
each append has a name of its own, limits on how often one name may be written
(Google's is once a second) don't slow a run; the head is written when a lease
is taken, renewed and given back.

**A lease** is in the head. Taking one over raises the fence, and then closes the
journal with a slot that has the new fence and no entries: whatever the former
holder still sends is made for that slot, finds it taken, and learns that the
lease is lost. Only after that is the state read. A holder that gave the lease back with no
write on its way needs no such slot. An expired lease is judged by the store's
clock where the store tells how old the head is, else by the clocks of the
machines; should these differ by hours a living holder is evicted, but never do
two write.

**Cleaning up** deletes slots only when they have been folded twice and are a day
old by the store's clock. A holder that was stopped for longer than its lease
reads the head again after each append, so that a slot that was taken, folded
and deleted meanwhile can't deceive it.

**A fold** moves the journal into rows when it is long enough: changed chunks and
an index are written, then the head points at them. It deletes what was garbage
*before* it, so that a reader has until the next fold; one that is slower finds
something missing, reads the head again and starts over. A run that is killed anywhere leaves
a valid state and, at worst, objects that nothing points at, which a later fold deletes.
"""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import attrs

from iaclib.backends import leasing, object_folding
from iaclib.backends import object_layout as layout
from iaclib.backends.leasing import Held
from iaclib.backends.object_layout import Base, Head, Slot
from iaclib.backends.object_probe import probe
from iaclib.backends.object_reader import End, Reader, View
from iaclib.backends.object_store import Changed, ObjectStore, Patient
from iaclib.errors import LeaseLostError, StateError
from iaclib.state import codec, rows
from iaclib.state.backend import Lease
from iaclib.state.journal import Ran
from iaclib.state.record import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iaclib.backends.object_base import Rows
    from iaclib.backends.object_store import Found
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Holder
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary
    from iaclib.state.seal import Keyring

_RACES: Final = 50  # lost ones after which taking a lease gives up
_FOLD_AFTER: Final = 64  # slots; bounds what a load has to ask for
_FOLD_IN_RUN: Final = 16  # times as many before a run stops to fold; else that waits until the lease is given back
_FOLD_BYTES: Final = 1024 * 1024
_KEEP: Final = 10_000  # serials
_GRACE: Final = timedelta(days=1)


def elapsed() -> float:
    """Give seconds of a clock that no one sets, and that goes on while the machine sleeps where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@attrs.define(eq=False)
class _Hand:
    """What the holder of a lease knows of its stack, so that it needn't ask again.

    ``heading`` is held while the head is written, ``writing`` while the journal
    is: a renewal never waits for an append.
    """

    fence: int
    head: Head
    version: str
    renewed: float  # `elapsed` before the head was last written
    end: End | None = None  # of the journal, which nobody else can lengthen
    tried: Slot | None = None  # an append whose outcome is not known
    heading: threading.Lock = attrs.field(factory=threading.Lock)
    writing: threading.RLock = attrs.field(factory=threading.RLock)


class Objects:
    """A backend over any ``ObjectStore``; any thread may use it, and any number of processes.

    Args:
        store: The service; what it refuses for the moment is tried again.
        clock: Gives seconds since the epoch. Given, it also judges leases, which
            else the store's own clock does.
        fold_after: How many journal slots may pile up before they are folded.
        keep: How many serials can be read back, at least, by ``load_at``.
        grace: How old folded journal slots become, by the store's clock, before they are deleted.
        sleep: Waits between tries, in seconds.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Callable[[], float] | None = None,
        fold_after: int = _FOLD_AFTER,
        keep: int = _KEEP,
        grace: timedelta = _GRACE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = Patient(store, sleep=sleep)
        self._reader = Reader(self._store)
        self._clock = clock or time.time
        self._trusts_store = clock is None
        self._fold_after = fold_after
        self._keep = keep
        self._grace = grace
        self._probed = False
        self._hands: dict[StackRef, _Hand] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._store.place!r})"

    def default_keyring(self) -> Keyring | None:
        """Give the keyring to use if the user gave none: none, as a key must not lie beside what it seals."""
        return None

    def close(self) -> None:
        """Close connections; using the backend again opens them again."""
        self._store.close()

    # --------------------------------------------------------------------------------------------------------- leases

    def acquire(self, ref: StackRef, holder: Holder, ttl: timedelta) -> Lease:
        """Take the lease; see ``Backend.acquire``."""
        if not self._probed:
            probe(self._store)
            self._probed = True
        for _ in range(_RACES):
            read = self._reader.head(ref)
            head, found = read if read is not None else (Head(str(ref)), None)
            held = Held(head.fence, head.holder, self._expires(head, found))
            lease = leasing.take(ref, held, holder, ttl, self._clock())
            taken = attrs.evolve(head, fence=lease.fence, holder=holder, ttl=ttl.total_seconds(), open=True)
            hand = _Hand(lease.fence, head, "" if found is None else found.version, 0.0)
            try:
                self._write_head(ref, hand, attrs.evolve(taken, expires=lease.expires))
            except Changed:
                continue
            if head.open:
                self._close_journal(lease, hand)
            with self._lock:
                self._hands[ref] = hand
            return lease
        raise StateError(
            f"{self._reader.where(ref)}: the lease changed hands {_RACES} times while it was asked for, expected a "
            "moment's rest; try again"
        )

    def _expires(self, head: Head, found: Found | None) -> float:
        if found is None or found.age is None or not self._trusts_store:
            return head.expires
        return self._clock() + head.ttl - found.age

    def _close_journal(self, lease: Lease, hand: _Hand) -> None:
        """Take the journal's next slot, so that the former holder can't."""
        ref = lease.ref
        while True:
            head, end = self._reader.end(ref) or (Head(str(ref)), None)
            if end is None or head.fence != hand.fence:
                raise leasing.lost(lease)
            mark = Slot(str(ref), end.slot + 1, uuid4().hex, hand.fence, end.lineage, end.serial)
            try:
                self._store.put_if_absent(layout.slot_name(ref, mark.slot), layout.dump_slot(mark))
            except Changed:
                continue  # the former holder was faster: its write counts, and is read now
            hand.end = end.after(mark)
            return

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end; see ``Backend.renew``."""
        hand = self._hand(lease)
        renewed = attrs.evolve(lease, expires=self._clock() + lease.ttl.total_seconds())
        self._rewrite_head(lease, hand, {"expires": renewed.expires})
        return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back, folding the journal if it is long; not holding it any more is fine."""
        try:
            hand = self._hand(lease)
            with hand.writing:
                long = hand.end is not None and self._is_long(hand.end, hand.head, self._fold_after)
                given = {"holder": None, "expires": 0.0, "open": hand.tried is not None}
                # Folding only saves work later. What keeps it from working is said by the next load, not here, where
                # it would hide how a run ended.
                if not (long and self._folded(lease, hand, given)):
                    self._rewrite_head(lease, hand, given)
        except LeaseLostError:
            return
        finally:
            self._drop(lease)

    def _is_long(self, end: End, head: Head, slots: int) -> bool:
        folded = head.base.size if head.base is not None else 0
        return end.slots >= slots or end.size >= max(_FOLD_BYTES, folded // 2)

    def _folded(self, lease: Lease, hand: _Hand, facts: Mapping[str, Any]) -> bool:
        """Fold the journal, with the write of the head that other facts wait for; tell whether it was done."""
        try:
            base, garbage = object_folding.fold(self._store, self._reader, lease.ref, self._keep, self._grace)
        except LeaseLostError:
            raise
        except StateError:
            return False
        self._rewrite_head(lease, hand, {**facts, "base": base})
        if hand.end is not None:
            hand.end = attrs.evolve(hand.end, slots=0, size=0)
        with contextlib.suppress(StateError):
            object_folding.clean(self._store, garbage)
        return True

    def evict(self, ref: StackRef) -> Holder | None:
        """Take the lease from whoever holds it; see ``Steward.evict``."""
        while True:
            read = self._reader.head(ref)
            if read is None or (holder := read[0].holder) is None:
                return None
            head, found = read
            lease = Lease(ref, head.fence + 1, holder, timedelta(seconds=head.ttl), 0.0)
            hand = _Hand(lease.fence, head, found.version, 0.0)
            try:
                self._write_head(ref, hand, attrs.evolve(head, fence=lease.fence, holder=None, expires=0.0, open=True))
            except Changed:
                continue
            self._drop(lease)
            with contextlib.suppress(LeaseLostError):  # somebody took the lease already, and closes the journal
                self._close_journal(lease, hand)
            return holder

    def _hand(self, lease: Lease) -> _Hand:
        """Give what is known under a lease, asking for it if another object took the lease."""
        with self._lock:
            hand = self._hands.get(lease.ref)
        if hand is not None and hand.fence == lease.fence:
            return hand
        head, found = self._mine(lease)
        hand = _Hand(lease.fence, head, found.version, float("-inf"))
        with self._lock:
            return self._hands.setdefault(lease.ref, hand)

    def _mine(self, lease: Lease) -> tuple[Head, Found]:
        """Read the head, and see that it names this lease."""
        read = self._reader.head(lease.ref)
        if read is None or read[0].fence != lease.fence or read[0].holder is None:
            self._drop(lease)
            raise leasing.lost(lease)
        return read

    def _drop(self, lease: Lease) -> None:
        with self._lock:
            hand = self._hands.get(lease.ref)
            if hand is not None and hand.fence <= lease.fence:
                del self._hands[lease.ref]

    def _write_head(self, ref: StackRef, hand: _Hand, head: Head) -> None:
        before = elapsed()
        head = attrs.evolve(head, write=uuid4().hex)
        name, data = layout.head_name(ref), layout.dump_head(head)
        hand.version = (
            self._store.put_if(name, hand.version, data) if hand.version else self._store.put_if_absent(name, data)
        )
        hand.head, hand.renewed = head, before

    def _rewrite_head(self, lease: Lease, hand: _Hand, facts: Mapping[str, Any]) -> None:
        with hand.heading:
            end = hand.end
            known: dict[str, Any] = {} if end is None else {"slot": end.slot, "lineage": end.lineage}
            while True:
                try:
                    self._write_head(lease.ref, hand, attrs.evolve(hand.head, **known, **facts))
                except Changed:
                    hand.head, found = self._mine(lease)  # another object wrote it under this lease, or it is lost
                    hand.version = found.version
                else:
                    return

    # ---------------------------------------------------------------------------------------------------------- state

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state."""
        found = []
        for ref, head in self._reader.heads():
            if head.lineage:
                found.append(ref)
            elif (read := self._reader.end(ref)) is not None and read[1].lineage:
                found.append(ref)  # written by a run that has not given its lease back
        return sorted(found)

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state; an empty snapshot for a stack that was never written."""
        with self._lock:
            hand = self._hands.get(ref)

        def read(head: Head) -> tuple[View, list[Rows]]:
            view = self._reader.view_of(ref, head)
            return view, self._reader.rows(ref, view.index.state)

        view, parts = self._reader.settled(ref, read) or (None, [])
        if view is None:
            return Snapshot()
        end = view.end
        if hand is not None and hand.fence == view.head.fence:
            with hand.writing:
                hand.end = hand.end or end  # read since the lease was taken, and nobody else writes
        return self._snapshot(ref, view, parts) if end.lineage else Snapshot()

    def load_at(self, ref: StackRef, serial: int) -> Snapshot:
        """Read the state at an earlier serial; see ``Steward.load_at``."""

        def read(head: Head) -> tuple[View, list[Rows]]:
            view = self._reader.view_at(ref, head, serial, self._keep)
            return view, self._reader.rows(ref, view.index.state)

        found = self._reader.settled(ref, read)
        if found is None:
            raise leasing.not_retained(ref, serial, 1, 0)
        return self._snapshot(ref, *found)

    def _snapshot(self, ref: StackRef, view: View, parts: Sequence[Rows]) -> Snapshot:
        where, end = self._reader.where(ref), view.end
        found = ((*key, data) for part in parts for key, data in part.items())
        base = rows.unfold(found, end.lineage, end.serial, where)
        return rows.replay(base, object_folding.entries(view.slots, where), end.serial)

    def remove(self, lease: Lease) -> None:
        """Drop a stack's state and history; see ``Steward.remove``."""
        hand = self._hand(lease)
        with hand.writing:
            end = self._end(lease, hand)
            hand.end, hand.tried = End(end.slot, 0, ""), None
            self._rewrite_head(lease, hand, {"base": Base("", end.slot, 0, 0)})
            object_folding.blank(self._store, lease.ref)

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries; see ``Backend.append``."""
        ref = lease.ref
        if not lineage:
            raise StateError(f"{ref}: a write without lineage, expected one; draw it before the first write")
        data = codec.dump_entries(entries)
        hand = self._hand(lease)
        with hand.writing:
            end = self._end(lease, hand)
            if end.serial != serial or end.lineage not in ("", lineage):
                self._mine(lease)
                hand.end = None  # another object may have written under this lease
                end = self._end(lease, hand)
            if end.serial != serial or end.lineage not in ("", lineage):
                raise leasing.conflict(ref, lineage=lineage, serial=serial, stored=(end.lineage, end.serial))
            slot = Slot(str(ref), end.slot + 1, uuid4().hex, lease.fence, lineage, serial + 1, data)
            if hand.tried is not None and attrs.evolve(hand.tried, write=slot.write) == slot:
                slot = hand.tried  # the same once more: should the first one have arrived, this finds it
            hand.tried = slot
            try:
                self._store.put_if_absent(layout.slot_name(ref, slot.slot), layout.dump_slot(slot))
            except Changed:
                hand.end = hand.tried = None
                self._mine(lease)
                end = self._end(lease, hand)
                raise leasing.conflict(ref, lineage=lineage, serial=serial, stored=(end.lineage, end.serial)) from None
            hand.tried = None
            hand.end = end.after(slot)
            if elapsed() - hand.renewed >= lease.ttl.total_seconds():
                self._mine(lease)
            if hand.end.slots >= _FOLD_IN_RUN * self._fold_after:
                self._folded(lease, hand, {})
        return slot.serial

    def _end(self, lease: Lease, hand: _Hand) -> End:
        """Give what the journal ends with, as only the lease's holder can change it."""
        if hand.end is None:
            head, end = self._reader.end(lease.ref) or (hand.head, None)
            if end is None or head.fence != hand.fence:
                raise leasing.lost(lease)
            hand.end = end
        return hand.end

    def history(self, ref: StackRef) -> Sequence[RunSummary]:
        """List runs, oldest first."""
        where = self._reader.where(ref)

        def read(head: Head) -> dict[str, RunSummary]:
            view = self._reader.view_of(ref, head)
            folded = [
                codec.load_run(data, where)
                for part in self._reader.rows(ref, view.index.runs)
                for data in part.values()
            ]
            appends = object_folding.entries(view.slots, where)
            newer = [entry.run for entries in appends for entry in entries if isinstance(entry, Ran)]
            return {run.id: run for run in (*folded, *newer)}

        found = self._reader.settled(ref, read) or {}
        return sorted(found.values(), key=lambda run: (run.began, run.id))
