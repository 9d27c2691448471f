"""Scenarios 1 to 10: which half of which replacement comes when."""

from __future__ import annotations

from iaclib import declare as iac
from iaclib.errors import ApplyFailed
from recording import Named, Thing


def chain(hard, *, second=None, opts=None):
    """A <- B through B's ``replaces`` field; both replaced when ``hard`` changes."""
    a = Thing("a", hard=hard, opts=opts or iac.Options())
    Thing("b", hard=second or a.id)


def test_1_a_dependent_whose_inputs_stay_is_not_touched(world):
    """A is replaced; B follows an output that keeps its value."""

    def program(hard):
        a = Thing("a", hard=hard, size=1)
        Thing("b", link=a.out)

    assert world.apply(lambda: program("x")) == ["C a", "C b"]
    assert world.apply(lambda: program("y")) == ["C a", "D a"]
    world.settled(lambda: program("y"))


def test_2_two_replacements_create_down_and_delete_up(world):
    """Both are replaced: new A, new B, old B, old A."""
    world.apply(lambda: chain("x"))
    assert world.apply(lambda: chain("y")) == ["C a", "C b", "D b", "D a"]
    world.settled(lambda: chain("y"))


def test_3_a_failed_create_leaves_the_old_half_to_the_next_run(world):
    """The run after a failure finishes the job: one A, one B."""
    world.apply(lambda: chain("x"))
    world.cloud.fail("C b")
    error, calls = world.fails(lambda: chain("y"), ApplyFailed)
    assert calls == ["C a", "C b"]
    assert not error.run.ok
    snapshot = world.snapshot
    assert [old.address for old in snapshot.superseded] == ["a"]
    assert snapshot.records["b"].id in world.cloud.objects
    assert world.apply(lambda: chain("y")) == ["C b", "D b", "D a"]
    assert len(world.cloud.objects) == 2
    world.settled(lambda: chain("y"))


def test_4_an_updatable_dependent_follows_before_the_old_half_goes(world):
    """A is replaced; B is updated to its new id; old A goes last."""

    def program(hard):
        a = Thing("a", hard=hard)
        Thing("b", link=a.id)

    world.apply(lambda: program("x"))
    assert world.apply(lambda: program("y")) == ["C a", "U b", "D a"]
    world.settled(lambda: program("y"))


FIRST = iac.Options(delete_before_replace=True)


def test_5_delete_before_replace_takes_its_dependents_along(world):
    """B stands on A in a field that replaces: B goes first and comes back last."""
    world.apply(lambda: chain("x", opts=FIRST))
    assert world.apply(lambda: chain("y", opts=FIRST)) == ["D b", "D a", "C a", "C b"]
    world.settled(lambda: chain("y", opts=FIRST))


def test_6_a_dependents_own_replacement_leaves_its_dependency_alone(world):
    """Only B's own field changes."""

    def program(label):
        a = Thing("a", hard="x", opts=FIRST)
        Named("b", label=label, hard=a.id)

    world.apply(lambda: program("one"))
    assert world.apply(lambda: program("two")) in (["C b", "D b"], ["U b"])


def test_6_a_replaces_field_of_the_dependent(world):
    """Only B's own ``replaces`` field changes: new B, old B, A untouched."""

    def program(own):
        a = Thing("a", hard="x", opts=FIRST)
        Thing("b", hard=own, link=a.id)

    world.apply(lambda: program("one"))
    assert world.apply(lambda: program("two")) == ["C b", "D b"]


def test_7_a_kept_unique_key_deletes_first_by_itself(world):
    """Old and new can't coexist, so no option is needed."""

    def program(hard, opts=None):
        a = Named("a", label="the one", hard=hard, opts=opts or iac.Options())
        Thing("b", hard=a.id)

    world.apply(lambda: program("x"))
    assert world.apply(lambda: program("y")) == ["D b", "D a", "C a", "C b"]
    keep = iac.Options(delete_before_replace=False)
    assert world.apply(lambda: program("z", keep)) == ["C a", "C b", "D b", "D a"]


def test_8_order_alone_makes_nothing_be_replaced(world):
    """b only comes after a, d reads what stays of c's sibling: only a and c are replaced."""

    def program(hard):
        a = Thing("a", hard=hard, opts=FIRST)
        b = Thing("b", size=1, opts=iac.Options(depends_on=(a,)))
        Thing("c", hard=a.id)
        Thing("d", link=b.out)

    world.apply(lambda: program("x"))
    calls = world.apply(lambda: program("y"))
    assert calls == ["D c", "D a", "C a", "C c"]
    world.settled(lambda: program("y"))


def test_9_a_dropped_edge_keeps_the_dependent(world):
    """B no longer needs A: it is never deleted."""

    def program(hard, *, linked):
        a = Thing("a", hard=hard, opts=FIRST)
        Thing("b", hard="fix", link="l", opts=iac.Options(depends_on=(a,) if linked else ()))

    world.apply(lambda: program("x", linked=True))
    assert world.apply(lambda: program("y", linked=False)) == ["D a", "C a"]
    assert world.record("b").dependencies == ()


def test_10_recorded_edges_order_the_deletes(world):
    """The program has no edge any more; B stood on A all the same."""

    def program(hard, *, linked):
        a = Thing("a", hard=hard, opts=FIRST)
        Thing("b", hard=hard, link=a.id if linked else None, opts=FIRST)

    world.apply(lambda: program("x", linked=True))
    calls = world.apply(lambda: program("y", linked=False))
    assert calls.index("D b") < calls.index("D a") < calls.index("C a")
    assert sorted(calls) == ["C a", "C b", "D a", "D b"]
    world.settled(lambda: program("y", linked=False))
