"""State in an object store: what S3, Google Cloud Storage and Azure Blob Storage share.

Knows how appends become objects; what the objects say is
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

**A lease** is in the head; see ``object_leases``. Whoever takes one over closes the
journal for the former holder before anything is read.

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
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from msgspec import structs

from iaclib.backends import leasing, object_folding
from iaclib.backends import object_layout as layout
from iaclib.backends.object_layout import Base, Head, Slot
from iaclib.backends.object_leases import Hand, Leases, elapsed
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
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Holder, Salvaged
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary
    from iaclib.state.seal import Keyring

_FOLD_AFTER: Final = 64  # slots; bounds what a load has to ask for
_FOLD_IN_RUN: Final = 16  # times as many before a run stops to fold; else that waits until the lease is given back
_FOLD_BYTES: Final = 1024 * 1024
_KEEP: Final = 10_000  # serials
_GRACE: Final = timedelta(days=1)


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
        self._leases = Leases(self._store, self._reader, clock)
        self._fold_after = fold_after
        self._keep = keep
        self._grace = grace
        self._probed = False

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
        return self._leases.acquire(ref, holder, ttl)

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end; see ``Backend.renew``."""
        return self._leases.renew(lease)

    def evict(self, ref: StackRef) -> Holder | None:
        """Take the lease from whoever holds it; see ``Steward.evict``."""
        return self._leases.evict(ref)

    def release(self, lease: Lease) -> None:
        """Give the lease back, folding the journal if it is long; not holding it any more is fine."""
        try:
            hand = self._leases.hand(lease)
            with hand.writing:
                long = hand.end is not None and self._is_long(hand.end, hand.head, self._fold_after)
                given = {"holder": None, "expires": 0.0, "open": hand.tried is not None}
                # Folding only saves work later. What keeps it from working is said by the next load, not here, where
                # it would hide how a run ended.
                if not (long and self._folded(lease, hand, given)):
                    self._leases.rewrite_head(lease, hand, given)
        except LeaseLostError:
            return
        finally:
            self._leases.drop(lease)

    def _is_long(self, end: End, head: Head, slots: int) -> bool:
        folded = head.base.size if head.base is not None else 0
        return end.slots >= slots or end.size >= max(_FOLD_BYTES, folded // 2)

    def _folded(self, lease: Lease, hand: Hand, facts: Mapping[str, Any]) -> bool:
        """Fold the journal, with the write of the head that other facts wait for; tell whether it was done."""
        try:
            base, garbage = object_folding.fold(self._store, self._reader, lease.ref, self._keep, self._grace)
        except LeaseLostError:
            raise
        except StateError:
            return False
        self._leases.rewrite_head(lease, hand, {**facts, "base": base})
        if hand.end is not None:
            hand.end = structs.replace(hand.end, slots=0, size=0)
        with contextlib.suppress(StateError):
            object_folding.clean(self._store, garbage)
        return True

    # ---------------------------------------------------------------------------------------------------------- state

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state, those included of which that can't be read: loading them tells why."""
        return self._reader.stacks()

    def load(self, ref: StackRef) -> Snapshot:
        """Read the state; an empty snapshot for a stack that was never written."""
        hand = self._leases.known(ref)

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
        hand = self._leases.hand(lease)
        with hand.writing:
            end = self._end(lease, hand)
            hand.end, hand.tried = End(end.slot, 0, ""), None
            self._leases.rewrite_head(lease, hand, {"base": Base("", end.slot, 0, 0)})
            object_folding.blank(self._store, lease.ref)

    def forget_past(self, lease: Lease) -> None:
        """Drop earlier serials; a bucket that keeps versions of what is deleted still has them."""
        hand = self._leases.hand(lease)
        with hand.writing:
            end = self._end(lease, hand)
            base, needed = object_folding.fold_alone(self._store, self._reader, lease.ref)
            hand.end, hand.tried = End(end.slot, end.serial, end.lineage), None
            self._leases.rewrite_head(lease, hand, {"base": base})
            object_folding.blank(self._store, lease.ref, needed)

    def append(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int) -> int:
        """Write entries; see ``Backend.append``."""
        ref = lease.ref
        if not lineage:
            raise StateError(f"{ref}: a write without lineage, expected one; draw it before the first write")
        data = codec.dump_entries(entries)
        hand = self._leases.hand(lease)
        with hand.writing:
            end = self._end(lease, hand)
            if end.serial != serial or end.lineage not in ("", lineage):
                self._leases.mine(lease)
                hand.end = None  # another object may have written under this lease
                end = self._end(lease, hand)
            if end.serial != serial or end.lineage not in ("", lineage):
                raise leasing.conflict(ref, lineage=lineage, serial=serial, stored=(end.lineage, end.serial))
            slot = Slot(str(ref), end.slot + 1, uuid4().hex, lease.fence, lineage, serial + 1, data)
            if hand.tried is not None and structs.replace(hand.tried, write=slot.write) == slot:
                slot = hand.tried  # the same once more: should the first one have arrived, this finds it
            hand.tried = slot
            try:
                self._store.put_if_absent(layout.slot_name(ref, slot.slot), layout.dump_slot(slot))
            except Changed:
                hand.end = hand.tried = None
                self._leases.mine(lease)
                end = self._end(lease, hand)
                raise leasing.conflict(ref, lineage=lineage, serial=serial, stored=(end.lineage, end.serial)) from None
            hand.tried = None
            hand.end = end.after(slot)
            if elapsed() - hand.renewed >= lease.ttl.total_seconds():
                self._leases.mine(lease)
            if hand.end.slots >= _FOLD_IN_RUN * self._fold_after:
                self._folded(lease, hand, {})
        return slot.serial

    def salvage(self, ref: StackRef) -> Salvaged:
        """Read what can be read of damaged state; see ``Mender.salvage``."""
        from iaclib.backends.object_mending import salvaged  # only where there is damage

        return salvaged(self._store, self._reader, ref)

    def reopen(self, ref: StackRef) -> None:
        """Make leases possible again; see ``Mender.reopen``."""
        from iaclib.backends.object_mending import make_head

        make_head(self._store, self._reader, ref)

    def rewrite(self, lease: Lease, entries: Sequence[Entry], *, lineage: str, serial: int, past: bool) -> int:
        """Put other state in the place of what was; see ``Mender.rewrite``."""
        from iaclib.backends import object_mending

        ref, data = lease.ref, codec.dump_entries(entries)
        hand = self._leases.hand(lease)
        with hand.writing:
            head, end = self._reader.rough_end(ref)
            if end is None or head.fence != lease.fence or head.holder is None:
                raise leasing.lost(lease)
            number = end.slot + 1
            slot = Slot(str(ref), number, uuid4().hex, lease.fence, lineage, serial + 1, data)
            self._store.put_if_absent(layout.slot_name(ref, number), layout.dump_slot(slot))
            base = object_mending.rewrite(self._store, self._reader, ref, entries, slot, past=past)
            hand.end, hand.tried = End(number, serial + 1, lineage), None
            self._leases.rewrite_head(lease, hand, {"base": base})
        return serial + 1

    def _end(self, lease: Lease, hand: Hand) -> End:
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
