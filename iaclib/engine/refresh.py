"""Reading what the cloud shows of what is recorded, and what that means.

Gone only counts when a read said so; a read error keeps the record. Knows
nothing of plans: what to do about drift is the planner's to say.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs

from iaclib.errors import OperationError
from iaclib.execute.calls import Job, Outcome
from iaclib.execute.executor import Calls, outcomes
from iaclib.execute.handlers import Access, timeout_of
from iaclib.execute.observe import refreshed
from iaclib.execute.redact import redacted, secret_texts
from iaclib.execute.retry import TIMEOUT
from iaclib.execute.run import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from iaclib.execute.limits import Limits
    from iaclib.schema.facts import TypeFacts
    from iaclib.state.record import Record


@attrs.frozen
class Reading:
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
    jobs: list[Job] = []
    owners: list[Record] = []
    many: dict[tuple[int, int], list[tuple[Record, Job]]] = defaultdict(list)
    for record in records:
        handler, provider = access.of_record(record)
        name, identity = (
            (record.provider.name, record.provider.identity) if record.provider is not None else ("", ("", ""))
        )
        service = provider.service(record.type) if provider is not None else record.type
        type_facts = facts(record.type)
        job = Job(
            "read",
            "",
            record.address,
            urn(record.address),
            stack,
            handler,
            provider,
            limits.of(
                (name, *identity, service), (provider.limits or {}).get(service) if provider is not None else None
            ),
            timeout=timeout_of("read", None, type_facts, TIMEOUT),
            record=record,
            id=record.id,
            begun=now,
        )
        if getattr(handler, "read_many", None) is not None:
            many[id(handler), id(provider)].append((record, job))
        else:
            jobs.append(job)
            owners.append(record)
    shared = {}
    for group in many.values():
        first = group[0][1]
        ids = [job.id for _, job in group]
        jobs.append(attrs.evolve(first, action="read_many", before={"ids": ids}, record=None))
        owners.append(group[0][0])
        shared[len(jobs) - 1] = group
    found = _Found(facts)
    for index, (job, outcome) in enumerate(outcomes(calls, jobs)):
        if index not in shared:
            found.add(owners[index], job, outcome)
            continue
        lives: Any = outcome.many if outcome.error is None else {}
        for record, own in shared[index]:
            found.add(record, own, Outcome(live=lives.get(record.id), error=outcome.error, seconds=outcome.seconds))
    return Reading(found.seen, found.gone, found.errors, found.steps)


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
            cause = redacted(outcome.error, secret_texts(record.inputs, record.outputs))
            error = OperationError(f"{record.address}: read failed: {cause}", urn=job.urn, action="read", cause=cause)
            self.errors.append(error)
        elif outcome.live is None:
            self.gone.append(record)
        else:
            now = refreshed(record, outcome.live, self.facts(record.type))
            if now != record:
                self.seen.append(now)
        self.steps.append(Step(record.address, "read", id=record.id, seconds=outcome.seconds, error=error))
