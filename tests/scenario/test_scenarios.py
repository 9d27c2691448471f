"""Runs the scenarios in this folder's data files, one by one, side by side, and by plans that were kept in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenario import World
from scenario_file import read_scenarios

SCENARIOS = read_scenarios(Path(__file__).parent)


@pytest.mark.parametrize("way", ["one by one", "parallel", "saved"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.id for scenario in SCENARIOS])
def test_scenario(scenario, way, tmp_path):
    """It goes as the file says; one that is known to go wrong must do so."""
    world = World(8 if way == "parallel" else 0, tmp_path / "plan" if way == "saved" else None)
    with world.engine:
        if not scenario.known_wrong:
            world.run(scenario)
            return
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever goes wrong
            world.run(scenario)


def test_every_rule_of_the_engine_has_a_scenario():
    """All but that of policies (36), which are functions of a program."""
    assert {rule for scenario in SCENARIOS for rule in scenario.rules} >= set(range(1, 37)) - {36}
