"""The order of steps, from nodes and recorded dependencies alone."""

from __future__ import annotations

import pytest

from iaclib.declare.options import DEFAULT
from iaclib.errors import DependencyCycleError
from iaclib.execute.steps import build_steps
from iaclib.execute.task import Kind
from iaclib.plan.changes import Action
from iaclib.plan.node import Node
from iaclib.state.record import Record, Snapshot


class _Declared:
    """As much of a declaration as the order looks at."""

    options = DEFAULT


def record(address, *needs, uid="", **more):
    return Record(address, "t:T", f"id-{address}", uid=uid or address, dependencies=tuple(needs), **more)


def node(address, action, *needs, rec=None, delete_first=False, maybe=False, rewrite=False):
    made = Node(address, None if action in {"delete", "forget"} else _Declared(), rec, {}, None, tuple(needs))
    made.action = Action(action)
    made.delete_first, made.maybe, made.rewrite = delete_first, maybe, rewrite
    return made


def order(nodes, records=(), superseded=(), freed=(), fail=()):
    """Run the graph one by one, first come first served, and name what would be called."""
    snapshot = Snapshot(records={one.address: one for one in records}, superseded=superseded)
    graph = build_steps({one.address: one for one in nodes}, snapshot, superseded, freed)
    ready = [task for task in graph.tasks if not task.waiting]
    called = []
    while ready:
        task = ready.pop(0)
        ok = not task.blocked and f"{task.kind.value} {task.address}" not in fail
        if not task.blocked and task.kind is Kind.MAIN and task.node.action is not Action.SAME:
            sign = {"create": "C", "update": "U", "replace": "C+"}[task.node.action.value]
            called.append(sign + task.address)
        elif not task.blocked and task.kind is Kind.DELETE:
            called.append(("D-" if task.node is None or task.node.action is not Action.DELETE else "D") + task.address)
        elif not task.blocked and task.kind is Kind.DECIDE:
            called.append("?" + task.address)
        for other, needed in task.next:
            if needed and not ok:
                other.blocked = task.address
            other.waiting -= 1
            if not other.waiting:
                ready.append(other)
    return called


def before(called, *steps):
    places = [called.index(step) for step in steps]
    return places == sorted(places)


def test_creates_follow_their_dependencies():
    """A chain is created from its beginning."""
    assert order([node("a", "create"), node("b", "create", "a"), node("c", "create", "b")]) == ["Ca", "Cb", "Cc"]


def test_what_stays_the_same_passes_the_order_on():
    """An unchanged resource in the middle keeps its neighbours apart."""
    nodes = [
        node("a", "update", rec=record("a")),
        node("b", "same", "a", rec=record("b", "a")),
        node("c", "update", "b", rec=record("c", "b")),
    ]
    assert order(nodes, [record("a"), record("b", "a"), record("c", "b")]) == ["Ua", "Uc"]


def test_removals_come_last_in_reverse_recorded_order():
    """A removed chain is deleted from its end, after what is created."""
    records = [record("a"), record("b", "a")]
    nodes = [node("c", "create"), node("a", "delete", rec=records[0]), node("b", "delete", rec=records[1])]
    assert order(nodes, records) == ["Cc", "Db", "Da"]


def test_two_create_first_replacements_delete_in_reverse():
    """Both halves of both replacements: create down, delete up."""
    records = [record("a"), record("b", "a")]
    nodes = [node("a", "replace", rec=records[0]), node("b", "replace", "a", rec=records[1])]
    assert order(nodes, records) == ["C+a", "C+b", "D-b", "D-a"]


def test_a_delete_first_cascade_deletes_up_and_creates_down():
    """What stands on the object goes first and comes back last."""
    records = [record("a"), record("b", "a")]
    nodes = [
        node("a", "replace", rec=records[0], delete_first=True),
        node("b", "replace", "a", rec=records[1], delete_first=True),
    ]
    assert order(nodes, records) == ["D-b", "D-a", "C+a", "C+b"]


def test_removed_dependents_go_before_what_is_deleted_first():
    """Also indirect ones, through something that stays."""
    records = [record("a"), record("k", "a"), record("r", "k")]
    nodes = [
        node("a", "replace", rec=records[0], delete_first=True),
        node("k", "same", "a", rec=records[1]),
        node("r", "delete", rec=records[2]),
        node("n", "create"),
    ]
    called = order(nodes, records)
    assert before(called, "Dr", "D-a", "C+a")


def test_deletes_keep_their_order_through_what_stays():
    """A kept resource between two removed ones keeps their order."""
    records = [record("x"), record("k", "x"), record("y", "k")]
    nodes = [
        node("k", "update", rec=records[1]),
        node("x", "delete", rec=records[0]),
        node("y", "delete", rec=records[2]),
    ]
    assert order(nodes, records) == ["Uk", "Dy", "Dx"]


def test_dropping_the_edge_does_not_lose_the_recorded_order():
    """Two delete-first replacements without an edge now are deleted by the recorded one."""
    records = [record("a"), record("b", "a")]
    nodes = [
        node("a", "replace", rec=records[0], delete_first=True),
        node("b", "replace", rec=records[1], delete_first=True),
    ]
    called = order(nodes, records)
    assert before(called, "D-b", "D-a", "C+a")


def test_a_turned_edge_still_has_an_order():
    """B stood on A, now A stands on B, and both must be deleted first."""
    records = [record("a"), record("b", "a")]
    nodes = [
        node("b", "replace", rec=records[1], delete_first=True),
        node("a", "replace", "b", rec=records[0], delete_first=True),
    ]
    called = order(nodes, records)
    assert before(called, "D-b", "D-a", "C+a")
    assert before(called, "D-b", "C+b", "C+a")


def test_may_replace_is_decided_before_anything_is_deleted():
    """A delete-first replacement that may dissolve is decided once its inputs are known."""
    records = [record("a"), record("b", "a")]
    nodes = [
        node("a", "replace", rec=records[0]),
        node("b", "replace", "a", rec=records[1], delete_first=True, maybe=True),
    ]
    assert order(nodes, records) == ["C+a", "?b", "D-b", "C+b", "D-a"]


def test_a_delete_first_waits_for_its_own_dependencies():
    """Nothing is deleted whose replacement can't come."""
    records = [record("n"), record("a", "n")]
    nodes = [node("n", "update", rec=records[0]), node("a", "replace", "n", rec=records[1], delete_first=True)]
    assert order(nodes, records) == ["Un", "D-a", "C+a"]
    assert order(nodes, records, fail={"main n"}) == ["Un"]


def test_superseded_objects_of_earlier_runs_go_last_and_in_order():
    """What an earlier run left behind goes after all creates, users first."""
    old_a, old_b = record("a", uid="a0"), record("b", "a", uid="b0")
    new_a, new_b = record("a", uid="a1"), record("b", "a", uid="b1")
    nodes = [node("a", "same", rec=new_a), node("b", "replace", "a", rec=new_b)]
    called = order(nodes, [new_a, new_b], superseded=(old_a, old_b))
    assert called[0] == "C+b"
    assert called.count("D-b") == 2
    assert called[-1] == "D-a"


def test_a_freed_key_is_deleted_before_it_is_created_again():
    """Rule 2a with delete_before_replace on the new one."""
    records = [record("old")]
    nodes = [node("new", "create"), node("old", "delete", rec=records[0])]
    assert order(nodes, records) == ["Cnew", "Dold"]
    nodes[1].delete_first = True
    assert order(nodes, records, freed=(("new", "old"),)) == ["Dold", "Cnew"]


def test_a_failed_user_keeps_what_it_still_uses():
    """With continue_on_error a removal isn't made under a failed update of its user."""
    records = [record("x"), record("k", "x"), record("z")]
    nodes = [
        node("k", "update", rec=records[1]),
        node("x", "delete", rec=records[0]),
        node("z", "delete", rec=records[2]),
    ]
    assert order(nodes, records, fail={"main k"}) == ["Uk", "Dz"]


def test_users_of_a_freed_object_let_go_of_it_or_go_before_it():
    """One that can let go does so first, one that moves on to the new object can't, one that is removed goes early."""
    records = [record("old"), record("user", "old"), record("gone", "old")]
    old = node("old", "delete", rec=records[0], delete_first=True)
    gone = node("gone", "delete", rec=records[2])
    freed = (("new", "old"),)
    lets_go = [node("new", "create"), node("user", "update", rec=records[1]), old, gone]
    assert order(lets_go, records, freed=freed) == ["Uuser", "Dgone", "Dold", "Cnew"]
    moves_on = [node("new", "create"), node("user", "update", "new", rec=records[1]), old, gone]
    assert order(moves_on, records, freed=freed) == ["Dgone", "Dold", "Cnew", "Uuser"]


def test_a_circle_that_no_order_can_open_is_named():
    """A plan in which what stands on a delete-first object is replaced create-first is refused."""
    records = [record("a"), record("b", "a")]
    nodes = [
        node("a", "replace", rec=records[0], delete_first=True),
        node("b", "replace", "a", rec=records[1]),
    ]
    with pytest.raises(DependencyCycleError, match="no beginning"):
        order(nodes, records)


def test_ten_thousand_in_a_row_need_no_recursion():
    """A chain of 10,000 is ordered without recursion."""
    nodes = [node("r0", "create"), *(node(f"r{n}", "create", f"r{n - 1}") for n in range(1, 10_000))]
    assert len(order(nodes)) == 10_000
