"""Reads a stack from its objects, as of one moment, while others write and clean up.

Knows which objects to ask for and checks that they fit together; writes
nothing and knows nothing of leases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct, structs

from iaclib.backends import leasing, object_base
from iaclib.backends import object_layout as layout
from iaclib.backends.object_base import Chunk, Index, Rows
from iaclib.backends.object_layout import Base, Head, Slot
from iaclib.errors import StateCorruptError, StateVersionError
from iaclib.state import packing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from iaclib.backends.object_store import Found, ObjectStore
    from iaclib.model.addresses import StackRef

_T = TypeVar("_T")
_R = TypeVar("_R")

_AT_ONCE: Final = 16  # requests
_SLOTS_AT_ONCE: Final = 64
_TRIES: Final = 10  # readings of a head that moves while the rest is read


#: The base of a stack that was never written.
NOTHING: Final = Base("", 0, 0, 0)


class Gone(StateCorruptError):
    """Something that a head needs is not there: damage, unless the head has moved on meanwhile."""


class End(Struct, frozen=True):
    """Where a journal ends, and how much of it is not folded.

    Args:
        slot: Its last slot.
        serial: The stack's serial there.
        lineage: The stack's lineage, "" before the first append.
        slots: How many slots are not folded.
        size: Their bytes.
    """

    slot: int
    serial: int
    lineage: str
    slots: int = 0
    size: int = 0

    def after(self, slot: Slot) -> End:
        """Give the end once a slot is added."""
        return End(slot.slot, slot.serial, slot.lineage, self.slots + 1, self.size + len(slot.entries))


class View(Struct, frozen=True):
    """A stack at one moment: its head, where its rows are, and the journal since."""

    head: Head
    index: Index
    slots: Sequence[Slot]

    @property
    def end(self) -> End:
        """Where the journal ends."""
        size = sum(len(slot.entries) for slot in self.slots)
        if self.slots:
            last = self.slots[-1]
            return End(last.slot, last.serial, last.lineage, len(self.slots), size)
        base = self.head.base
        return End(folded(self.head), 0 if base is None else base.serial, self.head.lineage)


def folded(head: Head) -> int:
    """Give the last slot that the compacted state holds."""
    return head.base.slot if head.base is not None else 0


def at_once(call: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """Call for each item, several at once, and give the results in order."""
    todo = list(items)
    if len(todo) < 2:  # noqa: PLR2004 - one needs no thread
        return [call(item) for item in todo]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(_AT_ONCE, len(todo)), "iaclib-objects") as pool:
        return list(pool.map(call, todo))


class Reader:
    """Reads the objects of stacks.

    Args:
        store: Where they are.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def where(self, ref: StackRef) -> str:
        """Name a stack and its place, for messages."""
        return f"{ref} in {self._store.place}"

    def head(self, ref: StackRef) -> tuple[Head, Found] | None:
        """Read a stack's head; None if it was never written.

        Raises:
            StateCorruptError: It was, and the head is missing.
        """
        name = layout.head_name(ref)
        found = self._store.get(name)
        if found is None and self._store.list(layout.folder(ref)):
            found = self._store.get(name)  # it comes before all else, so it is there now, or was deleted
            if found is None:
                raise packing.corrupt(self.where(ref), f"the object {name} is missing")
        return None if found is None else (layout.load_head(found.data, ref, self.where(ref)), found)

    def stacks(self) -> list[StackRef]:
        """List the stacks that have state.

        A stack whose head or journal is damaged, or of a newer format, is among them: the rest of a store can be worked
        with, and that one can be loaded, which tells what is wrong.
        """
        refs = [layout.ref_of(listed.name) for listed in self._store.list(layout.HEADS)]
        return sorted(ref for ref, there in zip(refs, at_once(self._has_state, refs), strict=True) if there)

    def _has_state(self, ref: StackRef) -> bool:
        try:
            read = self.head(ref)
            if read is not None and not read[0].lineage:  # perhaps of a run that has not given its lease back
                end = self.end(ref)
                return end is not None and bool(end[1].lineage)
        except (StateCorruptError, StateVersionError):
            return True
        return read is not None

    def view(self, ref: StackRef) -> View | None:
        """Read a stack's head, index and journal; None if it has no head."""
        return self.settled(ref, lambda head: self.view_of(ref, head))

    def end(self, ref: StackRef) -> tuple[Head, End] | None:
        """Read a stack's head, and where its journal ends; None if it has no head."""
        return self.settled(ref, lambda head: (head, View(head, Index(), self._slots(ref, head)).end))

    def rough_end(self, ref: StackRef) -> tuple[Head, End | None]:
        """Give the same of a journal that is damaged: each slot that doesn't read is taken for an append."""
        read = self.head(ref)
        if read is None:
            return Head(str(ref)), None
        head = read[0]
        base = head.base or NOTHING
        listed = [layout.slot_of(one.name) for one in self._store.list(layout.folder(ref))]
        last = max([number for number in listed if number is not None] + [head.slot, base.slot])
        for number in range(last, base.slot, -1):
            try:
                (slot,) = self._read(ref, [number])
            except StateCorruptError:
                continue
            return head, End(last, slot.serial + last - number, slot.lineage or head.lineage)
        return head, End(last, base.serial + last - base.slot, head.lineage)

    def settled(self, ref: StackRef, read: Callable[[Head], _T]) -> _T | None:
        """Read a head and what it names, again if it was replaced and the old things were cleaned up meanwhile."""
        write = None
        for _ in range(_TRIES):
            found = self.head(ref)
            if found is None:
                return None
            try:
                return read(found[0])
            except Gone as error:
                last = error
            if found[0].write == write:
                break
            write = found[0].write
        raise packing.corrupt(self.where(ref), str(last))

    def view_of(self, ref: StackRef, head: Head) -> View:
        """Read what a head names; ``Gone`` if it has been replaced and cleaned up."""
        return View(head, self.index(ref, head.base), self._slots(ref, head))

    def view_at(self, ref: StackRef, head: Head, serial: int, keep: int) -> View:
        """Read what makes the state at an earlier serial, of which so many are retained.

        Raises:
            StateError: That one isn't.
        """
        now = self.view_of(ref, head)
        bases = [*now.index.past, head.base or NOTHING]
        first = max(bases[0].serial, now.end.serial - keep + 1, 1)
        if not first <= serial <= now.end.serial:
            raise leasing.not_retained(ref, serial, first, now.end.serial)
        base = max((base for base in bases if base.serial <= serial), key=lambda base: base.slot)
        then = structs.replace(head, base=base, lineage=now.end.lineage, slot=0)
        numbers = self._numbers(ref, base.slot)
        slots: list[Slot] = []
        while len(slots) < len(numbers) and (slots[-1].serial if slots else base.serial) < serial:
            slots += self._read(ref, numbers[len(slots) : len(slots) + _SLOTS_AT_ONCE])
        slots = [slot for slot in slots if slot.serial <= serial]
        self._check(ref, then, slots)
        if (slots[-1].serial if slots else base.serial) != serial:
            raise Gone(f"its journal does not reach from serial {base.serial} to {serial}")
        return View(then, self.index(ref, base), slots)

    def index(self, ref: StackRef, base: Base | None) -> Index:
        """Read a base's index."""
        if base is None or not base.index:
            return Index()
        return object_base.load_index(self._needed(base.index), ref, self.where(ref))

    def _slots(self, ref: StackRef, head: Head) -> list[Slot]:
        """Read the journal after what is compacted."""
        numbers = self._numbers(ref, folded(head))
        if folded(head) + len(numbers) < head.slot:
            raise Gone(f"its journal ends before slot {head.slot}")
        slots = self._read(ref, numbers)
        self._check(ref, head, slots)
        if slots and slots[-1].fence > head.fence:
            raise Gone("its head is older than its journal")
        return slots

    def _read(self, ref: StackRef, numbers: Sequence[int]) -> list[Slot]:
        where = self.where(ref)
        return at_once(
            lambda number: layout.load_slot(self._needed(layout.slot_name(ref, number)), ref, number, where), numbers
        )

    def _check(self, ref: StackRef, head: Head, slots: Sequence[Slot]) -> None:
        """Check that journal slots continue what a head names."""
        base = head.base or NOTHING
        if [slot.slot for slot in slots] != list(range(base.slot + 1, base.slot + 1 + len(slots))):
            raise Gone(f"its journal is not whole after slot {base.slot}")
        where = self.where(ref)
        layout.check_journal(slots, head.lineage if base.serial else "", base.serial, where)
        if slots and head.lineage not in ("", slots[-1].lineage):
            raise packing.corrupt(where, "its journal is of another lineage than its head")

    def _numbers(self, ref: StackRef, after: int) -> list[int]:
        """List the journal slots after one."""
        numbers: list[int] = []
        start = after + 1
        while True:
            listed = [layout.slot_of(one.name) for one in self._store.list(layout.slot_group(ref, start))]
            numbers += sorted(number for number in listed if number is not None and number >= start)
            start = (start // layout.GROUP + 1) * layout.GROUP
            if not numbers or numbers[-1] != start - 1:
                return numbers

    def rows(self, ref: StackRef, chunks: Sequence[Chunk]) -> list[Rows]:
        """Read the rows of chunks."""
        where = self.where(ref)
        return at_once(lambda chunk: object_base.load_chunk(self._needed(chunk.name), chunk, where), chunks)

    def _needed(self, name: str) -> bytes:
        found = self._store.get(name)
        if found is None:
            raise Gone(f"the object {name} is missing")
        return found.data
