"""A backend and the pure reduce side by side, in random sequences of events."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from iaclib.errors import LeaseLostError
from iaclib.state.backend import Mender, Oblivious
from iaclib.state.journal import Began, Ended, Exported, Noted, Stored, reduce
from iaclib.state.record import Intent, KeptToken, Record, Snapshot
from iaclib.testing.contracts.base import Contract
from iaclib.testing.samples import ELSEWHERE, LINEAGE, REF, TTL, Clock, holder, put

if TYPE_CHECKING:
    from pathlib import Path


class SequenceContract(Contract):
    """No order of events makes state differ from the reduction of what was appended."""

    def test_no_sequence_of_events_goes_wrong(self, tmp_path: Path) -> None:
        """Appends, returns, thefts, stale writers and new clients, in any order: state is what was appended.

        A ``Mender`` finds no damage in it, and salvages just that.
        """
        pytest.importorskip("hypothesis")
        from hypothesis import HealthCheck, settings
        from hypothesis.stateful import run_state_machine_as_test

        numbers = itertools.count()
        make: Any = lambda: _machine(self, tmp_path / f"{next(numbers)}")  # noqa: E731 - hypothesis types it as a class
        run_state_machine_as_test(
            make,
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def _machine(contract: Contract, folder: Path) -> Any:
    """Make the machine for one place; hypothesis is imported when it is used."""
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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
        st.builds(Stored, st.sampled_from(["one", "two"]), st.none() | st.integers(1, 3).map("{:0>100000}".format)),
    )

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            folder.mkdir()
            self.clock = Clock()
            self.backend: Any = contract.make(folder, self.clock)
            self.model = Snapshot()
            self.lease: Any = None
            self.stale: list[Any] = []

        def teardown(self) -> None:
            contract.close(self.backend)

        @precondition(lambda self: self.lease is None)
        @rule()
        def acquire(self) -> None:
            self.lease = self.backend.acquire(REF, holder(**ELSEWHERE), TTL)

        @precondition(lambda self: self.lease is not None)
        @rule()
        def release(self) -> None:
            self.backend.release(self.lease)
            self.stale.append(self.lease)
            self.lease = None

        @precondition(lambda self: self.lease is not None)
        @rule()
        def steal(self) -> None:
            contract.pass_time(self.backend, self.clock, 100)
            self.stale.append(self.lease)
            self.lease = self.backend.acquire(REF, holder(**ELSEWHERE), TTL)

        @precondition(lambda self: self.lease is not None)
        @rule(entries=st.lists(entries, min_size=1, max_size=4))
        def append(self, entries: Any) -> None:
            serial = self.backend.append(self.lease, entries, lineage=LINEAGE, serial=self.model.serial)
            self.model = structs.replace(reduce(self.model, entries), serial=serial, lineage=LINEAGE)

        @precondition(lambda self: self.stale)
        @rule()
        def append_with_a_stale_lease(self) -> None:
            with pytest.raises(LeaseLostError):
                self.backend.append(self.stale[-1], put("a"), lineage=LINEAGE, serial=self.model.serial)

        @rule()
        def reopen(self) -> None:
            if contract.shared:
                contract.close(self.backend)
                self.backend = contract.make(folder, self.clock)

        @precondition(lambda self: self.lease is not None and isinstance(self.backend, Oblivious))
        @rule()
        def forget_what_was(self) -> None:
            self.backend.forget_past(self.lease)

        @precondition(lambda self: isinstance(self.backend, Mender))
        @rule()
        def salvage(self) -> None:
            found = self.backend.salvage(REF)
            assert (found.snapshot, list(found.damage)) == (self.backend.load(REF), [])

        @invariant()
        def same(self) -> None:
            found, wanted = (
                structs.replace(each, superseded=sorted(each.superseded, key=lambda record: record.uid))
                for each in (self.backend.load(REF), self.model)
            )
            assert found == wanted

    return Machine()
