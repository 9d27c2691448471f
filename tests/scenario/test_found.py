"""What random programs have found, in its smallest form."""

from __future__ import annotations

from iaclib import declare as iac
from iaclib.errors import ProtectedResourceError
from recording import Thing


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
