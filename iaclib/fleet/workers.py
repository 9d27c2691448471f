"""Processes of this machine that run a fleet's jobs: one that dies takes no other with it."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Processes(Executor):
    """Runs each job in one of so many processes.

    A pool of several processes ends them all when one of them dies; here each
    has a pool of its own, and gets another one when it died.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, "iaclib-fleet")
        self._own = threading.local()
        self._pools: set[ProcessPoolExecutor] = set()
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        """Run a function that another process can import."""
        return self._threads.submit(self._run, fn, args, kwargs)

    def _run(self, fn: Callable[..., _T], args: Any, kwargs: Any) -> _T:
        pool = getattr(self._own, "pool", None)
        if pool is None:
            # Not forked: this process has threads, whose locks a copy of it would find held for good.
            pool = self._own.pool = ProcessPoolExecutor(1, get_context("spawn"))
            with self._lock:
                self._pools.add(pool)
        try:
            return pool.submit(fn, *args, **kwargs).result()
        except BrokenProcessPool:
            self._own.pool = None
            with self._lock:
                self._pools.discard(pool)
            pool.shutdown(wait=False)
            raise

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes once their jobs are done."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        with self._lock:
            pools, self._pools = self._pools, set()
        for pool in pools:
            pool.shutdown(wait, cancel_futures=cancel_futures)
