"""What a tester of a backend tells, and the fixtures that all promises share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from msgspec import Struct

from iaclib.testing.samples import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from iaclib.state.backend import Backend


class Cost(Struct, frozen=True):
    """What a backend wrote so far.

    Args:
        writes: Rows, objects or files.
        bytes: Their size; 0 where it isn't counted.
    """

    writes: int
    bytes: int = 0


class Contract:
    """The hooks: ``make`` is a must, the others have defaults."""

    shared: ClassVar[bool] = True
    racers: ClassVar[int] = 4
    rounds: ClassVar[int] = 5
    examples: ClassVar[int] = 25

    def make(self, tmp_path: Path, clock: Clock) -> Backend:
        """Open the place that belongs to a path.

        Args:
            tmp_path: A folder, which names the place.
            clock: Gives the time that the test wants it to be.
        """
        raise NotImplementedError

    def pass_time(self, backend: Backend, clock: Clock, seconds: float) -> None:
        """Let time pass."""
        clock.now += seconds

    def cost(self, backend: Backend) -> Cost | None:
        """Tell what a backend wrote so far; None where that isn't counted."""
        return None

    def close(self, backend: Backend) -> None:
        """Close a client; by default by its ``close``, if it has one."""
        close: Any = getattr(backend, "close", None)
        if close is not None:
            close()

    # ------------------------------------------------------------------------------------------------------- fixtures

    @pytest.fixture
    def clock(self) -> Clock:
        """Give a clock that stands still."""
        return Clock()

    @pytest.fixture
    def connect(self, tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Backend]]:
        """Give a maker of clients of one place."""
        made: list[Backend] = []

        def connect(clock: Clock = clock) -> Backend:
            if made and not self.shared:
                return made[0]
            made.append(self.make(tmp_path, clock))
            return made[-1]

        yield connect
        for backend in made:
            self.close(backend)

    @pytest.fixture
    def backend(self, connect: Callable[[], Backend]) -> Backend:
        """Give a client of an empty place."""
        return connect()
