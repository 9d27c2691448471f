"""The engine's operations on state: move, forget, taint, import, resolve. The cloud is at most read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from iaclib.engine import relocation
from iaclib.engine.gather import provider_of
from iaclib.engine.given import stack_ref
from iaclib.engine.planning import collected, looked_up_for, stub_of
from iaclib.engine.records import rewritten, under
from iaclib.errors import TargetError
from iaclib.execute.run import Step
from iaclib.model.addresses import check_name, is_within, near
from iaclib.plan.targets import Selection
from iaclib.state.backend import Oblivious

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from iaclib.declare.stack import Stack
    from iaclib.engine.observer import Observer
    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.execute.run import Run
    from iaclib.model.addresses import StackRef
    from iaclib.state.journal import Entry
    from iaclib.state.record import Record

    Ref = str | StackRef | Stack


class Stewarding:
    """What can be said of recorded objects without a program."""

    _settings: Settings
    _observer: Observer
    _operation: Callable[[StackRef, str], AbstractContextManager[Operation]]

    def move(self, ref: Ref, old: str, new: str) -> Run:
        """Give what is recorded at an address another one; the cloud is not touched.

        Args:
            ref: The stack, or ``"project/stack"``.
            old: The address so far; a component's moves all in it.
            new: The address from now on; nothing may be recorded there.

        Raises:
            TargetError: Nothing is recorded at the old address, or something at the new one.
        """
        for part in new.split("/"):
            check_name(part, "logical")
        with self._operation(stack_ref(ref), "move") as op:
            op.recover()
            snapshot = op.ledger.state.freeze()
            found = under(snapshot, old)
            taken = [name for name in snapshot.records if is_within(name, new) and not is_within(name, old)]
            if taken or new == old or is_within(new, old):
                what = f"{taken[0]} is recorded there" if taken else f"it lies within {old}"
                msg = f"{new}: {what}, expected an address that is free; choose another one"
                raise TargetError(msg, address=new)
            op.move({new + record.address[len(old) :]: record.address for record in found})
            return op.end()

    def forget(self, ref: Ref, address: str) -> Run:
        """Drop what is recorded at an address from state; it stays in the cloud.

        Args:
            ref: The stack, or ``"project/stack"``.
            address: Of a resource, or of a component for all in it.

        Raises:
            TargetError: Nothing is recorded there.
        """
        with self._operation(stack_ref(ref), "forget") as op:
            op.recover()
            entries: list[Entry] = []
            for record in under(op.ledger.state.freeze(), address):
                entries += op.ledger.drop(record.address)
                op.steps.append(Step(record.address, "forget", id=record.id or None))
            op.ledger.commit(entries)
            return op.end()

    def taint(self, ref: Ref, address: str) -> Run:
        """Have what is recorded at an address replaced by the next apply.

        Raises:
            TargetError: Nothing is recorded there.
        """
        return self._mark(ref, address, "taint", lambda record: structs.replace(record, status="tainted"))

    def untaint(self, ref: Ref, address: str) -> Run:
        """Take what is recorded at an address for whole: it was tainted, or its creation failed half way.

        Raises:
            TargetError: Nothing is recorded there.
        """
        return self._mark(
            ref, address, "untaint", lambda record: structs.replace(record, status="ok", repairable=False)
        )

    def rotate(self, ref: Ref) -> Run:
        """Seal a stack's secrets anew: with a new data key, wrapped by the keyring that writes.

        Also what changes over to another keyring (``keyring=[new, old]``) or to
        another choice of ``encrypt``. One atomic write: a kill leaves the old
        state or the new one; run an interrupted rotation again. No object is
        touched, and interrupted operations stay to be decided. What state was
        earlier was sealed with the key of before, and is dropped.

        Args:
            ref: The stack, or ``"project/stack"``.

        Raises:
            TargetError: The stack has no state.
            SealError: A key is missing or can't be used; nothing was written.
        """
        where = stack_ref(ref)
        with self._operation(where, "rotate") as op:
            state = op.ledger.state
            if not state.serial:
                msg = f"{where}: there is no state to rotate the key of, expected an existing stack; check the name"
                raise TargetError(msg, ref=str(where))
            if (keyed := op.vault.rotate(state.lineage)) is not None:
                op.ledger.commit([keyed, *rewritten(state.freeze())])
            run = op.end()
            if isinstance(self._settings.backend, Oblivious):
                self._settings.backend.forget_past(op.ledger.lease)
            return run

    def _mark(self, ref: Ref, address: str, name: str, change: Callable[[Record], Record]) -> Run:
        with self._operation(stack_ref(ref), name) as op:
            op.recover()
            marked = [(record, change(record)) for record in under(op.ledger.state.freeze(), address) if record.id]
            entries = [op.ledger.put(new) for old, new in marked if new != old]
            if entries:
                op.ledger.commit(entries)
            return op.end()

    def import_(self, stack: Stack, ids: Mapping[str, str]) -> Run:
        """Record objects that exist as those that a program declares; nothing is changed in the cloud.

        Args:
            stack: The program.
            ids: address -> physical id.

        Raises:
            PlanError: An address is not declared or has an object already, or
                an object does not exist or is recorded elsewhere.
            ApplyFailed: Something can't be read.
        """
        from iaclib.engine.importing import check_ids, import_entries  # needed here alone

        desired = collected(stack, self._settings)
        with self._operation(desired.ref, "import") as op:
            op.recover()
            snapshot = op.ledger.state.freeze()
            check_ids(desired, snapshot, ids)
            providers = {address: provider_of(desired.resources[address], self._settings.access) for address in ids}
            stubs = [stub_of(desired.resources[address], known, providers[address]) for address, known in ids.items()]
            shown = self._observer.shown(desired.ref, stubs, op)
            looked_up = looked_up_for(self._settings, desired, Selection(frozenset(ids)), op)
            op.ledger.commit(import_entries(op.ledger, desired, shown, ids, providers, looked_up, self._settings))
            op.steps.extend(Step(address, "import", id=known) for address, known in ids.items())
            return op.end()

    def resolve(
        self, ref: Ref, address: str, *, done: bool = False, absent: bool = False, adopt: str | None = None
    ) -> Run:
        """Say how an interrupted operation ended that can't be decided by looking.

        Exactly one of ``done``, ``absent`` and ``adopt`` is given.

        Args:
            ref: The stack, or ``"project/stack"``.
            address: Of the resource.
            done: The update or delete took effect.
            absent: The operation did not take effect: nothing was made, changed or deleted.
            adopt: The create made the object with this id; it is read and recorded.

        Raises:
            TargetError: Nothing is undecided at the address.
            ApplyFailed: The object to adopt can't be read.
        """
        if done + absent + (adopt is not None) != 1:
            msg = f"{address}: resolve wants one of done=True, absent=True and adopt='id', expected exactly one; choose"
            raise TypeError(msg)
        with self._operation(stack_ref(ref), "recover") as op:
            undecided = [one for one in op.ledger.state.intents.values() if one.action != relocation.ACTION]
            intents = [one for one in undecided if one.record.address == address]
            if not intents:
                hint = near(address, {one.record.address for one in undecided})
                msg = (
                    f"{address}: nothing is undecided there, expected the address of an interrupted operation; "
                    f"{hint or 'see engine.snapshot(...).intents'}"
                )
                raise TargetError(msg, address=address)
            op.resolve(intents, done=done, adopt=adopt)
            return op.end()
