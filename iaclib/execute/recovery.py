"""Deciding what an earlier run left undecided, before anything else is done.

Each intent names one step whose call may or may not have happened. What is
found decides: adopt what a create made, or note that it is absent; compare
what an update was to reach with what there is; finish a delete that happened.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.errors import UndecidedError
from iaclib.execute.calls import way_out
from iaclib.execute.delivery import Reporter
from iaclib.execute.dispatch import outcomes
from iaclib.execute.handlers import plain_inputs
from iaclib.execute.job import Abandoned, Outcome
from iaclib.execute.jobs import Jobs
from iaclib.execute.observe import before_update, refreshed, written
from iaclib.execute.results import inputs_digest
from iaclib.execute.run import Step
from iaclib.model.redact import redacted
from iaclib.model.values import reveal
from iaclib.plan.compare import project, same
from iaclib.provider.context import Checkpoint
from iaclib.state.journal import Ended
from iaclib.state.record import KeptToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.execute.dispatch import Calls
    from iaclib.execute.handlers import Access
    from iaclib.execute.job import Job
    from iaclib.execute.ledger import Ledger
    from iaclib.execute.limits import Limits
    from iaclib.provider.handler import Live
    from iaclib.schema.facts import TypeFacts
    from iaclib.state.journal import Entry
    from iaclib.state.record import Intent, Record


class Recovery:
    """Decides all intents of a stack.

    Args:
        ledger: Holds the intents; decisions are written to it as they fall.
        access: Gives handlers and providers.
        facts: Gives the facts of a type, or None.
        digest: The sealer's keyed digest, or None.
    """

    def __init__(
        self,
        ledger: Ledger,
        access: Access,
        calls: Calls,
        limits: Limits,
        *,
        facts: Callable[[str], TypeFacts | None],
        urn: Callable[[str], str],
        stack: str,
        digest: Callable[[Any], str] | None,
        reporter: Reporter,
    ) -> None:
        self.ledger = ledger
        self.jobs = Jobs(access, limits, facts, urn, stack)
        self.calls = calls
        self.facts = facts
        self.digest = digest
        self.reporter = reporter
        self.steps: list[Step] = []

    def run(self) -> list[Step]:
        """Decide every intent.

        Raises:
            UndecidedError: Some can't be decided; the others are.
        """
        open_errors: list[Exception] = []
        todo = deque(sorted(self.ledger.state.intents.values(), key=lambda intent: (intent.begun, intent.step)))
        while todo or self.calls.running:
            if self.calls.stop.lost is not None:
                raise self.calls.stop.lost
            while todo and self.calls.running < self.calls.size and not self.calls.stop.asked:
                intent = todo.popleft()
                self.calls.start(intent, self._job(intent))
            if not self.calls.running or self.calls.stop.level > 1:
                break
            entries: list[Entry] = []
            for intent, job, outcome in self.calls.wait()[0]:
                if isinstance(outcome.fatal, Abandoned):
                    continue
                if outcome.fatal is not None:
                    raise outcome.fatal
                if outcome.error is not None and outcome.live is None:
                    open_errors.append(_undecided(intent, job, outcome.error))
                    continue
                entries.extend(self._decided(intent, outcome))
            if entries:
                self.ledger.commit(entries)
        if open_errors:
            first = open_errors[0]
            if len(open_errors) > 1:
                first.add_note("also: " + "; ".join(str(error) for error in open_errors[1:]))
            raise first
        return self.steps

    def resolve(self, intent: Intent, *, done: bool, adopt: str | None) -> None:
        """Decide one intent by what somebody says who looked.

        Args:
            intent: What was begun.
            done: Whether it took effect.
            adopt: For a create that did: the id of what it made.

        Raises:
            UndecidedError: The answer does not fit, or the object can't be read.
        """
        where, create = intent.record.address, intent.action == "create"
        if (create and done) or (not create and adopt is not None):
            said = "done=True" if done else "adopt="
            fits = "adopt='its id' or absent=True" if create else "done=True or absent=True"
            msg = f"{where}: the interrupted operation is a {intent.action}, which {said} does not decide, expected {fits}; look again"
            raise UndecidedError(msg, address=where)
        outcome = Outcome(absent=True)
        if adopt is not None:
            outcome = self._look(
                structs.replace(self._job(intent), action="read", id=adopt, record=None, begun=0.0), adopt
            )
        if intent.action == "update":
            before = intent.before or intent.record
            record = (
                structs.replace(intent.record, baseline=dict(intent.record.inputs), observed=None) if done else before
            )
            entries: list[Entry] = [self.ledger.put(record, intent.step)]
        elif intent.action == "delete" and not done:
            entries = [Ended(step=intent.step)]
        else:
            entries = self._decided(intent, outcome)
        self.ledger.commit(entries)

    def _look(self, job: Job, known: str) -> Outcome:
        """Read what somebody says a create has made."""
        read = outcomes(self.calls, [job])
        if not read:
            msg = f"{job.address}: it was stopped before {known} could be read, expected to see it; say it again"
            raise UndecidedError(msg, address=job.address)
        outcome = read[0][1]
        if outcome.fatal is not None:
            raise outcome.fatal
        if outcome.error is not None or outcome.live is None:
            why = "is not there" if outcome.error is None else f"can't be read: {redacted(outcome.error, job.secrets)}"
            msg = f"{job.address}: {known} {why}, expected what the create made; check the id, or say absent=True"
            raise UndecidedError(msg, address=job.address)
        return outcome

    def _job(self, intent: Intent) -> Job:
        record = intent.before or intent.record
        create = intent.action == "create"
        handler, _ = self.jobs.access.of_record(intent.record)
        plain = plain_inputs(intent.record.inputs)
        by_identity = getattr(handler, "identity", None)
        return self.jobs.make(
            intent.record,
            "decide",
            intent.step,
            timed=intent.action,
            token=intent.token,
            record=None if create else record,
            id=record.id,
            inputs=plain,
            begun=intent.begun if create else record.created,
            noted=Checkpoint(intent.id, reveal(intent.data)),
            decides=intent.action,
            identity=by_identity(plain) if by_identity is not None and intent.absent else None,
        )

    def _decided(self, intent: Intent, outcome: Outcome) -> list[Entry]:
        match intent.action:
            case "create":
                entries, what = self._create(intent, outcome)
            case "update":
                entries, what = self._update(intent, outcome.live)
            case _:
                entries, what = self._delete(intent, outcome.live)
        self.reporter.tell(
            "recovered",
            step=intent.step,
            address=intent.record.address,
            action=intent.action,
            message=what,
            id=outcome.live.id if outcome.live is not None else None,
            replacing=intent.replacing,
        )
        return entries

    def _create(self, intent: Intent, outcome: Outcome) -> tuple[list[Entry], str]:
        live, record = outcome.live, intent.record
        if live is None:
            kept = KeptToken(intent.token, inputs_digest(record.inputs, intent.token, self.digest), intent.begun)
            return [Ended(step=intent.step, keep_token=(record.address, kept))], "absent"
        facts = self.facts(record.type)
        # It was found, not seen being finished: what differs from what was wanted is drift, and corrected.
        new = written(record, structs.replace(live, inputs=None), facts)
        new = refreshed(new, live, facts)
        if outcome.error is not None:
            new = structs.replace(new, status="failed")
        self.steps.append(
            Step(record.address, "create", replacing=intent.replacing, id=live.id, seconds=outcome.seconds)
        )
        return [
            self.ledger.put(new, intent.step, supersede=record.address if intent.supersedes else None)
        ], f"adopted {live.id}"

    def _update(self, intent: Intent, live: Live | None) -> tuple[list[Entry], str]:
        before = intent.before or intent.record
        if live is None:
            return self.ledger.drop(before.address, intent.step), "gone"  # type: ignore[return-value]
        facts = self.facts(before.type)
        if self._reached(intent.record, before, live, facts):
            new = written(intent.record, live, facts)
            missing = {
                name: value
                for name, value in before.outputs.items()
                if name not in new.outputs and name not in new.inputs
            }
            self.steps.append(Step(before.address, "update", id=live.id))
            return [self.ledger.put(structs.replace(new, outputs={**missing, **new.outputs}), intent.step)], "done"
        return [self.ledger.put(refreshed(before, live, facts), intent.step)], "to be done again"

    def _reached(self, after: Record, before: Record, live: Live, facts: TypeFacts | None) -> bool:
        """Tell whether all that was to change is seen to have changed."""
        seen = live.inputs
        if seen is None or before.status == "failed":  # what was half made looks like what is whole
            return False
        start = before_update(before)  # with what had drifted, which was to change too
        for name in {*after.inputs, *start}:
            wanted = after.inputs.get(name)
            known = facts.properties.get(name) if facts is not None else None
            if wanted == start.get(name):
                continue
            loose = known is not None and known.unordered
            if name not in seen or not same(wanted, project(seen[name], wanted, unordered=loose), unordered=loose):
                return False
        return True

    def _delete(self, intent: Intent, live: Live | None) -> tuple[list[Entry], str]:
        record = intent.record
        if live is not None:
            return [Ended(step=intent.step)], "still there"
        self.steps.append(Step(record.address, "delete", replacing=intent.replacing, id=record.id))
        current = self.ledger.current(record.address)
        if self.ledger.superseded(record.uid) is None and (current is None or current.uid != record.uid):
            return [Ended(step=intent.step)], "gone"
        return list(self.ledger.gone(record, intent.step, replacing=intent.replacing)), "gone"


def _undecided(intent: Intent, job: Job, error: Exception) -> Exception:
    if isinstance(error, UndecidedError):
        return error
    cause = redacted(error, job.secrets)
    known = intent.id or intent.record.id
    what = f"object {known}" if known else f"an object with token {intent.token}"
    msg = (
        f"{job.address}: an interrupted {intent.action} can't be decided, expected to learn what became of {what}: "
        f"{cause}; see to that it can be read and run again, or look yourself: {way_out(job, intent.action)}"
    )
    return UndecidedError(msg, address=job.address)
