"""Fields of which the handler decides whether a change replaces."""

from __future__ import annotations

import pytest

from iaclib.model.values import UNKNOWN
from iaclib.plan.facts import Facts


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ({"dns": True}, {"dns": False}, {"a": "replace"}),
        ({"dns": True}, {"size": 2}, {"a": "replace"}),
        ({"size": 1}, {"size": 2}, {"a": "update"}),
        ({"dns": True}, {"dns": True}, {}),
    ],
)
def test_a_handler_adds_to_what_replaces(kit, before, after, action):
    """Only changed fields count, also those that are unset now."""
    decided = Facts("L", replaces=lambda *_: ("data", "dns"))
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("a", **before)))
    made = kit.plan(lambda _: kit.Net("a", **after), snapshot, decided)
    assert kit.actions(made) == action


def test_it_is_asked_with_before_and_after(kit):
    """It sees what is recorded and what is declared."""
    asked = []
    facts = Facts("L", replaces=lambda *facts: asked.append(facts) or ())
    snapshot = kit.applied(kit.plan(lambda _: kit.Net("a", size=1)))
    assert kit.actions(kit.plan(lambda _: kit.Net("a", size=2), snapshot, facts)) == {"a": "update"}
    assert asked == [("plan:Net", {"size": 1}, {"size": 2})]


def test_an_unknown_field_of_it_may_replace(kit):
    """What is not known yet is planned as the most that can happen."""

    def build(size, link):
        def declare(_):
            first = kit.Net("a", size=size)
            kit.Net("b", data=first.state if link else "ok")

        return declare

    facts = Facts("L", replaces=lambda _type, _before, after: ("data",) if after.get("data") is UNKNOWN else ())
    snapshot = kit.applied(kit.plan(build(1, False)))
    assert kit.actions(kit.plan(build(2, True), snapshot, facts)) == {"a": "update", "b": "may replace"}
