"""What the databases keep, as parts to be salvaged.

Knows rows, as ``kept_rows`` does; knows nothing of a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from iaclib.backends import leasing
from iaclib.backends.kept_rows import is_whole
from iaclib.backends.salvaging import Part, Remains, salvage
from iaclib.errors import StateCorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from iaclib.backends.kept_rows import Line, Row
    from iaclib.state.backend import Salvaged


def salvaged(
    where: str,
    head: tuple[str, int, int, int],
    kept: Sequence[Row],
    base: Sequence[Row],
    runs: Sequence[tuple[str, bytes, int]],
    journal: Sequence[Line],
    holder: str | None,
) -> Salvaged:
    """Put state together from what reads of its rows.

    Args:
        where: The stack and place, for messages.
        head: Lineage, serial, and the serials up to which rows and base are folded.
        kept: The rows.
        base: The rows of the older base.
        runs: The rows of history: id, bytes, checksum.
        journal: What of it is kept.
        holder: Who has the lease, as it is kept.
    """
    lineage, serial, folded, based = head
    lines = {line[0]: Part(f"serial {line[0]} of the journal", is_whole(line), line[2]) for line in journal}
    history = _parts(("run", *run) for run in runs)
    lost: list[Part] = []
    try:
        leasing.read_holder(holder, where)
    except StateCorruptError:
        lost.append(Part("the lease's holder", whole=False, data=(holder or "").encode()))
    return salvage(Remains(where, lineage, serial, folded, based, _parts(kept), _parts(base), history, lines, lost))


def _parts(found: Iterable[Row]) -> list[Part]:
    return [
        Part(f"the {kind} {name}", crc32(data) == checksum, data, rows=((kind, name, data),))
        for kind, name, data, checksum in found
    ]
