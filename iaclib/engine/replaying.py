"""Bringing a spill back into the state that it belongs to.

A replay is one append. It fits once: to the serial that the spilled entries
were to be appended to, or, where the first of them had been written after all
and only the answer was lost, to the one after.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from msgspec import structs

from iaclib.errors import StateConflictError
from iaclib.state import spill

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.execute.run import Run
    from iaclib.state.journal import Entry
    from iaclib.state.record import RunSummary
    from iaclib.state.spill import Spill


def replay(
    settings: Settings, operation: Callable[..., AbstractContextManager[Operation]], path: str | os.PathLike[str]
) -> Run:
    """Replay a file; see ``Engine.replay``."""
    found = spill.read(path)
    with operation(found.ref, "replay", replays=True) as op:
        runs = settings.backend.history(found.ref)
        if not any(run.id == found.digest for run in runs):
            entries = _left(found, op, runs)
            op.ledger.state.lineage = found.lineage
            op.ledger.replay(entries, structs.replace(op.ledger.run, id=found.digest))
        found.path.unlink(missing_ok=True)
        spill.sync_folder(found.path.parent)
        return op.end()


def _left(found: Spill, op: Operation, runs: Sequence[RunSummary]) -> list[Entry]:
    """Give the entries that state lacks.

    Raises:
        StateConflictError: State is not what they belong to.
    """
    serial = op.ledger.state.serial
    if serial == found.serial and (not serial or op.ledger.state.lineage == found.lineage):
        return list(chain.from_iterable(found.batches))
    own = op.ledger.state.lineage == found.lineage
    if own and serial == found.serial + 1 and runs and runs[-1].id == found.run:
        return list(chain.from_iterable(found.batches[1:]))  # nobody wrote but that run, so its first append is there
    state = "another stack of this name has taken its place" if not own else f"state went on to serial {serial}"
    msg = (
        f"{found.path}: {state}, expected serial {found.serial} of lineage {found.lineage}; what the run had begun was "
        f"decided by the next one, so call engine.refresh({str(found.ref)!r}), then remove the file"
    )
    raise StateConflictError(msg, ref=str(found.ref), spill=str(found.path))
