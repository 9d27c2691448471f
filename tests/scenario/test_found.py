"""What random programs have found, in its smallest form."""

from __future__ import annotations

from iaclib import declare as iac
from iaclib.errors import ProtectedResourceError
from iaclib.provider.handler import Live
from recording import Named, Now, Thing, ThingHandler


def test_a_refresh_within_a_plan_keeps_edges_to_what_is_made_again(world):
    """The edge to what was gone goes with it; once that is there again, it is written again."""

    def program():
        a = Thing("a", size=1)
        Thing("b", size=1, opts=iac.Options(depends_on=[a]))

    world.apply(program)
    world.cloud.objects.pop(world.record("a").id)
    world.engine.apply(world.plan(program, refresh=True))
    assert list(world.record("b").dependencies) == ["a"]
    world.settled(program)


def test_the_history_tells_the_end_of_a_run_that_was_refused_after_its_refresh(world):
    """What the refresh saw is written, and so is that nothing came of the run."""

    def program(hard):
        Thing("a", hard=hard, opts=iac.Options(protect=True))
        Thing("b", size=1)

    world.apply(lambda: program("one"))
    world.cloud.objects.pop(world.record("b").id)
    world.fails(lambda: program("two"), ProtectedResourceError, refresh=True)
    assert [run.status for run in world.engine.history(world.ref)] == ["ok", "failed"]


def test_a_dependent_can_take_over_the_key_of_what_it_stood_on(world):
    """Both old objects go first, the dependent's before the one that it stood on."""

    def v1():
        a = Named("a", label="one")
        Named("b", label="two", hard="x", opts=iac.Options(depends_on=[a]))

    def v2():
        Named("b", label="one", hard="y", opts=iac.Options(delete_before_replace=True))

    world.apply(v1)
    assert world.apply(v2) == ["D b", "D a", "C b"]
    world.settled(v2)


def test_a_key_is_freed_together_with_what_stands_on_its_holder(world):
    """What is removed with the holder goes before it; what stays is changed when the key's new owner is there."""

    def v1():
        a = Named("a", label="one")
        Thing("gone", link=a.id)
        Thing("stays", link=a.id)

    def v2():
        new = Named("new", label="one", opts=iac.Options(delete_before_replace=True))
        Thing("stays", link=new.id)

    world.apply(v1)
    assert world.apply(v2) == ["D gone", "D a", "C new", "U stays"]
    world.settled(v2)


class PairHandler(ThingHandler):
    """Carries no token: its label is its identity."""

    find = None

    def identity(self, inputs):
        return f"pair-{inputs['label']}"

    def create(self, ctx, inputs):
        Now.cloud.note(f"C {ctx.address}")
        id = self.identity(inputs)
        Now.cloud.objects[id] = {"address": ctx.address, "token": "", "inputs": dict(inputs)}
        return Live(id, {}, dict(inputs))


class Pair(iac.Resource, type="found:Pair", handler=PairHandler):
    label: iac.Input[str] = iac.field(replaces=True)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)


def test_a_new_object_with_the_id_of_one_that_vanished_is_not_deleted_for_it(world):
    """Create-first with an identity that stays works when the old object is gone; then nothing is left to delete."""

    def program(hard):
        Pair("a", label="x", hard=hard, opts=iac.Options(delete_before_replace=False))

    world.apply(lambda: program("one"))
    world.cloud.objects.clear()
    assert world.apply(lambda: program("two")) == ["C a"]
    assert world.cloud.objects.keys() == {"pair-x"}
    world.settled(lambda: program("two"))
