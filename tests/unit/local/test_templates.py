"""Filling templates and walking through answers."""

from __future__ import annotations

import doctest

import pytest

from iaclib.local.handlers import templates
from iaclib.local.handlers.templates import fill, shaped, walk


def test_the_examples_hold():
    """What the docstrings show is what happens."""
    found = doctest.testmod(templates)
    assert found.attempted > 3
    assert not found.failed


def test_words_are_filled_in_everywhere_and_once():
    """In values at any depth; a word that holds braces is not filled again; unknown ones stay."""
    words = {"id": "{token}", "token": "T"}
    assert fill({"a": ["{id}", {"b": "x{token}y"}], "n": 1}, words) == {"a": ["{token}", {"b": "xTy"}], "n": 1}
    assert fill("{address} {other}", words) == "{address} {other}"


@pytest.mark.parametrize("id", ["a/b", "a?b=c", "a#b", "a b", "ü", "%2F"])
def test_a_word_in_a_url_is_one_segment(id):
    """Nothing in it can lead elsewhere."""
    filled = fill("/things/{id}/parts", {"id": id}, url=True)
    assert filled.count("/") == 3
    assert not set(filled) & set("?# ü")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", {"a": [{"b": None}, {"b": 2}]}),
        ("a.1.b", 2),
        ("a.0.b", None),
        ("a.2.b", None),
        ("a.b", None),
        ("x.y", None),
    ],
)
def test_a_path_leads_to_a_value_or_to_none(path, found):
    """Missing keys, positions out of range and wrong kinds are all nothing."""
    assert walk({"a": [{"b": None}, {"b": 2}]}, path) == found


def test_what_was_filled_in_counts_as_declared():
    """A template in a body is not compared with what it became."""
    assert shaped({"ref": "f00", "n": 2, "more": 1}, {"ref": "{token}", "n": 1}) == {"ref": "{token}", "n": 2}
    assert shaped([{"a": 1, "b": 2}, 5], [{"a": 0}]) == [{"a": 1}, 5]
    assert shaped("text", {"a": 1}) == "text"
