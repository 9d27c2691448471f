"""State that was damaged where it is kept is refused, and mended from what says the same elsewhere."""

from __future__ import annotations

import json

import pytest

from damaged import DATABASES, EVERYWHERE, OPENERS, REF, STORES, Some
from iaclib.errors import StateCorruptError
from iaclib.state.backend import Mender
from iaclib.state.journal import Ended
from state_samples import TTL, holder, record
from surgery import CUT, FLIP, GONE, WAYS, ObjectSurgery, SqliteSurgery

UNSEEN = ("old append", "run")  # what a load doesn't need


def cases():
    """Give each piece of each place, damaged in each way; of those on slow servers all but a few under strain only."""
    for kind in (*DATABASES, *STORES):
        for piece in SqliteSurgery.PIECES if kind in DATABASES else ObjectSurgery.PIECES:
            for way in WAYS:
                if (piece, way) in (("holder", FLIP), ("holder", GONE), ("run", GONE)):
                    continue  # it has one way to be damaged, and a run that is gone tells nobody that it was there
                seldom = kind in OPENERS and (piece, way) not in (("head", FLIP), ("append", GONE))
                marks = [pytest.mark.stress] if seldom else []
                yield pytest.param(kind, piece, way, id=f"{kind}-{piece}-{way}", marks=marks)


@pytest.mark.parametrize(("there", "piece", "way"), list(cases()), indirect=["there"])
def test_damaged_piece_is_told_and_mended(damaged_engine, there, piece, way):
    """One damaged piece is found; repair gives all back that is kept twice, and says where the rest is."""
    engine, (connect, surgery) = damaged_engine, there
    before, runs = engine.snapshot(REF), engine.history(REF)
    surgery.damage(REF, piece, way, before.serial - 1)
    if piece not in UNSEEN and (piece, way) != ("record", GONE) and piece != "holder":
        with pytest.raises(StateCorruptError, match="repair"):
            engine.snapshot(REF)
    if piece == "run" and way != GONE:
        with pytest.raises(StateCorruptError):
            engine.history(REF)
    told = engine.repair(REF)
    assert told
    assert not told.mended
    mended = engine.repair(REF, dry_run=False)
    assert mended.mended
    assert str(mended).partition("\n")[0] == str(told).partition("\n")[0]

    after = engine.snapshot(REF)
    lost = {"x"} if piece == "append" else set()
    assert set(after.records) == set(before.records) - lost
    assert all(after.records[name] == before.records[name] for name in after.records)
    assert (after.outputs, after.lineage, after.superseded) == (before.outputs, before.lineage, before.superseded)
    assert after.generations == before.generations
    assert after.records["a"].inputs["password"].reveal() == "hunter2"
    assert after.serial >= before.serial
    if lost and way == FLIP:
        assert any(b"ui" in bytes.fromhex(one["bytes"]) for one in json.loads(mended.report.read_text())["lost"])
    assert not engine.repair(REF)
    assert [run for run in engine.history(REF) if run.operation != "repair"] == runs

    backend = connect()
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, [Ended(put=record("z"))], lineage=after.lineage, serial=after.serial)
    backend.release(lease)
    assert set(connect().load(REF).records) == {*after.records, "z"}
    assert not engine.repair(REF)


@pytest.mark.parametrize("there", EVERYWHERE, indirect=True)
def test_damaged_stack_is_listed_among_the_others(damaged_engine, there):
    """What is wrong with one stack keeps nobody from finding the rest, and it is told by loading that one."""
    engine, surgery, other = damaged_engine, there[1], REF._replace(name="whole")
    surgery.damage(REF, "head" if isinstance(surgery, ObjectSurgery) else "record", FLIP, 0)
    engine.apply(Some("whole"))
    assert engine.stacks() == [REF, other]
    with pytest.raises(StateCorruptError, match=str(REF)):
        engine.snapshot(REF)
    assert set(engine.snapshot(other).records) == {"a", "b", "c"}


@pytest.mark.parametrize("there", DATABASES, indirect=True)
def test_lease_that_does_not_read_hides_no_stack(damaged_engine, there):
    """Where only who holds a stack is damaged, it is listed and loaded."""
    engine, surgery = damaged_engine, there[1]
    surgery.damage(REF, "holder", CUT, 0)
    assert engine.stacks() == [REF]
    assert "x" in engine.snapshot(REF).records


@pytest.mark.parametrize("there", EVERYWHERE, indirect=True)
def test_whole_state_is_salvaged_as_it_is_loaded(damaged_engine, there):
    """What repair reads of sound state is what everybody else does, and no damage."""
    backend = there[0]()
    assert isinstance(backend, Mender)
    found = backend.salvage(REF)
    assert (found.snapshot, list(found.runs), list(found.damage)) == (backend.load(REF), list(backend.history(REF)), [])
    assert backend.salvage(REF._replace(name="other")).damage == ()


@pytest.mark.parametrize("there", EVERYWHERE, indirect=True)
def test_earlier_serials_stay_where_they_can_be_read(damaged_engine, there):
    """A repair of what is compacted keeps the way back; the journal tells it."""
    engine, surgery = damaged_engine, there[1]
    last = engine.snapshot(REF).serial
    earlier = {serial: engine.snapshot(REF, serial=serial) for serial in range(1, last + 1)}
    surgery.damage(REF, "chunk" if isinstance(surgery, ObjectSurgery) else "record", FLIP, last)
    engine.repair(REF, dry_run=False)
    for serial, snapshot in earlier.items():
        assert engine.snapshot(REF, serial=serial) == snapshot


@pytest.mark.parametrize("there", EVERYWHERE, indirect=True)
def test_damage_on_every_side_leaves_what_reads(damaged_engine, there):
    """Where both copies of some things are damaged, those are left out, the bytes are in the report, and work goes on."""
    engine, surgery = damaged_engine, there[1]
    last = engine.snapshot(REF).serial
    for piece in ("append", "old append", "chunk" if isinstance(surgery, ObjectSurgery) else "record"):
        surgery.damage(REF, piece, FLIP, last)
    mended = engine.repair(REF, dry_run=False)
    assert "left out" in str(mended)
    assert len(json.loads(mended.report.read_text())["lost"]) >= 3
    assert "x" in engine.snapshot(REF).records
    assert not engine.repair(REF)
    assert engine.snapshot(REF).serial > last


@pytest.mark.parametrize("there", EVERYWHERE, indirect=True)
def test_stack_that_began_anew_is_mended_as_any_other(damaged_engine, there):
    """A stack that was removed and written again comes back as it is now, never as it was."""
    connect, surgery = there
    backend = connect()
    lease = backend.acquire(REF, holder(), TTL)
    backend.remove(lease)
    for serial, name in enumerate("abc"):
        backend.append(lease, [Ended(put=record(name))], lineage="fedcba9876543210", serial=serial)
    backend.release(lease)
    before = connect().load(REF)
    surgery.damage(REF, "chunk" if isinstance(surgery, ObjectSurgery) else "record", FLIP, 3)
    assert damaged_engine.repair(REF, dry_run=False).mended
    assert connect().load(REF).records == before.records
    assert not damaged_engine.repair(REF)
