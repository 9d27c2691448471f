"""Keyrings by text or object: what each needs, and what it says where that is missing."""

from __future__ import annotations

import hashlib

import pytest

from iaclib import declare as iac
from iaclib.backends import Memory
from iaclib.engine.engine import Engine
from iaclib.engine.keyrings import Keys, open_keyring
from iaclib.errors import ConfigError, SealError
from iaclib.model.addresses import StackRef
from iaclib.state.keyfile import Ephemeral, KeyFile
from iaclib.state.passphrase import Passphrase
from recording import Cloud, Now, Thing

KEY = bytes(range(32))


class Remote(Memory):
    """A backend that has no key of its own."""

    def default_keyring(self):
        return None


class Shop(iac.Stack, project="shop"):
    """One secret among others."""

    size: int = 1

    def build(self):
        Thing("plain", size=self.size)
        Thing("secret", password="hunter2hunter2", size=self.size)


@pytest.fixture(autouse=True)
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


@pytest.fixture
def derived(monkeypatch):
    """Count the derivations."""
    calls = []
    real = hashlib.scrypt
    monkeypatch.setattr(hashlib, "scrypt", lambda *args, **options: calls.append(1) or real(*args, **options))
    return calls


def test_a_passphrase_is_derived_once_a_run(monkeypatch, derived):
    """However many secrets, stacks and operations there are; once more in a process that only reads."""
    monkeypatch.setenv("PHRASE", "correct horse battery")
    state = Remote()
    engine = Engine(state=state, keyring="passphrase:env:PHRASE")
    engine.apply(Shop("a"))
    engine.apply(Shop("b"))
    engine.snapshot("shop/a")
    assert len(derived) == 1
    assert Engine(state=state, keyring="passphrase:env:PHRASE").snapshot("shop/a").records
    assert len(derived) == 2


def test_a_wrong_passphrase_is_told_before_anything_happens(monkeypatch):
    """It says which is needed, never what was given; nothing is called or written."""
    monkeypatch.setenv("PHRASE", "correct horse battery")
    state = Remote()
    Engine(state=state, keyring="passphrase:env:PHRASE").apply(Shop("a"))
    stored = state.load(StackRef.parse("shop/a"))
    Now.cloud.take()
    monkeypatch.setenv("PHRASE", "something else entirely")
    engine = Engine(state=state, keyring="passphrase:env:PHRASE")
    for action in (
        lambda: engine.apply(Shop("a", size=2)),
        lambda: engine.plan(Shop("a", size=2)),
        lambda: engine.destroy("shop/a"),
    ):
        with pytest.raises(SealError, match=r"another passphrase.*PHRASE with id \w{16}") as caught:
            action()
        assert "something else" not in str(caught.value)
    assert not Now.cloud.take()
    assert state.load(StackRef.parse("shop/a")) == stored


def test_a_missing_variable_is_told_at_once(monkeypatch):
    """Before the engine is even made."""
    monkeypatch.delenv("PHRASE", raising=False)
    with pytest.raises(SealError, match="PHRASE"):
        Engine(state=Memory(), keyring="passphrase:env:PHRASE")


def test_the_passphrase_of_the_environment_is_taken(monkeypatch):
    """``IACLIB_PASSPHRASE`` writes, beside a key that the backend has of its own."""
    monkeypatch.setenv("IACLIB_PASSPHRASE", "correct horse battery")
    ring = open_keyring(None, Remote())
    assert isinstance(ring, Passphrase)
    assert open_keyring(None, Memory()).name == "ephemeral"


def test_state_that_asks_for_endless_work_is_refused():
    """Whoever can write state must not be able to stall its readers."""
    wrapped = Passphrase("correct horse battery").wrap(KEY, "lineage")
    for cost in ([2**40, 8, 1], [2**17, 8, 0], [2**17, 8], "x"):
        with pytest.raises(SealError, match="altered"):
            Passphrase("correct horse battery").unwrap({**wrapped, "cost": cost}, "lineage")


def test_one_writes_and_all_read(tmp_path):
    """The first of a list wraps; each unwraps what is its own, whatever its kind."""
    rings = [KeyFile(tmp_path / "new.key"), KeyFile(tmp_path / "old.key"), Passphrase("correct horse battery")]
    for ring in rings:
        assert Keys(rings).unwrap(ring.wrap(KEY, "lineage"), "lineage") == KEY
    wrapped = Keys(rings).wrap(KEY, "lineage")
    assert rings[0].unwrap(wrapped, "lineage") == KEY
    with pytest.raises(SealError, match=r"new\.key.*or.*old\.key"):
        Keys(rings).unwrap(KeyFile(tmp_path / "other.key").wrap(KEY, "lineage"), "lineage")
    with pytest.raises(SealError, match=r"kind 'ephemeral'.*keyring=\[new, old\]"):
        Keys(rings).unwrap(Ephemeral().wrap(KEY, "lineage"), "lineage")


@pytest.mark.parametrize("ring", [Ephemeral(), Passphrase("correct horse battery")], ids=["key", "passphrase"])
def test_a_wrapped_key_is_bound_to_its_stack(ring):
    """It opens for no other lineage, and not if a byte of it is another."""
    wrapped = ring.wrap(KEY, "lineage")
    with pytest.raises(SealError, match="altered or belongs to another stack"):
        ring.unwrap(wrapped, "another")
    with pytest.raises(SealError, match="altered"):
        ring.unwrap({**wrapped, "data": "AAAA" + wrapped["data"][4:]}, "lineage")


@pytest.mark.parametrize(
    "text", ["nothing:x", "hunter2hunter2", "file:", "passphrase:hunter2", "awskms:x", "gcpkms:x", "azkv:x"]
)
def test_a_text_that_names_no_keyring_is_refused(text):
    """With what is expected; a text that may be the secret itself isn't repeated."""
    with pytest.raises(ConfigError, match="expected") as caught:
        Engine(state=Memory(), keyring=text)
    assert "hunter2" not in str(caught.value)


def test_other_mistakes_are_refused():
    """Neither an empty list nor any object."""
    for wrong in ([], 5, [object()]):
        with pytest.raises(ConfigError, match="expected"):
            Engine(state=Memory(), keyring=wrong)


def test_the_first_secret_needs_a_key_before_any_call():
    """A remote backend has none of its own: nothing is called, not even for what is not secret."""
    state = Remote()
    with pytest.raises(SealError, match="pass keyring= to the Engine"):
        Engine(state=state).apply(Shop("a"))
    assert not Now.cloud.take()
    assert not state.load(StackRef.parse("shop/a")).records
