"""The narrow interface to an object store, and patience with one.

Knows names, bytes, versions and conditions; knows nothing of state. One module
a service implements ``ObjectStore``, without retries of its own; ``Patient``
adds them for all.

A conditional write whose answer was lost may have been done: the next try then
fails its condition because of itself. No two writes of this library hold the
same bytes (each carries a ``write`` id), so that reading back tells.
"""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from msgspec import Struct

from iaclib.errors import StateConflictError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_T = TypeVar("_T")

_JITTER = Random()  # noqa: S311 - spreads tries; a program's own random numbers stay as they are
_FIRST_WAIT: Final = 0.1  # seconds, then doubling
_LONGEST_WAIT: Final = 5.0
_PATIENCE: Final = 30.0  # seconds after which nothing is tried again
_TRIES: Final = 8


class Found(Struct, frozen=True):
    """An object as it was read.

    Args:
        data: Its bytes.
        version: What a condition names: an ETag or a generation.
        age: Seconds since it was written, by the store's own clock; None if it did not say.
    """

    data: bytes
    version: str
    age: float | None = None


class Listed(Struct, frozen=True):
    """An object as a list shows it; ``modified`` is in seconds since the epoch, by the store's clock."""

    name: str
    size: int
    modified: float


class Changed(StateConflictError):
    """The condition of a write does not hold; nothing was written."""


class ObjectStore(Protocol):
    """Objects under one prefix of one bucket; names are relative to it.

    Reads are strongly consistent. Every method raises ``StateError`` for what
    went wrong, with ``retryable=True`` (and ``retry_after`` in seconds, if
    told) where another try may help: the outcome of a write is then unknown.
    """

    #: Which store this is, for messages and for the marker of the probe; no credentials in it.
    place: str

    def get(self, name: str) -> Found | None:
        """Read an object; None if there is none."""
        ...

    def put_if_absent(self, name: str, data: bytes) -> str:
        """Make an object and give its version; ``Changed`` if there is one."""
        ...

    def put_if(self, name: str, version: str, data: bytes) -> str:
        """Overwrite an object of that version; ``Changed`` if it has another, or is gone."""
        ...

    def delete(self, name: str) -> None:
        """Delete an object; gone already is fine. Used only for names that are never written again."""
        ...

    def list(self, prefix: str) -> Sequence[Listed]:
        """List all objects whose names begin so, by name."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


class Patient:
    """An ``ObjectStore`` that tries again, and tells a write that was done from one that lost.

    Args:
        store: What is asked.
        sleep: Waits, in seconds.
    """

    def __init__(self, store: ObjectStore, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.place = store.place
        self._store = store
        self._sleep = sleep

    def get(self, name: str) -> Found | None:
        """Read an object; see ``ObjectStore.get``."""
        return self._try(lambda: self._store.get(name))

    def put_if_absent(self, name: str, data: bytes) -> str:
        """Make an object; see ``ObjectStore.put_if_absent``."""
        return self._put(name, data, lambda: self._store.put_if_absent(name, data))

    def put_if(self, name: str, version: str, data: bytes) -> str:
        """Overwrite an object; see ``ObjectStore.put_if``."""
        return self._put(name, data, lambda: self._store.put_if(name, version, data))

    def delete(self, name: str) -> None:
        """Delete an object; see ``ObjectStore.delete``."""
        self._try(lambda: self._store.delete(name))

    def list(self, prefix: str) -> Sequence[Listed]:
        """List objects; see ``ObjectStore.list``."""
        return self._try(lambda: self._store.list(prefix))

    def close(self) -> None:
        """Close connections."""
        self._store.close()

    def _put(self, name: str, data: bytes, write: Callable[[], str]) -> str:
        try:
            return self._try(write)
        except Changed:
            found = self.get(name)
            if found is not None and found.data == data:
                return found.version  # ours: the answer of an earlier try was lost on its way
            raise

    def _try(self, call: Callable[[], _T]) -> _T:
        end = time.monotonic() + _PATIENCE
        wait = _FIRST_WAIT
        for left in range(_TRIES - 1, -1, -1):
            try:
                return call()
            except StateError as error:
                if not error.retryable or not left or time.monotonic() >= end:
                    raise
                pause = max(getattr(error, "retry_after", None) or 0.0, wait * (0.5 + _JITTER.random()))
            self._sleep(min(pause, _PATIENCE))
            wait = min(wait * 2, _LONGEST_WAIT)
        raise AssertionError
