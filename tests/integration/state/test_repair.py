"""State that doesn't hold together is told, and mended without losing an object."""

from __future__ import annotations

import json
import sqlite3
import stat
from zlib import crc32

import pytest
from msgspec import structs

from iaclib import declare as iac
from iaclib.backends import Sqlite
from iaclib.engine.engine import Engine
from iaclib.errors import StateCorruptError
from iaclib.model.addresses import StackRef
from iaclib.state.journal import Began, Ended
from iaclib.state.record import Intent
from recording import Cloud, Now, Thing
from state_samples import TTL, holder, record

REF = StackRef("p", "s")


class Some(iac.Stack, project="p"):
    """Three things, two of them on the first, and a secret."""

    def build(self):
        a = Thing("a", password="hunter2")
        Thing("b", link=a.id)
        Thing("c", link=a.id, opts=iac.Options(deleted_with=a))
        self.export(x="y")


@pytest.fixture(autouse=True)
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


@pytest.fixture
def path(tmp_path):
    return tmp_path / "there" / "s.db"


@pytest.fixture
def engine(path):
    with Engine(state=f"sqlite:///{path}") as made:
        made.apply(Some("s"))
        yield made


def spoil(path, entries):
    """Write entries that no run would."""
    backend = Sqlite(path)
    lease = backend.acquire(REF, holder(), TTL)
    state = backend.load(REF)
    backend.append(lease, entries, lineage=state.lineage, serial=state.serial)
    backend.release(lease)
    backend.close()


def all_ids(engine, report=None):
    snapshot = engine.snapshot(REF)
    known = {one.id for one in (*snapshot.records.values(), *snapshot.superseded)}
    return known | (set(report.read_text().split('"')) if report else set())


def test_sound_state_is_left_alone(engine):
    """Nothing is found, nothing is written."""
    serial = engine.snapshot(REF).serial
    for dry_run in (True, False):
        found = engine.repair(REF, dry_run=dry_run)
        assert (bool(found), found.mended, str(found)) == (False, False, "state is sound")
    assert engine.snapshot(REF).serial == serial


def test_edges_to_nothing_are_dropped(engine, path):
    """What depends on, or is deleted with, something that isn't recorded stands by itself."""
    spoil(path, [Ended(drop="a")])
    with pytest.raises(StateCorruptError, match="repair"):
        engine.plan(Some("s"))
    told = engine.repair(REF)
    assert [one.address for one in told.findings] == ["b", "c", "c"]
    assert not told.mended
    with pytest.raises(StateCorruptError):  # it only told
        engine.apply(Some("s"))
    assert engine.repair(REF, dry_run=False).mended
    assert not engine.repair(REF)
    assert set(engine.snapshot(REF).records) == {"b", "c"}
    assert engine.history(REF)[-1].operation == "repair"
    engine.destroy(REF)


def test_two_records_of_one_object_become_one(engine, path):
    """The object stays with one record, and the other is in a file for its owner alone."""
    snapshot = engine.snapshot(REF)
    spoil(path, [Ended(put=structs.replace(record("twin"), type="test:Thing", id=snapshot.records["b"].id))])
    assert "recorded at b too" in str(engine.repair(REF))
    mended = engine.repair(REF, dry_run=False)
    assert "twin" not in engine.snapshot(REF).records
    assert json.loads(mended.report.read_text())["lost"][0]["dropped"]["address"] == "twin"
    assert stat.S_IMODE(mended.report.stat().st_mode) == 0o600
    assert not engine.plan(Some("s"))


@pytest.mark.parametrize("taken", [False, True], ids=["free address", "taken address"])
def test_object_of_an_interrupted_operation_is_recorded_again(engine, path, taken):
    """An intent that works on what no record has gives it back."""
    lost = structs.replace(record("a" if taken else "z"), uid="lost", id="id-lost", defined_by="")
    spoil(path, [Began(Intent("s1", "delete", "t1", lost, begun=1.0))])
    assert "interrupted delete of id-lost" in str(engine.repair(REF))
    ids = all_ids(engine)
    engine.repair(REF, dry_run=False)
    assert all_ids(engine) == {*ids, "id-lost"}
    assert not engine.repair(REF)


# -------------------------------------------------------------------------------------------------------- damaged rows


def damage(path, table, condition, change=lambda data: data[:-3] + b"\x00\x00\x00", *, checked=False):
    """Change bytes of rows; with ``checked`` so that their checksum says nothing."""
    db = sqlite3.connect(path)
    for key, data in db.execute(
        f"SELECT {'name' if table == 'rows' else 'serial'}, data FROM {table} WHERE {condition}"
    ):
        new = change(data)
        column = "name" if table == "rows" else "serial"
        sums = crc32(new) if checked else crc32(data)
        db.execute(f"UPDATE {table} SET data=?, crc=? WHERE {column}=?", (new, sums, key))
    db.commit()
    db.close()


@pytest.mark.parametrize("checked", [False, True], ids=["bit flips", "rubbish"])
def test_damaged_row_comes_back_from_the_journal(engine, path, checked):
    """A record whose row can't be read is read from the journal, with its secret; nothing is lost."""
    before = engine.snapshot(REF)
    engine.close()
    damage(path, "rows", "kind='record' AND name='a'", checked=checked)
    with pytest.raises(StateCorruptError, match=r"damaged.*repair"):
        engine.plan(Some("s"))
    told = engine.repair(REF)
    assert "the record a can't be read; what it said is known" in str(told)
    engine.repair(REF, dry_run=False)
    after = engine.snapshot(REF)
    assert (after.records, after.outputs, after.lineage) == (before.records, before.outputs, before.lineage)
    assert after.records["a"].inputs["password"].reveal() == "hunter2"
    assert not engine.repair(REF)
    assert not engine.plan(Some("s"))


def test_damage_on_both_sides_is_kept_in_a_file(engine, path):
    """What can be read from nowhere is left out of state, and its bytes are in the file; the rest is whole."""
    engine.close()
    damage(path, "rows", "kind='record' AND name='b'")
    damage(path, "journal", "1")
    mended = engine.repair(REF, dry_run=False)
    assert set(engine.snapshot(REF).records) == {"a", "c"}
    lost = json.loads(mended.report.read_text())["lost"]
    assert b'"b"' in bytes.fromhex(next(one for one in lost if one["unreadable"] == "the record b")["bytes"])
    assert not engine.repair(REF)
    assert engine.apply(Some("s")).ok


def test_damaged_journal_of_a_killed_run_is_passed_over(engine, path):
    """Entries that can't be read and were not folded are left out, the ones around them count."""
    backend = Sqlite(path)
    lease = backend.acquire(REF, holder(process_start="1"), TTL)  # of a process that is gone
    state = backend.load(REF)
    for number, name in enumerate("xyz"):
        entries = [Ended(put=record(name))]
        backend.append(lease, entries, lineage=state.lineage, serial=state.serial + number)
    backend.close()
    engine.close()
    damage(path, "journal", f"serial={state.serial + 2}")
    with pytest.raises(StateCorruptError, match="repair"):
        engine.snapshot(REF)
    mended = engine.repair(REF, dry_run=False)
    assert set(engine.snapshot(REF).records) == {"a", "b", "c", "x", "z"}
    assert b"uid-of-y" in bytes.fromhex(json.loads(mended.report.read_text())["lost"][0]["bytes"])
