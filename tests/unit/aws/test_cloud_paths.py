"""Paths into what Cloud Control sends."""

import pytest

from iaclib.aws.handlers.cloud_paths import covered, pointer, values, without
from iaclib.model.values import UNKNOWN


@pytest.mark.parametrize(
    ("document", "path", "found"),
    [
        ({"A": 1}, "A", [1]),
        ({"A": 1}, "B", []),
        ({"A": [{"B": 1}, {"B": 2}]}, "A/*/B", [1, 2]),
        ({"A": [{"B": 1}]}, "A/B", [1]),
        ({"A": {"x": {"B": 1}, "y": {"B": 2}}}, "A/*/B", [1, 2]),
        ({"A": None}, "A/B", []),
        ({"A": UNKNOWN}, "A/B", [UNKNOWN]),
    ],
)
def test_values_are_found(document, path, found):
    assert values(document, path) == found


def test_values_are_taken_out_of_a_copy():
    document = {"A": [{"B": 1, "C": 2}], "D": {"E": 1}}

    assert without(document, ["A/*/B", "D/E", "X/Y"]) == {"A": [{"C": 2}], "D": {}}
    assert document["D"] == {"E": 1}


def test_a_place_is_covered_at_and_under_a_path():
    assert covered(("A", "0", "B"), ["A/*"])
    assert covered(("A",), ["A"])
    assert not covered(("A",), ["A/B"])


def test_pointers_escape():
    assert pointer(("a/b", "c~d")) == "/a~1b/c~0d"
