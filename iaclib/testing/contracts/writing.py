"""What every backend promises about state: what was written is what is read, all of it or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from iaclib.errors import LeaseLostError, SealError, StateConflictError, StateError
from iaclib.model.addresses import StackRef
from iaclib.model.values import UNKNOWN, Secret
from iaclib.state.journal import Began, Ended, Entry, Exported, Keyed, Noted, Ran, reduce
from iaclib.state.record import Intent, KeptToken, ProviderRecord, Record, RunSummary, Snapshot
from iaclib.state.seal import Keyring, Sealed
from iaclib.testing.contracts.base import Contract
from iaclib.testing.samples import LINEAGE, REF, TTL, holder, put, record, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.state.backend import Backend

_VALUES: Any = {"text": "é\u2028\ud7ff\U0001f600", "number": 1.5, "big": 2**64 - 1, "empty": [{}, [], ""]}
_VALUES |= {"$iac:sealed": {"$iac:": None}, "nul": "a\0b", "quotes": "'\"\\`$%{}"}


def _one_of_each() -> list[Entry]:
    """Make entries that between them change everything that a snapshot has."""
    provider = ProviderRecord("aws", "1", "eu", {"endpoint_url": "http://x"})
    old = Record("net/a", "t", "old", uid="u1", inputs=_VALUES, provider=provider)
    new = structs.replace(old, id="new", uid="u2", generation=2, baseline=_VALUES, observed={}, dependencies=("net",))
    return [
        Ended(put=old),
        Keyed({"keyring": "file", "data": "x"}),
        Ended(put=record("gone", generation=4)),
        Ended(drop="gone"),
        Ended(step="s0", supersede="net/a", put=new),
        Began(Intent("s1", "update", "t1", new, before=new, begun=2.0)),
        Noted("s1", id="i-1", data={"page": 1}),
        Ended(keep_token=("later", KeptToken("t", "digest", 3.0))),
        Exported({"url": "https://x", "n": 1}),
        Began(Intent("s2", "delete", "t2", old, begun=1.0)),
        Ended(drop_superseded="u1"),
        Ended(put=record("sealed", inputs={"password": Sealed("bm9uY2U=")})),
    ]


class WritingContract(Contract):
    """Appends are atomic, durable, in order, and refused whole."""

    def test_an_unwritten_stack_is_empty(self, backend: Backend) -> None:
        """A stack that was never written has an empty snapshot, no history, and isn't listed."""
        assert backend.load(REF) == Snapshot()
        assert list(backend.history(REF)) == []
        assert list(backend.stacks()) == []

    def test_everything_written_is_loaded(self, connect: Callable[[], Backend]) -> None:
        """Records, superseded ones, intents, outputs, tokens, generations and key come back, also by other clients."""
        backend, entries = connect(), _one_of_each()
        lease = backend.acquire(REF, holder(), TTL)
        assert backend.append(lease, entries, lineage=LINEAGE, serial=0) == 1
        wanted = structs.replace(reduce(Snapshot(lineage=LINEAGE), entries), serial=1)
        assert _ordered(backend.load(REF)) == _ordered(wanted)
        backend.release(lease)
        assert _ordered(backend.load(REF)) == _ordered(wanted)
        assert _ordered(connect().load(REF)) == _ordered(wanted)
        assert list(backend.stacks()) == [REF]

    def test_every_prefix_is_a_state(self, connect: Callable[[], Backend]) -> None:
        """After each append, and after each lease that was given back or taken over, state is the reduction of what was appended so far."""
        backend, reader = connect(), connect()
        wanted, serial = Snapshot(lineage=LINEAGE), 0
        for entry in _one_of_each():
            lease = backend.acquire(REF, holder(process_start="1"), TTL)
            wanted = reduce(wanted, [entry])
            serial = backend.append(lease, [entry], lineage=LINEAGE, serial=serial)
            assert _ordered(reader.load(REF)) == _ordered(structs.replace(wanted, serial=serial))
            if serial % 3:  # at every third the holder dies, and nothing is folded
                backend.release(lease)
                assert _ordered(reader.load(REF)) == _ordered(structs.replace(wanted, serial=serial))

    def test_order_does_not_tell_how_state_was_written(self, backend: Backend) -> None:
        """Records come in the order of their addresses, before and after the lease is given back."""
        lease = backend.acquire(REF, holder(), TTL)
        serial = backend.append(lease, put("c", "a", "b"), lineage=LINEAGE, serial=0)
        backend.append(lease, put("B", "a"), lineage=LINEAGE, serial=serial)
        assert list(backend.load(REF).records) == ["B", "a", "b", "c"]
        backend.release(lease)
        assert list(backend.load(REF).records) == ["B", "a", "b", "c"]

    def test_entries_of_one_append_count_in_their_order(self, backend: Backend) -> None:
        """The last of several changes to one address wins."""
        lease = backend.acquire(REF, holder(), TTL)
        entries = [*put("a", id="1"), Ended(drop="a"), *put("a", id="2"), *put("a", id="3")]
        backend.append(lease, entries, lineage=LINEAGE, serial=0)
        assert backend.load(REF).records["a"].id == "3"

    def test_loaded_state_shares_nothing_with_the_backend(self, backend: Backend) -> None:
        """Changing what was written or loaded changes nothing that is stored."""
        inputs: Any = {"list": [1]}
        lease = backend.acquire(REF, holder(), TTL)
        backend.append(lease, put("a", inputs=inputs), lineage=LINEAGE, serial=0)
        inputs["list"].append(2)
        loaded: Any = backend.load(REF).records["a"].inputs
        loaded["list"].append(3)
        assert backend.load(REF).records["a"].inputs == {"list": [1]}

    @pytest.mark.parametrize("serial", [0, 2])
    def test_another_serial_is_refused(self, backend: Backend, serial: int) -> None:
        """A write that was made for another serial changes nothing, is a conflict, and spoils nothing for the next."""
        write(backend, "a")
        lease = backend.acquire(REF, holder(), TTL)
        with pytest.raises(StateConflictError, match=r"shop/prod.*serial 1"):
            backend.append(lease, put("b"), lineage=LINEAGE, serial=serial)
        assert list(backend.load(REF).records) == ["a"]
        assert backend.append(lease, put("b"), lineage=LINEAGE, serial=1) == 2

    def test_another_lineage_is_refused(self, backend: Backend) -> None:
        """The first write sets the lineage, and none but it is accepted later."""
        write(backend, "a")
        lease = backend.acquire(REF, holder(), TTL)
        with pytest.raises(StateConflictError, match="lineage"):
            backend.append(lease, put("b"), lineage="another", serial=1)
        with pytest.raises(StateError, match="lineage"):
            backend.append(lease, put("b"), lineage="", serial=1)
        assert (backend.load(REF).lineage, list(backend.load(REF).records)) == (LINEAGE, ["a"])

    @pytest.mark.parametrize("value", [Secret("hunter2"), UNKNOWN], ids=["secret", "unknown"])
    def test_a_refused_entry_keeps_all_of_them_out(self, backend: Backend, value: Any) -> None:
        """An open secret, or an unknown, in the last of several entries is named, and nothing is written."""
        lease = backend.acquire(REF, holder(), TTL)
        kind = SealError if isinstance(value, Secret) else StateError
        with pytest.raises(kind, match="net/db") as caught:
            backend.append(lease, [*put("a"), *put("net/db", outputs={"x": [value]})], lineage=LINEAGE, serial=0)
        assert "hunter2" not in str(caught.value)
        assert backend.load(REF) == Snapshot()
        assert backend.append(lease, put("a"), lineage=LINEAGE, serial=0) == 1

    def test_a_lost_lease_is_told_before_a_conflict(self, backend: Backend) -> None:
        """Where both serial and fence are stale, the writer learns that its lease is gone."""
        old = backend.acquire(REF, holder(process_start="1"), TTL)
        lease = backend.acquire(REF, holder(), TTL)
        backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
        with pytest.raises(LeaseLostError):
            backend.append(old, put("b"), lineage=LINEAGE, serial=0)

    def test_history_lists_runs_by_their_begin(self, connect: Callable[[], Backend]) -> None:
        """A run appears once, as it ended, in the order in which runs began."""
        backend = connect()
        first = RunSummary("r1", "apply", "ann", 1.0)
        second = RunSummary("r2", "destroy", "bob", 2.0, counts={"delete": 1})
        done = structs.replace(first, ended=3.0, status="ok", counts={"create": 2}, serial=3)
        lease = backend.acquire(REF, holder(), TTL)
        for serial, entry in enumerate([Ran(first), Ran(second), Ran(done)]):
            backend.append(lease, [entry], lineage=LINEAGE, serial=serial)
        assert list(backend.history(REF)) == [done, second]
        backend.release(lease)
        assert list(connect().history(REF)) == [done, second]

    def test_history_is_a_stacks_own(self, backend: Backend) -> None:
        """Runs of other stacks, also with an equal id, don't show."""
        other = StackRef("shop", "test")
        for ref, who in ((REF, "ann"), (other, "bob")):
            lease = backend.acquire(ref, holder(), TTL)
            backend.append(lease, [Ran(RunSummary("r", "apply", who, 1.0))], lineage=LINEAGE, serial=0)
            backend.release(lease)
        assert [[run.who for run in backend.history(ref)] for ref in (REF, other)] == [["ann"], ["bob"]]

    def test_large_values_and_many_records_come_back(self, connect: Callable[[], Backend]) -> None:
        """An append of 2,000 records, and one with a value of 3 MB, are kept whole."""
        backend = connect()
        lease = backend.acquire(REF, holder(), TTL)
        names = [f"net/subnet-{n:04}" for n in range(2000)]
        serial = backend.append(lease, put(*names, inputs={"tags": {"a": "b"}}), lineage=LINEAGE, serial=0)
        policy = "0123456789abcdef-é" * 170_000
        backend.append(lease, put("large", inputs={"policy": policy}), lineage=LINEAGE, serial=serial)
        for _ in range(2):
            snapshot = connect().load(REF)
            assert list(snapshot.records) == ["large", *names]
            assert snapshot.records["large"].inputs == {"policy": policy}
            backend.release(lease)

    def test_names_are_kept_as_they_are(self, backend: Backend) -> None:
        """Names that differ in case, look like paths or patterns, or are as long as can be, stay apart and whole."""
        names = ["prod", "Prod", "PROD", "a.b", "a=b", "a@b+c", "x y", "_", "9", "n" * 128, "a=2Fb", "a..b", "nul.txt"]
        refs = [*(StackRef("shop", name) for name in names), StackRef("Shop", "prod")]
        for ref in refs:
            write(backend, f"of/{ref.project}/{ref.name}", ref=ref)
        assert list(backend.stacks()) == sorted(refs)
        for ref in refs:
            assert list(backend.load(ref).records) == [f"of/{ref.project}/{ref.name}"]

    def test_addresses_are_kept_as_they_are(self, backend: Backend) -> None:
        """So do addresses, and they can't reach what is another stack's."""
        addresses = sorted(["a", "A", "a/b", "a/b/c", "a.b", "a b", "../a", "%", "_", "'", '"', "é", "z" * 1000])
        write(backend, "mine", ref=StackRef("shop", "other"))
        write(backend, *addresses)
        assert list(backend.load(REF).records) == addresses
        lease = backend.acquire(REF, holder(), TTL)
        backend.append(lease, [Ended(drop=address) for address in addresses[::2]], lineage=LINEAGE, serial=1)
        backend.release(lease)
        assert list(backend.load(REF).records) == addresses[1::2]
        assert list(backend.load(StackRef("shop", "other")).records) == ["mine"]

    def test_a_destroyed_stack_keeps_its_lineage(self, backend: Backend) -> None:
        """A stack without records stays listed, with its serial: it was written."""
        write(backend, "a")
        lease = backend.acquire(REF, holder(), TTL)
        backend.append(lease, [Ended(drop="a"), Exported({})], lineage=LINEAGE, serial=1)
        backend.release(lease)
        found = backend.load(REF)
        assert (found.lineage, found.serial, found.records, found.generations) == (LINEAGE, 2, {}, {"a": 1})
        assert list(backend.stacks()) == [REF]

    def test_the_cost_of_a_change_does_not_grow_with_the_stack(self, backend: Backend) -> None:
        """One change of a stack of 2,000 writes what one of a stack of 20 does, giving the lease back included."""
        write(backend, "a", ref=StackRef("size", "first"))
        if self.cost(backend) is None:
            pytest.skip("this backend doesn't count its writes (`cost`)")
        small, large = (self._cost_of_a_change(backend, StackRef("size", f"s{size}"), size) for size in (20, 2000))
        assert large[0] <= small[0]
        assert large[1] <= 1.2 * small[1] + 512

    def _cost_of_a_change(self, backend: Backend, ref: StackRef, size: int) -> tuple[int, int]:
        write(backend, *(f"a{n:05}" for n in range(size)), ref=ref)
        before = self.cost(backend)
        lease = backend.acquire(ref, holder(), TTL)
        serial = backend.append(lease, put("a00007", outputs={"new": 1}), lineage=LINEAGE, serial=1)
        backend.append(lease, put("a00007", outputs={"new": 2}), lineage=LINEAGE, serial=serial)
        backend.release(lease)
        after = self.cost(backend)
        if before is None or after is None:
            raise AssertionError("cost() told nothing")
        return after.writes - before.writes, after.bytes - before.bytes

    def test_a_keyring_that_comes_with_the_backend_works(self, backend: Backend) -> None:
        """If the backend brings a keyring, one asked for later reads what one wrote."""
        default: Any = getattr(backend, "default_keyring", None)
        if default is None or (keyring := default()) is None:
            return
        assert isinstance(keyring, Keyring)
        assert default().unwrap(keyring.wrap(bytes(32), LINEAGE), LINEAGE) == bytes(32)


def _ordered(snapshot: Snapshot) -> Snapshot:
    """Put into one order what has none."""
    return structs.replace(snapshot, superseded=tuple(sorted(snapshot.superseded, key=lambda record: record.uid)))
