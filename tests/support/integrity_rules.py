"""What must hold of state, cloud and call log: the integrity rules, as functions that raise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from faulty_cloud import Call, Cloud
from iaclib.errors import ConflictError
from iaclib.plan.moves import renamed
from random_program import Spec, moves, plain, value_of, wanted_inputs

#: What a planned action may call, each at most once.
_CHANGES = {"create": "C", "update": "U", "replace": "CUD", "delete": "D", "import": "U"}


def check_state(snapshot: Any, cloud: Cloud, released: Collection[str] = ()) -> None:
    """Check that state holds together and knows all that was made.

    Args:
        released: Ids of objects that the engine was told to let go.
    """
    everything = [*snapshot.records.values(), *snapshot.superseded]
    for address, record in snapshot.records.items():
        assert record.address == address
        for name in record.dependencies:
            assert name in snapshot.records, f"{address} depends on {name}, which is not recorded"
        beside = record.options.get("deleted_with")
        assert beside is None or beside[0] in snapshot.records, f"{address} goes with {beside}, which is not recorded"
        assert record.id or record.status == "awaiting_create", f"{address} has no id"
    for what in ("id", "uid"):
        known = Counter((record.type, getattr(record, what)) for record in everything if record.id)
        twice = [value for value, count in known.items() if count > 1]
        assert not twice, f"{what} {twice} is recorded twice"
    ids = {record.id for record in everything if record.id}
    intents = list(snapshot.intents.values())
    tokens = {intent.token for intent in intents}
    making = {intent.record.address for intent in intents if intent.action == "create"}
    for id, held in cloud.objects.items():
        own = bool(held.token)  # others are somebody else's until they are imported
        safe = id in ids or id in released or held.token in tokens or (held.type == "Link" and held.address in making)
        assert safe or not own, f"{id} of {held.address} is an orphan"
    deleting = {intent.record.id for intent in intents if intent.action == "delete"}
    for id in ids - cloud.objects.keys() - cloud.gone - deleting:
        msg = f"{id} is recorded, but gone without the engine being told of it"
        raise AssertionError(msg)


def check_settled(snapshot: Any, cloud: Cloud, program: Mapping[str, Spec], released: Collection[str]) -> None:
    """Check that state and cloud are what the program says."""
    assert not snapshot.intents
    assert not snapshot.superseded
    assert snapshot.records.keys() == program.keys()
    ids = {record.id for record in snapshot.records.values()}
    assert ids <= cloud.objects.keys(), f"{ids - cloud.objects.keys()} are recorded, but not there"
    more = cloud.objects.keys() - ids - set(released)
    assert not any(cloud.objects[id].token for id in more), f"{more} are there, but not recorded"
    for name, spec in program.items():
        record = snapshot.records[name]
        held = cloud.objects[record.id]
        assert record.status == "ok"
        assert not held.half, f"{name} is half made"
        wanted = wanted_inputs(spec, snapshot.records)
        have, known = dict(held.inputs), plain(record.inputs)
        if held.token != record.uid:  # taken over: what is not declared of it is not looked at
            have = {field: value for field, value in have.items() if field in known}
        for values in (wanted, have, known) if spec.ignore else ():
            values.pop("link", None)
        assert have == known, f"{name}: the cloud has {have}, recorded is {known}"
        if spec.kind == "auto":
            assert have.pop("name"), f"{name} has no name"
        if "members" in wanted:
            wanted["members"], have["members"] = sorted(wanted["members"]), sorted(have["members"])
        assert have == wanted, f"{name}: the cloud has {have}, the program says {wanted}"
        assert set(record.dependencies) == spec.uses, f"{name}: recorded edges {record.dependencies}"
    outputs = {f"of_{name}": snapshot.records[name].outputs["out"] for name, spec in program.items() if spec.exported}
    assert plain(snapshot.outputs) == outputs


def check_replaced(plan: Any, before: Any, after: Any, program: Mapping[str, Spec]) -> None:
    """Check, after a clean apply, that everything was replaced that had to be (rule 7)."""
    replaced = (
        {change.address for change in plan.changes if change.action.value == "replace"} if plan is not None else ()
    )
    old_of = {new: old for old, new in moves(program, before.records).items()}
    kept = {
        name: was.uid == after.records[name].uid
        for name in program
        if (was := before.records.get(old_of.get(name, name))) is not None and was.id and name in after.records
    }
    for name, spec in program.items():
        if not kept.get(name):
            continue
        was, now = before.records[old_of.get(name, name)], after.records[name]
        if spec.import_id is not None and spec.import_id != was.options.get("import_id"):
            assert now.id == spec.import_id, f"{name} was not imported"
            continue
        if was.type != now.type:
            continue
        new_of = {old: new for new, old in old_of.items()}
        beside = (was.options.get("deleted_with") or ())[:1]
        for other in [*(was.options.get("replace_with") or {}), *beside]:
            still = new_of.get(other, other)
            if still in spec.follow or (
                still == spec.beside and still in replaced
            ):  # one that vanished took along what it did
                assert kept.get(still, True), f"{name} follows {still}, which was replaced"
        if spec.trigger is not None and "replacement_trigger" in was.options:
            trigger = value_of(spec.trigger, after.records)
            assert plain(was.options)["replacement_trigger"] == trigger, f"{name}: its trigger changed"
        if was.observed is None:
            changed = {field for field in {*was.inputs, *now.inputs} if was.inputs.get(field) != now.inputs.get(field)}
            assert "hard" not in changed, f"{name} was changed in what replaces it"
            assert not changed or spec.replace_on != "*", f"{name}: any change replaces it"
            assert spec.replace_on not in changed, f"{name}: a change of {spec.replace_on} replaces it"


def check_planned(plan: Any, calls: Sequence[Call], program: Mapping[str, Spec]) -> None:
    """Check that no handler was called more often than the plan says (rule 14)."""
    allowed: Counter[tuple[str, str]] = Counter()
    for change in plan.changes:
        spec = program.get(change.address)
        adopts = "U" if change.action.value == "create" and spec is not None and spec.adopt else ""
        for operation in _CHANGES.get(change.action.value, "") + adopts:
            allowed[operation, change.address] += 1
    made: Counter[tuple[str, str]] = Counter()
    for operation, address, _token in {(call.operation, call.address, call.token) for call in calls}:
        made[operation, address] += 1
    beyond = made - allowed
    assert not beyond, f"called beyond the plan: {dict(beyond)}\n{plan}"
    for change in plan.changes:
        if change.action.value == "replace":
            both = made["C", change.address] + made["U", change.address]
            assert both <= 1, f"{change.address} was created and updated"


def check_order(
    plan: Any,
    before: Any,
    calls: Sequence[Call],
    program: Mapping[str, Spec],
    *,
    stopped: bool,
    vanished: Collection[str] = (),
) -> None:
    """Check the order of a run's calls against what was recorded before it and declared (rules 1, 2, 6).

    Args:
        vanished: Addresses whose current object was gone before the run.
    """
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    deleted: dict[str, int] = {}
    for index, call in enumerate(calls):
        if call.operation == "D":
            deleted.setdefault(call.id, index)
        else:
            first.setdefault(call.address, index)
            last[call.address] = index
    for name, spec in program.items():
        for need in spec.uses:
            if name in first and need in last:
                assert last[need] < first[name], f"{name} was made before {need}\n{plan}"
    early = any(change.delete_first for change in plan.changes) or "deleted first" in str(plan)
    if not early and deleted and first:
        assert max(last.values()) < min(deleted.values()), f"a delete came before a create or update\n{plan}"
    if not early and stopped:
        assert not deleted, f"a delete ran although a create or update failed\n{plan}"
    _check_deletes(before, deleted, plan, vanished)


def _check_deletes(before: Any, deleted: Mapping[str, int], plan: Any, vanished: Collection[str]) -> None:
    everything = [*before.records.values(), *before.superseded]
    needs: dict[str, set[str]] = {}
    for record in everything:
        needs.setdefault(record.address, set()).update(record.dependencies)
    for user in everything:
        for used in everything:
            if user.address == used.address or used.address not in user.dependencies:
                continue
            if user.address in _closure(used.address, needs):
                continue  # edges were turned round: old halves tell nothing
            if used.address in vanished and used in before.superseded:
                continue  # the edge went with the object that is gone
            if user.id in deleted and used.id in deleted:
                message = f"{used.address} was deleted before {user.address}, which depends on it\n{plan}"
                assert deleted[user.id] < deleted[used.id], message


def _closure(start: str, needs: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        for name in needs.get(todo.pop(), ()):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found


def check_protected(before: Any, calls: Sequence[Call], program: Mapping[str, Spec]) -> None:
    """Check that nothing protected was deleted (rule 26); what the program says counts first."""
    new_of = moves(program, before.records)
    current = {record.id: record for record in before.records.values() if record.id}
    for call in calls:
        record = current.get(call.id)
        if call.operation != "D" or record is None:
            continue
        declared = program.get(new_of.get(record.address, record.address))
        protected = declared.protect if declared is not None else bool(record.options.get("protect"))
        assert not protected, f"{record.address} is protected and was deleted"


def check_retained(before: Any, calls: Sequence[Call], program: Mapping[str, Spec]) -> None:
    """Check that nothing was deleted that is to be left in the cloud (rule 9)."""
    new_of = moves(program, before.records)
    deleted = {call.id for call in calls if call.operation == "D"}
    for record in (*before.records.values(), *before.superseded):
        if record.id not in deleted:
            continue
        current = before.records.get(record.address) is record
        spec = program.get(new_of.get(record.address, record.address)) if current else None
        retain = spec.retain if spec is not None else record.options.get("retain_on_delete")
        assert not retain, f"{record.address} is to be retained, and was deleted"


def check_conflicts(plan: Any, before: Any, errors: Sequence[BaseException]) -> None:
    """Check that no create met an object that the same plan deletes (rule 2a)."""
    deletes = [change.address for change in plan.changes if change.action.value == "delete"]
    going = {*deletes} - {change.address for change in plan.changes if change.action.value != "delete"}  # no old halves
    ids = {record.id: record.address for record in before.records.values() if record.address in going}
    for error in errors:
        cause = getattr(error, "cause", None)
        if getattr(error, "action", "") == "create" and isinstance(cause, ConflictError):
            holder = ids.get(cause.facts.get("existing_id"))
            assert holder is None, f"a create met the object of {holder}, which the plan deletes\n{plan}"


def check_along(plan: Any, before: Any, calls: Sequence[Call], program: Mapping[str, Spec]) -> None:
    """Check that what went with another object was not deleted by itself as well (rule 8)."""
    new_of = moves(program, before.records)
    deleted = {call.id: index for index, call in enumerate(calls) if call.operation == "D"}
    first = {change.address for change in plan.changes if change.delete_first}
    carriers = {record.uid: record for record in before.records.values()}
    needs = {record.address: set(record.dependencies) for record in before.records.values()}
    for record in before.records.values():
        address = new_of.get(record.address, record.address)
        spec = program.get(address)
        beside = record.options.get("deleted_with")
        carrier = carriers.get(beside[1]) if beside else None
        if carrier is None or record.id not in deleted or carrier.id not in deleted:
            continue
        dropped = spec is not None and spec.beside is None
        turned = record.address in _closure(carrier.address, needs)
        if dropped or turned or address in first:  # what makes way for its own successor can't wait
            continue
        msg = f"{record.address} goes with {carrier.address}, but was deleted by itself\n{plan}"
        raise AssertionError(msg)


def check_untouched(
    before: Any, after: Any, calls: Sequence[Call], touched: Collection[str], new_of: Mapping[str, str]
) -> None:
    """Check that what is not operated on stays as it was recorded (rule 27), but for the names of what moved."""
    chosen = {*touched, *new_of}
    for address in before.records.keys() - chosen:
        was = before.records[address]
        expected = (was, renamed(was, {old: new for old, new in new_of.items() if new in after.records}))
        assert after.records.get(address) in expected, f"{address} is no target, and changed"
    beyond = {call.address for call in calls} - chosen
    assert not beyond, f"{beyond} are no targets, and were called"
