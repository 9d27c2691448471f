"""One operation on one stack under its lease: open, recover, act, finish.

Knows the order of these and what a run reports; the engine's façade only says
what to do in between.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from iaclib.declare.registry import type_facts
from iaclib.engine import relocation
from iaclib.engine.held import held
from iaclib.engine.places import refuse_spilled
from iaclib.engine.records import check
from iaclib.engine.revision import revision
from iaclib.engine.vault import Vault
from iaclib.errors import (
    ApplyCancelled,
    ApplyFailed,
    DeclarationError,
    IaclibError,
    PlanError,
    StateError,
    UndecidedError,
)
from iaclib.execute.delivery import Reporter
from iaclib.execute.desk import Desk
from iaclib.execute.dispatch import Calls
from iaclib.execute.executor import Executor, Result
from iaclib.execute.ledger import Ledger
from iaclib.execute.limits import Limits
from iaclib.execute.moving import move_entries
from iaclib.execute.recovery import Recovery
from iaclib.execute.resolving import PlanResolver
from iaclib.execute.run import Run, Step, nothing
from iaclib.execute.steps import build_steps
from iaclib.execute.stopping import Stop
from iaclib.execute.work import Work
from iaclib.model.bulk import collector_relaxed
from iaclib.model.evaluate import resolve
from iaclib.model.values import has_unknown
from iaclib.plan.policy import refuse_violations
from iaclib.plan.secretive import keeps_secrets
from iaclib.state import spill
from iaclib.state.backend import Holder
from iaclib.state.journal import Exported
from iaclib.state.record import RunSummary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from iaclib.engine.settings import Settings
    from iaclib.model.addresses import StackRef
    from iaclib.plan.plan import Plan
    from iaclib.state.backend import Lease
    from iaclib.state.journal import Entry
    from iaclib.state.record import Intent, Snapshot


class Operation:
    """A stack, held: its state may be changed until the block ends."""

    def __init__(
        self, settings: Settings, ref: StackRef, name: str, stop: Stop, lease: Lease, vault: Vault, snapshot: Snapshot
    ) -> None:
        self.settings = settings
        self.ref = ref
        self.name = name
        self.stop = stop
        self.vault = vault
        self.began = settings.clock.monotonic()
        lineage = snapshot.lineage or settings.token()
        who = Holder.here(name, 0.0).user
        run = RunSummary(settings.token(), name, who, settings.clock.now(), git=revision())
        self.ledger = Ledger(
            settings.backend,
            lease,
            snapshot,
            lineage,
            lambda entries: vault.seal(entries, self.ledger.state.lineage),
            stop,
            settings.clock,
            run,
            spill.folders(settings.backend),
        )
        self.limits = Limits(settings.parallelism, settings.clock)
        self.steps: list[Step] = []
        self.ended: Run | None = None  # once it is concluded
        self.reporter = Reporter(settings.events, settings.clock, str(ref), run.id)
        pool = settings.pool(settings.parallelism)
        self.calls = Calls(self.ledger, settings.clock, stop, pool, self.reporter, grace=settings.grace)
        self.calls.guard([*snapshot.records.values(), *snapshot.superseded])
        self.reporter.tell("run_started", action=name)

    # --------------------------------------------------------------------------------------------------- actions

    def _recovery(self) -> Recovery:
        return Recovery(
            self.ledger,
            self.settings.access,
            self.calls,
            self.limits,
            facts=type_facts,
            urn=self.ref.urn,
            stack=str(self.ref),
            digest=self.vault.digest,
            reporter=self.reporter,
        )

    def recover(self) -> None:
        """Decide all intents (rule 23).

        Raises:
            UndecidedError: Some can't be decided.
        """
        for intent in list(self.ledger.state.intents.values()):
            if intent.action == relocation.ACTION:
                self._relocate(intent)
        if not self.ledger.state.intents:
            return
        recovery = self._recovery()
        try:
            recovery.run()
        finally:
            self.steps.extend(recovery.steps)
        if self.stop.asked:
            self.end(Result([], [], unfinished=True), "deciding what interrupted operations came to")

    def _relocate(self, intent: Intent) -> None:
        """End what an interrupted rename or transfer left, holding the other stack too.

        Raises:
            StateError: The stack has another name now.
        """
        target = relocation.target_of(intent)
        with operation(self.settings, target, "recover", self.stop, signals=False) as other:
            whole = relocation.conclude(self.ledger, other.ledger, intent)
        if whole and self.name != "recover":
            msg = (
                f"{self.ref}: an interrupted rename to {target} is done now, expected no stack of the old name; "
                f"work with {target}"
            )
            raise StateError(msg, ref=str(self.ref))

    def resolve(self, intents: Sequence[Intent], *, done: bool, adopt: str | None) -> None:
        """Decide intents by what somebody says who looked (rule 23).

        Raises:
            UndecidedError: The answer does not fit, or the object to adopt can't be read.
        """
        recovery = self._recovery()
        try:
            for intent in intents:
                recovery.resolve(intent, done=done, adopt=adopt)
        finally:
            self.steps.extend(recovery.steps)

    def apply(self, plan: Plan, *, continue_on_error: bool) -> Run:
        """Carry out a plan that was made from this state, and end with it.

        Raises:
            ApplyFailed: A step failed.
            ApplyCancelled: A stop was asked for and something was left undone.
        """
        result, resolver = self.carry_out(plan, continue_on_error=continue_on_error)
        complete = not result.errors and not result.unfinished
        return self.end(result, "", resolver, self._exports(plan, resolver, complete=complete))

    def carry_out(self, plan: Plan, *, continue_on_error: bool = False) -> tuple[Result, PlanResolver]:
        """Carry out a plan that was made from this state; give what was done.

        Raises:
            PolicyViolationError: A mandatory policy objects; nothing was called.
        """
        refuse_violations(plan)
        recorded = {new: old for new, old in plan._moves.items() if old in self.ledger.state.records}
        if recorded:
            self.move(recorded)
        self.vault.check(self.ledger.state.lineage, secretive=keeps_secrets(plan))
        graph = build_steps(plan._nodes, self.ledger.state.view(), plan._superseded, plan._freed, plan._withheld)
        resolver = PlanResolver(plan, self.ledger, graph.main)
        desk = Desk(
            resolver,
            self.ledger,
            self.settings.access,
            self.limits,
            self.settings.clock,
            token=self.settings.token,
            urn=self.ref.urn,
            stack=str(self.ref),
            digest=lambda: self.vault.digest,
        )
        work = Work(desk)
        executor = Executor(
            graph,
            work,
            self.ledger,
            self.calls,
            self.stop,
            continue_on_error=continue_on_error,
            reporter=self.reporter,
            queue=self.settings.queue,
        )
        try:
            result = executor.run()
        except (StateError, KeyboardInterrupt) as error:
            self.stop.level = 2  # workers that still run are on their own
            self.steps.extend(executor.steps)
            if isinstance(error, IaclibError):
                error.run = self.run(ok=False, errors=[*executor.errors, error])  # type: ignore[attr-defined]
            raise
        self.steps.extend(result.steps)
        resolver.pending.clear()
        return result, resolver

    def move(self, pairs: Mapping[str, str]) -> None:
        """Give records other addresses (new -> old)."""
        self.ledger.commit(move_entries(self.ledger, pairs))
        known = self.ledger.state.records
        self.steps.extend(Step(new, "move", id=known[new].id or None) for new in pairs)

    def _exports(self, plan: Plan, resolver: PlanResolver, *, complete: bool) -> list[Entry]:
        """Give the entry for changed exports; what can't be told keeps its old value."""
        before = self.ledger.state.outputs
        now: dict[str, Any] = {}
        for name, value in plan._desired.outputs.items():
            known = resolve(value, resolver.lookup)
            if not has_unknown(known):
                now[name] = known
            elif name in before:
                now[name] = before[name]
        if not complete or plan._desired.raised or plan._partial:
            now = {**before, **now}
        return [] if now == dict(before) else [Exported(now)]

    def end(
        self,
        result: Result | None = None,
        why: str = "",
        resolver: PlanResolver | None = None,
        more: Sequence[Entry] = (),
    ) -> Run:
        """Write how it ended and report it, as a Run or as the error that carries it."""
        result = result or Result([], [])
        run = self.conclude(result, resolver, more)
        if result.fatal is not None:
            raise result.fatal
        if self._cancelled(result):
            left = sum(1 for step in self.steps if step.skipped)
            what = why or f"{left} more step{'' if left == 1 else 's'}"
            under_way = ", ".join(sorted({intent.record.address for intent in self.ledger.state.intents.values()}))
            learn = f" and to learn what became of {under_way}" if under_way and not why else ""
            msg = f"{self.ref}: {self.name} was stopped, expected to finish {what}{learn}; run it again to go on"
            raise ApplyCancelled(msg, run=run)
        if result.errors:
            failed = len(result.errors)
            msg = (
                f"{self.ref}: {self.name} failed, {failed} step{'s' if failed > 1 else ''} did not succeed; "
                "what succeeded is recorded, mend the cause and run again"
            )
            raise ApplyFailed(msg, result.errors, run=run)
        return run

    def _cancelled(self, result: Result) -> bool:
        return self.stop.level > 0 and result.unfinished

    def conclude(self, result: Result, resolver: PlanResolver | None = None, more: Sequence[Entry] = ()) -> Run:
        """Write how it ended."""
        cancelled = self._cancelled(result)
        status = "cancelled" if cancelled else "failed" if result.errors or result.fatal is not None else "ok"
        if self.stop.level < 2 or self.ledger.wrote:  # noqa: PLR2004 - abort
            self.ledger.finish(status, counts(self.steps), more)
        self.ended = self.run(ok=status == "ok", errors=result.errors, resolver=resolver)
        return self.ended

    def refused(self) -> None:
        """Write that it ended, if a recovery or a refresh had written before it was refused."""
        if self.ledger.run.ended is None and self.stop.lost is None:
            self.ledger.finish("failed", counts(self.steps))

    def unwritten(self) -> None:
        """Keep that it failed with what could not be written."""
        if self.ledger.failure is not None and self.ledger.run.ended is None:
            with suppress(StateError):  # the failure, once more
                self.ledger.finish("failed", counts(self.steps))

    def run(self, *, ok: bool, errors: Sequence[Exception] = (), resolver: PlanResolver | None = None) -> Run:
        """Give the run as it stands."""
        steps = [*(step for step in self.steps if not step.skipped), *(step for step in self.steps if step.skipped)]
        outputs: Mapping[str, Any] = dict(self.ledger.state.outputs)
        value = resolver.value if resolver is not None else nothing
        state = self.ledger.state
        return Run(ok, outputs, tuple(steps), tuple(errors), state.serial, value, dict(state.records))


def counts(steps: Sequence[Step]) -> dict[str, int]:
    """Count what was done, by action."""
    done = (step.action for step in steps if step.error is None and not step.skipped and step.action != "read")
    return dict(Counter(done))


@contextmanager
def operation(
    settings: Settings,
    ref: StackRef,
    name: str,
    stop: Stop,
    *,
    signals: bool = True,
    replays: bool = False,
    unsound: bool = False,
) -> Iterator[Operation]:
    """Hold a stack, read its state, and give it back whatever happens.

    Args:
        settings: The engine's.
        ref: The stack.
        name: What people call the operation.
        stop: Asked between steps.
        signals: Whether SIGINT and SIGTERM ask it to stop.
        replays: Whether it is what brings a spill back into state.
        unsound: Whether state that doesn't hold together is no hindrance, since it is to be mended.
    """
    op: Operation | None = None
    error: BaseException | None = None
    try:
        with (
            collector_relaxed(),
            stop.signals() if signals else nullcontext(),
            held(
                settings.backend,
                ref,
                name,
                ttl=settings.lease_ttl,
                wait=settings.lease_wait,
                clock=settings.clock,
                stop=stop,
                unreturned=settings.unreturned,
            ) as lease,
        ):
            if not replays:
                refuse_spilled(settings, ref)
            vault = Vault(ref, settings.keyring, settings.encrypt)
            snapshot = vault.open(settings.backend.load(ref), unsound=unsound)
            if not unsound:
                check(ref, snapshot)
            op = Operation(settings, ref, name, stop, lease, vault, snapshot)
            try:
                yield op
            except (DeclarationError, PlanError, UndecidedError):
                op.refused()
                raise
            except StateError:
                op.unwritten()
                raise
            finally:
                op.calls.close()
    except BaseException as raised:
        error = raised
        raise
    finally:  # the stack is free by now: a listener may go on with it, and nobody waits while it is held
        if op is not None:
            _tell_end(op, error)
        settings.events.flush()


def _tell_end(op: Operation, error: BaseException | None) -> None:
    if isinstance(error, IaclibError):
        message = str(error)
    elif error is not None:
        message = type(error).__name__  # what others raise may hold anything
    else:
        message = "; ".join(map(str, op.ended.errors)) if op.ended is not None else ""
    ok = error is None and (op.ended is None or op.ended.ok)
    seconds = op.settings.clock.monotonic() - op.began
    op.reporter.tell("run_finished", action=op.name, ok=ok, message=message, seconds=seconds)
