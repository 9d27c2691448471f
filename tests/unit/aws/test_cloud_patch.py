"""The patch that brings an object to what is declared."""

import pytest

from cloud_control import patched
from iaclib.aws.handlers.cloud_patch import patch
from iaclib.schema.cloud import CloudFacts


def made(before, after, shown, baseline=None, **facts):
    """Make a patch; without a baseline, what is shown counts as unchanged since the last write."""
    return patch(CloudFacts("X::Y::Z", **facts), before, after, shown, shown if baseline is None else baseline)


def test_nothing_is_sent_where_nothing_differs():
    assert made({"A": 1}, {"A": 1}, {"A": 1, "Server": 2}) == []


def test_a_key_is_patched_where_it_is_and_what_is_not_declared_stays():
    shown = {"A": {"B": {"C": 1, "Default": 2}}, "Server": 3}

    operations = made({"A": {"B": {"C": 1}}}, {"A": {"B": {"C": 5}}}, shown)

    assert operations == [{"op": "replace", "path": "/A/B/C", "value": 5}]


def test_a_key_is_added_or_removed_by_whether_it_is_shown():
    assert made({}, {"A": 1}, {}) == [{"op": "add", "path": "/A", "value": 1}]
    assert made({}, {"A": 1}, {"A": 2}) == [{"op": "replace", "path": "/A", "value": 1}]
    assert made({"A": 1}, {}, {"A": 1}) == [{"op": "remove", "path": "/A"}]
    assert made({"A": 1}, {}, {}) == []


def test_keys_are_spelt_as_json_pointers():
    (one,) = made({}, {"A": {"b/c~d": 1}}, {"A": {}})

    assert one["path"] == "/A/b~1c~0d"


def test_what_the_cloud_spells_in_its_own_way_is_left_alone():
    assert made({"A": "x", "B": 1}, {"A": "x", "B": 2}, {"A": "X", "B": 1}) == [
        {"op": "replace", "path": "/B", "value": 2}
    ]


def test_drift_is_corrected():
    assert made({"A": ["x"]}, {"A": ["x"]}, {"A": ["y"]}, {"A": ["x"]}) == [
        {"op": "replace", "path": "/A", "value": ["x"]}
    ]


def test_hidden_values_are_sent_again_with_any_change():
    facts = {"write_only": ("Password", "Login/Secret")}
    before = {"Size": 1, "Password": "p", "Login": {"User": "u", "Secret": "s"}}
    shown = {"Size": 1, "Login": {"User": "u"}}

    assert made(before, before, shown, **facts) == []
    assert made(before, before | {"Size": 2}, shown, **facts) == [
        {"op": "replace", "path": "/Size", "value": 2},
        {"op": "add", "path": "/Password", "value": "p"},
        {"op": "add", "path": "/Login/Secret", "value": "s"},
    ]


def test_a_change_of_a_hidden_value_alone_is_sent():
    facts = {"write_only": ("Password",)}

    assert made({"Password": "p"}, {"Password": "q"}, {}, **facts) == [{"op": "add", "path": "/Password", "value": "q"}]


def test_a_hidden_value_goes_by_not_being_sent():
    before = {"Size": 1, "Password": "p"}

    assert made(before, {"Size": 1}, {"Size": 1}, write_only=("Password",)) == [
        {"op": "replace", "path": "/Size", "value": 1}
    ]


def test_hidden_values_in_a_list_take_the_list_along():
    """By position they could reach somebody else's element."""
    users = [{"Name": "a", "Password": "1"}, {"Name": "b", "Password": "2"}]
    shown = {"Size": 1, "Users": [{"Name": "b"}, {"Name": "a"}]}

    operations = made({"Size": 1, "Users": users}, {"Size": 2, "Users": users}, shown, write_only=("Users/*/Password",))

    assert operations[1:] == [{"op": "add", "path": "/Users", "value": users}]


@pytest.mark.parametrize("hidden", [(), ("A/Key",)])
def test_what_only_a_create_takes_is_never_sent(hidden):
    before = {"Name": "n", "A": {"Key": "k", "Size": 1}}
    shown = {"Name": "n", "A": {"Size": 1}} if hidden else before

    operations = made(
        before, {**before, "A": {"Key": "k", "Size": 2}}, shown, create_only=("Name", "A/Key"), write_only=hidden
    )

    assert operations == [{"op": "replace", "path": "/A/Size", "value": 2}]


def test_a_hidden_object_is_sent_whole():
    value = {"Url": "u", "Key": "k"}

    operations = made({"A": value}, {"A": value, "B": 1}, {}, write_only=("A",), create_only=("A/Key",))

    assert patched({}, operations) == {"A": value, "B": 1}
