"""State as a text that people can keep, read and give back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.engine.places import steward
from iaclib.engine.relocating import refuse_taken
from iaclib.engine.relocation import clearing, entries_of
from iaclib.engine.vault import Vault
from iaclib.errors import StateError
from iaclib.state import export

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.execute.run import Run
    from iaclib.model.addresses import StackRef


def export_state(settings: Settings, ref: StackRef, serial: int | None) -> str:
    """Write a stack's state as text; see ``Engine.export_state``."""
    backend = settings.backend
    found = backend.load(ref) if serial is None else steward(backend).load_at(ref, serial)
    if not found.serial:
        msg = f"{ref}: there is no such stack, expected one that has state; see engine.stacks()"
        raise StateError(msg, ref=str(ref))
    runs = [run for run in backend.history(ref) if serial is None or run.serial <= serial]
    return export.dump(ref, found, runs)


def import_state(
    settings: Settings,
    operation: Callable[..., AbstractContextManager[Operation]],
    ref: StackRef,
    data: str | bytes,
    *,
    force: bool,
) -> Run:
    """Make an exported text a stack's state; see ``Engine.import_state``."""
    sealed, runs = export.load(data, f"the state to import into {ref}")
    vault = Vault(ref, settings.keyring)
    snapshot = vault.open(sealed)
    with operation(ref, "import state", unsound=force) as op:
        if not force:
            refuse_taken(op)
        op.vault.follow(vault)
        op.ledger.commit([*clearing(op.ledger.state.freeze()), *entries_of(snapshot, runs)])
        return op.end()
