"""An object store in memory that keeps count, and fails where it is told to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import attrs

from iaclib.backends.object_store import Changed, Found, Listed
from iaclib.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

#: What may happen to a request. Some are done all the same, and only their answer is lost.
FAULTS = ("kill", "kill after", "lost", "lost thrice", "throttled", "conflict", "down")


class Killed(BaseException):
    """The process ends here."""


@attrs.define
class Bucket:
    """The objects, and a clock of its own; many clients may share it."""

    objects: dict[str, tuple[bytes, str, float]] = attrs.field(factory=dict)
    now: float = 1000.0
    writes: int = 0
    bytes: int = 0
    requests: int = 0
    lock: threading.Lock = attrs.field(factory=threading.Lock)


class MemoryObjects:
    """A client of a bucket, an ``ObjectStore``.

    Args:
        bucket: Shared with other clients.
        fault: Told of each request by its number, operation and name; gives what happens to it, or None.
    """

    def __init__(self, bucket: Bucket, fault: Callable[[int, str, str], str | None] = lambda *_: None) -> None:
        self.place = "mem://bucket"
        self.bucket = bucket
        self.requests = 0
        self._fault = fault
        self._numbering = threading.Lock()

    def close(self) -> None:
        pass

    def get(self, name: str) -> Found | None:
        def read():
            found = self.bucket.objects.get(name)
            return None if found is None else Found(found[0], found[1], self.bucket.now - found[2])

        return self._do("get", name, read)

    def put_if_absent(self, name: str, data: bytes) -> str:
        return self._do("put", name, lambda: self._put(name, None, data))

    def put_if(self, name: str, version: str, data: bytes) -> str:
        return self._do("put", name, lambda: self._put(name, version, data))

    def delete(self, name: str) -> None:
        self._do("delete", name, lambda: self.bucket.objects.pop(name, None))

    def list(self, prefix: str) -> list[Listed]:
        def read():
            found = sorted(item for item in self.bucket.objects.items() if item[0].startswith(prefix))
            return [Listed(name, len(data), modified) for name, (data, _, modified) in found]

        return self._do("list", prefix, read)

    def _put(self, name: str, version: str | None, data: bytes) -> str:
        found = self.bucket.objects.get(name)
        if (None if found is None else found[1]) != version:
            raise Changed(f"{self.place}/{name}: it changed")
        self.bucket.writes += 1
        self.bucket.bytes += len(data)
        self.bucket.objects[name] = (data, f"v{self.bucket.writes}", self.bucket.now)
        return f"v{self.bucket.writes}"

    def _do(self, operation: str, name: str, work: Callable[[], object]):
        with self._numbering:
            self.requests += 1
            number = self.requests
        fault = self._fault(number, operation, name)
        if fault == "kill":
            raise Killed
        if fault in ("throttled", "conflict", "down"):
            raise StateError(f"{self.place}/{name}: {fault}", retryable=True)
        with self.bucket.lock:
            self.bucket.requests += 1
            done = work()
        if fault == "kill after":
            raise Killed
        if fault in ("lost", "lost thrice"):
            raise StateError(f"{self.place}/{name}: no answer", retryable=True)
        return done


def at(number: int, fault: str) -> Callable[[int, str, str], str | None]:
    """Let one request fail; a killed process asks nothing more, a service that is down stays so."""
    lasting = {"kill": 10**9, "kill after": 10**9, "down": 10**9, "lost thrice": 3}.get(fault, 1)

    def happens(asked: int, operation: str, name: str) -> str | None:
        if not number <= asked < number + lasting:
            return None
        return "kill" if fault == "kill after" and asked > number else fault

    return happens


class Counting:
    """Any ``ObjectStore``, counting what is asked of it and written."""

    def __init__(self, store) -> None:
        self.place = store.place
        self.store = store
        self.requests: dict[str, int] = {}
        self.written = 0
        self.read = 0

    @property
    def writes(self) -> int:
        return self.requests.get("put", 0)

    def close(self) -> None:
        self.store.close()

    def get(self, name):
        found = self._do("get", lambda: self.store.get(name))
        self.read += len(found.data) if found is not None else 0
        return found

    def put_if_absent(self, name, data):
        self.written += len(data)
        return self._do("put", lambda: self.store.put_if_absent(name, data))

    def put_if(self, name, version, data):
        self.written += len(data)
        return self._do("put", lambda: self.store.put_if(name, version, data))

    def delete(self, name):
        self._do("delete", lambda: self.store.delete(name))

    def list(self, prefix):
        return self._do("list", lambda: self.store.list(prefix))

    def _do(self, operation, call):
        self.requests[operation] = self.requests.get(operation, 0) + 1
        return call()


def counted(backend) -> Counting:
    """Count what an ``Objects`` backend does from now on."""
    store = backend._store._store
    if not isinstance(store, Counting):
        store = backend._store._store = Counting(store)
    return store
