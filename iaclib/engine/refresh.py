"""Reading what the cloud shows of what is recorded, and what that means.

Gone only counts when a read said so; a read error keeps the record. Knows
nothing of plans: what to do about drift is the planner's to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from iaclib.errors import OperationError
from iaclib.execute.dispatch import Calls, outcomes
from iaclib.execute.handlers import Access
from iaclib.execute.job import Job, Outcome, said
from iaclib.execute.jobs import Jobs
from iaclib.execute.observe import refreshed
from iaclib.execute.run import Step
from iaclib.model.redact import redacted
from iaclib.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.execute.limits import Limits
    from iaclib.schema.facts import TypeFacts


class Reading(Struct, frozen=True):
    """What reading records found.

    Args:
        seen: Records as they are now, those that differ from before only.
        gone: Records whose object is not there any more.
        errors: One for each that could not be read; those records stay as they are.
        steps: One for each read.
    """

    seen: Sequence[Record] = ()
    gone: Sequence[Record] = ()
    errors: Sequence[Exception] = ()
    steps: Sequence[Step] = ()


def read_records(
    records: Sequence[Record],
    access: Access,
    calls: Calls,
    limits: Limits,
    *,
    facts: Callable[[str], TypeFacts | None],
    urn: Callable[[str], str],
    stack: str,
    now: float,
) -> Reading:
    """Read records from the cloud, concurrently; many at once where a handler can."""
    made = Jobs(access, limits, facts, urn, stack)
    owned: list[tuple[Record, Job]] = []
    many: dict[tuple[int, int], list[tuple[Record, Job]]] = defaultdict(list)
    for record in records:
        job = made.make(record, "read", record=record, id=record.id)
        if getattr(job.handler, "read_many", None) is not None:
            many[id(job.handler), id(job.provider)].append((record, job))
        else:
            owned.append((record, job))
    found = _Found(facts)
    groups = {_together(group): group for group in many.values()}
    for batch, outcome in outcomes(calls, list(groups)):
        for record, job in groups[batch]:
            job.secrets = batch.secrets  # it is not started by itself
            live = outcome.many.get(record.id)
            answered = outcome.error is None and outcome.fatal is None
            if live is None and answered and now < job.begun + job.settle:
                owned.append((record, job))  # made so lately that it may not be shown yet: ask for it alone
            else:
                found.add(record, job, structs.replace(outcome, live=live, many={}))
    by_job = {job: record for record, job in owned}
    for job, outcome in outcomes(calls, list(by_job)):
        found.add(by_job[job], job, outcome)
    return Reading(found.seen, found.gone, found.errors, found.steps)


def _together(group: Sequence[tuple[Record, Job]]) -> Job:
    """Make the one job that reads a group."""
    ids = [job.id for _, job in group]
    return structs.replace(group[0][1], action="read_many", before={"ids": ids}, record=None)


class _Found:
    def __init__(self, facts: Callable[[str], TypeFacts | None]) -> None:
        self.facts = facts
        self.seen: list[Record] = []
        self.gone: list[Record] = []
        self.errors: list[Exception] = []
        self.steps: list[Step] = []

    def add(self, record: Record, job: Job, outcome: Outcome) -> None:
        if outcome.fatal is not None:
            raise outcome.fatal
        error: OperationError | None = None
        if outcome.error is not None:
            cause = redacted(outcome.error, job.secrets)
            text = said(cause, record.address)
            error = OperationError(f"{record.address}: read failed: {text}", urn=job.urn, action="read", cause=cause)
            self.errors.append(error)
        elif outcome.live is None:
            self.gone.append(record)
        else:
            now = refreshed(record, outcome.live, self.facts(record.type))
            if now != record:
                self.seen.append(now)
        self.steps.append(Step(record.address, "read", id=record.id, seconds=outcome.seconds, error=error))
