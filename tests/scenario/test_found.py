"""What random programs have found, in its smallest form."""

from __future__ import annotations

from iaclib import declare as iac
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
