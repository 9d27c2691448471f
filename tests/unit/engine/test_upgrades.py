"""A type's new version meets old records: migrated, and changed in the same run where the program asks for it."""

from __future__ import annotations

import pytest

import iaclib as iac
from iaclib.declare import registry
from iaclib.provider.handler import Live


class Notes:
    """Keeps inputs."""

    def __init__(self):
        self.there, self.calls = {}, []

    def create(self, ctx, inputs):
        self.there["note-1"] = dict(inputs)
        return Live("note-1", {}, dict(inputs))

    def read(self, ctx, id):
        return Live(id, {}, self.there[id]) if id in self.there else None

    def update(self, ctx, id, before, after):
        self.calls.append((dict(before), dict(after)))
        self.there[id] = dict(after)
        return Live(id, {}, dict(after))

    def delete(self, ctx, id):
        self.there.pop(id, None)


@pytest.fixture
def notes():
    """Give the handler, which outlives the versions."""
    return Notes()


def first(notes):
    class Note(iac.Resource, type="upgrades:Note", handler=notes):
        label: iac.Input[str] = iac.field(replaces=True)
        text: iac.Input[str] = iac.field()

    class Board(iac.Stack):
        def build(self) -> None:
            Note("note", label="a", text="x")

    return Board("prod")


def second(notes, text="x"):
    class Note(iac.Resource, type="upgrades:Note", handler=notes, version=2):
        name: iac.Input[str] = iac.field(replaces=True)
        text: iac.Input[str] = iac.field()

        @classmethod
        def upgrade(cls, inputs, from_version):
            return {"name": inputs["label"], "text": inputs["text"]}

    class Board(iac.Stack):
        def build(self) -> None:
            Note("note", name="a", text=text)

    return Board("prod")


@pytest.fixture(autouse=True)
def registered():
    """Forget the type afterwards: its two versions are one class, as in a program that was edited."""
    yield
    registry._types.pop("upgrades:Note", None)


def again(stack, engine):
    return [(step.address, str(step.action)) for step in engine.apply(stack).steps]


def test_a_new_version_alone_calls_nothing(notes):
    with iac.Engine(state="memory:") as engine:
        engine.apply(first(notes))
        assert again(second(notes), engine) == []
        record = engine.snapshot("board/prod").records["note"]

    assert (record.version, record.inputs, record.baseline) == (
        2,
        {"name": "a", "text": "x"},
        {"name": "a", "text": "x"},
    )


def test_a_change_comes_with_a_new_version(notes):
    with iac.Engine(state="memory:") as engine:
        engine.apply(first(notes))
        assert again(second(notes, "y"), engine) == [("note", "update")]

    assert notes.calls == [({"name": "a", "text": "x"}, {"name": "a", "text": "y"})]
