"""Scenarios 11, 20, 23, 24, 26, 28, 29: protection, what the cloud shows, what counts as a change."""

from __future__ import annotations

import pytest

from iaclib import declare as iac
from iaclib.errors import ApplyFailed, InvalidRequestError, ProtectedResourceError
from recording import Thing

PROTECTED = iac.Options(protect=True)


def test_11_a_cascade_does_not_reach_a_protected_resource(world):
    """Delete-first on A would replace protected B: an error that names both, nothing called."""

    def program(hard):
        a = Thing("a", hard=hard, opts=iac.Options(delete_before_replace=True))
        Thing("b", hard=a.id, opts=PROTECTED)

    world.apply(lambda: program("x"))
    error, calls = world.fails(lambda: program("y"), ProtectedResourceError, "b")
    assert "a" in str(error)
    assert calls == []


def test_20_protected_resources_are_refused_all_at_once(world):
    """Replace and removal are refused before any call; both offenders are named."""

    def program(hard, *, second=True):
        Thing("first", hard=hard, opts=PROTECTED)
        if second:
            Thing("second", opts=PROTECTED)

    world.apply(lambda: program("x"))
    error, calls = world.fails(lambda: program("y", second=False), ProtectedResourceError, "first")
    assert "second" in str(error)
    assert calls == []


def test_20_unprotecting_and_replacing_is_one_run(world):
    """What is declared counts for what is in the program."""
    world.apply(lambda: Thing("a", hard="x", opts=PROTECTED))
    assert world.apply(lambda: Thing("a", hard="y")) == ["C a", "D a"]


def test_20_toggling_protection_calls_nothing_and_is_recorded(world):
    """The option is written without a call."""
    world.apply(lambda: Thing("a"))
    assert world.apply(lambda: Thing("a", opts=PROTECTED)) == []
    assert world.record("a").options["protect"] is True
    assert world.apply(lambda: Thing("a")) == []
    assert not world.record("a").options.get("protect")


def test_23_what_is_gone_leaves_state_and_edges(world):
    """Its name goes from others' dependencies."""

    def program():
        a = Thing("a")
        Thing("b", opts=iac.Options(depends_on=(a,)))

    world.apply(program)
    del world.cloud.objects[world.record("a").id]
    drift = world.engine.refresh(world.ref)
    assert [(change.address, change.action.value) for change in drift.changes] == [("a", "delete")]
    assert set(world.snapshot.records) == {"b"}
    assert world.record("b").dependencies == ()


def test_23_a_read_error_keeps_the_record(world):
    """Not being able to read is not being gone; the rest is recorded."""

    def program():
        Thing("a", size=1)
        Thing("b", size=1)

    world.apply(program)
    world.cloud.objects[world.record("b").id]["inputs"]["size"] = 7
    world.cloud.fail("R a", InvalidRequestError("no"))
    with pytest.raises(ApplyFailed) as caught:
        world.engine.refresh(world.ref)
    assert [change.address for change in caught.value.drift.changes] == ["b"]
    assert not caught.value.run.ok
    assert set(world.snapshot.records) == {"a", "b"}
    assert world.record("b").observed["size"] == 7


def test_24_a_plan_that_refreshes_creates_again_what_is_gone(world):
    """One run brings it back with a new id."""
    world.apply(lambda: Thing("a", size=1))
    old = world.record("a").id
    del world.cloud.objects[old]
    world.settled(lambda: Thing("a", size=1))
    plan = world.plan(lambda: Thing("a", size=1), refresh=True)
    assert plan.counts == {"create": 1}
    world.engine.apply(plan)
    assert world.cloud.take() == ["C a"]
    assert world.record("a").id != old
    assert world.apply(lambda: Thing("a", size=1), refresh=True) == []


def test_drift_is_seen_and_corrected(world):
    """Drift changes nothing, a plan with refresh corrects it, and then there is nothing left."""

    def program():
        Thing("a", size=1, data={"k": "v"})

    world.apply(program)
    held = world.cloud.objects[world.record("a").id]["inputs"]
    held["data"]["added by the cloud"] = "x"
    assert not world.engine.drift(world.ref)
    held["size"] = 5
    before = world.snapshot
    assert [change.address for change in world.engine.drift(world.ref).changes] == ["a"]
    assert world.snapshot == before
    assert world.apply(program, refresh=True) == ["U a"]
    assert held is not world.cloud.objects[world.record("a").id]["inputs"]
    assert not world.engine.drift(world.ref)
    assert not world.plan(program, refresh=True)


def test_a_planned_refresh_is_applied_as_planned(world):
    """What the plan saw is written when it is applied."""
    world.apply(lambda: Thing("a", size=1))
    world.cloud.objects[world.record("a").id]["inputs"]["size"] = 5
    plan = world.plan(lambda: Thing("a", size=1), refresh=True)
    assert world.record("a").observed is None
    world.engine.apply(plan)
    assert world.cloud.take() == ["U a"]
    world.settled(lambda: Thing("a", size=1))


@pytest.mark.parametrize(
    ("path", "before", "after", "elsewhere"),
    [
        ("size", {"size": 1}, {"size": 2}, {"size": 2, "link": "x"}),
        ("size", {}, {"size": 2}, {"size": 2, "link": "x"}),
        ("size", {"size": 1}, {}, {"link": "x"}),
        ("data.c", {"data": {"c": "1", "d": "1"}}, {"data": {"c": "2", "d": "1"}}, {"data": {"c": "2", "d": "2"}}),
        ("data.c", {"data": {"d": "1"}}, {"data": {"c": "2", "d": "1"}}, {"data": {"d": "2"}}),
    ],
)
def test_26_ignored_changes_are_no_changes(world, path, before, after, elsewhere):
    """Added, changed or removed there: the same; elsewhere: an update."""
    opts = iac.Options(ignore_changes=(path,))
    world.apply(lambda: Thing("a", **before, opts=opts))
    assert world.apply(lambda: Thing("a", **after, opts=opts)) == []
    assert world.apply(lambda: Thing("a", **elsewhere, opts=opts)) == ["U a"]


def test_28_unordered_lists_are_multisets(world):
    """Permuted is the same, one element doubled is an update."""
    world.apply(lambda: Thing("a", members=["x", "y"]))
    assert world.apply(lambda: Thing("a", members=["y", "x"])) == []
    assert world.apply(lambda: Thing("a", members=["y", "x", "x"])) == ["U a"]
    world.settled(lambda: Thing("a", members=["y", "x", "x"]))


def test_29_an_unknown_that_comes_out_equal_calls_nothing(world):
    """A is updated, its output keeps its value: B and what stands on B are left alone."""

    def program(link):
        a = Thing("a", size=1, link=link)
        b = Thing("b", hard=a.out)
        Thing("c", link=b.id)

    world.apply(lambda: program("x"))
    plan = world.plan(lambda: program("y"))
    assert plan.change("b").maybe
    assert world.apply(lambda: program("y")) == ["U a"]
    world.settled(lambda: program("y"))


def test_nothing_to_do_writes_nothing(world):
    """The serial stays, the history too."""
    world.apply(lambda: Thing("a"))
    before, runs = world.snapshot, len(world.engine.history(world.ref))
    assert world.apply(lambda: Thing("a")) == []
    assert world.snapshot == before
    assert len(world.engine.history(world.ref)) == runs
