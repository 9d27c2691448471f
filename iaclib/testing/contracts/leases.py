"""What every backend promises about leases and fences."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from iaclib.errors import LeaseHeldError, LeaseLostError
from iaclib.model.addresses import StackRef
from iaclib.state.record import Snapshot
from iaclib.testing.contracts.base import Contract
from iaclib.testing.samples import ELSEWHERE, LINEAGE, REF, TTL, Clock, holder, put, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.state.backend import Backend

_HOUR = 3600.0


class LeaseContract(Contract):
    """One holder a stack at a time, and none that was overtaken ever writes again."""

    def test_a_lease_alone_makes_no_stack(self, backend: Backend) -> None:
        """A stack that was leased and never written is not listed, and is empty."""
        backend.release(backend.acquire(REF, holder(), TTL))
        assert list(backend.stacks()) == []
        assert backend.load(REF) == Snapshot()

    def test_the_fence_rises_with_each_lease(self, backend: Backend) -> None:
        """Each lease has the fence of the one before plus 1."""
        fences = []
        for _ in range(3):
            lease = backend.acquire(REF, holder(), TTL)
            fences.append(lease.fence)
            backend.release(lease)
        assert fences == [1, 2, 3]

    def test_a_lease_says_whose_it_is(self, backend: Backend, clock: Clock) -> None:
        """A lease carries stack, holder and ttl as asked for, and ends that much after now."""
        ttl, me = timedelta(seconds=5), holder("destroy")
        lease = backend.acquire(REF, me, ttl)
        assert (lease.ref, lease.holder, lease.ttl) == (REF, me, ttl)
        assert lease.expires == pytest.approx(clock.now + 5)

    def test_a_held_stack_is_refused(self, connect: Callable[[], Backend]) -> None:
        """A held lease fails at once; the error names stack, holder, since when and the way out."""
        first = holder("apply", **ELSEWHERE)
        connect().acquire(REF, first, TTL)
        with pytest.raises(LeaseHeldError, match=r"shop/prod.*elsewhere.*apply.*2023-11-14.*lease_wait") as caught:
            connect().acquire(REF, holder("destroy"), TTL)
        assert caught.value.facts["holder"] == first

    def test_a_refused_lease_changes_nothing(self, connect: Callable[[], Backend]) -> None:
        """Whoever was refused disturbs neither the holder's lease nor the count of fences."""
        backend, other = connect(), connect()
        lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
        for _ in range(3):
            with pytest.raises(LeaseHeldError):
                other.acquire(REF, holder(), TTL)
        assert backend.append(lease, put("a"), lineage=LINEAGE, serial=0) == 1
        backend.release(lease)
        assert other.acquire(REF, holder(), TTL).fence == 2

    def test_an_expired_lease_is_taken_over(self, connect: Callable[[], Backend], clock: Clock) -> None:
        """At its end a lease can be taken by anyone; the one before can't write, renew or release any more."""
        backend, other = connect(), connect()
        old = backend.acquire(REF, holder(**ELSEWHERE), TTL)
        self.pass_time(backend, clock, 60)
        new = other.acquire(REF, holder(**ELSEWHERE), TTL)
        assert new.fence == old.fence + 1
        with pytest.raises(LeaseLostError, match="shop/prod"):
            backend.renew(old)
        with pytest.raises(LeaseLostError, match="shop/prod"):
            backend.append(old, put("a"), lineage=LINEAGE, serial=0)
        backend.release(old)  # of no effect
        with pytest.raises(LeaseHeldError):
            connect().acquire(REF, holder(), TTL)
        assert other.append(new, put("b"), lineage=LINEAGE, serial=0) == 1
        assert list(backend.load(REF).records) == ["b"]

    def test_a_lease_that_ran_out_is_good_until_somebody_comes(self, backend: Backend, clock: Clock) -> None:
        """A holder that was late writes and renews as long as nobody took over."""
        lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
        self.pass_time(backend, clock, 61)
        assert backend.append(lease, put("a"), lineage=LINEAGE, serial=0) == 1
        lease = backend.renew(lease)
        with pytest.raises(LeaseHeldError):
            backend.acquire(REF, holder(), TTL)

    def test_a_dead_holder_is_taken_over_at_once(self, connect: Callable[[], Backend]) -> None:
        """Nobody waits for a process of this host that is gone, and it is fenced off all the same."""
        backend = connect()
        old = backend.acquire(REF, holder(process_start="1"), TTL)
        new = connect().acquire(REF, holder(), TTL)
        assert new.fence == old.fence + 1
        with pytest.raises(LeaseLostError):
            backend.append(old, put("a"), lineage=LINEAGE, serial=0)

    def test_a_renewed_lease_lasts(self, backend: Backend, clock: Clock) -> None:
        """Renewing moves the end to now plus ttl, also when it had passed and nobody came."""
        lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
        for seconds in (50, 61, 59):
            self.pass_time(backend, clock, seconds)
            lease = backend.renew(lease)
            assert lease.expires == pytest.approx(clock.now + 60)
        self.pass_time(backend, clock, 58)
        with pytest.raises(LeaseHeldError):
            backend.acquire(REF, holder(), TTL)

    def test_the_lease_from_before_a_renewal_still_writes(self, backend: Backend) -> None:
        """What counts is the fence: a writer that has not yet seen the renewed lease goes on."""
        lease = backend.acquire(REF, holder(), TTL)
        backend.renew(lease)
        assert backend.append(lease, put("a"), lineage=LINEAGE, serial=0) == 1
        backend.release(lease)
        assert backend.acquire(REF, holder(), TTL).fence == 2

    def test_a_released_lease_writes_nothing(self, backend: Backend) -> None:
        """After giving it back a lease is worth nothing, and giving it back again is fine."""
        lease = backend.acquire(REF, holder(), TTL)
        backend.release(lease)
        backend.release(lease)
        with pytest.raises(LeaseLostError):
            backend.append(lease, put("a"), lineage=LINEAGE, serial=0)
        with pytest.raises(LeaseLostError):
            backend.renew(lease)

    def test_a_lease_of_a_place_that_never_gave_it_is_lost(self, connect: Callable[[], Backend]) -> None:
        """A lease of an unknown stack writes and renews nothing, and can be given back."""
        backend = connect()
        lease = backend.acquire(REF, holder(), TTL)
        other: Any = lease.__class__(StackRef("shop", "other"), lease.fence, lease.holder, TTL, lease.expires)
        with pytest.raises(LeaseLostError):
            backend.append(other, put("a"), lineage=LINEAGE, serial=0)
        with pytest.raises(LeaseLostError):
            backend.renew(other)
        backend.release(other)
        assert list(backend.stacks()) == []

    def test_a_client_that_went_away_keeps_its_lease(self, connect: Callable[[], Backend], clock: Clock) -> None:
        """Leases don't hang on a connection: closing gives none back, and the holder may go on through a new one."""
        backend = connect()
        lease = backend.acquire(REF, holder(**ELSEWHERE), TTL)
        self.close(backend)
        other = connect()
        with pytest.raises(LeaseHeldError):
            other.acquire(REF, holder(), TTL)
        assert other.append(other.renew(lease), put("a"), lineage=LINEAGE, serial=0) == 1

    @pytest.mark.parametrize("skew", [-5 * _HOUR, 5 * _HOUR], ids=["behind", "ahead"])
    def test_clocks_hours_apart_never_let_two_write(self, connect: Callable[..., Backend], skew: float) -> None:
        """Whatever a client believes the time is, it is refused, or it takes over and the other is fenced off."""
        here, there = connect(), connect(Clock(Clock().now + skew))
        old = here.acquire(REF, holder(**ELSEWHERE), TTL)
        try:
            new = there.acquire(REF, holder(**ELSEWHERE), TTL)
        except LeaseHeldError:
            assert here.append(old, put("here"), lineage=LINEAGE, serial=0) == 1
            assert list(there.load(REF).records) == ["here"]
            return
        with pytest.raises(LeaseLostError):
            here.append(old, put("here"), lineage=LINEAGE, serial=0)
        assert there.append(new, put("there"), lineage=LINEAGE, serial=0) == 1
        assert list(here.load(REF).records) == ["there"]

    def test_stacks_don_t_wait_for_each_other(self, connect: Callable[[], Backend]) -> None:
        """Two stacks have their own records, serials, fences and leases, also where names could run together."""
        backend, other = connect(), connect()
        one, two = StackRef("a", "b c"), StackRef("a b", "c")
        write(backend, "x", ref=one)
        lease = backend.acquire(one, holder(), TTL)
        write(other, "y", "z", ref=two)
        backend.release(lease)
        assert list(other.load(one).records) == ["x"]
        assert list(backend.load(two).records) == ["y", "z"]
        assert list(backend.stacks()) == [one, two]
