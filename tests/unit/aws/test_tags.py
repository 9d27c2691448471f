"""Tags: the user's and our own."""

from __future__ import annotations

import pytest

from iaclib.aws import tags
from iaclib.provider.context import Context


def step(urn: str = "shop/prod:net/vpc", token: str = "0" * 32) -> Context:
    """Give a step."""
    return Context(address="net/vpc", urn=urn, stack="shop/prod", provider=None, token=token)


def test_own_tags_name_the_resource_and_the_step():
    """Own tags are the urn and the token."""
    assert tags.own(step()) == {"iaclib:urn": "shop/prod:net/vpc", "iaclib:token": "0" * 32}


def test_own_tags_fit_what_aws_takes():
    """A urn is cut to 256 characters, and characters that AWS refuses are replaced."""
    urn = tags.own(step("shop/prod:" + "é[x]" * 100))[tags.URN]
    assert len(urn) == 256
    assert urn.startswith("shop/prod:é_x_")


def test_without_a_token_there_is_no_token_tag():
    """Outside a create there is nothing to mark, and nothing counts as ours."""
    assert tags.own(step(token="")) == {"iaclib:urn": "shop/prod:net/vpc"}
    assert not tags.is_own(step(token=""), {tags.TOKEN: ""})


def test_with_own_keeps_the_users_tags():
    """A create call gets the user's tags and ours."""
    assert tags.with_own(step(), {"Name": "x"}) == {"Name": "x", **tags.own(step())}
    assert tags.with_own(step(), None) == tags.own(step())


@pytest.mark.parametrize("spelling", [{}, {"key": "key", "value": "value"}, {"key": "TagKey", "value": "TagValue"}])
def test_lists_and_dicts_convert_both_ways(spelling):
    """A list made of a dict gives the dict back, in each service's spelling."""
    assert tags.from_list(tags.to_list({"a": "1", "b": ""}, **spelling), **spelling) == {"a": "1", "b": ""}


def test_observed_tags_leave_out_ours_and_those_of_aws():
    """Only the user's tags show; an object without any shows None."""
    listed = tags.to_list({"a": "1", "aws:cloudformation:stack-name": "s", **tags.own(step())})
    assert tags.from_list(listed) == {"a": "1"}
    assert tags.from_list(tags.to_list(tags.own(step()))) is None
    assert tags.from_list(None) is None
    assert tags.is_own(step(), tags.raw(listed))


@pytest.mark.parametrize(
    ("before", "after", "live", "put", "drop"),
    [
        (None, {"a": "1"}, None, {"a": "1"}, []),
        ({"a": "1"}, None, None, {}, ["a"]),
        ({"a": "1", "b": "2"}, {"a": "3", "b": "2"}, None, {"a": "3"}, []),
        ({"a": "1"}, {"a": "1"}, {}, {"a": "1"}, []),
        ({"a": "1"}, {}, {"foreign": "x"}, {}, []),
        ({"iaclib:urn": "x"}, {"iaclib:token": "y"}, None, {}, []),
    ],
    ids=["add", "remove", "change", "repair", "already removed", "never ours"],
)
def test_changes_are_what_is_left_to_do(before, after, live, put, drop):
    """Changes set what differs from what is there and remove only what was the user's."""
    assert tags.changes(before, after, live) == (put, drop)
