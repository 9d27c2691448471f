"""The engine's looks at the cloud: refresh writes what was seen, drift only tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.engine.given import stack_ref
from iaclib.engine.records import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from iaclib.declare.stack import Stack
    from iaclib.engine.drift import Drift
    from iaclib.engine.observer import Observer
    from iaclib.engine.running import Operation
    from iaclib.model.addresses import StackRef
    from iaclib.state.record import Snapshot


class Looking:
    """Compares what is recorded with what there is."""

    _observer: Observer
    _operation: Callable[[StackRef, str], AbstractContextManager[Operation]]
    snapshot: Callable[[Any], Snapshot]

    def refresh(
        self,
        ref: str | StackRef | Stack,
        *,
        targets: Iterable[str] = (),
        exclude: Iterable[str] = (),
        max_age: timedelta | float | None = None,
    ) -> Drift:
        """Read what is recorded and write what was seen: what drifted, what is gone.

        Args:
            ref: The stack, or ``"project/stack"``.
            targets: Addresses to read; a component's means all in it. Empty for all.
            exclude: Addresses to leave out.
            max_age: Leave out what this engine saw less than so long ago
                (seconds or timedelta).

        Raises:
            ApplyFailed: Something could not be read; the rest is written. Has ``.drift`` and ``.run``.
        """
        where = stack_ref(ref)
        with self._operation(where, "refresh") as op:
            op.recover()
            before = op.ledger.state.freeze()
            records = self._observer.stale(chosen(before, tuple(targets), tuple(exclude)), max_age)
            reading = self._observer.refresh(op, records)
            if reading.errors:
                raise self._observer.unread(where, before, reading, op)
            op.end()
            return self._observer.drift(where, before, reading, op.ledger.state.serial)

    def drift(
        self,
        ref: str | StackRef | Stack,
        *,
        targets: Iterable[str] = (),
        exclude: Iterable[str] = (),
        max_age: timedelta | float | None = None,
    ) -> Drift:
        """Tell what differs in the cloud from what was written; changes nothing.

        Takes the same arguments as ``refresh``.

        Raises:
            ApplyFailed: Something could not be read; has ``.drift``.
        """
        where = stack_ref(ref)
        snapshot = self.snapshot(where)
        records = self._observer.stale(chosen(snapshot, tuple(targets), tuple(exclude)), max_age)
        reading = self._observer.read(where, snapshot, records)
        if reading.errors:
            raise self._observer.unread(where, snapshot, reading)
        return self._observer.drift(where, snapshot, reading, snapshot.serial)
