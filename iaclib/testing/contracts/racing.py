"""What every backend promises to many who use it at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from iaclib.errors import LeaseHeldError, StateConflictError
from iaclib.model.addresses import StackRef
from iaclib.state.journal import Entry, Exported
from iaclib.testing.contracts.base import Contract
from iaclib.testing.samples import LINEAGE, REF, TTL, holder, put, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from iaclib.state.backend import Backend, Lease

    T = TypeVar("T")


def _at_once(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run jobs in threads that start together; what one raises is raised."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        barrier.wait(30)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


class RacingContract(Contract):
    """Exactly one winner a lease and a serial, no lost update, and nobody sees half a write."""

    def test_one_of_many_threads_gets_the_lease(self, backend: Backend) -> None:
        """Of 16 threads that acquire a new stack at once, one wins, and the fence rises once."""

        def acquire() -> int:
            try:
                return backend.acquire(REF, holder(), TTL).fence
            except LeaseHeldError:
                return 0

        assert sorted(_at_once([acquire] * 16)) == [0] * 15 + [1]

    def test_one_of_many_clients_gets_the_lease(self, connect: Callable[[], Backend]) -> None:
        """The same for clients of their own, all of which come first to a place that is empty."""

        def acquire(backend: Backend) -> Callable[[], int]:
            def job() -> int:
                try:
                    return backend.acquire(REF, holder(), TTL).fence
                except LeaseHeldError:
                    return 0

            return job

        fences = _at_once([acquire(connect()) for _ in range(self.racers)])
        assert sorted(fences) == [0] * (self.racers - 1) + [1]

    def test_racing_clients_lose_no_update(self, connect: Callable[[], Backend]) -> None:
        """Clients that lease, read, write and return, again and again: each lease has its fence, each write stays."""

        def work(backend: Backend) -> Callable[[], list[int]]:
            def job() -> list[int]:
                won = []
                for _ in range(self.rounds):
                    try:
                        lease = backend.acquire(REF, holder(), TTL)
                    except LeaseHeldError:
                        continue
                    serial = backend.load(REF).serial
                    backend.append(lease, put(f"fence-{lease.fence:04}"), lineage=LINEAGE, serial=serial)
                    backend.release(lease)
                    won.append(lease.fence)
                return won

            return job

        fences = [fence for won in _at_once([work(connect()) for _ in range(self.racers)]) for fence in won]
        assert sorted(fences) == list(range(1, len(fences) + 1))
        snapshot = connect().load(REF)
        assert snapshot.serial == len(fences)
        assert list(snapshot.records) == [f"fence-{fence:04}" for fence in sorted(fences)]

    def test_one_writer_a_serial(self, connect: Callable[[], Backend]) -> None:
        """Of writers that share a lease and a serial (a copied lease), one wins, and the others are in conflict."""
        lease = connect().acquire(REF, holder(), TTL)

        def append(backend: Backend, name: str, serial: int) -> Callable[[], str]:
            def job() -> str:
                try:
                    backend.append(lease, put(name), lineage=LINEAGE, serial=serial)
                except StateConflictError:
                    return ""
                return name

            return job

        clients, wanted = [connect() for _ in range(self.racers)], []
        for serial in range(self.rounds):
            jobs = [append(client, f"{serial:03}-{n:03}", serial) for n, client in enumerate(clients)]
            won = [name for name in _at_once(jobs) if name]
            assert len(won) == 1
            wanted += won
        assert list(connect().load(REF).records) == wanted

    def test_another_thread_renews_while_one_writes(self, backend: Backend) -> None:
        """A heartbeat and a writer share a backend without disturbing each other."""
        lease, stop = backend.acquire(REF, holder(), TTL), threading.Event()

        def beat() -> int:
            beats = 0
            while not stop.is_set():
                backend.renew(lease)
                beats += 1
            return beats

        def append() -> int:
            try:
                for serial in range(30):
                    backend.append(lease, put(f"a{serial}"), lineage=LINEAGE, serial=serial)
            finally:
                stop.set()
            return 0

        _at_once([beat, append])
        assert len(backend.load(REF).records) == 30

    def test_a_reader_sees_whole_appends_only(self, connect: Callable[[], Backend]) -> None:
        """Whoever loads while another writes and folds gets the state of one serial, never a mixture, never an error."""
        backend, reader, stop = connect(), connect(), threading.Event()
        names = [f"a{n}" for n in range(5)]

        def read() -> int:
            last = 0
            while not stop.is_set():
                found = reader.load(REF)
                assert found.serial >= last
                assert {record.id for record in found.records.values()} <= {f"{found.serial}"}
                assert found.serial == 0 or found.outputs == {"n": found.serial}
                last = found.serial
            return last

        def append() -> int:
            serial = 0
            try:
                for _ in range(5):
                    lease = backend.acquire(REF, holder(), TTL)
                    for _ in range(4):
                        entries: list[Entry] = [*put(*names, id=f"{serial + 1}"), Exported({"n": serial + 1})]
                        serial = backend.append(lease, entries, lineage=LINEAGE, serial=serial)
                    backend.release(lease)
            finally:
                stop.set()
            return serial

        _at_once([read, append])
        assert reader.load(REF).outputs == {"n": 20}

    def test_stacks_are_written_side_by_side(self, connect: Callable[[], Backend]) -> None:
        """Clients on stacks of their own never refuse or disturb each other."""

        def work(backend: Backend, ref: StackRef) -> Callable[[], int]:
            def job() -> int:
                serial = 0
                for n in range(self.rounds):
                    serial = write(backend, f"a{n:03}", ref=ref, serial=serial)
                return serial

            return job

        refs = [StackRef("shop", f"s{n:02}") for n in range(self.racers)]
        assert _at_once([work(connect(), ref) for ref in refs]) == [self.rounds] * self.racers
        for ref in refs:
            assert list(connect().load(ref).records) == [f"a{n:03}" for n in range(self.rounds)]

    def test_of_many_who_come_for_a_dead_holder_one_wins(self, connect: Callable[[], Backend]) -> None:
        """A takeover is a race as well: one new fence, and the dead one's lease is lost."""
        connect().acquire(REF, holder(process_start="1"), TTL)

        def acquire(backend: Backend) -> Callable[[], Lease | None]:
            def job() -> Lease | None:
                try:
                    return backend.acquire(REF, holder(), TTL)
                except LeaseHeldError:
                    return None

            return job

        leases = [lease for lease in _at_once([acquire(connect()) for _ in range(self.racers)]) if lease is not None]
        assert [lease.fence for lease in leases] == [2]
