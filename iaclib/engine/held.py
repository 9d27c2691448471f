"""A stack held under a lease, from acquiring it to giving it back.

Renews the lease in a thread of its own, also during long calls; losing it
stops the run. Knows nothing of what the run does.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from iaclib.errors import LeaseHeldError, LeaseLostError, StateError
from iaclib.state.backend import Holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from iaclib.execute.clock import Clock
    from iaclib.execute.stopping import Stop
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Backend, Lease


@contextmanager
def held(
    backend: Backend,
    ref: StackRef,
    operation: str,
    *,
    ttl: timedelta,
    wait: timedelta,
    clock: Clock,
    stop: Stop,
    unreturned: list[Lease],
) -> Iterator[Lease]:
    """Hold a stack's lease while the block runs.

    Args:
        backend: Where the lease is kept.
        ref: Which stack.
        operation: What for; others see it while they wait.
        ttl: Renewed after a third of it.
        wait: How long to wait for somebody else; 0 fails at once.
        clock: Tells the time.
        stop: Told when the lease is lost; ends the waiting.
        unreturned: Leases that could not be given back; tried again before one is taken.

    Raises:
        LeaseHeldError: Somebody else holds it.
    """
    while unreturned:
        backend.release(unreturned[-1])
        unreturned.pop()
    lease = _acquire(backend, ref, Holder.here(operation, clock.now()), ttl, wait, clock, stop)
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(backend, lease, ended, clock, stop), name="iaclib-lease", daemon=True)
    keeper.start()
    failed: BaseException | None = None
    try:
        yield lease
    except BaseException as error:
        failed = error
        raise
    finally:
        ended.set()
        keeper.join(timeout=5)
        if stop.lost is None:
            try:
                backend.release(lease)
            except (OSError, StateError) as error:
                if failed is None:
                    raise
                unreturned.append(lease)
                failed.add_note(f"its lease could not be given back either ({error}); the next operation here does so")


def _acquire(
    backend: Backend, ref: StackRef, holder: Holder, ttl: timedelta, wait: timedelta, clock: Clock, stop: Stop
) -> Lease:
    until = clock.monotonic() + wait.total_seconds()
    while True:
        try:
            return backend.acquire(ref, holder, ttl)
        except LeaseHeldError:
            left = until - clock.monotonic()
            if left <= 0 or stop.asked:
                raise
            clock.sleep(min(1.0, left), stop.woken)


def _keep(backend: Backend, lease: Lease, ended: threading.Event, clock: Clock, stop: Stop) -> None:
    expires = lease.expires
    while not ended.wait(lease.ttl.total_seconds() / 3):
        try:
            lease = backend.renew(lease)
            expires = lease.expires
        except LeaseLostError as error:
            stop.lose(error)
            return
        except Exception as error:  # noqa: BLE001 - it may pass before the lease runs out
            if clock.now() >= expires:
                msg = (
                    f"{lease.ref}: the lease could not be renewed in time ({type(error).__name__}), "
                    "expected the backend to answer; run again"
                )
                stop.lose(LeaseLostError(msg, ref=str(lease.ref)))
                return
