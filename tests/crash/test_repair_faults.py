"""A repair in an object store, with each of its requests failing in each way: the next one ends it, nothing is lost."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from msgspec import structs

from iaclib.backends.objects import Objects
from iaclib.engine.relocation import clearing, entries_of
from iaclib.errors import StateError
from iaclib.state.journal import Ended, Ran
from iaclib.state.record import RunSummary
from object_faults import FAULTS, Bucket, Killed, MemoryObjects, at
from state_samples import ELSEWHERE, LINEAGE, REF, TTL, Clock, holder, put
from surgery import FLIP, GONE, ObjectSurgery


def client(bucket, clock, fault=lambda *_: None):
    return Objects(MemoryObjects(bucket, fault), clock=clock, fold_after=1, sleep=lambda _: None)


def mend(backend):
    """Do what ``engine.repair`` does with damaged state."""
    backend.reopen(REF)
    lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
    found = backend.salvage(REF)
    if found.damage:
        known = found.snapshot
        entries = [*clearing(known), *entries_of(known, found.runs)]
        backend.rewrite(lease, entries, lineage=known.lineage, serial=known.serial, past=found.past)
    backend.release(lease)


def damaged(piece, way):
    """Give a bucket with a stack of two folded runs and two appends of a run that was killed, damaged, and what it was."""
    bucket, clock = Bucket(), Clock()
    backend = client(bucket, clock)
    for serial in range(4):
        if serial < 3:
            lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
        entries = [*put(f"a{serial}"), Ran(RunSummary(f"r{serial}", "apply", "me", serial))]
        backend.append(lease, [*entries, *([Ended(drop="a0")] if serial == 1 else [])], lineage=LINEAGE, serial=serial)
        if serial < 2:
            backend.release(lease)
    before = backend.load(REF), list(backend.history(REF))
    ObjectSurgery(lambda: MemoryObjects(bucket)).damage(REF, piece, way, 3)
    clock.now += 1000
    return bucket, clock, before


def content(snapshot):
    return structs.replace(snapshot, serial=0)


def sweep(piece, way, faults):
    """Repair again and again, each time with another request failing, and have another repair after it."""
    points = 0
    for fault in faults:
        for number in itertools.count(1):
            bucket, clock, (state, runs) = damaged(piece, way)
            first = client(bucket, clock, at(number, fault))
            with contextlib.suppress(Killed, StateError):
                mend(first)
            clock.now += 1000
            heir = client(bucket, clock)
            mend(heir)
            assert content(heir.load(REF)) == content(state)
            assert list(heir.history(REF)) == runs
            assert not heir.salvage(REF).damage
            points += 1
            if first._store._store.requests < number:
                break
    return points


@pytest.mark.parametrize(("piece", "way"), [("chunk", FLIP), ("head", GONE)])
def test_a_repair_may_be_killed_at_every_request(piece, way):
    """Whoever repairs next finds what there was, and mends it."""
    assert sweep(piece, way, ["kill after"]) > 10


@pytest.mark.stress
@pytest.mark.parametrize(("piece", "way"), [("chunk", FLIP), ("index", GONE), ("head", GONE), ("run", FLIP)])
def test_every_request_of_a_repair_may_fail_in_every_way(piece, way, record_property):
    """The same for each way, killed before or after, answer lost, or refused, and for more pieces."""
    points = sweep(piece, way, FAULTS)
    record_property("tells", f"repair in object stores, {piece} {way}: {points} failing requests survived")
