"""Keys that are changed, and state that is sealed as a whole."""

from __future__ import annotations

import json
import re

import pytest

import faulty_cloud
from faulty_engine import FragileMemory
from iaclib import declare as iac
from iaclib.backends import Memory
from iaclib.backends.objects import Objects
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, SealError, StateError, TargetError
from iaclib.model.addresses import StackRef
from iaclib.model.values import Secret
from iaclib.plan.plan import Plan
from iaclib.state.keyfile import Ephemeral, KeyFile
from object_faults import Bucket, MemoryObjects
from recording import Account, Cloud, Now, Thing
from sentinels import files

REF = "shop/prod"
#: Words that a program, or a cloud, says: an input, an old half's, an output, an option, a provider's, an export, a note.
WORDS = (b"word-input", b"word-before", b"fixed-id", b"word-option", b"word-endpoint", b"word-export", b"word-key")


class Shop(iac.Stack, project="shop"):
    """Something in every part of state."""

    second: bool = False

    def build(self):
        first = Thing(
            "first",
            password="hunter2hunter2",
            data={"word-key": "word-input"},
            hard="word-after" if self.second else "word-before",
            opts=iac.Options(on_delete={"final": "word-option"}),
        )
        Thing("second", link=first.fixed, size=2 if self.second else 1)
        self.export(url="word-export", told=first.fixed, secret=iac.secret("s3cr3t-export"))


@pytest.fixture(autouse=True)
def cloud():
    faulty_cloud.Now.cloud = faulty_cloud.Cloud()
    Now.cloud = Cloud()
    return Now.cloud


def engine_on(state, **options):
    return Engine(state=state, providers=[Account("1", "here", "https://word-endpoint")], parallelism=0, **options)


def with_an_old_half(engine):
    """Leave an old half that could not be deleted."""
    engine.apply(Shop("prod"))
    Now.cloud.fail("D first")
    with pytest.raises(ApplyFailed):
        engine.apply(Shop("prod", second=True))
    assert engine.snapshot(REF).superseded


def content(snapshot):
    """Give what a snapshot says once it is opened, apart from its key and serial."""

    def shown(value):
        if isinstance(value, Secret):
            return ("secret", value.reveal())
        if isinstance(value, dict):
            return {name: shown(item) for name, item in value.items()}
        return [shown(item) for item in value] if isinstance(value, list | tuple) else value

    records = [*snapshot.records.values(), *snapshot.superseded, *(one.record for one in snapshot.intents.values())]
    return [
        (one.address, one.id, *map(shown, (one.inputs, one.baseline, one.observed, one.outputs, one.options)))
        for one in records
    ] + [shown(dict(snapshot.outputs))]


# ------------------------------------------------------------------------------------------------------------ rotation


def test_another_keyring_takes_over(tmp_path):
    """Both are needed to rotate, and the new one alone from then on; the cloud is not touched."""
    state, old, new = f"sqlite:///{tmp_path}/s.db", KeyFile(tmp_path / "old.key"), KeyFile(tmp_path / "new.key")
    with engine_on(state, keyring=old) as engine:
        with_an_old_half(engine)
        before = content(engine.snapshot(REF))
    Now.cloud.take()
    with engine_on(state, keyring=[new, old]) as engine:
        assert content(engine.snapshot(REF)) == before
        run = engine.rotate(REF)
        assert run.ok
        assert engine.history(REF)[-1].operation == "rotate"
        assert engine.history(REF)[-1].status == "ok"
    with engine_on(state, keyring=new) as engine:
        assert content(engine.snapshot(REF)) == before
        assert not Now.cloud.take()
        engine.apply(Shop("prod", second=True))
        assert not engine.plan(Shop("prod", second=True))
    with (
        engine_on(state, keyring=old) as engine,
        pytest.raises(SealError, match=r"old\.key.*another key.*expected the one with id"),
    ):
        engine.snapshot(REF)


def test_no_byte_of_what_was_sealed_before_stays(tmp_path):
    """Neither old ciphertexts nor the old wrapped key are in the file or its -wal; earlier serials are gone."""
    with engine_on(f"sqlite:///{tmp_path}/s.db") as engine:
        with_an_old_half(engine)
        serial = engine.snapshot(REF).serial
        engine.snapshot(REF, serial=serial)
        seen = re.compile(rb'\$iac:(?:sealed|veiled)":"([^"]{20,})"|"data":"([^"]{20,})"')
        sealed = {text for data in files(tmp_path).values() for pair in seen.findall(data) for text in pair if text}
        assert len(sealed) > 5
        engine.rotate(REF)
        everything = b"".join(files(tmp_path).values())
        assert not [text for text in sealed if text in everything]
        with pytest.raises(StateError, match="retained"):
            engine.snapshot(REF, serial=serial)
        assert content(engine.snapshot(REF, serial=engine.snapshot(REF).serial)) == content(engine.snapshot(REF))


def test_no_object_has_what_was_sealed_before():
    """The same in an object store."""
    bucket, keyring = Bucket(), Ephemeral()
    seen = re.compile(rb'\$iac:(?:sealed|veiled)":"([^"]{20,})"|"data":"([^"]{20,})"')

    def sealed():
        everything = b"".join(data for data, *_ in bucket.objects.values())
        return {text for pair in seen.findall(everything) for text in pair if text}

    engine = engine_on(Objects(MemoryObjects(bucket), fold_after=2), keyring=keyring)
    with_an_old_half(engine)
    before, old = content(engine.snapshot(REF)), sealed()
    assert len(old) > 5
    engine.rotate(REF)
    assert not old & sealed()
    again = engine_on(Objects(MemoryObjects(bucket)), keyring=keyring)
    assert content(again.snapshot(REF)) == before
    with pytest.raises(StateError, match="retained"):
        again.snapshot(REF, serial=1)


@pytest.mark.parametrize("how", ["kill before", "kill after", "refused", "answer lost"])
@pytest.mark.parametrize("encrypt", [None, "all"])
def test_a_kill_at_any_write_loses_nothing(how, encrypt):
    """State opens with the keys that there are, says the same, and rotating again ends it."""
    old, new = Ephemeral(), Ephemeral()
    for number in range(1, 20):
        state = FragileMemory()
        with_an_old_half(engine_on(state, keyring=old))
        before = content(engine_on(state, keyring=old).snapshot(REF))
        state.kill_in, state.how = number, how
        faulty_cloud.Now.cloud.dead = False
        try:
            engine_on(state, keyring=[new, old], encrypt=encrypt).rotate(REF)
        except (faulty_cloud.Killed, StateError):
            faulty_cloud.Now.cloud.dead = False
        reached, state.kill_in, state.how = state.kill_in <= 0, 0, ""
        again = engine_on(state, keyring=[new, old], encrypt=encrypt)
        assert content(again.snapshot(REF)) == before, number
        again.rotate(REF)
        assert content(engine_on(state, keyring=new).snapshot(REF)) == before
        assert engine_on(state, keyring=new).history(REF)[-1].operation == "rotate"
        if not reached:
            break
    assert number > 2


def test_interrupted_operations_keep_what_they_noted():
    """An intent, its checkpoint and all, is sealed anew; it is decided afterwards as it would have been."""
    old, new, state = Ephemeral(), Ephemeral(), Memory()

    def torn(effect):
        effect()
        raise faulty_cloud.Killed

    Now.cloud.instead("C first", torn)
    with pytest.raises(faulty_cloud.Killed):
        engine_on(state, keyring=old).apply(Shop("prod"))
    engine_on(state, keyring=[new, old], encrypt="all").rotate(REF)
    engine = engine_on(state, keyring=new)
    assert [one.action for one in engine.snapshot(REF).intents.values()] == ["create"]
    engine.apply(Shop("prod"))
    assert len(Now.cloud.ids("first")) == 1


def test_rotation_needs_state_and_a_key_that_can_be_used():
    """A stack without state is a mistake in the name; a keyring that can't wrap changes nothing."""

    class Broken(Ephemeral):
        def wrap(self, key, context, stack=""):
            raise SealError("kms: no answer, expected one; run again")

    state, old = Memory(), Ephemeral()
    engine_on(state, keyring=old).apply(Shop("prod"))
    serial = state.load(StackRef.parse(REF)).serial
    with pytest.raises(TargetError, match="no state to rotate"):
        engine_on(state, keyring=old).rotate("shop/other")
    with pytest.raises(SealError, match="no answer"):
        engine_on(state, keyring=[Broken(), old]).rotate(REF)
    assert state.load(StackRef.parse(REF)).serial == serial
    assert not engine_on(state, keyring=old).plan(Shop("prod"))


# --------------------------------------------------------------------------------------------------------- everything


def shown_words(folder):
    """Name the words that can be read in files, key files apart."""
    everything = b"".join(files(folder).values())
    return [word for word in WORDS if word in everything]


def test_new_state_shows_nothing_at_all(tmp_path):
    """From its first byte on, through failures too, saved plans and exports included."""
    with engine_on(f"sqlite:///{tmp_path}/s.db", encrypt="all") as engine:
        with_an_old_half(engine)
        assert shown_words(tmp_path) == []
        text = engine.export_state(REF).encode()
        assert not [word for word in WORDS if word in text]


def test_existing_state_is_converted_by_a_rotation(tmp_path):
    """Before it everything but secrets is readable, after it nothing is, and back again."""
    state = f"sqlite:///{tmp_path}/s.db"
    with engine_on(state) as engine:
        with_an_old_half(engine)
        before = content(engine.snapshot(REF))
    assert set(shown_words(tmp_path)) >= {word for word in WORDS if word != b"word-endpoint"}
    with engine_on(state, encrypt="all") as engine:
        engine.rotate(REF)
        assert content(engine.snapshot(REF)) == before
        assert shown_words(tmp_path) == []
    with engine_on(state) as engine:  # goes on as state has it
        engine.apply(Shop("prod", second=True))
        engine.apply(Shop("prod"))
        engine.rotate(REF)
        assert shown_words(tmp_path) == []
    with engine_on(state, encrypt="secrets") as engine:
        before = content(engine.snapshot(REF))
        engine.rotate(REF)
        assert content(engine.snapshot(REF)) == before
        assert b"word-input" in shown_words(tmp_path)


def test_a_record_is_converted_by_its_next_write():
    """Without a rotation what isn't written stays as it was."""
    state, ring = Memory(), Ephemeral()
    engine_on(state, keyring=ring).apply(Shop("prod"))
    Now.cloud.fail("D first")
    with pytest.raises(ApplyFailed):
        engine_on(state, keyring=ring, encrypt="all").apply(Shop("prod", second=True))
    stored = state.load(StackRef.parse(REF))
    assert "word-after" not in repr(stored.records)
    assert "word-before" in repr(stored.superseded) or "word-before" in repr(stored.intents)
    engine = engine_on(state, keyring=ring)
    engine.apply(Shop("prod", second=True))
    assert not engine.plan(Shop("prod", second=True))


def test_sealed_state_can_be_moved_about(tmp_path):
    """Planned, exported, imported, copied, renamed, given to another stack: it stays sealed, whoever asks."""
    ring = KeyFile(tmp_path / "a.key")
    state = f"sqlite:///{tmp_path}/s.db"
    with engine_on(state, keyring=ring, encrypt="all") as engine:
        engine.apply(Shop("prod"))
    with engine_on(state, keyring=ring) as engine:
        plan = engine.plan(Shop("prod", second=True))
        assert plan
        before = content(engine.snapshot(REF))
        engine.import_state("shop/copy", engine.export_state(REF))
        engine.copy_state(REF, to=f"sqlite:///{tmp_path}/there.db", keyring=ring)
        engine.rename(REF, "shop/renamed")
        assert shown_words(tmp_path) == []
        for ref in ("shop/copy", "shop/renamed"):
            assert content(engine.snapshot(ref)) == before
        engine.transfer("shop/renamed", "shop/taker", {"second": "taken"})
        assert shown_words(tmp_path) == []
        engine.repair("shop/renamed", dry_run=False)
        engine.drift("shop/renamed")
        engine.refresh("shop/renamed")
        engine.move("shop/renamed", "first", "moved")
        assert shown_words(tmp_path) == []
        engine.destroy("shop/renamed")
        engine.destroy("shop/taker")
    with engine_on(f"sqlite:///{tmp_path}/there.db", keyring=ring) as engine:
        assert content(engine.snapshot(REF)) == before


def test_a_saved_plan_of_sealed_state_is_carried_out(tmp_path):
    """Made by one engine, applied by another."""
    state = f"sqlite:///{tmp_path}/s.db"
    with engine_on(state, encrypt="all") as engine:
        engine.apply(Shop("prod"))
        engine.plan(Shop("prod", second=True)).save(tmp_path / "next.plan")
    with engine_on(state) as engine:
        engine.apply(Plan.load(tmp_path / "next.plan"))
        assert not engine.plan(Shop("prod", second=True))


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("encrypt", [None, "all"])
@pytest.mark.parametrize("damage", ["swapped", "flipped", "torn"])
def test_altered_sealed_values_are_refused(encrypt, damage):
    """What was sealed for another resource, or isn't as it was written, opens nowhere; nothing is called."""
    ring, kind = Ephemeral(), "veiled" if encrypt else "sealed"
    engine = engine_on(Memory(), keyring=ring, encrypt=encrypt)
    with iac.Stack("prod", project="shop") as stack:
        for name in ("one", "two"):
            Thing(name, password=f"hunter2-{name}")
    engine.apply(stack)
    told = json.loads(engine.export_state(REF))
    del told["sha256"]
    one, two = (told["state"]["records"][name]["inputs"] for name in ("one", "two"))
    if not encrypt:
        one, two = one["password"], two["password"]
    (name,) = one
    assert kind in name
    if damage == "swapped":
        one[name], two[name] = two[name], one[name]
    elif damage == "flipped":
        one[name] = one[name][:20] + ("A" if one[name][20] != "A" else "B") + one[name][21:]
    else:
        one[name] = one[name][: len(one[name]) // 2]
    Now.cloud.take()
    other = engine_on(Memory(), keyring=ring)
    with pytest.raises(SealError, match=r"one: a sealed value can't be opened"):
        other.import_state(REF, json.dumps(told))
    assert not other.stacks()
    assert not Now.cloud.take()
