"""Stacks and records that get another place: another backend, another name, another stack."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from iaclib.engine import relocation
from iaclib.engine.given import open_backend
from iaclib.engine.records import under
from iaclib.engine.vault import Vault
from iaclib.errors import DeclarationError, SealError, StateError, TargetError
from iaclib.execute.run import Step
from iaclib.model.addresses import check_name, is_within
from iaclib.state.journal import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.execute.run import Run
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Backend
    from iaclib.state.record import Snapshot
    from iaclib.state.seal import Keyring

    Opens = Callable[..., AbstractContextManager[Operation]]


def relocate(
    settings: Settings, operation: Opens, source: StackRef, target: StackRef, moves: Mapping[str, str] | None
) -> Run:
    """Move records, or a whole stack (``moves`` None); see ``Engine.transfer`` and ``Engine.rename``."""
    name = "rename" if moves is None else "transfer"
    if source == target:
        msg = f"{source}: {name} to itself, expected another stack; choose one"
        raise DeclarationError(msg)
    check_name(target.project, "project")
    check_name(target.name, "stack")
    with ExitStack() as held:
        # Always in this order: two that move things to and fro don't wait for each other forever.
        ops = {ref: held.enter_context(operation(ref, name)) for ref in sorted((source, target))}
        giver, taker = ops[source], ops[target]
        giver.recover()
        taker.recover()
        taker.vault.follow(giver.vault)
        if moves is None:
            if not giver.ledger.state.serial:
                msg = f"{source}: there is no such stack, expected one that has state; see engine.stacks()"
                raise StateError(msg, ref=str(source))
            refuse_taken(taker)
            _refuse_awaited(settings, source)
        else:
            moves = _all_moves(giver.ledger.state.freeze(), taker.ledger.state.freeze(), moves)
        intent = relocation.begin(giver.ledger, target, moves, settings.token(), settings.clock.now())
        try:
            relocation.receive(giver.ledger, taker.ledger, intent)
        except SealError:  # before anything was written there
            giver.ledger.commit([Ended(step=intent.step)])
            raise
        records = taker.ledger.state.records
        new = list(records) if moves is None else [one for one in moves.values() if one in records]
        steps = [Step(address, "move", id=records[address].id or None) for address in new]
        taker.steps.extend(steps)
        if not relocation.let_go(giver.ledger, intent):
            giver.end()
        return taker.end()


def copy_state(settings: Settings, operation: Opens, ref: StackRef, to: str | Backend, keyring: Keyring | None) -> Run:
    """Copy a stack to another backend; see ``Engine.copy_state``."""
    backend = open_backend(to)
    if keyring is None:
        default = getattr(backend, "default_keyring", None)
        keyring = (default() if default is not None else None) or settings.keyring
    try:
        with operation(ref, "copy") as source:
            source.recover()
            if not source.ledger.state.serial:
                msg = f"{ref}: there is no such stack, expected one that has state; see engine.stacks()"
                raise StateError(msg, ref=str(ref))
            there = settings.elsewhere(backend, keyring)
            with operation(ref, "copy", settings=there) as target:
                refuse_taken(target)
                target.vault.follow(source.vault)
                runs = settings.backend.history(ref)
                target.ledger.commit(relocation.entries_of(source.ledger.state.freeze(), runs))
                return target.end()
    finally:
        if isinstance(to, str) and (close := getattr(backend, "close", None)) is not None:
            close()


def refuse_taken(op: Operation) -> None:
    """Refuse a stack that has state.

    Raises:
        StateError: It has.
    """
    if op.ledger.state.serial:
        msg = f"{op.ref}: the stack has state already, expected none; choose another name"
        raise StateError(msg, ref=str(op.ref))


def _refuse_awaited(settings: Settings, ref: StackRef) -> None:
    """Refuse to take away a stack by whose history an interrupted move elsewhere will be decided.

    None can begin meanwhile: for that the stack would have to be held, and it is held here.

    Raises:
        StateError: There is one.
    """
    for other in settings.backend.stacks():
        found = settings.backend.load(other)
        if all(intent.action != relocation.ACTION for intent in found.intents.values()):
            continue  # and its key is not asked for
        for intent in Vault(other, settings.keyring).open(found).intents.values():
            if intent.action == relocation.ACTION and relocation.target_of(intent) == ref:
                msg = (
                    f"{ref}: an interrupted move from {other} to it is undecided, expected it to be decided before the "
                    f"stack gets another name; call engine.recover({str(other)!r})"
                )
                raise StateError(msg, ref=str(ref))


def _all_moves(source: Snapshot, target: Snapshot, moves: Mapping[str, str]) -> dict[str, str]:
    """Give the new address of every record that moves, old halves of replacements included."""
    found: dict[str, str] = {}
    for old, new in moves.items():
        for part in new.split("/"):
            check_name(part, "logical")
        addresses = [record.address for record in under(source, old)]
        addresses += [record.address for record in source.superseded if is_within(record.address, old)]
        for address in addresses:
            found[address] = new + address[len(old) :]
    taken = {new for new in found.values() if new in target.records}
    taken |= {new for new, count in Counter(found.values()).items() if count > 1}
    if taken:
        name = min(taken)
        msg = f"{name}: more than one object would be recorded there, expected an address that is free; choose another one"
        raise TargetError(msg, address=name)
    return found
