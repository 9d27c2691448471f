"""What object stores refuse, and what they survive that only they meet."""

from __future__ import annotations

from zlib import crc32

import pytest
from msgspec import structs

from iaclib.backends import object_layout as layout
from iaclib.backends.object_base import CHUNK
from iaclib.backends.object_store import Changed
from iaclib.backends.objects import Objects
from iaclib.errors import (
    LeaseHeldError,
    LeaseLostError,
    StateConflictError,
    StateCorruptError,
    StateError,
    StateVersionError,
)
from iaclib.model.addresses import StackRef
from object_faults import Bucket, MemoryObjects, counted
from state_samples import ELSEWHERE, LINEAGE, REF, TTL, Clock, holder, put, write


@pytest.fixture
def bucket():
    return Bucket()


def backend(bucket, **facts):
    return Objects(MemoryObjects(bucket), **facts)


# -------------------------------------------------------------------------------------------------------------- probe


class Careless(MemoryObjects):
    """Takes conditions, and ignores them."""

    def put_if_absent(self, name, data):
        return self._do("put", name, lambda: self._store(name, data))

    def _store(self, name, data):
        self.bucket.objects.pop(name, None)
        return self._put(name, None, data)


class HalfCareless(MemoryObjects):
    """Knows "only if absent", and ignores "only if unchanged"."""

    def put_if(self, name, version, data):
        return self._do("put", name, lambda: self._put(name, self.bucket.objects[name][1], data))


class Forgetful(MemoryObjects):
    """Reads what was written before."""

    def get(self, name):
        found = super().get(name)
        return structs.replace(found, data=b"1") if found is not None and name.startswith("probe/") else found


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (Careless, r"mem://bucket.*If-None-Match.*keep state elsewhere"),
        (HalfCareless, r"mem://bucket.*If-Match.*keep state elsewhere"),
        (Forgetful, r"mem://bucket.*strongly consistent"),
    ],
)
def test_look_alikes_are_refused(bucket, store, message):
    """A store that ignores conditions is refused before anything is kept in it, each time."""
    for _ in range(2):
        with pytest.raises(StateError, match=message):
            Objects(store(bucket)).acquire(REF, holder(), TTL)
    assert bucket.objects == {}


def test_a_store_is_probed_once(bucket):
    """The first client probes and says so; later ones ask for that only, and a copy elsewhere is probed again."""
    write(backend(bucket), "a")
    assert not any(name.startswith("probe/") for name in bucket.objects)
    second = backend(bucket)
    requests = counted(second).requests
    second.acquire(REF, holder(), TTL)
    assert requests == {"get": 2, "put": 1}
    copy = MemoryObjects(bucket)
    copy.place = "mem://copy"
    before = copy.requests
    Objects(copy).acquire(StackRef("an", "other"), holder(), TTL)
    assert copy.requests - before > 5


def test_reading_writes_nothing(bucket):
    """Looking at a store neither probes nor marks it."""
    reader = backend(bucket)
    reader.load(REF)
    reader.stacks()
    reader.history(REF)
    assert bucket.writes == 0


# -------------------------------------------------------------------------------------------------------------- clock


def test_a_lease_is_judged_by_the_stores_clock(bucket):
    """Whatever the clocks of the holders say, a lease lasts its ttl by the store's clock, and no longer."""
    behind, ahead = backend(bucket), backend(bucket)
    behind._clock, ahead._clock = Clock(1_000.0), Clock(900_000.0)
    old = behind.acquire(REF, holder(**ELSEWHERE), TTL)
    bucket.now += 59
    with pytest.raises(LeaseHeldError):
        ahead.acquire(REF, holder(), TTL)
    old = behind.renew(old)
    bucket.now += 59
    with pytest.raises(LeaseHeldError):
        ahead.acquire(REF, holder(), TTL)
    bucket.now += 1
    new = ahead.acquire(REF, holder(**ELSEWHERE), TTL)
    with pytest.raises(LeaseLostError):
        behind.append(old, put("a"), lineage=LINEAGE, serial=0)
    assert ahead.append(new, put("b"), lineage=LINEAGE, serial=0) == 1


def test_clocks_hours_apart_break_no_fence(bucket):
    """Where clocks are all there is, one that is ahead takes a lease early; then the other can't write."""
    now, later = Clock(), Clock(Clock().now + 5 * 3600)
    one, two = backend(bucket, clock=now), backend(bucket, clock=later)
    first = one.acquire(REF, holder(**ELSEWHERE), TTL)
    one.append(first, put("a"), lineage=LINEAGE, serial=0)
    second = two.acquire(REF, holder(**ELSEWHERE), TTL)
    with pytest.raises(LeaseLostError):
        one.append(first, put("b"), lineage=LINEAGE, serial=1)
    assert two.append(second, put("c"), lineage=LINEAGE, serial=1) == 2
    assert list(two.load(REF).records) == ["a", "c"]


def test_a_holder_that_slept_long_cannot_be_deceived_by_a_clean_up(bucket, monkeypatch):
    """Also where the slot that it comes back to was taken, folded and deleted, its write is no success."""
    clock = Clock()
    old = backend(bucket, clock=clock)
    lease = old.acquire(REF, holder(**ELSEWHERE), TTL)
    old.append(lease, put("a"), lineage=LINEAGE, serial=0)
    clock.now += 100
    for serial in range(1, 9):
        bucket.now += 200_000
        write(backend(bucket, clock=clock, fold_after=1, keep=1), f"b{serial}", serial=serial)
    assert layout.slot_name(REF, 2) not in bucket.objects
    slept = Clock(1e9)
    monkeypatch.setattr("iaclib.backends.objects.elapsed", slept)
    with pytest.raises(LeaseLostError):
        old.append(lease, put("zombie"), lineage=LINEAGE, serial=1)
    assert "zombie" not in backend(bucket).load(REF).records


# ------------------------------------------------------------------------------------------------------------- damage


def damage(bucket, part, change):
    """Change the objects whose name has a part."""
    names = [name for name in bucket.objects if part in name]
    assert names
    for name in names:
        data, version, modified = bucket.objects.pop(name)
        if (data := change(data)) is not None:
            bucket.objects[name] = (data, version, modified)


def newer(data):
    """Let an object seem to be written by a later iaclib."""
    body = layout.unframe(data, "")
    return b"iaclib 99 %08x\n%b" % (crc32(body, 99), body)


CHANGES = {
    "gone": lambda data: None,
    "empty": lambda data: b"",
    "torn": lambda data: data[: len(data) // 2],
    "flipped": lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
    "foreign": lambda data: b"<html>no such page</html>",
    "format": lambda data: data.replace(b"iaclib 2", b"iaclib 3", 1),
    "newer": newer,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("part", ["heads/", "journal/", "base/"])
def test_damage_is_told(bucket, part, change):
    """What is gone, torn, flipped, foreign or newer is an error that names stack and place, never an older state."""
    for serial in range(4):
        write(backend(bucket, fold_after=3), f"a{serial}", serial=serial)
    # The slots before are folded already: only looking back needs them.
    damage(bucket, "journal/000000000/004" if part == "journal/" else part, CHANGES[change])
    with pytest.raises(StateError, match=r"shop/prod in mem://bucket") as caught:
        backend(bucket).load(REF)
    assert change == "newer" or isinstance(caught.value, StateCorruptError)
    if part == "heads/":
        with pytest.raises(type(caught.value)):
            backend(bucket).acquire(REF, holder(), TTL)


@pytest.mark.parametrize("change", [change for change in CHANGES if change != "gone"])
@pytest.mark.parametrize("part", ["heads/shop/prod", "stacks/shop/prod/journal/"])
def test_a_stack_that_does_not_read_is_listed(bucket, part, change):
    """Its name is in its head's name; whether it has state is told by loading it, and the others are listed as ever."""
    other = StackRef("shop", "test")
    for ref in (REF, other):
        made = backend(bucket)
        made.append(made.acquire(ref, holder(), TTL), put("a"), lineage=LINEAGE, serial=0)
    damage(bucket, part, CHANGES[change])
    assert backend(bucket).stacks() == [REF, other]
    with pytest.raises((StateCorruptError, StateVersionError), match="shop/prod"):
        backend(bucket).load(REF)
    assert list(backend(bucket).load(other).records) == ["a"]


def test_a_list_that_cannot_be_had_is_an_error(bucket):
    """A store that is away is no damage: nothing is listed of it."""
    write(backend(bucket), "a")
    away = Objects(
        MemoryObjects(bucket, lambda _number, operation, _name: "down" if operation == "get" else None),
        sleep=lambda _seconds: None,
    )
    with pytest.raises(StateError, match="down"):
        away.stacks()


def test_misplaced_objects_are_told(bucket):
    """An object of another stack, or of another slot, is no part of this one, even if it is whole."""
    other = StackRef("shop", "test")
    for ref in (REF, other):
        write(backend(bucket), "a", ref=ref)
        write(backend(bucket), "b", ref=ref, serial=1)
    whole = dict(bucket.objects)
    for name, place in [
        (layout.slot_name(other, 2), layout.slot_name(REF, 2)),
        (layout.slot_name(REF, 1), layout.slot_name(REF, 2)),
        (layout.head_name(other), layout.head_name(REF)),
    ]:
        bucket.objects = {**whole, place: whole[name]}
        with pytest.raises(StateCorruptError, match="shop/prod"):
            backend(bucket).load(REF)


def test_an_older_head_is_told(bucket):
    """A head that was put back from a backup doesn't fit the journal that went on."""
    write(backend(bucket), "a")
    old = bucket.objects[layout.head_name(REF)]
    write(backend(bucket), "b", serial=1)
    bucket.objects[layout.head_name(REF)] = old
    with pytest.raises(StateCorruptError, match="older than its journal"):
        backend(bucket).load(REF)


def test_errors_hold_no_values(bucket):
    """What is told of damage shows nothing of what state holds."""
    lease = (made := backend(bucket)).acquire(REF, holder(), TTL)
    made.append(lease, put("a", inputs={"x": "hunter2"}), lineage=LINEAGE, serial=0)
    damage(bucket, "journal/", lambda data: data.replace(b'"x"', b'"y"'))
    with pytest.raises(StateCorruptError) as caught:
        backend(bucket).load(REF)
    assert "hunter2" not in str(caught.value)


# --------------------------------------------------------------------------------------------------------------- cost


def test_an_append_is_one_request(bucket):
    """However large the stack, an append writes one object with nothing but its entries."""
    made = backend(bucket)
    lease = made.acquire(REF, holder(), TTL)
    made.append(lease, put(*(f"a{n}" for n in range(3000))), lineage=LINEAGE, serial=0)
    store = counted(made)
    made.append(lease, put("a7"), lineage=LINEAGE, serial=1)
    assert store.requests == {"put": 1}
    assert store.written < 500


def test_a_fold_rewrites_only_what_changed(bucket):
    """Of many chunks those with changed rows are written again, and an index."""
    made = backend(bucket, fold_after=1)
    lease = made.acquire(REF, holder(), TTL)
    records = put(*(f"a{n:05}" for n in range(5000)), inputs={"x": "y" * 100})
    made.append(lease, records, lineage=LINEAGE, serial=0)
    made.release(lease)
    chunks = sum("/base/" in name for name in bucket.objects)
    assert chunks > 10
    lease = made.acquire(REF, holder(), TTL)
    made.append(lease, put("a02500"), lineage=LINEAGE, serial=1)
    store = counted(made)
    made.release(lease)
    assert store.writes == 3  # a chunk, the index, the head
    assert store.written < 2 * CHUNK
    assert backend(bucket).load(REF).records["a02500"].inputs == {}


def test_a_deleted_stack_shrinks(bucket):
    """Rows that go leave no chunks behind, however they went."""
    from iaclib.state.journal import Ended

    made = backend(bucket, fold_after=1)
    lease = made.acquire(REF, holder(), TTL)
    names = [f"a{n:05}" for n in range(5000)]
    made.append(lease, put(*names, inputs={"x": "y" * 100}), lineage=LINEAGE, serial=0)
    made.release(lease)
    for serial, start in enumerate(range(0, 5000, 1000), 1):
        lease = made.acquire(REF, holder(), TTL)
        gone = [Ended(drop=name) for n, name in enumerate(names[start : start + 1000]) if n % 100]
        made.append(lease, gone, lineage=LINEAGE, serial=serial)
        made.release(lease)
    found = backend(bucket)
    assert len(found.load(REF).records) == 50
    assert len(found._reader.view(REF).index.state) < 10


# ------------------------------------------------------------------------------------------------------------- writes


def test_a_conflict_is_no_success(bucket):
    """A write that lost to other bytes is a conflict, also when its first answer was lost."""
    asked = []

    def fault(number, operation, name):
        if operation == "put" and "journal" in name:
            asked.append(name)
            if len(asked) == 1:
                bucket.objects[name] = (layout.dump_slot(other), "v", bucket.now)
                return "down"
        return None

    made = Objects(MemoryObjects(bucket, fault), sleep=lambda _: None)
    lease = made.acquire(REF, holder(), TTL)
    other = layout.Slot(str(REF), 1, "w", lease.fence, LINEAGE, 1, b"[2,[]]")
    with pytest.raises(StateConflictError, match="serial 1"):
        made.append(lease, put("a"), lineage=LINEAGE, serial=0)
    assert len(asked) == 2


def test_patience_waits_as_long_as_the_store_asks(bucket):
    """What a throttling store says of when to come back is kept."""
    waits, left = [], [2]

    class Busy(MemoryObjects):
        def list(self, prefix):
            if left[0]:
                left[0] -= 1
                raise StateError("busy", retryable=True, retry_after=7.0)
            return super().list(prefix)

    assert Objects(Busy(bucket), sleep=waits.append).stacks() == []
    assert waits == [7.0, 7.0]


def test_changed_is_a_conflict_to_those_who_do_not_look(bucket):
    """A lost condition that nobody handled is never taken for a failure that another try heals."""
    store = MemoryObjects(bucket)
    store.put_if_absent("x", b"1")
    with pytest.raises(StateConflictError):
        store.put_if_absent("x", b"2")
    assert not Changed.retryable
