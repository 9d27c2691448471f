"""Random values through the engine: drawn once, kept, drawn anew."""

from __future__ import annotations

import base64

import pytest

import iaclib as iac
from iaclib.errors import ApplyFailed, InvalidRequestError
from iaclib.local import RandomId, RandomPassword
from iaclib.local.handlers.random import RandomIdHandler, RandomPasswordHandler


def test_an_id_is_kept_until_its_keepers_change(engine, stack, actions):
    """The same value over runs and refreshes; another for other keepers; nothing left after destroy."""

    def declared(**given):
        return stack(lambda: RandomId("id", **given))

    engine.apply(declared())
    first = engine.snapshot("local/test").records["id"]
    raw = bytes.fromhex(first.outputs["hex"])
    assert len(raw) == 8
    assert first.outputs["dec"] == str(int.from_bytes(raw, "big"))
    assert base64.urlsafe_b64decode(first.outputs["b64_url"] + "=") == raw
    assert not engine.plan(declared(), refresh=True)
    assert not engine.drift("local/test")
    assert actions(engine.apply(declared(keepers={"image": "b"}))) == ["create id", "delete id"]
    second = engine.snapshot("local/test").records["id"]
    assert second.id != first.id
    engine.destroy("local/test")
    assert not engine.snapshot("local/test").records


def test_a_password_is_sealed_and_reaches_what_uses_it(engine, stack, tmp_path):
    """The value is a secret in outputs, and in clear nowhere in state."""

    def build():
        password = RandomPassword("password", length=40)
        made.export(url=f"db://app:{password.result}@host")

    made = iac.Stack("test", project="local")
    with made:
        build()
    run = engine.apply(made)
    url = run.outputs["url"].reveal()
    value = url.removeprefix("db://app:").removesuffix("@host")
    assert len(value) == 40
    assert not engine.plan(made, refresh=True)
    assert value.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert value not in str(engine.snapshot("local/test").records)


@pytest.mark.parametrize(
    "given",
    [
        {"length": 8, "special": 0},
        {"length": 4},
        {"length": 300, "lower": 100, "upper": 0, "digits": 0, "special": 100, "override_special": "-"},
        {"length": 1, "lower": 0, "upper": 0, "digits": 1, "special": 0},
    ],
)
def test_a_password_holds_what_was_asked_for(ctx, given):
    """Each kind at least as often as asked for, a kind with 0 never, in any order."""
    special = given.get("override_special", "!@#$%&*()-_=+[]{}<>:?")
    kinds = {
        "lower": str.islower,
        "upper": str.isupper,
        "digits": str.isdigit,
        "special": lambda one: one in special,
    }
    wanted = {"lower": 1, "upper": 1, "digits": 1, "special": 1, **given}
    drawn = {RandomPasswordHandler().create(ctx(), wanted).outputs["result"].reveal() for _ in range(50)}
    for value in drawn:
        assert len(value) == given["length"]
        counts = {kind: sum(map(test, value)) for kind, test in kinds.items()}
        assert sum(counts.values()) == len(value)
        for kind, count in counts.items():
            assert count >= wanted[kind] if wanted[kind] else count == 0
    assert len(drawn) > 5


@pytest.mark.parametrize("given", [{"length": 3}, {"lower": 0, "upper": 0, "digits": 0, "special": 0}])
def test_a_password_that_can_not_be_is_refused(engine, stack, given):
    """More of the kinds than the length, or no kind at all, is an error that says the numbers."""
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(stack(lambda: RandomPassword("password", **given)))
    cause = failed.value.exceptions[0].cause
    assert isinstance(cause, InvalidRequestError)
    assert f"expected 1 to {given.get('length', 32)}" in str(cause)


def test_a_value_is_not_made_of_the_token(ctx):
    """State holds tokens in clear: the same token gives another value, and finds none."""
    wanted = {"length": 32, "lower": 1, "upper": 1, "digits": 1, "special": 1}
    handler = RandomPasswordHandler()
    first, second = (handler.create(ctx(token="a" * 32), wanted) for _ in range(2))
    assert first.outputs != second.outputs
    assert first.id != second.id
    assert handler.find(ctx(token="a" * 32), wanted) is None


def test_an_id_can_be_imported_and_a_password_can_not(ctx):
    """The id of a RandomId is all of it; that of a password tells nothing."""
    live = RandomIdHandler().read(ctx(), "00ff")
    assert live.outputs == {"hex": "00ff", "b64_url": "AP8", "dec": "255"}
    with pytest.raises(InvalidRequestError, match="expected one such as 8f3a"):
        RandomIdHandler().read(ctx(), "xyz")
    with pytest.raises(InvalidRequestError, match="lives in state alone"):
        RandomPasswordHandler().read(ctx(), "password-00")
