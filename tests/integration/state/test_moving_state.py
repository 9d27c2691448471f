"""State that goes elsewhere: exported, imported, copied, renamed, moved between stacks."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from iaclib import declare as iac
from iaclib.backends import Memory, Sqlite
from iaclib.engine import relocation
from iaclib.engine.engine import Engine
from iaclib.engine.relocation import entries_of
from iaclib.errors import (
    ApplyFailed,
    DeclarationError,
    LeaseHeldError,
    SealError,
    StalePlanError,
    StateCorruptError,
    StateError,
    StateVersionError,
    TargetError,
)
from iaclib.model.addresses import StackRef
from iaclib.state import export
from iaclib.state.journal import reduce
from iaclib.state.keyfile import Ephemeral
from iaclib.state.record import FORMAT, Intent, KeptToken, Snapshot
from recording import Cloud, Now, Thing
from state_samples import TTL, holder, record


class Net(iac.Component):
    """Two things."""

    def build(self):
        vpc = Thing("vpc", password="hunter2")
        Thing("subnet", link=vpc.id)


class Shop(iac.Stack, project="shop"):
    """A network, and a server on it."""

    moved: bool = False

    def build(self):
        if not self.moved:
            Net("net")
        top = Thing("top", size=1)
        Thing("beside", opts=iac.Options(deleted_with=top))
        self.export(secret=iac.secret("s3"), url="u")


class Network(iac.Stack, project="network"):
    """Where the network goes."""

    def build(self):
        Net("main")


@pytest.fixture(autouse=True)
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


@pytest.fixture
def engine(tmp_path):
    with Engine(state=f"sqlite:///{tmp_path}/s.db") as made:
        made.apply(Shop("prod"))
        Now.cloud.take()
        yield made


def content(snapshot):
    """Give what a snapshot says, apart from which state it is."""
    records = {address: (r.id, r.uid, dict(r.inputs), r.dependencies) for address, r in snapshot.records.items()}
    return repr((records, dict(snapshot.outputs), [r.uid for r in snapshot.superseded], dict(snapshot.generations)))


# ------------------------------------------------------------------------------------------------- export and import


def test_export_is_canonical_and_sealed(engine):
    """Equal state, equal text; it names its format, and shows no secret."""
    text = engine.export_state("shop/prod")
    assert text == engine.export_state(Shop("prod"))
    told = json.loads(text)
    assert (told["kind"], told["format"], told["project"], told["stack"]) == ("iaclib state", FORMAT, "shop", "prod")
    assert told["state"]["records"]["net/vpc"]["id"] == Now.cloud.ids("net/vpc")[0]
    assert "hunter2" not in text
    assert '"s3"' not in text


def test_what_was_exported_can_be_imported(engine):
    """A new stack gets records, secrets, outputs and history; nothing is called."""
    before = engine.snapshot("shop/prod")
    run = engine.import_state("shop/copy", engine.export_state("shop/prod"))
    after = engine.snapshot("shop/copy")
    assert run.ok
    assert content(after) == content(before)
    assert after.lineage != before.lineage
    assert [one.operation for one in engine.history("shop/copy")] == ["import state", "apply"]
    assert Now.cloud.calls == []
    assert not engine.plan(Shop("copy"))


def test_earlier_state_can_be_brought_back(engine):
    """An export of an earlier serial replaces the state, on demand only; that can be undone by its serial too."""
    engine.apply(Shop("prod", moved=True))
    first = next(n for n in range(1, 99) if "net/vpc" in engine.snapshot("shop/prod", serial=n).records)
    text = engine.export_state("shop/prod", serial=first)
    with pytest.raises(StateError, match="has state already"):
        engine.import_state("shop/prod", text)
    serial = engine.snapshot("shop/prod").serial
    engine.import_state("shop/prod", text, force=True)
    now, then = engine.snapshot("shop/prod"), engine.snapshot("shop/prod", serial=first)
    assert {name: one.id for name, one in now.records.items()} == {name: one.id for name, one in then.records.items()}
    assert (now.outputs, now.intents) == (then.outputs, then.intents)
    assert "net/vpc" not in engine.snapshot("shop/prod", serial=serial).records


def test_everything_in_a_snapshot_can_be_written_anew():
    """Old halves, intents, generations and tokens come out of the entries as they went in."""
    old, new = record("a"), structs.replace(record("a"), id="a2", uid="u2", generation=2)
    snapshot = Snapshot(
        records={"a": new, "b": record("b", dependencies=("a",))},
        superseded=(old,),
        intents={"s": Intent("s", "delete", "t", old, begun=1.0)},
        outputs={"x": 1},
        generations={"gone": 3},
        tokens={"later": KeptToken("t", "d", 1.0)},
    )
    assert reduce(Snapshot(), entries_of(snapshot)) == snapshot
    told = export.load(export.dump(StackRef("p", "s"), snapshot, []), "here")
    assert told == (snapshot, [])


def test_bad_text_is_refused(engine):
    """Cut, altered, foreign or newer text changes nothing, and the error says which it is."""
    text = engine.export_state("shop/prod")
    newer = text.replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}')
    bad = [text[:-40], text.replace("id-1", "id-7"), "{}", "[]", "", '{"kind": "iaclib state", "format": 1}']
    for one in bad:
        with pytest.raises(StateCorruptError, match="shop/new"):
            engine.import_state("shop/new", one)
    with pytest.raises(StateVersionError, match="newer iaclib"):
        engine.import_state("shop/new", newer)
    assert StackRef("shop", "new") not in engine.stacks()
    with pytest.raises(StateError, match="no such stack"):
        engine.export_state("shop/new")


def test_import_needs_the_key_that_sealed(engine):
    """Another engine's keyring can't open the secrets, and nothing is written."""
    text = engine.export_state("shop/prod")
    with Engine(state="memory:", keyring=Ephemeral()) as other:
        with pytest.raises(SealError):
            other.import_state("shop/prod", text)
        assert not other.stacks()


# ------------------------------------------------------------------------------------------------------------- copying


def test_copy_is_sealed_with_the_other_key(engine, tmp_path):
    """Another backend gets state and history, sealed with its own key."""
    to = Sqlite(tmp_path / "other" / "t.db")
    engine.copy_state("shop/prod", to=to)
    with Engine(state=to) as other:
        assert content(other.snapshot("shop/prod")) == content(engine.snapshot("shop/prod"))
        assert not other.plan(Shop("prod"))
        assert [run.operation for run in other.history("shop/prod")] == ["copy", "apply"]
    with pytest.raises(StateError, match="has state already"):
        engine.copy_state("shop/prod", to=f"sqlite:///{tmp_path}/other/t.db")
    with pytest.raises(StateError, match="no such stack"):
        engine.copy_state("shop/none", to=Memory())


# ------------------------------------------------------------------------------------------------------------ renaming


def test_renamed_stack_keeps_everything(engine):
    """Records, secrets, outputs and history are under the new name, nothing under the old one, nothing is called."""
    before = content(engine.snapshot("shop/prod"))
    run = engine.rename("shop/prod", "web/live")
    assert content(engine.snapshot("web/live")) == before
    assert engine.stacks() == [StackRef("web", "live")]
    assert {step.action for step in run.steps} == {"move"}
    assert [one.operation for one in engine.history("web/live")] == ["rename", "apply"]
    assert Now.cloud.calls == []
    assert engine.apply(Shop("prod", moved=True)).ok  # the old name is free


def test_plan_made_before_the_rename_is_stale(engine):
    """A plan is bound to the state that it was made from."""
    plan = engine.plan(Shop("prod", moved=True))
    engine.rename("shop/prod", "shop/live")
    with pytest.raises(StalePlanError):
        engine.apply(plan)
    assert Now.cloud.calls == []


def test_name_that_is_taken_is_refused(engine):
    """Nothing is overwritten."""
    engine.apply(Network("prod"))
    for old, new in (("shop/prod", "network/prod"), ("shop/none", "shop/more")):
        with pytest.raises(StateError, match=r"has state already|no such stack"):
            engine.rename(old, new)
    with pytest.raises(DeclarationError):
        engine.rename("shop/prod", "shop/prod")
    assert not engine.plan(Shop("prod"))


# ------------------------------------------------------------------------------------------------------- transferring


def test_component_moves_to_another_stack(engine):
    """Its records go with their secrets and edges among them; both programs then have nothing to do."""
    ids = {name: Now.cloud.ids(f"net/{name}") for name in ("vpc", "subnet")}
    run = engine.transfer("shop/prod", "network/prod", {"net": "main"})
    assert sorted((step.action, step.address) for step in run.steps) == [("move", "main/subnet"), ("move", "main/vpc")]
    after = engine.snapshot("network/prod")
    assert {name: [after.records[f"main/{name}"].id] for name in ids} == ids
    assert after.records["main/vpc"].inputs["password"].reveal() == "hunter2"
    assert after.records["main/subnet"].dependencies == ("main/vpc",)
    assert after.records["main/subnet"].parent == "main"
    assert sorted(engine.snapshot("shop/prod").records) == ["beside", "top"]
    assert not engine.plan(Network("prod"))
    assert not engine.plan(Shop("prod", moved=True))
    assert Now.cloud.calls == []


def test_edges_between_stacks_are_cut(engine):
    """What depends on something that moved, or goes with it, stands by itself, and state is sound."""
    engine.transfer("shop/prod", "network/prod", {"net/vpc": "vpc", "top": "top"})
    left = engine.snapshot("shop/prod").records
    assert left["net/subnet"].dependencies == ()
    assert "deleted_with" not in left["beside"].options
    assert not engine.repair("shop/prod")
    assert not engine.repair("network/prod")
    engine.destroy("shop/prod")
    assert len(Now.cloud.objects) == 2


def test_old_half_moves_along(engine):
    """An object that waits for its delete is deleted by the stack that it went to."""
    Now.cloud.fail("D one")

    class One(iac.Stack, project="one"):
        hard: str = "a"

        def build(self):
            Thing("one", hard=self.hard)

    engine.apply(One("s"))
    with pytest.raises(ApplyFailed):
        engine.apply(One("s", hard="b"))
    engine.transfer("one/s", "network/prod", {"one": "one"})
    assert len(engine.snapshot("network/prod").superseded) == 1
    assert not engine.snapshot("one/s").superseded
    engine.destroy("network/prod")
    assert not Now.cloud.ids("one")


@pytest.mark.parametrize(
    "moves", [{"nothing": "x"}, {"top": "main/vpc"}, {"top": "x", "beside": "x"}], ids=["missing", "taken", "twice"]
)
def test_transfer_that_can_not_be_is_refused(engine, moves):
    """Nothing is written in either stack."""
    engine.apply(Network("prod"))
    before = [engine.snapshot(ref).serial for ref in ("shop/prod", "network/prod")]
    with pytest.raises(TargetError):
        engine.transfer("shop/prod", "network/prod", moves)
    assert [engine.snapshot(ref).serial for ref in ("shop/prod", "network/prod")] == before


def test_stack_that_an_interrupted_move_went_to_keeps_its_name(engine, monkeypatch):
    """Its history decides the move; after that it can be renamed, and every object is in one stack."""

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(relocation, "let_go", killed)
        with pytest.raises(Killed):
            engine.transfer("shop/prod", "network/prod", {"net": "main"})
    with pytest.raises(StateError, match=r"network/prod: an interrupted move.*recover\('shop/prod'\)"):
        engine.rename("network/prod", "network/new")
    with pytest.raises(TargetError, match="nothing is undecided"):
        engine.resolve("shop/prod", "net/vpc", done=True)
    engine.recover("shop/prod")
    engine.rename("network/prod", "network/new")
    assert sorted(engine.snapshot("network/new").records) == ["main/subnet", "main/vpc"]
    assert sorted(engine.snapshot("shop/prod").records) == ["beside", "top"]


def test_both_stacks_are_held(engine, tmp_path):
    """A stack that somebody works on is not moved to, nor from; the other one is free again at once."""
    backend = Sqlite(tmp_path / "s.db")
    for busy in ("shop/prod", "network/prod"):
        lease = backend.acquire(StackRef.parse(busy), holder(), TTL)
        with pytest.raises(LeaseHeldError):
            engine.transfer("shop/prod", "network/prod", {"net": "main"})
        backend.release(lease)
    engine.transfer("shop/prod", "network/prod", {"net": "main"})
    backend.close()
