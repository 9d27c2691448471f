"""Which provider serves a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import CredentialsError
from iaclib.provider.base import Identity, Provider
from iaclib.provider.handler import Live


class Reached:
    """The account that the credentials at hand lead to."""

    account = "1"
    deletes: ClassVar[list[str]] = []


class Handler:
    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        return Live(f"{ctx.address}-in-{Reached.account}", {}, dict(inputs))

    def read(self, ctx: Any, id: str) -> Live | None:
        return Live(id) if id.endswith(f"-{Reached.account}") else None

    def update(self, ctx: Any, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        return Live(id)

    def delete(self, ctx: Any, id: str) -> None:
        Reached.deletes.append(id)

    def find(self, ctx: Any, inputs: Mapping[str, Any]) -> Live | None:
        return None


class Faraway(Provider):
    name = "faraway"

    def identity(self) -> Identity:
        return Identity(Reached.account, "r")

    def handler(self, type: str) -> Handler:
        return Handler()


class Thing(iac.Resource, type="faraway:Thing"):
    size: iac.Input[int] = iac.field(default=1)


def test_credentials_of_another_account_destroy_and_forget_nothing(tmp_path, monkeypatch):
    """What they don't see would count as gone, and leave state."""
    monkeypatch.setattr(Reached, "deletes", [])
    state = f"sqlite:///{tmp_path}/s.db"
    with iac.Stack("dev", project="shop") as stack:
        Thing("a")
    with Engine(state=state) as engine:
        engine.apply(stack)
    monkeypatch.setattr(Reached, "account", "2")
    with Engine(state=state) as engine:
        for operation in (engine.destroy, engine.refresh, engine.drift):
            with pytest.raises(CredentialsError, match="through account 1, but the credentials at hand reach 2"):
                operation("shop/dev")
        assert engine.snapshot("shop/dev").records["a"].id == "a-in-1"
    assert Reached.deletes == []
    monkeypatch.setattr(Reached, "account", "1")
    with Engine(state=state) as engine:
        engine.destroy("shop/dev")
    assert Reached.deletes == ["a-in-1"]
