"""Taking over what exists already: by id, by ``adopt``, and by hand after a kill."""

from __future__ import annotations

import pytest

import iaclib as iac
from iaclib.errors import ApplyFailed, UndecidedError
from iaclib.local import Command, Directory, File, HttpResource, RandomId
from rest_api import Fault


def test_a_file_is_imported_and_brought_to_its_declaration(engine, work, stack, actions):
    """An import reads, then writes what differs."""
    (work / "f").write_text("theirs")

    def build():
        File("file", path=str(work / "f"), content=iac.secret("mine"), opts=iac.Options(import_id=str(work / "f")))

    plan = engine.plan(stack(build))
    assert "theirs" not in str(plan)
    engine.apply(plan)
    assert (work / "f").read_text() == "mine"
    assert not engine.plan(stack(build), refresh=True)


def test_what_exists_is_adopted_if_that_is_asked_for(engine, work, stack):
    """A folder, a file and what a read command sees are taken over instead of a conflict."""
    (work / "d").mkdir()
    (work / "d" / "f").write_text("theirs")
    (work / "made").touch()

    def build():
        folder = Directory("folder", path=str(work / "d"), mode="0700")
        File("file", path=f"{folder.id}/f", content="mine")
        Command("command", create=["false"], read=["test", "-e", "made"], cwd=str(work))

    engine.apply(engine.plan(stack(build), adopt=True))
    assert (work / "d" / "f").read_text() == "mine"
    assert not engine.plan(stack(build), refresh=True)


def test_an_object_of_an_api_is_imported(engine, api, stack, actions):
    """By its id, with the requests that are declared."""
    api.store["/things/7"] = {"id": 7, "name": "old"}
    one = {"url": "/things/{id}"}

    def build(base=api.url):
        HttpResource(
            "it",
            base_url=base,
            create={"url": "/things"},
            read=one,
            update=one,
            headers={"Authorization": iac.secret("Bearer x")},
            body={"name": "new"},
            body_path="data",
            outputs={"id": "data.id"},
            opts=iac.Options(import_id="7"),
        )

    assert actions(engine.plan(stack(build))) == ["import it"]
    engine.apply(stack(build))
    assert api.store["/things/7"]["name"] == "new"
    assert api.headers[0]["authorization"] == "Bearer x"
    assert engine.snapshot("local/test").records["it"].outputs["values"] == {"id": 7}
    assert not engine.plan(stack(build), refresh=True)

    def unknown():
        drawn = RandomId("drawn")
        build(f"http://{drawn.hex}.test")

    engine.forget("local/test", "it")
    with pytest.raises(ApplyFailed) as failed:
        engine.plan(stack(unknown))
    assert "expected plain values where an object is imported" in str(failed.value.exceptions[0])


def test_an_undecided_object_is_settled_by_hand(engine, api, stack):
    """What nothing can find is named by whoever looked."""
    one = {"url": "/things/{id}"}

    def build():
        HttpResource(
            "it", base_url=api.url, create={"url": "/things"}, read=one, update=one, body={"n": 1}, id_path="data.id"
        )

    api.faults.append(Fault("POST", 500, late=True))
    with pytest.raises(ApplyFailed):
        engine.apply(stack(build))
    with pytest.raises(UndecidedError, match="engine.resolve"):
        engine.recover("local/test")
    engine.resolve("local/test", "it", adopt="1")
    assert engine.snapshot("local/test").records["it"].id == "1"
    engine.apply(stack(build))
    assert len(api.store) == 1
