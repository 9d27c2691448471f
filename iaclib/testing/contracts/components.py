"""What every component keeps: it declares the same each time, touches nothing, and lives its life."""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from iaclib.declare.collect import collect
from iaclib.declare.stack import Stack
from iaclib.errors import ApplyFailed
from iaclib.testing.simulator import Simulator
from iaclib.testing.twice import collect_twice

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What reading, writing and calling are to Python's audit; others of these families are found by the prefix.
_TOUCHES = ("open", "os.", "shutil.", "socket.", "subprocess.", "sqlite3.connect", "urllib.Request", "tempfile.")
_HARMLESS = frozenset({"os.fwalk", "os.putenv", "os.unsetenv"})
_ASSETS = "iaclib/model/assets.py"

_watching: tuple[int, list[str]] | None = None  # in which thread: others are none of its business
_hooked = False


def _audit(event: str, args: tuple[Any, ...]) -> None:
    """Note what touches the world while somebody watches; files of an ``iac.Asset`` may be read."""
    if _watching is None or not event.startswith(_TOUCHES) or event in _HARMLESS:
        return
    thread, found = _watching
    if thread != threading.get_ident():
        return
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.replace("\\", "/").endswith(_ASSETS):
            return
        frame = frame.f_back
    found.append(f"{event}({', '.join(map(repr, args[:2]))})")


@contextmanager
def watched() -> Iterator[list[str]]:
    """List what is read, written or called meanwhile."""
    global _watching, _hooked  # noqa: PLW0603 - an audit hook is the process's, and stays
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True
    found: list[str] = []
    gc.collect()  # what others left behind is closed now, or later
    collecting = gc.isenabled()
    gc.disable()
    _watching = threading.get_ident(), found
    try:
        yield found
    finally:
        _watching = None
        if collecting:
            gc.enable()


class ComponentContract:
    """What every component does; subclass it and define ``declare``."""

    def declare(self) -> None:
        """Declare the component, in a stack that the suite brings."""
        raise NotImplementedError

    def simulator(self) -> Simulator:
        """Give a new simulator; seed here what the component looks up."""
        return Simulator()

    @pytest.fixture
    def program(self) -> Stack:
        """Give a stack of the component alone."""
        contract = self

        class Alone(Stack):
            def build(self) -> None:
                contract.declare()

        return Alone("test", project="contract")

    def test_it_declares_something(self, program: Stack) -> None:
        """A component without resources is none."""
        assert collect(program).resources

    def test_it_declares_the_same_twice(self, program: Stack) -> None:
        """Also with f-string tokens of other text and length."""
        collect_twice(program, always=True)

    def test_declaring_touches_nothing(self, program: Stack) -> None:
        """No file, no socket, no process; what an iac.Asset holds is read."""
        collect(program)  # modules load when they are first needed
        with watched() as found:
            collect(program)
        assert found == []

    def test_it_is_planned_once(self, program: Stack) -> None:
        """After an apply there is nothing to do, also if what exists is read first."""
        with self.simulator() as sim:
            assert sim.apply(program).ok
            assert not sim.plan(program)
            assert not sim.plan(program, refresh=True)

    def test_it_can_be_destroyed(self, program: Stack) -> None:
        """Deletes run in an order that the cloud allows, and nothing is left over."""
        with self.simulator() as sim:
            before = set(sim.objects)
            sim.apply(program)
            assert sim.destroy("contract/test").ok
            assert set(sim.objects) - before == set()

    def test_it_gets_through_any_failed_create(self, program: Stack) -> None:
        """Each create fails once; the next run finishes, and nothing is made twice."""
        with self.simulator() as sim:
            sim.apply(program)
            addresses = list(sim.snapshot("contract/test").records)
        for address in addresses:
            with self.simulator() as sim:
                sim.fail("create", address)
                with pytest.raises(ApplyFailed):
                    sim.apply(program)
                assert sim.apply(program).ok
                assert not sim.plan(program)
                assert len({thing.id for thing in sim.objects.values() if thing.stack}) == len(addresses)
