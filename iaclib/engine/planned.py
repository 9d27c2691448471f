"""What has to hold before a plan is carried out: rule 15.

Checks the seal of a plan that was loaded, brings back what a file can't hold,
and refuses what was made from another program, state, account or region.
Nothing here changes anything, in state or in the cloud.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.engine.gather import gather
from iaclib.engine.vault import Vault
from iaclib.errors import CredentialsError, PlanError, SealError, StalePlanError
from iaclib.plan.changes import Action
from iaclib.plan.facts import OF_HANDLERS
from iaclib.plan.holders import holder_keys
from iaclib.plan.plan import Plan
from iaclib.state.record import Snapshot
from iaclib.state.seal import Sealer, new_data_key

if TYPE_CHECKING:
    from iaclib.declare.desired import Desired
    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.execute.handlers import Access
    from iaclib.plan.file import SavedPlan
    from iaclib.plan.node import Node
    from iaclib.state.record import ProviderRecord, Record

_SHOWN = 5
#: What calls no hooks.
_HOOKLESS = frozenset({Action.SAME, Action.MOVE, Action.FORGET, Action.ADOPT})


def prepared(plan: Plan, settings: Settings, program: Desired | None) -> Plan:
    """Give a plan that can be carried out here.

    Args:
        plan: As made by an engine, or as loaded.
        settings: Of the engine that is to carry it out.
        program: What its program declares now, if that was given.

    Raises:
        SealError: Its file was altered, sealed with another key, or not at all.
        StalePlanError: Program, account or region are not those of then.
        PlanError: It needs functions of its program, which was not given.
    """
    sealer = None
    if plan._saved is not None:
        plan, sealer = _unsealed(plan, plan._saved, settings)
    if program is not None:
        plan = _rejoined(plan, program, sealer or Sealer("", new_data_key()))
    elif plan._saved is not None:
        _check_functions(plan)
    return _reached(plan, settings.access)


def check_fresh(plan: Plan, op: Operation) -> None:
    """Refuse a plan that was made from another state; called under the lease."""
    state = op.ledger.state
    if state.serial and plan.lineage != state.lineage:
        if not plan.serial:
            msg = (
                f"{op.ref}: the plan was made before the stack existed, and it exists now, at serial {state.serial}, "
                "expected it still to be missing; plan again"
            )
        else:
            msg = f"{op.ref}: the plan was made for another stack of this name, expected the same lineage; plan again"
        raise StalePlanError(msg, ref=str(op.ref), planned=plan.serial, now=state.serial)
    if plan.serial != state.serial:
        msg = (
            f"{op.ref}: the plan was made at serial {plan.serial}, state is at serial {state.serial} "
            f"({plan.serial} -> {state.serial}), expected no change in between; plan again"
        )
        raise StalePlanError(msg, ref=str(op.ref), planned=plan.serial, now=state.serial)


# ----------------------------------------------------------------------------------------------------------- the seal


def _unsealed(plan: Plan, saved: SavedPlan, settings: Settings) -> tuple[Plan, Sealer | None]:
    """Check the seal and open the secrets."""
    snapshot = settings.backend.load(plan.ref)
    if snapshot.lineage and snapshot.lineage != plan.lineage:
        what = "before the stack existed" if not plan.serial else "for another stack of this name"
        msg = (
            f"{plan.ref}: the plan in {saved.path} was made {what}, expected one of the stack as it is, at serial "
            f"{snapshot.serial}; plan again"
        )
        raise StalePlanError(msg, ref=str(plan.ref), planned=plan.serial, now=snapshot.serial)
    sealer = _sealer(plan, saved, snapshot, settings)
    if sealer is None:
        return plan, None
    saved.verify(sealer)
    return (Plan(**saved.parts(sealer), saved=saved) if saved.secrets else plan), sealer


def _sealer(plan: Plan, saved: SavedPlan, snapshot: Snapshot, settings: Settings) -> Sealer | None:
    """Give what checks the seal; None for a first plan that has none, where none is to be had."""
    vault = Vault(plan.ref, settings.keyring)
    if saved.key is None:
        if settings.keyring is not None:
            msg = (
                f"{saved.path}: the plan has no seal although this engine has a keyring, expected a sealed one, as "
                "anybody could have written this; plan again"
            )
            raise SealError(msg, path=saved.path)
        if snapshot.lineage or plan.serial or saved.secrets:
            msg = (
                f"{saved.path}: the plan has no seal, expected one for a stack that exists; plan again with "
                "keyring= at the Engine"
            )
            raise SealError(msg, path=saved.path)
        return None
    wrapped = saved.wrapped or snapshot.key
    if wrapped is None:
        msg = (
            f"{plan.ref}: the plan in {saved.path} was sealed with the stack's key, which state does not have, "
            f"expected the state that it was made from (serial {plan.serial} -> {snapshot.serial}); plan again"
        )
        raise StalePlanError(msg, ref=str(plan.ref), planned=plan.serial, now=snapshot.serial)
    return vault.open_key(wrapped, plan.lineage)


# -------------------------------------------------------------------------------------------------------- the program


def _rejoined(plan: Plan, program: Desired, sealer: Sealer) -> Plan:
    """Take declarations, and so functions, from the program, which must say what it said."""
    from iaclib.plan.program import program_digest, program_digests  # for few plans only

    if program.ref != plan.ref:
        msg = f"{plan.ref}: the program declares {program.ref}, expected the plan's stack; pass the stack that was planned"
        raise PlanError(msg, ref=str(plan.ref))
    saved = plan._saved
    planned = saved.program if saved is not None else program_digest(plan._desired, sealer.digest)
    if program_digest(program, sealer.digest) != planned:
        then, now = program_digests(plan._desired, sealer.digest), program_digests(program, sealer.digest)
        moved = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
        shown = ", ".join(moved[:_SHOWN]) + (f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else "")
        msg = (
            f"{plan.ref}: the program is not the one that was planned, it differs in {shown or 'what it raises'}, "
            "expected the same; plan again, or use the program of then"
        )
        raise StalePlanError(msg, ref=str(plan.ref), moved=tuple(moved))
    nodes: dict[str, Node] = {}
    for address, node in plan._nodes.items():
        node = copy.copy(node)  # noqa: PLW2901 - the plan that was given stays as it is
        if node.declared is not None:
            node.declared = program.resources[address]
        if node.program is not None:
            node.program = program.resources[address]
        nodes[address] = node
    return plan.made_with(program, nodes, plan._facts, plan._holders)


def _check_functions(plan: Plan) -> None:
    """Refuse a plan that would have to call functions which only its program has."""
    from iaclib.plan.writing import functions_in  # for plans from files only

    needed: dict[str, str] = {}
    for node in _acting(plan):
        declared, options = node.declared, node.options
        values = [declared.inputs, declared.trigger] if declared is not None else []
        functions = [function for value in values for function in functions_in(value)]
        if options is not None and node.action not in _HOOKLESS:
            functions += [hook for hooks in options.hooks for hook in structs.astuple(hooks) if hook is not None]
        needed.update({str(function): node.address for function in functions if str(function) not in needed})
    for name, value in plan._desired.outputs.items():
        for function in functions_in(value):
            needed.setdefault(str(function), f"export {name}")
    if needed:
        names = ", ".join(f"{function} (for {where})" for function, where in needed.items())
        msg = (
            f"{plan.ref}: the plan needs functions of its program: {names}, expected the program beside it; "
            "call engine.apply(plan, program=stack)"
        )
        raise PlanError(msg, ref=str(plan.ref), functions=tuple(needed))


# ------------------------------------------------------------------------------------------------------ the providers


def _acting(plan: Plan) -> list[Node]:
    """Give the nodes at which something is done or written."""
    return [node for node in plan._nodes.values() if node.action is not Action.SAME or node.rewrite or node.maybe]


def _reached(plan: Plan, access: Access) -> Plan:
    """Ask the providers again who they are, and bring back the handlers' functions."""
    acting = _acting(plan)
    declared = {node.address: node.declared for node in acting if node.declared is not None}
    records: dict[str, Record] = {node.address: node.record for node in acting if node.record is not None}
    try:
        facts = gather(
            structs.replace(plan._desired, resources=declared),
            Snapshot(records=records, superseded=plan._superseded),
            plan.lineage,
            access,
        )
    except CredentialsError as error:
        if "reached" not in error.facts:
            raise
        told = error.facts
        msg = (
            f"{plan.ref}: the plan was made for {told['provider']} {told['account']}, and this engine reaches "
            f"{told['provider']} {told['reached']}, expected the same account; use the credentials of then, or plan again"
        )
        raise StalePlanError(msg, ref=str(plan.ref), planned=told["account"], now=told["reached"]) from None
    asked: set[tuple[int, int, bool]] = set()
    for node in acting:
        then, now = plan._facts.providers.get(node.address), facts.providers.get(node.address)
        if node.declared is None or then is None or now is None:
            continue
        is_global = node.declared.facts.is_global
        if (id(then), id(now), is_global) not in asked:
            asked.add((id(then), id(now), is_global))
            _check_identity(plan, then, now, is_global=is_global)
            access.reach(then, now)
        if node.provider is not None:
            access.reach(node.provider, now)
    for record in (*records.values(), *plan._superseded):
        if record.provider is not None and record.id and (id(record.provider), 0, False) not in asked:
            asked.add((id(record.provider), 0, False))
            _check_identity(plan, record.provider, access.bind(access.instance(record.provider)))
    if plan._saved is None:
        return plan
    whole = structs.replace(plan._facts, **{name: getattr(facts, name) for name in OF_HANDLERS})
    left_over, left_there, holders = holder_keys(plan._nodes, plan._superseded, whole)
    return plan.made_with(plan._desired, plan._nodes, whole, {**left_over, **left_there, **holders})


def _check_identity(plan: Plan, then: ProviderRecord, now: ProviderRecord, *, is_global: bool = False) -> None:
    """Refuse another account, or another region; what is not known, or reaches all regions, is no other."""
    moved = then.account and now.account and then.account != now.account
    moved = moved or (not is_global and then.region and now.region and then.region != now.region)
    if moved:
        msg = (
            f"{plan.ref}: the plan was made for {_where(then)}, and this engine reaches {_where(now)}, "
            "expected the same account and region; use the credentials and settings of then, or plan again"
        )
        raise StalePlanError(msg, ref=str(plan.ref), planned=then.identity, now=now.identity)


def _where(provider: Any) -> str:
    return " ".join(part for part in (provider.name, provider.account, provider.region) if part)
