"""Durable writes as points at which a process may be killed: those of any backend, and those to a SQLite file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crash_cloud import POINTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iaclib.backends import Sqlite

WRITES = ("acquire", "append", "release", "remove")


class Counted:
    """A backend whose writes have a point before and one after.

    Args:
        inner: The backend behind.
        writes: The methods that count.
    """

    def __init__(self, inner: Any, writes: tuple[str, ...] = WRITES) -> None:
        self._inner = inner
        for name in writes:
            setattr(self, name, _between_points(getattr(inner, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _between_points(call: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*args: Any, **options: Any) -> Any:
        POINTS.passed()
        given = call(*args, **options)
        POINTS.passed()
        return given

    return counted


def with_counted_file(backend: Sqlite) -> Sqlite:
    """Let each transaction have a point before it, one before its commit and one after, and each scrub two."""
    file: Any = backend._file
    writing = file.writing

    @contextmanager
    def counted() -> Iterator[Any]:
        POINTS.passed()
        with writing() as db:
            yield db
            POINTS.passed()
        POINTS.passed()

    file.writing = counted
    file.scrub = _between_points(file.scrub)
    return backend
