"""Handlers are told whether a create may have been called before with the token that they get."""

from __future__ import annotations

from typing import ClassVar

import pytest

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, ThrottledError
from iaclib.provider.handler import Live
from virtual import VirtualClock


class Handler:
    """Fails as told, and notes what it was told; knows nothing of what it made."""

    seen: ClassVar[list[tuple[str, bool]]] = []
    fails: ClassVar[list[Exception]] = []

    def create(self, ctx, inputs):
        self.seen.append((ctx.token, ctx.repeated))
        if self.fails:
            raise self.fails.pop(0)
        return Live(ctx.token)

    def find(self, ctx, inputs):
        return None

    def read(self, ctx, id):
        return Live(id)

    def delete(self, ctx, id):
        pass


class Thing(iac.Resource, type="repeated:Thing", handler=Handler):
    """Anything."""


class Some(iac.Stack, project="repeated"):
    """One of it."""

    def build(self):
        Thing("thing")


@pytest.fixture(autouse=True)
def _fresh():
    Handler.seen.clear()
    Handler.fails.clear()


def test_only_the_first_call_with_a_new_token_is_none():
    """A retry is one, and a token that is used again, as an earlier call with it may show up late."""
    engine = Engine(state="memory:", parallelism=0, _clock=VirtualClock())
    Handler.fails[:] = [ThrottledError("later"), RuntimeError("no answer")]
    with pytest.raises(ApplyFailed):
        engine.apply(Some("prod"))
    engine.apply(Some("prod"))
    tokens = {token for token, _ in Handler.seen}
    assert [repeated for _, repeated in Handler.seen] == [False, True, True]
    assert len(tokens) == 1
