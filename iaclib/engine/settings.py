"""What an engine's runs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from iaclib.execute.clock import Clock
    from iaclib.execute.delivery import Delivery
    from iaclib.execute.handlers import Access
    from iaclib.plan.policy import Policy
    from iaclib.state.backend import Backend, Lease


@attrs.define
class Settings:
    """What an engine's runs have in common.

    ``grace`` is how many seconds a call may go on beyond its deadline before
    it is left behind. ``unreturned`` are leases that could not be given back
    when they were done with.
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
    unreturned: list[Lease] = attrs.field(factory=list)
