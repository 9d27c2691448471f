"""The names and the bytes of the objects that a stack's state is made of.

Knows what each kind of object says and checks what comes back; knows nothing
of when they are written. Each object is a line with the format and a checksum,
then JSON, so that a torn or flipped one is noticed, and names the stack and
the place in it that it was written for, so that a misplaced one is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar
from zlib import crc32

import orjson
from msgspec import Struct, structs

from iaclib.backends import leasing
from iaclib.model.addresses import StackRef
from iaclib.state import packing
from iaclib.state.backend import Holder
from iaclib.state.record import FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

_D = TypeVar("_D", "Head", "Slot")

HEADS: Final = "heads/"
MARKER: Final = "iaclib.json"
GROUP: Final = 1000  # journal slots under one prefix, so that the newest can be listed without the rest

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_MAGIC: Final = b"iaclib "
_LINE: Final = re.compile(rb"iaclib (\d{1,9}) ([0-9a-f]{8})\n")


# ------------------------------------------------------------------------------------------------------------- names


def quoted(text: str) -> str:
    """Write a name so that any store, and any tool, keeps it as it is: other bytes than plain ones become ``~xx``."""
    if _PLAIN.fullmatch(text):
        return text
    keep = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
    return "".join(chr(byte) if byte in keep else f"~{byte:02x}" for byte in text.encode())


def unquoted(text: str) -> str:
    """Undo ``quoted``."""
    data = re.sub(rb"~([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())
    return data.decode(errors="replace")


def head_name(ref: StackRef) -> str:
    """Name the head of a stack."""
    return f"{HEADS}{quoted(ref.project)}/{quoted(ref.name)}"


def ref_of(name: str) -> StackRef:
    """Tell whose head a name is."""
    project, _, stack = name.removeprefix(HEADS).partition("/")
    return StackRef(unquoted(project), unquoted(stack))


def folder(ref: StackRef) -> str:
    """Name the folder of all else of a stack."""
    return f"stacks/{quoted(ref.project)}/{quoted(ref.name)}/"


def slot_group(ref: StackRef, slot: int) -> str:
    """Name the folder of a journal slot and its neighbours."""
    return f"{folder(ref)}journal/{slot // GROUP:09d}/"


def slot_name(ref: StackRef, slot: int) -> str:
    """Name a journal slot."""
    return f"{slot_group(ref, slot)}{slot % GROUP:03d}"


def slot_of(name: str) -> int | None:
    """Tell which journal slot an object's name is of; None if of none."""
    group, _, rest = name.rpartition("/")
    group = group.rpartition("/")[2]
    return int(group) * GROUP + int(rest) if group.isdigit() and rest.isdigit() else None


# ------------------------------------------------------------------------------------------------------------- bytes


def frame(*parts: bytes) -> bytes:
    """Put the line with format and checksum before a body."""
    body = b"".join(parts)
    return b"%b%d %08x\n%b" % (_MAGIC, FORMAT, crc32(body, FORMAT), body)


def unframe(data: bytes, where: str) -> bytes:
    """Undo ``frame``.

    Raises:
        StateVersionError: A newer iaclib wrote it.
        StateCorruptError: The bytes are not that.
    """
    line = _LINE.match(data)
    if line is None:
        raise packing.corrupt(where, "the object is not one that iaclib wrote")
    body, number = data[line.end() :], int(line[1])
    if crc32(body, number) != int(line[2], 16):  # looked at first: a flipped bit makes no newer format
        raise packing.corrupt(where, "the object's bytes changed")
    packing.check_format(number, where)
    return body


class Base(Struct, frozen=True):
    """Where the compacted part of a state is, and how far it goes.

    Args:
        index: The name of the index object; "" for the state of a stack that was never written.
        slot: The last journal slot that is in it.
        serial: The serial at that slot.
        size: Bytes of all its rows.
    """

    index: str
    slot: int
    serial: int
    size: int


class Head(Struct, frozen=True):
    """The one object of a stack that is overwritten: who may write, and where the state begins.

    Args:
        stack: Whose head it is.
        write: Unique for each write.
        fence: Of the newest lease.
        holder: Who has it; None when nobody does.
        ttl: Of the lease, in seconds.
        expires: When it ends by its holder's clock, in seconds since the epoch.
        open: Whether a write of the newest holder may still be on its way.
        slot: A journal slot that surely exists.
        lineage: The stack's, if it had state when this was written.
        base: The compacted state.
    """

    stack: str
    write: str = ""
    fence: int = 0
    holder: Holder | None = None
    ttl: float = 0.0
    expires: float = 0.0
    open: bool = False
    slot: int = 0
    lineage: str = ""
    base: Base | None = None


class Slot(Struct, frozen=True):
    """One append, or the mark of a taken-over journal, which has no entries.

    Args:
        stack: Whose journal it is in.
        slot: Its place there.
        write: Unique for each write.
        fence: Of the lease that it was written under.
        lineage: The stack's; "" for marks before the first append.
        serial: The stack's after it.
        entries: What ``codec.dump_entries`` gave; empty for a mark.
    """

    stack: str
    slot: int
    write: str
    fence: int
    lineage: str
    serial: int
    entries: bytes = b""


def dump_head(head: Head) -> bytes:
    """Write a head."""
    facts = structs.asdict(head)
    facts["holder"] = None if head.holder is None else leasing.holder_to(head.holder)
    facts["base"] = None if head.base is None else structs.asdict(head.base)
    return frame(orjson.dumps(facts))


def load_head(data: bytes, ref: StackRef, where: str) -> Head:
    """Undo ``dump_head`` for the head of a stack.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    try:
        facts = orjson.loads(unframe(data, where))
        holder, base = facts.pop("holder"), facts.pop("base")
        head = Head(
            **facts,
            holder=None if holder is None else leasing.holder_from(holder),
            base=None if base is None else Base(**base),
        )
    except (TypeError, ValueError, KeyError, AttributeError):
        raise packing.corrupt(where, "the head does not read") from None
    return _placed(head, ref, where)


def dump_slot(slot: Slot) -> bytes:
    """Write a journal slot."""
    facts = structs.asdict(slot)
    entries = facts.pop("entries")
    return frame(orjson.dumps(facts), b"\n", entries)


def load_slot(data: bytes, ref: StackRef, number: int, where: str) -> Slot:
    """Undo ``dump_slot`` for a slot of a stack.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    facts, _, entries = unframe(data, where).partition(b"\n")
    try:
        slot = Slot(**orjson.loads(facts), entries=entries)
    except (TypeError, ValueError):
        raise packing.corrupt(where, "a journal slot does not read") from None
    if slot.slot != number:
        raise packing.corrupt(where, f"the journal slot {slot.slot} is in the place of another")
    return _placed(slot, ref, where)


def _placed(part: _D, ref: StackRef, where: str) -> _D:
    if part.stack != str(ref):
        raise packing.corrupt(where, f"the object belongs to {part.stack}")
    return part


def check_journal(slots: Sequence[Slot], lineage: str, serial: int, where: str) -> None:
    """Check that slots follow each other: one lineage, serials that rise with each append, fences that never fall.

    Raises:
        StateCorruptError: They don't.
    """
    fence = 0
    for slot in slots:
        if lineage and slot.lineage != lineage:
            raise packing.corrupt(where, f"the journal slot {slot.slot} is of another lineage")
        if slot.serial != serial + bool(slot.entries):
            raise packing.corrupt(where, f"the journal slot {slot.slot} has serial {slot.serial} after {serial}")
        if slot.fence < fence:
            raise packing.corrupt(where, f"the journal slot {slot.slot} was written under an older lease")
        lineage, serial, fence = slot.lineage, slot.serial, slot.fence


def marker(place: str) -> bytes:
    """Write the marker that says that a store was probed, and which."""
    return frame(orjson.dumps({"place": place}))


def marks(data: bytes, place: str, where: str) -> bool:
    """Tell whether a marker speaks of this store, and not of one that it was copied from."""
    try:
        facts: Any = orjson.loads(unframe(data, where))
        return bool(facts["place"] == place)
    except (TypeError, ValueError, KeyError):
        raise packing.corrupt(where, "the marker does not read") from None
