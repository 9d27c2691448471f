"""Who may write a stack in an object store: the lease in its head, taken, renewed and taken over by conditional writes.

Knows the head and the mark that closes a journal; what an append is is
``objects``'s business.

Taking a lease over raises the fence, and then closes the
journal with a slot that has the new fence and no entries: whatever the former
holder still sends is made for that slot, finds it taken, and learns that the
lease is lost. Only after that is the state read. A holder that gave the lease back with no
write on its way needs no such slot. An expired lease is judged by the store's
clock where the store tells how old the head is, else by the clocks of the
machines; should these differ by hours a living holder is evicted, but never do
two write.
"""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from msgspec import Struct, field, structs

from iaclib.backends import leasing
from iaclib.backends import object_layout as layout
from iaclib.backends.leasing import Held
from iaclib.backends.object_layout import Head, Slot
from iaclib.backends.object_reader import End
from iaclib.backends.object_store import Changed
from iaclib.errors import LeaseLostError, StateCorruptError, StateError
from iaclib.state.backend import Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iaclib.backends.object_reader import Reader
    from iaclib.backends.object_store import Found, ObjectStore
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Holder

_RACES: Final = 50  # lost ones after which taking a lease gives up


def elapsed() -> float:
    """Give seconds of a clock that no one sets, and that goes on while the machine sleeps where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Hand(Struct, eq=False):
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
    heading: threading.Lock = field(default_factory=threading.Lock)
    writing: threading.RLock = field(default_factory=threading.RLock)


class Leases:
    """The leases of one client.

    Args:
        store: Where heads and journals are.
        reader: Reads from there.
        clock: Gives seconds since the epoch; None for this machine's clock, and
            the store's to judge when a lease ends.
    """

    def __init__(self, store: ObjectStore, reader: Reader, clock: Callable[[], float] | None) -> None:
        self._store = store
        self._reader = reader
        self.clock = clock or time.time
        self.trusts_store = clock is None
        self._hands: dict[StackRef, Hand] = {}
        self._lock = threading.Lock()

    def known(self, ref: StackRef) -> Hand | None:
        """Give what is known of a stack that is leased by this client; None if none is."""
        with self._lock:
            return self._hands.get(ref)

    def acquire(self, ref: StackRef, holder: Holder, ttl: timedelta) -> Lease:
        """Take the lease; see ``Backend.acquire``."""
        for _ in range(_RACES):
            read = self._reader.head(ref)
            head, found = read if read is not None else (Head(str(ref)), None)
            held = Held(head.fence, head.holder, self._expires(head, found))
            lease = leasing.take(ref, held, holder, ttl, self.clock())
            taken = structs.replace(head, fence=lease.fence, holder=holder, ttl=ttl.total_seconds(), open=True)
            hand = Hand(lease.fence, head, "" if found is None else found.version, 0.0)
            try:
                self._write_head(ref, hand, structs.replace(taken, expires=lease.expires))
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
        if found is None or found.age is None or not self.trusts_store:
            return head.expires
        return self.clock() + head.ttl - found.age

    def _close_journal(self, lease: Lease, hand: Hand) -> None:
        """Take the journal's next slot, so that the former holder can't."""
        ref = lease.ref
        while True:
            damaged = False
            try:
                head, end = self._reader.end(ref) or (Head(str(ref)), None)
            except StateCorruptError:  # is said when state is read; what is damaged can be leased, to be mended
                damaged = True
                head, end = self._reader.rough_end(ref)
            if end is None or head.fence != hand.fence:
                raise leasing.lost(lease)
            mark = Slot(str(ref), end.slot + 1, uuid4().hex, hand.fence, end.lineage, end.serial)
            try:
                self._store.put_if_absent(layout.slot_name(ref, mark.slot), layout.dump_slot(mark))
            except Changed:
                continue  # the former holder was faster: its write counts, and is read now
            hand.end = None if damaged else end.after(mark)
            return

    def renew(self, lease: Lease) -> Lease:
        """Move the lease's end; see ``Backend.renew``."""
        hand = self.hand(lease)
        renewed = structs.replace(lease, expires=self.clock() + lease.ttl.total_seconds())
        self.rewrite_head(lease, hand, {"expires": renewed.expires})
        return renewed

    def evict(self, ref: StackRef) -> Holder | None:
        """Take the lease from whoever holds it; see ``Steward.evict``."""
        while True:
            read = self._reader.head(ref)
            if read is None or (holder := read[0].holder) is None:
                return None
            head, found = read
            lease = Lease(ref, head.fence + 1, holder, timedelta(seconds=head.ttl), 0.0)
            hand = Hand(lease.fence, head, found.version, 0.0)
            try:
                self._write_head(
                    ref, hand, structs.replace(head, fence=lease.fence, holder=None, expires=0.0, open=True)
                )
            except Changed:
                continue
            self.drop(lease)
            with contextlib.suppress(LeaseLostError):  # somebody took the lease already, and closes the journal
                self._close_journal(lease, hand)
            return holder

    def hand(self, lease: Lease) -> Hand:
        """Give what is known under a lease, asking for it if another object took the lease."""
        hand = self.known(lease.ref)
        if hand is not None and hand.fence == lease.fence:
            return hand
        head, found = self.mine(lease)
        hand = Hand(lease.fence, head, found.version, float("-inf"))
        with self._lock:
            return self._hands.setdefault(lease.ref, hand)

    def mine(self, lease: Lease) -> tuple[Head, Found]:
        """Read the head, and see that it names this lease.

        Raises:
            LeaseLostError: It was taken over.
        """
        read = self._reader.head(lease.ref)
        if read is None or read[0].fence != lease.fence or read[0].holder is None:
            self.drop(lease)
            raise leasing.lost(lease)
        return read

    def drop(self, lease: Lease) -> None:
        """Forget what is known under a lease."""
        with self._lock:
            hand = self._hands.get(lease.ref)
            if hand is not None and hand.fence <= lease.fence:
                del self._hands[lease.ref]

    def _write_head(self, ref: StackRef, hand: Hand, head: Head) -> None:
        before = elapsed()
        head = structs.replace(head, write=uuid4().hex)
        name, data = layout.head_name(ref), layout.dump_head(head)
        hand.version = (
            self._store.put_if(name, hand.version, data) if hand.version else self._store.put_if_absent(name, data)
        )
        hand.head, hand.renewed = head, before

    def rewrite_head(self, lease: Lease, hand: Hand, facts: Mapping[str, Any]) -> None:
        """Change some of what the head says, under the lease.

        Raises:
            LeaseLostError: It was taken over.
        """
        with hand.heading:
            end = hand.end
            known: dict[str, Any] = {} if end is None else {"slot": end.slot, "lineage": end.lineage}
            while True:
                try:
                    self._write_head(lease.ref, hand, structs.replace(hand.head, **known, **facts))
                except Changed:
                    hand.head, found = self.mine(lease)  # another object wrote it under this lease, or it is lost
                    hand.version = found.version
                else:
                    return
