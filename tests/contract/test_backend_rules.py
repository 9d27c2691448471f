"""What every backend does, whatever it keeps state in."""

import threading
from datetime import timedelta

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iaclib.backends import Memory, Sqlite
from iaclib.errors import ConfigError, LeaseHeldError, LeaseLostError, SealError, StateConflictError, StateError
from iaclib.model.addresses import StackRef
from iaclib.model.values import UNKNOWN, Secret
from iaclib.state.journal import Began, Ended, Exported, Keyed, Noted, Ran, reduce
from iaclib.state.record import Intent, KeptToken, ProviderRecord, Record, RunSummary, Snapshot
from iaclib.state.seal import Keyring
from state_samples import LINEAGE, REF, TTL, Clock, holder, put, record, write

ELSEWHERE = {"host": "elsewhere"}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "sqlite-folding"])
def backend(request, tmp_path, clock):
    made = {
        "memory": lambda: Memory(clock=clock),
        "sqlite": lambda: Sqlite(tmp_path / "s.db", clock=clock),
        "sqlite-folding": lambda: Sqlite(tmp_path / "s.db", clock=clock, fold_after=1),
    }[request.param]()
    yield made
    made.close()


def test_unwritten_stack_is_empty(backend):
    """A stack that was never written has an empty snapshot, no history, and isn't listed."""
    assert backend.load(REF) == Snapshot()
    assert list(backend.history(REF)) == []
    assert list(backend.stacks()) == []


def test_leased_stack_is_not_listed_before_it_is_written(backend):
    """A lease alone makes no stack."""
    backend.release(backend.acquire(REF, holder(), TTL))
    assert list(backend.stacks()) == []
    assert backend.load(REF) == Snapshot()


def test_everything_written_is_loaded(backend):
    """Records, superseded ones, intents, outputs, tokens, generations and key come back, before and after a fold."""
    values = {"text": "é", "number": 1.5, "big": 2**64 - 1, "empty": [{}, [], ""], "$iac:sealed": {"$iac:": None}}
    provider = ProviderRecord("aws", "1", "eu", {"endpoint_url": "http://x"})
    old = Record("net/a", "t", "old", uid="u1", inputs=values, provider=provider)
    new = attrs.evolve(old, id="new", uid="u2", generation=2, baseline=values, observed={}, dependencies=("net",))
    entries = [
        Ended(put=old),
        Keyed({"keyring": "file", "data": "x"}),
        Ended(put=record("gone", generation=4)),
        Ended(drop="gone"),
        Ended(step="s0", supersede="net/a", put=new),
        Began(Intent("s1", "update", "t1", new, before=new, begun=2.0)),
        Noted("s1", id="i-1", data={"page": 1}),
        Ended(keep_token=("later", KeptToken("t", "digest", 3.0))),
        Exported({"url": "https://x", "n": 1}),
    ]
    lease = backend.acquire(REF, holder(), TTL)
    assert backend.append(lease, entries, lineage=LINEAGE, serial=0) == 1
    wanted = attrs.evolve(reduce(Snapshot(lineage=LINEAGE), entries), serial=1)
    assert backend.load(REF) == wanted
    backend.release(lease)
    assert backend.load(REF) == wanted
    assert repr(backend.load(REF)) == repr(wanted)
    assert list(backend.stacks()) == [REF]


def test_order_does_not_tell_how_state_was_written(backend):
    """Records come in the order of their addresses."""
    lease = backend.acquire(REF, holder(), TTL)
    serial = backend.append(lease, put("c", "a", "b"), lineage=LINEAGE, serial=0)
    backend.append(lease, put("B", "a"), lineage=LINEAGE, serial=serial)
    assert list(backend.load(REF).records) == ["B", "a", "b", "c"]
    backend.release(lease)
    assert list(backend.load(REF).records) == ["B", "a", "b", "c"]


def test_loaded_state_shares_nothing_with_the_backend(backend):
    """Changing what was written or loaded changes nothing that is stored."""
    inputs = {"list": [1]}
    lease = backend.acquire(REF, holder(), TTL)
    backend.append(lease, put("a", inputs=inputs), lineage=LINEAGE, serial=0)
    inputs["list"].append(2)
    backend.load(REF).records["a"].inputs["list"].append(3)
    assert backend.load(REF).records["a"].inputs == {"list": [1]}


def test_stacks_are_apart(backend):
    """Two stacks have their own records, serials and leases, also where names could run together."""
    one, two = StackRef("a", "b c"), StackRef("a b", "c")
    write(backend, "x", ref=one)
    lease = backend.acquire(one, holder(), TTL)
    write(backend, "y", "z", ref=two)
    backend.release(lease)
    assert list(backend.load(one).records) == ["x"]
    assert list(backend.load(two).records) == ["y", "z"]
    assert list(backend.stacks()) == [one, two]


def test_fence_rises_with_each_lease(backend):
    """Each lease has the fence of the one before plus 1."""
    fences = []
    for _ in range(3):
        lease = backend.acquire(REF, holder(), TTL)
        fences.append(lease.fence)
        backend.release(lease)
    assert fences == [1, 2, 3]


def test_held_stack_is_refused_and_names_its_holder(backend, clock):
    """A held lease fails at once; the error names holder, times and remedy, and carries the holder."""
    first = holder("apply", **ELSEWHERE)
    backend.acquire(REF, first, TTL)
    with pytest.raises(LeaseHeldError, match=r"shop/prod.*elsewhere.*apply.*2023-11-14.*lease_wait") as caught:
        backend.acquire(REF, holder("destroy"), TTL)
    assert caught.value.holder == first


def test_expired_lease_is_taken_over(backend, clock):
    """At its end a lease can be taken by anyone, and the one before is lost."""
    old = backend.acquire(REF, holder(**ELSEWHERE), TTL)
    clock.now += 60
    new = backend.acquire(REF, holder(), TTL)
    assert new.fence == old.fence + 1
    with pytest.raises(LeaseLostError, match="shop/prod"):
        backend.renew(old)
    with pytest.raises(LeaseLostError):
        backend.append(old, put("a"), lineage=LINEAGE, serial=0)
    backend.release(old)  # of no effect
    assert backend.append(new, put("a"), lineage=LINEAGE, serial=0) == 1


def test_lease_of_a_dead_process_is_taken_over_at_once(backend):
    """Nobody waits for a process of this host that is gone."""
    old = backend.acquire(REF, holder(process_start="1"), TTL)
    assert backend.acquire(REF, holder(), TTL).fence == old.fence + 1


def test_renewed_lease_lasts(backend, clock):
    """Renewing moves the end to now plus ttl, also when it had passed and nobody came."""
    lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
    for _ in range(3):
        clock.now += 61
        lease = backend.renew(lease)
        assert lease.expires == clock.now + 60
    clock.now += 59
    with pytest.raises(LeaseHeldError):
        backend.acquire(REF, holder(), TTL)


def test_released_lease_writes_nothing(backend):
    """After giving it back a lease is worth nothing, and giving it back again is fine."""
    lease = backend.acquire(REF, holder(), TTL)
    backend.release(lease)
    backend.release(lease)
    with pytest.raises(LeaseLostError):
        backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
    with pytest.raises(LeaseLostError):
        backend.renew(lease)


@pytest.mark.parametrize("serial", [0, 2])
def test_another_serial_is_refused(backend, serial):
    """A write that was made for another serial changes nothing and is a conflict."""
    write(backend, "a")
    lease = backend.acquire(REF, holder(), TTL)
    with pytest.raises(StateConflictError, match=r"shop/prod.*serial 1"):
        backend.append(lease, put("b"), lineage=LINEAGE, serial=serial)
    assert list(backend.load(REF).records) == ["a"]
    assert backend.append(lease, put("b"), lineage=LINEAGE, serial=1) == 2


def test_another_lineage_is_refused(backend):
    """The first write sets the lineage, and none but it is accepted later."""
    write(backend, "a")
    lease = backend.acquire(REF, holder(), TTL)
    with pytest.raises(StateConflictError, match="lineage"):
        backend.append(lease, put("b"), lineage="another", serial=1)
    with pytest.raises(StateError, match="lineage"):
        backend.append(lease, put("b"), lineage="", serial=1)
    assert backend.load(REF).lineage == LINEAGE


@pytest.mark.parametrize("value", [Secret("hunter2"), UNKNOWN], ids=["secret", "unknown"])
def test_refused_write_changes_nothing(backend, value):
    """An open secret, or an unknown, in the last of several entries keeps all of them out."""
    lease = backend.acquire(REF, holder(), TTL)
    kind = SealError if isinstance(value, Secret) else StateError
    with pytest.raises(kind, match="net/db"):
        backend.append(lease, [*put("a"), *put("net/db", outputs={"x": [value]})], lineage=LINEAGE, serial=0)
    assert backend.load(REF) == Snapshot()


def test_history_lists_runs_by_their_begin(backend):
    """A run appears once, as it ended, in the order in which runs began."""
    first = RunSummary("r1", "apply", "ann", 1.0)
    second = RunSummary("r2", "destroy", "bob", 2.0, counts={"delete": 1})
    done = attrs.evolve(first, ended=3.0, status="ok", counts={"create": 2}, serial=3)
    lease = backend.acquire(REF, holder(), TTL)
    for serial, entry in enumerate([Ran(first), Ran(second), Ran(done)]):
        backend.append(lease, [entry], lineage=LINEAGE, serial=serial)
    assert list(backend.history(REF)) == [done, second]
    backend.release(lease)
    assert list(backend.history(REF)) == [done, second]


def test_default_keyring_wraps_and_unwraps(backend):
    """Each local backend brings a keyring; asked twice, both can read what one wrote."""
    keyring = backend.default_keyring()
    assert isinstance(keyring, Keyring)
    wrapped = keyring.wrap(bytes(32), LINEAGE)
    assert backend.default_keyring().unwrap(wrapped, LINEAGE) == bytes(32)


def test_one_of_many_threads_gets_the_lease(backend):
    """Of 16 threads that acquire at once, one wins, and the fence rises once."""
    barrier, won, held = threading.Barrier(16), [], []

    def acquire():
        barrier.wait()
        try:
            won.append(backend.acquire(REF, holder(), TTL))
        except LeaseHeldError as error:
            held.append(error)

    threads = [threading.Thread(target=acquire) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(held)) == (1, 15)
    assert won[0].fence == 1


def test_another_thread_renews_while_one_writes(backend):
    """A heartbeat and a writer share a backend without disturbing each other."""
    lease, errors, stop = backend.acquire(REF, holder(), TTL), [], threading.Event()

    def beat():
        while not stop.is_set():
            try:
                backend.renew(lease)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                errors.append(error)

    thread = threading.Thread(target=beat)
    thread.start()
    for serial in range(50):
        backend.append(lease, put(f"a{serial}"), lineage=LINEAGE, serial=serial)
    stop.set()
    thread.join()
    assert errors == []
    assert len(backend.load(REF).records) == 50


@pytest.mark.parametrize(
    ("make", "url"),
    [(Memory.from_url, "memory:x"), *((Sqlite.from_url, f"sqlite:{rest}") for rest in ["", "//x.db", "///", "///x/"])],
)
def test_wrong_urls_are_refused(make, url):
    """A URL of another form is an error that shows the right one."""
    with pytest.raises(ConfigError, match="expected"):
        make(url)


class Model(RuleBasedStateMachine):
    """A backend and the pure reduce, side by side."""

    @initialize(kind=st.sampled_from(["memory", "sqlite"]), fold_after=st.sampled_from([1, 3, 1000]))
    def start(self, kind, fold_after):
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.backend = (
            Memory(clock=self.clock)
            if kind == "memory"
            else Sqlite(f"{self.folder.name}/s.db", clock=self.clock, fold_after=fold_after)
        )
        self.model = Snapshot()
        self.lease = None
        self.stale = []

    def teardown(self):
        self.backend.close()
        self.folder.cleanup()

    addresses = st.sampled_from(["a", "b", "b/c"])
    steps = st.sampled_from(["s1", "s2"])
    records = st.builds(
        lambda address, n: Record(address, "t", f"i{n}", uid=f"u{n}", generation=n, inputs={"n": n}),
        addresses,
        st.integers(1, 9),
    )
    entries = st.one_of(
        st.builds(
            Ended,
            step=st.just("") | steps,
            put=st.none() | records,
            supersede=st.none() | addresses,
            drop=st.none() | addresses,
            drop_superseded=st.none() | st.integers(1, 9).map("u{}".format),
            keep_token=st.none() | st.tuples(addresses, st.builds(KeptToken, st.just("t"), st.just("d"))),
        ),
        st.builds(lambda step, record: Began(Intent(step, "create", "t", record)), steps, records),
        st.builds(Noted, steps, st.just("i"), st.integers(0, 3)),
        st.builds(Exported, st.dictionaries(addresses, st.integers(0, 3))),
    )

    @precondition(lambda self: self.lease is None)
    @rule()
    def acquire(self):
        self.lease = self.backend.acquire(REF, holder(**ELSEWHERE), TTL)

    @precondition(lambda self: self.lease is not None)
    @rule()
    def release(self):
        self.backend.release(self.lease)
        self.stale.append(self.lease)
        self.lease = None

    @precondition(lambda self: self.lease is not None)
    @rule()
    def steal(self):
        self.clock.now += 100
        self.stale.append(self.lease)
        self.lease = self.backend.acquire(REF, holder(**ELSEWHERE), TTL)

    @precondition(lambda self: self.lease is not None)
    @rule(entries=st.lists(entries, min_size=1, max_size=4))
    def append(self, entries):
        serial = self.backend.append(self.lease, entries, lineage=LINEAGE, serial=self.model.serial)
        self.model = attrs.evolve(reduce(self.model, entries), serial=serial, lineage=LINEAGE)

    @precondition(lambda self: self.stale)
    @rule()
    def append_with_a_stale_lease(self):
        with pytest.raises(LeaseLostError):
            self.backend.append(self.stale[-1], put("a"), lineage=LINEAGE, serial=self.model.serial)

    @rule()
    def reopen(self):
        self.backend.close()

    @invariant()
    def same(self):
        found = self.backend.load(REF)
        by_uid = {"superseded": {r.uid: r for r in self.model.superseded}}
        assert attrs.evolve(found, superseded={r.uid: r for r in found.superseded}) == attrs.evolve(
            self.model, **by_uid
        )


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_ttl_is_the_leases_own(backend, clock):
    """Each lease lasts as long as it was asked for."""
    assert backend.acquire(REF, holder(), timedelta(seconds=5)).expires == clock.now + 5
