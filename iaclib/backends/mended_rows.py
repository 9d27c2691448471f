"""What the databases keep, as parts to be salvaged.

Knows rows, as ``kept_rows`` does, and which tables have them; what asks a
database is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from iaclib.backends import leasing
from iaclib.backends.kept_rows import is_whole
from iaclib.backends.salvaging import Part, Remains, salvage
from iaclib.errors import StateCorruptError
from iaclib.state.backend import Salvaged
from iaclib.state.record import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from iaclib.backends.kept_rows import Line, Row
    from iaclib.model.addresses import StackRef


def read_all(
    execute: Callable[[str, Sequence[Any]], Any],
    kept: Callable[[str, int], Sequence[Row]],
    based: Callable[[int], int],
    journal: Callable[[int], Sequence[Line]],
    ref: StackRef,
    where: str,
) -> Salvaged:
    """Read all that is kept of a stack, and put state together from what reads.

    Args:
        execute: Runs a statement with its values; tables are written ``@.name``, places for values ``%s``.
        kept: Gives the rows of a table, of a stack.
        based: Gives the serial that a stack's base is of.
        journal: Gives a stack's journal.
        ref: The stack.
        where: The stack and place, for messages.
    """
    head = "SELECT id, lineage, serial, folded, holder FROM @.stacks WHERE project=%s AND name=%s"
    found = execute(head, ref).fetchone()
    if found is None:
        return Salvaged(Snapshot())
    stack, lineage, serial, folded, holder = found
    try:
        oldest = based(stack)
    except StateCorruptError:
        oldest = 0  # then the journal begins too late
    base = kept("base", stack) if oldest else []
    runs = execute("SELECT id, data, crc FROM @.runs WHERE stack=%s ORDER BY number", (stack,)).fetchall()
    lines = {line[0]: Part(f"serial {line[0]} of the journal", is_whole(line), line[2]) for line in journal(stack)}
    history = _parts(("run", *run) for run in runs)
    lost: list[Part] = []
    try:
        leasing.read_holder(holder, where)
    except StateCorruptError:
        lost.append(Part("the lease's holder", whole=False, data=(holder or "").encode()))
    rows = _parts(kept("rows", stack))
    return salvage(Remains(where, lineage, serial, folded, oldest, rows, _parts(base), history, lines, lost))


def _parts(found: Iterable[Row]) -> list[Part]:
    return [
        Part(f"the {kind} {name}", crc32(data) == checksum, data, rows=((kind, name, data),))
        for kind, name, data, checksum in found
    ]
