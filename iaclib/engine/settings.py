"""What an engine's runs have in common."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

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


@attrs.define
class Settings:
    """What an engine's runs have in common.

    ``grace`` is how many seconds a call may go on beyond its deadline before
    it is left behind. ``unreturned`` are leases that could not be given back
    when they were done with. ``collect`` runs a program, ``pool`` makes the threads of that many calls at
    once, and ``queue`` what tasks that are ready wait in.
    """

    backend: Backend
    keyring: Any
    access: Access
    clock: Clock
    token: Callable[[], str]
    parallelism: int
    lease_ttl: timedelta
    lease_wait: timedelta
    events: Delivery
    grace: float
    policies: tuple[Policy, ...] = ()
    encrypt: str | None = None
    collect: Callable[[Stack], Desired] = collect
    pool: Callable[[int], Pool] = Pool
    queue: Callable[[Iterable[Task]], Queue] = deque
    unreturned: list[Lease] = attrs.field(factory=list)
