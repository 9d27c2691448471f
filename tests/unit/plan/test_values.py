"""Values: when they are equal, how they differ, and which names are made."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iaclib.errors import InvalidPropertyError
from iaclib.model.values import UNKNOWN, Secret
from iaclib.plan.compare import drifted, may_equal, project, same, same_kinds
from iaclib.plan.diff import differences
from iaclib.plan.names import generated_name
from iaclib.plan.paths import parse_path

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text("ab.[]'", max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab.['", max_size=3), inner, max_size=4),
    max_leaves=12,
)


def without_none(value):
    """Drop None members, which count as unset."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value if item is not None]
    return value


@settings(deadline=None)  # the first call imports deepdiff
@given(VALUES, VALUES)
def test_differences_are_empty_only_for_equal_values(before, after):
    """Equal values have no differing leaves, and different ones have some."""
    before, after = without_none(before), without_none(after)
    assert bool(differences(before, after)) is not same(before, after)


@given(VALUES)
def test_a_value_equals_itself_also_as_secret(value):
    """Secrecy is no difference, and what may be equal is."""
    assert same(value, Secret(value))
    assert may_equal(value, value)
    assert may_equal(UNKNOWN, value)
    assert same_kinds(value, value)


@given(st.lists(st.integers(0, 3) | st.dictionaries(st.sampled_from("ab"), st.booleans()), max_size=5), st.randoms())
def test_unordered_ignores_order_and_counts_repetitions(items, random):
    """Permutations are equal; one more of an element is not."""
    turned = random.sample(items, len(items))
    assert same(items, turned, unordered=True)
    assert not same(items, [*turned, 1], unordered=True)


def test_differences_name_leaves_in_declared_order():
    """Each changed leaf comes with its path, also below added containers."""
    before = {"a": 1, "gone": {"x": 1}, "list": [1, 2]}
    after = {"new": {"k": {"z": True}}, "a": 2, "list": [1, 3, 4]}
    assert differences(before, after) == [
        (("new", "k", "z"), None, True),
        (("a",), 1, 2),
        (("list", 1), 2, 3),
        (("list", 2), None, 4),
        (("gone", "x"), 1, None),
    ]


def test_differences_keep_secrets_and_unknowns_whole():
    """Neither is looked into, and neither gets lost."""
    found = differences(
        {"a": Secret("x"), "b": 1, "c": Secret("s")}, {"a": Secret("y"), "b": UNKNOWN, "c": Secret("s")}
    )
    assert found == [(("a",), Secret("x"), Secret("y")), (("b",), 1, UNKNOWN)]


def test_unordered_differences_show_repetitions():
    """An element that comes twice now is an added one."""
    assert [leaf[1:] for leaf in differences(["a", "b"], ["b", "a", "a"], unordered=True)] == [(None, "a")]


def test_projection_drops_what_nobody_declared():
    """Extra keys go, elements of lists by position, of unordered ones by all declared keys."""
    assert project({"a": 1, "x": 2}, {"a": 0}) == {"a": 1}
    assert project([{"a": 1, "x": 2}, {"y": 1}], [{"a": 0}]) == [{"a": 1}, {"y": 1}]
    assert project([{"b": 1, "x": 2}, {"a": 1}], [{"a": 0}, {"b": 0}], unordered=True) == [{"b": 1}, {"a": 1}]


def test_drift_needs_a_baseline():
    """What can't be read is no drift; another length of an ordered list is."""
    assert drifted({"a": 1}, {}, {"a": 2}) == []
    assert drifted({"a": 1}, {"a": 1}, {}) == []
    assert drifted({"a": 1}, {"a": 1}, {"a": None}) == ["a"]
    assert drifted({"a": [1]}, {"a": [1]}, {"a": [1, 2]}) == ["a"]
    assert drifted({"a": [1, 2]}, {"a": [1, 2]}, {"a": [2, 1]}, {"a"}) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [("a", ("a",)), ("a.b", ("a", "b")), ("b[1]", ("b", 1)), ("b[*].c", ("b", "*", "c")), ("a-b.c d", ("a-b", "c d"))],
)
def test_paths_are_read(text, path):
    """Keys by dots, positions in brackets."""
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["", "a[", "a[x]", "a..b", "]"])
def test_broken_paths_are_refused(text):
    """A path that can't be read is an error, not a path that never matches."""
    with pytest.raises(InvalidPropertyError, match="not a path"):
        parse_path(text)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        r"[A-Z]{3,10}",
        r"^[a-zA-Z0-9]{1,24}$",
        r"[a-z][a-z_0-9]*",
        r"^[\w+=,.@-]{1,64}$",
    ],
)
@given(stack=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_. @=+-]{0,80}[A-Za-z0-9]", fullmatch=True))
def test_names_fit_the_pattern(pattern, stack):
    """Length and case are fitted, and illegal characters dropped, where that is possible."""
    digits = pattern == r"[A-Z]{3,10}"  # digits in the mark can be illegal; then an explicit name is asked for
    try:
        name = generated_name("s" + stack, "net/x", "L", 1, lambda text: re.fullmatch(pattern, text) is not None)
    except InvalidPropertyError:
        assert digits
    else:
        assert re.fullmatch(pattern, name)


def test_names_keep_as_much_of_stack_and_name_as_fits():
    """A pattern for lower case drops the case, one for few characters cuts the end, and no more."""

    def name(pattern):
        return generated_name("Prod_1", "net/My Data", "L", 1, lambda text: re.fullmatch(pattern, text) is not None)

    assert name(r"[\w.-]+")[:-8] == "Prod_1-My-Data"
    assert name(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")[:-8] == "prod-1-my-data"
    assert name(r"[a-z0-9]{1,14}")[:-7] == "prod1my"


def test_names_differ_by_lineage_address_and_generation():
    """Equal arguments give one name, any other argument another."""
    names = {
        generated_name("prod", address, lineage, generation, lambda _: True)
        for address in ("a", "b/a")
        for lineage in "LM"
        for generation in (1, 2)
    }
    assert len(names) == 8
    assert generated_name("prod", "a", "L", 1, lambda _: True) in names


def test_name_that_cannot_fit_asks_for_an_explicit_one():
    """Nothing fitting is an error that names the address."""
    with pytest.raises(InvalidPropertyError, match="net/x: no generated name fits"):
        generated_name("prod", "net/x", "L", 1, lambda _: False)


def test_a_projection_keeps_secrets_secret():
    """What is secret on either side stays so, since plans show it; nothing stays nothing."""
    assert project("seen", Secret("declared")) == Secret("seen")
    assert project(Secret({"a": 1, "b": 2}), {"a": 0}) == Secret({"a": 1})
    assert project({"a": "seen", "b": 2}, {"a": Secret("declared")}) == {"a": Secret("seen")}
    assert project(None, Secret("declared")) is None
