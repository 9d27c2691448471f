"""The imperative way: sessions on one state with the declarative way."""

from __future__ import annotations

import pytest

from iaclib import declare as iac
from iaclib.errors import ApplyFailed, DeclarationError, LeaseHeldError, TargetError, UnknownValueError
from recording import Named, Thing


def test_values_are_plain_as_soon_as_a_resource_is_ensured(world):
    """Outputs, text with tokens and data can be read between the steps."""
    with world.engine.session(world.ref) as session:
        a = session.ensure(Thing("a", size=3))
        assert a.id.value == "id-1"
        assert session.value(f"http://{a.id}/{a.out}") == "http://id-1/out-3"
        assert session.value({"ids": [a.id]}) == {"ids": ["id-1"]}
    with pytest.raises(UnknownValueError):
        a.id.value
    assert world.snapshot.records["a"].id == "id-1"
    world.settled(lambda: Thing("a", size=3))


def test_what_was_not_ensured_is_not_known(world):
    """A value of a resource that is declared only is an error, and so is leaving it like that."""
    with pytest.raises(DeclarationError, match="never ensured: a"), world.engine.session(world.ref) as session:
        a = Thing("a")
        with pytest.raises(UnknownValueError, match="ensure"):
            a.id.value
        with pytest.raises(UnknownValueError):
            session.value(f"x{a.id}")
        with pytest.raises(UnknownValueError):
            session.export(a=a.id)
        with pytest.raises(TargetError, match="ensure 'a' first"):
            session.ensure(Thing("b", link=a.id))
    assert world.cloud.take() == []


def test_a_batch_is_done_in_order_and_returns_its_items(world):
    """Several at once respect their dependencies, whatever the order they are given in."""
    with world.engine.session(world.ref) as session:
        a = Thing("a")
        b = Thing("b", link=a.id)
        assert session.ensure(b, a) == (b, a)
        assert session.ensure_all([]) == ()
        assert session.ensure_all([a]) == (a,)
    assert world.cloud.take() == ["C a", "C b"]


def test_ensure_again_updates_replaces_or_does_nothing(world):
    """An address may be declared anew, as often as wanted."""
    with world.engine.session(world.ref) as session:
        for size in (10, 50, 50, 100):
            session.ensure(Thing("canary", size=size))
        assert world.cloud.take() == ["C canary", "U canary", "U canary"]
        session.ensure(Thing("canary", size=100, hard="x"))
        assert world.cloud.take() == ["C canary", "D canary"]


def test_the_old_half_waits_for_what_stands_on_it(world):
    """It goes once all dependents have been ensured since, the last one included."""
    with world.engine.session(world.ref) as session:
        a = session.ensure(Thing("a", hard="x"))
        session.ensure(Thing("b", link=a.id), Thing("c", link=a.id))
        world.cloud.take()
        a = session.ensure(Thing("a", hard="y"))
        assert world.cloud.take() == ["C a"]
        session.ensure(Thing("b", link=a.id))
        assert world.cloud.take() == ["U b"]
        session.ensure(Thing("c", link=a.id))
        assert world.cloud.take() == ["U c", "D a"]
    world.check()


def test_the_old_half_goes_at_the_latest_at_a_clean_exit(world):
    """Dependents that nobody ensures don't keep it."""
    world.apply(lambda: Thing("b", link=Thing("a", hard="x").id))
    with world.engine.session(world.ref) as session:
        session.ensure(Thing("a", hard="y"))
        assert world.cloud.take() == ["C a"]
    assert world.cloud.take() == ["D a"]


def test_what_would_have_to_go_first_is_refused_by_name(world):
    """A replacement that can't coexist with its old half needs its dependents out of the way."""
    with world.engine.session(world.ref) as session:
        a = session.ensure(Named("a", label="one", hard="x"))
        session.ensure(Thing("b", link=a.id))
        world.cloud.take()
        with pytest.raises(TargetError, match="b stands on it"):
            session.ensure(Named("a", label="one", hard="y"))
        assert world.cloud.take() == []
        session.delete("b")
        session.ensure(Named("a", label="one", hard="y"))
        assert world.cloud.take() == ["D b", "D a", "C a"]


def test_deleting_what_is_used_is_refused(world):
    """Recorded dependents are named; a component is deleted as a whole."""
    world.apply(lambda: Thing("b", link=Thing("a").id))
    with world.engine.session(world.ref) as session:
        with pytest.raises(TargetError, match="b stands on it"):
            session.delete("a")
        with pytest.raises(TargetError, match="nothing is recorded"):
            session.delete("nix")
        session.delete("b")
        session.delete("a")
    assert world.cloud.take() == ["D b", "D a"]


class Pair(iac.Component):
    """Two things, one on the other."""

    size: int = 1
    last: iac.Output[str] = iac.computed()

    def build(self):
        first = Thing("first", size=self.size)
        self.last = Thing("second", link=first.id).id


def test_components_are_ensured_and_deleted_whole(world):
    """All in a component is one batch; its computed fields have values then."""
    with world.engine.session(world.ref) as session:
        pair = session.ensure(Pair("pair"))
        assert pair.last.value == "id-2"
        session.ensure(Pair("pair", size=2))
        assert world.cloud.take() == ["C pair/first", "C pair/second", "U pair/first"]
        session.delete("pair")
        assert world.cloud.take() == ["D pair/second", "D pair/first"]


def test_prune_deletes_what_was_not_touched(world):
    """Ensured, tried and looked at counts as touched; exports likewise."""

    def program(stack):
        for name in "abcd":
            Thing(name)
        stack.export(old=1, kept=2)

    stack = type("Shop", (iac.Stack,), {"build": program})("dev")
    world.engine.apply(stack)
    world.cloud.take()
    with world.engine.session(world.ref, prune=True) as session:
        session.ensure(Thing("a"))
        assert session.get("b").id.value == world.record("b").id
        world.cloud.fail("U c")
        with pytest.raises(ApplyFailed):
            session.ensure(Thing("c", size=2))
        session.export(kept=3)
    assert world.cloud.take() == ["U c", "D d"]
    assert sorted(world.snapshot.records) == ["a", "b", "c"]
    assert world.snapshot.outputs == {"kept": 3}


def test_an_exception_prunes_nothing_and_goes_through(world):
    """What was done stays, nothing is deleted, the lease is given back."""
    world.apply(lambda: Thing("a"))
    with pytest.raises(KeyError, match="mine"), world.engine.session(world.ref, prune=True) as session:
        session.ensure(Thing("b"))
        raise KeyError("mine")
    assert sorted(world.snapshot.records) == ["a", "b"]
    assert world.engine.history(world.ref)[-1].status == "failed"
    world.apply(lambda: [Thing("a"), Thing("b")])


def test_a_session_holds_the_stack(world):
    """Nobody else works on it meanwhile."""
    with (
        world.engine.session(world.ref),
        pytest.raises(LeaseHeldError),
    ):
        world.engine.taint(world.ref, "a")


def test_recorded_objects_serve_as_inputs_and_dependencies(world):
    """What an apply made is used by a session, and the other way round."""
    world.apply(lambda: Thing("a", size=1))
    with world.engine.session(world.ref) as session:
        a = session.get("a")
        session.ensure(Thing("b", link=a.id, opts=iac.Options(depends_on=[a])))
        assert session.get("b").link.value == "id-1"
        with pytest.raises(AttributeError, match="no field"):
            a.nix
    assert world.record("b").dependencies == ("a",)

    def program():
        Thing("b", link=Thing("a", size=1).id)

    world.settled(program)


def test_things_from_elsewhere_are_refused(world):
    """Only declarations of this session can be ensured."""
    with world.engine.session(world.ref) as session, pytest.raises(DeclarationError, match="expected resources"):
        session.ensure("a")
