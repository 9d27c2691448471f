"""A run over an object store, with each of its requests failing in each way: nothing lost, nothing written twice."""

from __future__ import annotations

import contextlib
import itertools
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from iaclib.backends.objects import Objects
from iaclib.errors import LeaseLostError, StateError
from iaclib.state.journal import Ended, Ran, reduce
from iaclib.state.record import RunSummary, Snapshot
from object_faults import FAULTS, Bucket, Killed, MemoryObjects, at
from state_samples import ELSEWHERE, LINEAGE, REF, TTL, Clock, holder, put

GRACE = timedelta(hours=1)


class Writer:
    """Does what runs do, trying a failed write again as they do, and notes what it was told."""

    def __init__(self, bucket, clock, fault=lambda *_: None, *, fold_after=2):
        self.store = MemoryObjects(bucket, fault)
        self.backend = Objects(
            self.store, clock=clock, fold_after=fold_after, keep=4, grace=GRACE, sleep=lambda _: None
        )
        self.lease = None
        self.state = Snapshot()  # what surely is
        self.maybe = None  # or what may be, if the last write's outcome is not known

    def run(self, *appends):
        """Take the lease, load, append, renew, give the lease back."""
        self.lease = self.backend.acquire(REF, holder(**ELSEWHERE), TTL)
        serial = self.backend.load(REF).serial
        for entries in appends:
            self.append(entries, serial)
            serial = self.state.serial
            self.lease = self.backend.renew(self.lease)
        self.backend.release(self.lease)

    def append(self, entries, serial):
        self.maybe = structs.replace(reduce(self.state, entries), serial=serial + 1, lineage=LINEAGE)
        for left in (3, 2, 1, 0):
            try:
                assert self.backend.append(self.lease, entries, lineage=LINEAGE, serial=serial) == serial + 1
                break
            except StateError as error:
                if type(error) is not StateError or not left:
                    raise
        self.state, self.maybe = self.maybe, None


def names(number):
    return [*put(f"a{number}", f"b{number % 3}", id=f"i{number}"), Ran(RunSummary(f"r{number}", "apply", "me", number))]


def same(found, wanted):
    return wanted is not None and structs.replace(found, superseded=()) == structs.replace(wanted, superseded=())


def work(writer, runs):
    numbers = itertools.count(1)
    for appends in runs:
        writer.run(*(names(next(numbers)) for _ in range(appends)))


def check(bucket, clock, writer, later):
    """Take over, and see that state is what the writer was told, that it goes on, and that the writer can't."""
    clock.now += 1000
    bucket.now += 1000
    heir = Writer(bucket, clock)
    lease = heir.backend.acquire(REF, holder(), TTL)
    found = heir.backend.load(REF)
    assert same(found, writer.state) or same(found, writer.maybe)
    stale = writer.lease
    if stale is not None and stale.fence < lease.fence:
        writer.store._fault = lambda *_: None
        with pytest.raises(LeaseLostError):
            writer.backend.append(stale, names(20), lineage=LINEAGE, serial=writer.state.serial)
        with pytest.raises(LeaseLostError):
            writer.backend.renew(stale)
        writer.backend.release(stale)
    heir.lease, heir.state = lease, found
    heir.append(names(21), found.serial)
    heir.backend.release(lease)
    for number in range(22, 22 + later):
        bucket.now += 10_000
        heir.run(names(number))
    reader = Objects(MemoryObjects(bucket))
    assert same(reader.load(REF), heir.state)
    history = [run.id for run in reader.history(REF)]
    assert history == [f"r{number}" for number in sorted(int(run[1:]) for run in history)]
    assert history[-1 - later :] == [f"r{number}" for number in range(21, 22 + later)]


def sweep(runs, later):
    """Do the same work again and again, each time with another request failing."""
    survived = 0
    for fault in FAULTS:
        for number in itertools.count(1):
            bucket, clock = Bucket(), Clock()
            writer = Writer(bucket, clock, at(number, fault))
            with contextlib.suppress(Killed, StateError):
                work(writer, runs)
            check(bucket, clock, writer, later)
            survived += 1
            if writer.store.requests < number:
                break
    return survived


def test_every_request_may_fail_in_every_way():
    """Killed before or after, answer lost, refused once or for good: an heir finds what the writer was told."""
    assert sweep([2, 1], later=1) > 200


@pytest.mark.stress
def test_every_request_of_many_runs_may_fail(record_property):
    """The same over several runs and folds."""
    points = sweep([3, 2, 1, 3], later=6)
    record_property("tells", f"object stores: {points} failing requests survived ({len(FAULTS)} kinds of failure)")


def test_forgetting_may_fail_at_every_request():
    """State and history stay; doing it again leaves no byte of what was; a stopped holder still can't write."""
    for fault in FAULTS:
        for number in itertools.count(1):
            bucket, clock = Bucket(), Clock()
            writer = Writer(bucket, clock)
            writer.run(put("old", id="an-earlier-id"), names(1))
            writer.run([Ended(drop="old"), *names(2)])
            stopped = writer.lease
            first = Writer(bucket, clock, at(number, fault))
            with contextlib.suppress(Killed, StateError):
                first.backend.forget_past(first.backend.acquire(REF, holder(**ELSEWHERE), TTL))
            clock.now += 1000
            heir = Writer(bucket, clock)
            lease = heir.backend.acquire(REF, holder(), TTL)
            heir.backend.forget_past(lease)
            assert not [name for name, (data, *_) in bucket.objects.items() if b"an-earlier-id" in data]
            assert same(heir.backend.load(REF), writer.state)
            assert not heir.backend.salvage(REF).damage
            with pytest.raises(LeaseLostError):
                writer.backend.append(stopped, names(20), lineage=LINEAGE, serial=writer.state.serial)
            heir.backend.release(lease)
            heir.state = writer.state
            check(bucket, clock, heir, later=1)
            if first.store.requests < number:
                break
    assert number > 10


def kept(bucket):
    return sum(name.startswith("stacks/") for name in bucket.objects)


def test_garbage_goes_away():
    """What killed folds and old bases left is deleted in time; what is needed, or young, stays."""
    bucket, clock = Bucket(), Clock()
    for number in range(1, 61):
        writer = Writer(bucket, clock, at(number, "kill"))
        writer.state = Objects(MemoryObjects(bucket)).load(REF)
        with contextlib.suppress(Killed):
            writer.run(names(number), names(number + 1))
        clock.now += 1000
        bucket.now += 1000
    left = kept(bucket)
    for more in range(30):
        bucket.now += 10_000
        writer = Writer(bucket, clock)
        writer.state = writer.backend.load(REF)
        writer.run(names(more))
    assert kept(bucket) < min(left, 30)


@settings(max_examples=60)
@given(st.data())
def test_any_sequence_of_faults(data):
    """Many faults in one life, of several holders one after the other: state is always what somebody was told."""
    bucket, clock = Bucket(), Clock()
    state = Snapshot()
    for turn in range(data.draw(st.integers(1, 4))):
        faults = data.draw(st.dictionaries(st.integers(1, 60), st.sampled_from(FAULTS[:6]), max_size=8))
        writer = Writer(bucket, clock, lambda number, *_, faults=faults: faults.get(number))
        writer.state = state
        with contextlib.suppress(Killed, StateError):
            writer.run(*(names(10 * turn + n) for n in range(data.draw(st.integers(1, 5)))))
        clock.now += 1000
        bucket.now += 10_000
        found = Objects(MemoryObjects(bucket)).load(REF)
        assert same(found, writer.state) or same(found, writer.maybe)
        state = found
