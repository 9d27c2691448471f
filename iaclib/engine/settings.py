"""What an engine's runs have in common."""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING, Any

from iaclib.declare.collect import collect
from iaclib.execute.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from iaclib.declare.desired import Desired
    from iaclib.declare.stack import Stack
    from iaclib.execute.clock import Clock
    from iaclib.execute.delivery import Delivery
    from iaclib.execute.executor import Queue
    from iaclib.execute.handlers import Access
    from iaclib.execute.task import Task
    from iaclib.plan.policy import Policy
    from iaclib.state.backend import Backend, Lease


class Settings:
    """What an engine's runs have in common.

    ``grace`` is how many seconds a call may go on beyond its deadline before
    it is left behind. ``unreturned`` are leases that could not be given back
    when they were done with. ``collect`` runs a program, ``pool`` makes the threads of that many calls at
    once, and ``queue`` what tasks that are ready wait in.
    """

    def __init__(  # noqa: PLR0913 - all that one engine is made of
        self,
        *,
        backend: Backend,
        keyring: Any,
        access: Access,
        clock: Clock,
        token: Callable[[], str],
        parallelism: int,
        lease_ttl: timedelta,
        lease_wait: timedelta,
        events: Delivery,
        grace: float,
        policies: tuple[Policy, ...] = (),
        encrypt: str | None = None,
    ) -> None:
        self.backend = backend
        self.keyring = keyring
        self.access = access
        self.clock = clock
        self.token = token
        self.parallelism = parallelism
        self.lease_ttl = lease_ttl
        self.lease_wait = lease_wait
        self.events = events
        self.grace = grace
        self.policies = policies
        self.encrypt = encrypt
        self.collect: Callable[[Stack], Desired] = collect
        self.pool: Callable[[int], Pool] = Pool
        self.queue: Callable[[Iterable[Task]], Queue] = deque
        self.unreturned: list[Lease] = []

    def elsewhere(self, backend: Backend, keyring: Any) -> Settings:
        """Give the same for state that is kept somewhere else."""
        there = copy.copy(self)
        there.backend, there.keyring, there.unreturned = backend, keyring, []
        return there
