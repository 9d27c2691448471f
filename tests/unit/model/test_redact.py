"""Secrets are found in whatever form a library wrote them, and nothing else is masked."""

from __future__ import annotations

import base64
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iaclib.errors import ProviderError
from iaclib.model.redact import Redactor, guard_repeats, redacted, secret_texts
from iaclib.model.values import MASK, Secret
from sentinels import encodings, sentinel

SECRET = sentinel("place")


@pytest.mark.parametrize("name", [name for name in encodings(SECRET) if name not in ("latin-1", "utf-16")])
def test_each_form_is_found(name):
    """Whatever way a library writes a secret, the mask takes its place."""
    form = encodings(SECRET)[name].decode()
    told = Redactor([SECRET]).text(f"before {form} after")
    assert MASK in told
    assert form not in told
    assert told.startswith("before ")
    assert told.endswith(" after")


@pytest.mark.parametrize("width", [20, 64, 76])
def test_wrapped_base64_is_found(width):
    """Lines of base64, as MIME and PEM have them."""
    body = base64.b64encode(b"user:" + SECRET.encode() + b":" + b"x" * 90).decode()
    told = Redactor([SECRET]).text("\n".join(textwrap.wrap(body, width)))
    core = base64.b64encode(SECRET.encode()[1:-2]).decode()
    assert MASK in told
    assert core[4:-4] not in told.replace("\n", "")


def test_a_wrapped_secret_is_found():
    """A message that was folded to lines still shows none of it."""
    assert Redactor(["correct-horse-battery"]).text("it is correct-hor\n  se-battery.") == f"it is {MASK}."


def test_a_short_secret_counts_where_it_stands_alone():
    """Three characters within a word are no secret."""
    known = Redactor(["abc"])
    assert known.text("abc, (abc) and abcd: xabc") == f"{MASK}, ({MASK}) and abcd: xabc"
    assert not known.shows("abc")


def test_parts_that_tell_are_found():
    """The password of a URL, and the words of a secret of several."""
    known = Redactor(secret_texts({"a": Secret("pg://me:hunter22@host/db"), "b": Secret("Bearer 0123456789")}))
    assert known.text("for me: hunter22 / 0123456789 Bearer") == f"for me: {MASK} / {MASK} Bearer"


@given(
    st.lists(st.text(st.characters(exclude_characters="\0"), min_size=4), min_size=1, max_size=80), st.text(), st.text()
)
def test_no_text_shows_a_secret(secrets, before, after):
    """However many are known, each is found, by either way of looking."""
    told = Redactor(secrets).text(before + secrets[0] + after)
    rest = told.replace(MASK, "\0")
    assert not any(secret in rest for secret in secrets)


def test_many_secrets_are_looked_for_at_once():
    """What is known of one object is masked in what is told of another."""
    known = Redactor()
    known.learn({"password": Secret(f"secret number {number:05}")} for number in range(500))
    assert known.text("x secret number 00321 y") == f"x {MASK} y"
    known.learn([Secret("later on")])
    assert known.text("later on and so on") == f"{MASK} and so on"


def test_outputs_that_repeat_a_secret_become_secret():
    """Under another name, within a text, encoded, or deep in a list."""
    outputs = {
        "issued": Secret("issued-value"),
        "told": "issued-value",
        "deep": [{"url": "https://u:input-value@host"}],
        "basic": base64.b64encode(b"me:input-value").decode(),
        "plain": "eu-central-1",
    }
    guarded = guard_repeats(outputs, {"password": Secret("input-value")})
    assert {name for name, value in guarded.items() if isinstance(value, Secret)} == {"issued", "told", "basic"}
    assert isinstance(guarded["deep"][0]["url"], Secret)
    assert guard_repeats({"plain": "x"}, {"name": "x"}) == {"plain": "x"}


def test_copies_of_errors_hold_no_secret():
    """Neither arguments nor facts nor chains; what failed stays to be seen."""
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as cause:
            raise ProviderError(f"it said {SECRET}", code="Denied", told=SECRET) from cause
    except ProviderError as error:
        copy = redacted(error, Redactor([SECRET]))
    assert copy.__cause__ is None
    assert copy.__context__ is None
    assert SECRET not in f"{copy!r} {copy} {copy.facts} {copy.args}"
    assert copy.facts["code"] == "Denied"
