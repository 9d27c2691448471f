"""Looking at what exists: reading it, recording what was seen, telling the drift.

Knows how readings meet state; which records to read is the caller's choice.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.declare.registry import type_facts
from iaclib.errors import ApplyFailed, OperationError
from iaclib.execute.stopping import Stop
from iaclib.model.redact import redacted
from iaclib.state.journal import Ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from iaclib.engine.drift import Drift
    from iaclib.engine.refresh import Reading
    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.execute.dispatch import Calls
    from iaclib.execute.limits import Limits
    from iaclib.model.addresses import StackRef
    from iaclib.provider.handler import Live
    from iaclib.state.journal import Entry
    from iaclib.state.record import Record, Snapshot


@contextmanager
def calling(settings: Settings, stack: str, op: Operation | None) -> Iterator[tuple[Calls, Limits]]:
    """Give threads and limits for reads: an operation's, or some of their own.

    Args:
        settings: The engine's.
        stack: ``project/stack``, for events.
        op: The operation, if there is one.
    """
    from iaclib.execute.delivery import Reporter
    from iaclib.execute.dispatch import Calls
    from iaclib.execute.limits import Limits

    if op is not None:
        yield op.calls, op.limits
        return
    reporter = Reporter(settings.events, settings.clock, stack)
    pool = settings.pool(settings.parallelism)
    calls = Calls(_no_ledger(), settings.clock, Stop(), pool, reporter, grace=settings.grace)
    try:
        yield calls, Limits(settings.parallelism, settings.clock)
    finally:
        calls.close()
        settings.events.flush()


class Observer:
    """Reads for one engine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._seen: dict[str, float] = {}  # uid -> when this engine last saw the object

    def stale(self, records: Sequence[Record], max_age: timedelta | float | None) -> list[Record]:
        """Leave out what was seen, or made, less than ``max_age`` (seconds) ago."""
        if max_age is None:
            return list(records)
        oldest = self.settings.clock.now() - (max_age.total_seconds() if isinstance(max_age, timedelta) else max_age)
        return [record for record in records if max(self._seen.get(record.uid, 0.0), record.created) < oldest]

    def read(
        self, ref: StackRef, snapshot: Snapshot, records: Sequence[Record], op: Operation | None = None
    ) -> Reading:
        """Read what records stand for; within an operation under its lease and limits."""
        from iaclib.engine.refresh import read_records

        now = self.settings.clock.now()
        with calling(self.settings, str(ref), op) as (calls, limits):
            if op is None:
                calls.guard([*snapshot.records.values(), *snapshot.superseded])
            reading = read_records(
                records,
                self.settings.access,
                calls,
                limits,
                facts=type_facts,
                urn=ref.urn,
                stack=str(ref),
                now=now,
            )
        failed = {step.address for step in reading.steps if step.error is not None}
        self._seen.update((record.uid, now) for record in records if record.address not in failed)
        return reading

    def shown(self, ref: StackRef, stubs: Sequence[Record], op: Operation | None = None) -> dict[str, Live | None]:
        """Read objects that are not recorded; give what there is by address.

        Raises:
            ApplyFailed: Some can't be read.
        """
        from iaclib.execute.dispatch import outcomes
        from iaclib.execute.jobs import Jobs

        found: dict[str, Live | None] = {}
        errors: list[Exception] = []
        with calling(self.settings, str(ref), op) as (calls, limits):
            jobs = Jobs(self.settings.access, limits, type_facts, ref.urn, str(ref))
            made = [jobs.make(stub, "read", id=stub.id) for stub in stubs]
            for job, outcome in outcomes(calls, made):
                if outcome.fatal is not None:
                    raise outcome.fatal
                found[job.address] = outcome.live
                if outcome.error is not None:
                    cause = redacted(outcome.error, job.secrets)
                    msg = f"{job.address}: {job.id} can't be read: {cause}"
                    errors.append(OperationError(msg, urn=job.urn, action="read", cause=cause))
        if errors:
            msg = (
                f"{ref}: {len(errors)} object{'s' if len(errors) > 1 else ''} to import could not be read, expected to see all; "
                "nothing was changed, mend the cause and run again"
            )
            raise ApplyFailed(msg, errors)
        if op is not None and op.stop.asked and len(found) < len(stubs):
            _cut_short(op)
        return found

    def refresh(self, op: Operation, records: Sequence[Record]) -> Reading:
        """Read and record."""
        reading = self.read(op.ref, op.ledger.state.freeze(), records, op)
        op.steps.extend(reading.steps)
        superseded = op.ledger.state.superseded
        entries: list[Entry] = []
        for record in reading.gone:
            entries.extend(
                [Ended(drop_superseded=record.uid)] if record.uid in superseded else op.ledger.drop(record.address)
            )
        entries.extend(op.ledger.put(_edges(op, record)) for record in reading.seen if record.uid not in superseded)
        if entries:
            op.ledger.commit(entries)
        if op.stop.asked and len(reading.steps) < len(records):
            _cut_short(op)
        return reading

    def write(self, op: Operation, observed: Mapping[str, Record | None]) -> None:
        """Write what a plan's refresh saw, before the plan is carried out."""
        entries: list[Entry] = []
        for address, record in observed.items():
            if record is None and op.ledger.current(address) is not None:
                entries.extend(op.ledger.drop(address))
        entries.extend(
            op.ledger.put(_edges(op, record))
            for record in observed.values()
            if record is not None and op.ledger.current(record.address) != record
        )
        if entries:
            op.ledger.commit(entries)

    def drift(self, ref: StackRef, before: Snapshot, reading: Reading, serial: int) -> Drift:
        """Tell the drift in what was read."""
        from iaclib.engine.drift import drift_of

        return drift_of(reading, ref.urn, type_facts, serial, standing=_still(before, reading))

    def unread(self, ref: StackRef, before: Snapshot, reading: Reading, op: Operation | None = None) -> ApplyFailed:
        """Make the error for a reading in which something could not be read (rule 31)."""
        run = None
        if op is not None:
            op.ledger.finish("failed", {})
            run = op.run(ok=False, errors=reading.errors)
        count = len(reading.errors)
        drift = self.drift(ref, before, reading, op.ledger.state.serial if op is not None else before.serial)
        msg = (
            f"{ref}: {count} resource{'s' if count > 1 else ''} could not be read, expected to see all; "
            "what is recorded of them stays as it is, mend the cause and run again"
        )
        return ApplyFailed(msg, list(reading.errors), run=run, drift=drift)


def observed_by(reading: Reading, snapshot: Snapshot) -> dict[str, Record | None]:
    """Give current records as a reading saw them, None for those that are gone."""
    found: dict[str, Record | None] = {}
    for record in reading.gone:
        if (current := snapshot.records.get(record.address)) is not None and current.uid == record.uid:
            found[record.address] = None
    for record in reading.seen:
        if (current := snapshot.records.get(record.address)) is not None and current.uid == record.uid:
            found[record.address] = record
    return found


def _edges(op: Operation, record: Record) -> Record:
    """Take edges to what a refresh found gone out of a record that it read."""
    current = op.ledger.current(record.address)
    return record if current is None else structs.replace(record, dependencies=current.dependencies)


def _still(before: Snapshot, reading: Reading) -> list[Record]:
    read = {step.address for step in reading.steps}
    seen = {record.uid for record in (*reading.seen, *reading.gone)}
    return [
        record
        for record in before.records.values()
        if record.observed is not None and record.uid not in seen and record.address in read
    ]


def _cut_short(op: Operation) -> None:
    """End an operation that was stopped before all was read."""
    from iaclib.execute.executor import Result

    op.end(Result([], [], unfinished=True), "reading what there is")


def _no_ledger() -> Any:
    """Reads make nothing durable."""
    return None
