"""The engine's care for state itself: spills, stuck leases, repair, copies, and stacks that get another place.

Says what can be asked; how it is done is loaded when it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.engine.given import stack_ref
from iaclib.engine.places import steward

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from iaclib.declare.stack import Stack
    from iaclib.engine.repairing import Repair
    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.execute.run import Run
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Backend, Holder
    from iaclib.state.seal import Keyring

    Ref = str | StackRef | Stack


class Keeping:
    """What can be done with state where something went wrong, and where it is to go elsewhere."""

    _settings: Settings
    _operation: Callable[..., AbstractContextManager[Operation]]

    # ------------------------------------------------------------------------------------------------------- mending

    def replay(self, path: str | os.PathLike[str]) -> Run:
        """Bring into state what an earlier run could not write, then remove its file.

        Doing so again, after a kill too, changes nothing.

        Args:
            path: The spill file that the run's error named.

        Raises:
            StateConflictError: The stack went on without it; nothing is changed.
            StateCorruptError: The file is damaged; nothing is changed.
        """
        from iaclib.engine.replaying import replay

        return replay(self._settings, self._operation, path)

    def force_release(self, ref: Ref) -> Holder | None:
        """Take a stack's lease from whoever holds it, for a holder that is known to be dead.

        A holder that lives after all can't write any more, but may still be in
        the middle of a call: what it began stays undecided, for the next run
        to find out.

        Args:
            ref: The stack, or ``"project/stack"``.

        Returns:
            Who held it; None if nobody did.
        """
        return steward(self._settings.backend).evict(stack_ref(ref))

    def repair(self, ref: Ref, *, dry_run: bool = True) -> Repair:
        """Find what doesn't hold together in a stack's state, and mend it.

        No physical id is lost: what can't stay is written to a file that the
        result names.

        Args:
            ref: The stack, or ``"project/stack"``.
            dry_run: Only tell. Look at what is told before you pass False.

        Raises:
            StateError: What is damaged can't be mended here.
        """
        from iaclib.engine.repairing import repair

        return repair(self._settings, self._operation, stack_ref(ref), dry_run=dry_run)

    # ------------------------------------------------------------------------------------------------ other places

    def export_state(self, ref: Ref, *, serial: int | None = None) -> str:
        """Give a stack's state and history as JSON: equal state, equal text. Secrets stay sealed.

        Args:
            ref: The stack, or ``"project/stack"``.
            serial: Which state: an earlier serial that is retained; None for the newest.

        Raises:
            StateError: The stack has no state, or not that serial.
        """
        from iaclib.engine.porting import export_state

        return export_state(self._settings, stack_ref(ref), serial)

    def import_state(self, ref: Ref, data: str | bytes, *, force: bool = False) -> Run:
        """Make what was exported the state of a stack, in one write; nothing is called.

        The stack gets a lineage of its own, so that plans and spills of where
        it came from don't fit. Its secrets are opened with the engine's
        keyring, which must be the one that sealed them, and sealed anew.

        Args:
            ref: The stack, or ``"project/stack"``; it may be another one than was exported.
            data: What ``export_state`` gave.
            force: Whether to replace state that is there; it can be looked up
                by its serial later.

        Raises:
            StateError: There is state, or the data is no export.
            StateVersionError: A newer iaclib exported it.
            SealError: The secrets can't be opened.
        """
        from iaclib.engine.porting import import_state

        return import_state(self._settings, self._operation, stack_ref(ref), data, force=force)

    def copy_state(self, ref: Ref, *, to: str | Backend, keyring: Keyring | None = None) -> Run:
        """Copy a stack's state and history to another backend, in one write there.

        Afterwards two places hold it: work with the new one only, and remove
        the other once that is proven.

        Args:
            ref: The stack, or ``"project/stack"``.
            to: Where to, as for ``Engine(state=...)``.
            keyring: Wraps the key there; None takes that backend's own, else this engine's.

        Raises:
            StateError: There is such a stack already.
        """
        from iaclib.engine.relocating import copy_state

        return copy_state(self._settings, self._operation, stack_ref(ref), to, keyring)

    def rename(self, old: Ref, new: Ref) -> Run:
        """Give a stack another name, or another project; the cloud is not touched.

        A kill leaves it undecided at the old name; the next operation there,
        or ``recover``, ends it.

        Args:
            old: The stack as it is called now.
            new: Its name from now on; it must have no state.

        Raises:
            StateError: The new one has state, or the old one has none.
        """
        from iaclib.engine.relocating import relocate

        return relocate(self._settings, self._operation, stack_ref(old), stack_ref(new), None)

    def transfer(self, source: Ref, target: Ref, moves: Mapping[str, str]) -> Run:
        """Move what is recorded in one stack to another; the cloud is not touched.

        What depends on something that stays behind, or the other way round,
        no longer does: read it through ``stack_output`` instead. A kill leaves
        it undecided in the source; the next operation there, or ``recover``,
        ends it.

        Args:
            source: The stack that has it.
            target: The stack that gets it.
            moves: Old address -> new address. A component's moves all in it.

        Raises:
            TargetError: Nothing is recorded at an old address, or something at a new one.
        """
        from iaclib.engine.relocating import relocate

        return relocate(self._settings, self._operation, stack_ref(source), stack_ref(target), moves)
