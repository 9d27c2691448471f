"""One stack's life on a faulty cloud: every operation is checked as it is done.

Knows the program that is declared, the engine and the cloud; what happens next
is the state machine's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs

from faulty_cloud import Cloud, Interrupted, Killed, Now
from faulty_engine import FragileMemory
from iaclib.engine.engine import Engine
from iaclib.errors import (
    ApplyFailed,
    ConflictError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    OperationError,
    PartialFailure,
    PlanDeviationError,
    PlanError,
    StateConflictError,
    TargetError,
    ThrottledError,
    UndecidedError,
)
from integrity_rules import (
    check_along,
    check_conflicts,
    check_order,
    check_planned,
    check_protected,
    check_replaced,
    check_retained,
    check_settled,
    check_untouched,
)
from random_program import NAMES, Spec, effective, moves, stack_of
from virtual import VirtualClock

REF = "machine/dev"
#: Causes of failed steps that the cloud, or a hook, really raised.
CAUSES = (
    InvalidRequestError,
    RuntimeError,
    ThrottledError,
    PartialFailure,
    ConflictError,
    NotFoundError,
    DependencyViolationError,
)
#: What a refused plan says of what its user can mend.
REFUSALS = (
    "protected",
    "would be created with",
    "create-first (delete_before_replace=False)",
    "which retain_on_delete leaves in the cloud",
    "can't be imported as declared",
    "expected an object that is not managed here",
    " to import; correct",
)


class Life:
    """A program, an engine that applies it, and the cloud on which it does."""

    def __init__(self) -> None:
        self.cloud = Now.cloud = Cloud()
        self.cloud.inside = self.inside
        self.backend = FragileMemory()
        self.specs: dict[str, Spec] = {}
        self.order = NAMES
        self.numbers = iter(range(1, 10**9))
        self.clock = VirtualClock()
        self.parallelism = 0
        self.engine = self.new_engine()
        self.errors: list[BaseException] = []  # of the last operation
        self.torn: set[str] = set()  # runs that could not say how they ended
        self.released: set[str] = set()  # objects that the engine was to let go
        self.acting: Mapping[str, Spec] = {}  # the program that an operation is about
        self.uids: Mapping[str, str] = {}  # of the objects there were when it began
        self.beside: Mapping[str, Any] = {}  # what these went with, by uid

    def new_engine(self) -> Engine:
        return Engine(
            state=self.backend,  # type: ignore[arg-type]
            parallelism=self.parallelism,
            _clock=self.clock,
            _token=lambda: f"{next(self.numbers):032x}",
        )

    @property
    def program(self) -> dict[str, Spec]:
        return effective(self.order, self.specs)

    @property
    def snapshot(self) -> Any:
        return self.engine.snapshot(REF)

    def stack(self, program: Mapping[str, Spec]) -> Any:
        return stack_of(program, self.hook)

    def hook(self, event: Any) -> None:
        self.cloud.enter("H", event.address)

    def inside(self, id: str) -> Sequence[str]:
        """Give the ids of the objects that go with one, as state and program say."""
        snapshot = self.snapshot
        everything = [*snapshot.records.values(), *snapshot.superseded]
        uid = next((record.uid for record in everything if record.id == id), None)
        found = []
        for record in everything:
            # The name of a successor that is deleted is taken out of records; the old half still has what went with it.
            beside = record.options.get("deleted_with") or self.beside.get(record.uid)
            retain = record.options.get("retain_on_delete")
            spec = self.acting.get(record.address) if record in snapshot.records.values() else None
            if spec is not None:
                retain = spec.retain
                beside = beside if spec.beside else None
                if spec.beside and beside is None and spec.beside in self.uids:
                    beside = (spec.beside, self.uids[spec.beside])
            if beside and beside[1] == uid and record.id != id and not retain:
                found.append(record.id)
        return found

    def edit(self, changes: Sequence[tuple[str, tuple[str, Any]]]) -> None:
        """Change single facts of the program; "all" declares something anew, or no more."""
        for name, (field, value) in changes:
            if field == "all" and value is None:
                self.specs.pop(name, None)
            elif field == "all":
                self.specs[name] = value
            elif name in self.specs:
                self.specs[name] = attrs.evolve(self.specs[name], **{field: value})

    def heal(self) -> None:
        self.cloud.heal()
        self.backend.kill_in = 0

    def planned(self, **how: Any) -> Any:
        """Plan, and check that it changes nothing and can be repeated; None if it is refused."""
        before, faulty, stack = self.snapshot, self.cloud.faulty, self.stack(self.program)
        calls = len(self.cloud.calls)
        try:
            plan = self.engine.plan(stack, **how)
        except (PlanError, UndecidedError) as error:
            self.check_refusal(error, before)
            plan = None
        except ApplyFailed:
            reads = how.get("refresh") or any(spec.import_id for spec in self.program.values())
            assert reads, "only reading can fail in a plan"
            plan = None
        assert len(self.cloud.calls) == calls, "planning made a call that changes something"
        assert self.snapshot == before, "planning changed state"
        if plan is not None and before.serial and not faulty:
            again = self.engine.plan(stack, **how)
            assert str(again) == str(plan)
            assert again.digest == plan.digest
        return plan

    def check_refusal(self, error: Exception, before: Any) -> None:
        """A plan is refused for a reason that a user can mend."""
        if isinstance(error, UndecidedError):
            assert before.intents
        elif not isinstance(error, TargetError):
            assert any(words in str(error) for words in REFUSALS), f"{type(error).__name__}: {error}"

    def do_apply(self, *, go_on: bool = False, saved: bool = False, **how: Any) -> bool:
        """Apply the program; tell whether all went well."""
        program = self.program
        if self.snapshot.intents and not self.attempt(lambda: self.engine.recover(REF)):
            return False
        before = self.snapshot
        if before.intents:
            return False
        plan = self.planned(**how)
        self.cloud.take()
        vanished = {name for name, record in before.records.items() if record.id not in self.cloud.objects}
        run: Callable[[], Any]
        if saved and plan is not None:
            run = lambda: self.engine.apply(plan, continue_on_error=go_on)
        else:
            run = lambda: self.engine.apply(self.stack(program), continue_on_error=go_on, **how)
        part = how.get("targets") or how.get("exclude")
        touched = None if plan is None or not part else {change.address for change in plan.changes}
        clean = self.attempt(run, before, program=program, touched=touched, refresh=bool(how.get("refresh")))
        calls, after = self.cloud.take(), self.snapshot
        if plan is None:
            assert not clean or how.get("refresh"), "refused as a plan, but applied"
        else:
            if not how.get("refresh") or saved:
                check_planned(plan, calls, program)
            check_along(plan, before, calls, program)
            failed = any(getattr(error, "action", "") in {"create", "update"} for error in self.errors)
            check_order(plan, before, calls, program, stopped=failed and not go_on, vanished=vanished)
            if touched is not None:
                check_untouched(before, after, calls, touched, moves(program, before.records))
        check_protected(before, calls, program)
        check_retained(before, calls, program)
        if plan is not None:
            check_conflicts(plan, before, self.errors)
        if clean and part:
            if part <= program.keys() | after.records.keys():
                again = self.planned(**how)
                assert not again, f"the second plan is not empty:\n{again}"
        elif clean:
            self.cloud.blurred = self.cloud.blurred and not how.get("refresh")
            self.settled(program)
            check_replaced(plan, before, after, program)
        return clean

    def settled(self, program: Mapping[str, Spec]) -> None:
        """After a clean apply nothing is left to do, and the cloud is as declared."""
        plan = self.planned()
        if plan is not None:
            assert not plan, f"the second plan is not empty:\n{plan}"
        else:
            assert self.cloud.faulty, "what was applied can't be planned again"
        if not self.cloud.blurred:
            check_settled(self.snapshot, self.cloud, program, self.released)

    def no_changes(self, before: Any) -> None:
        """Reading changes nothing in the cloud; what it decides of an interrupted run is no reading."""
        if not before.intents:
            assert not self.cloud.take(), "reading changed something"

    def attempt(
        self,
        run: Callable[[], Any],
        before: Any = None,
        *,
        program: Mapping[str, Spec] | None = None,
        touched: Collection[str] | None = None,
        refresh: bool = False,
        forgetting: str = "",
    ) -> bool:
        """Run an operation; tell whether it went well. Errors must have a reason."""
        began = self.snapshot
        new_of = moves(program or {}, began.records)
        self.acting = {name: spec for name, spec in (program or {}).items() if touched is None or name in touched}
        self.uids = {new_of.get(address, address): record.uid for address, record in began.records.items()}
        everything = (*began.records.values(), *began.superseded)
        self.beside = {record.uid: record.options.get("deleted_with") for record in everything}
        clean = self.tried(run, before, refresh=refresh)
        self.release(began, new_of, forgetting)
        running = {run.id for run in self.engine.history(REF) if run.status == "running"}
        assert running <= self.torn, "the history says that a run goes on which has ended"
        return clean

    def release(self, began: Any, new_of: Mapping[str, str], forgetting: str) -> None:
        """Note which objects an operation was right to leave behind."""
        after = self.snapshot
        known = {record.id for record in (*after.records.values(), *after.superseded)}
        for record in (*began.records.values(), *began.superseded):
            if record.id in known or record.id not in self.cloud.objects:
                continue
            current = began.records.get(record.address) is record
            spec = self.acting.get(new_of.get(record.address, record.address)) if current else None
            retain = spec.retain if spec is not None else record.options.get("retain_on_delete")
            taken_over = spec is not None and spec.import_id not in {None, record.id}
            if retain or taken_over or (current and record.address == forgetting):
                self.released.add(record.id)

    def tried(self, run: Callable[[], Any], before: Any, *, refresh: bool) -> bool:
        self.errors = []
        try:
            run()
        except Interrupted:
            pass
        except Killed:
            self.tear()
        except ApplyFailed as error:
            self.errors.extend(error.exceptions)
            for found in error.exceptions:
                self.check_error(found)
        except UndecidedError:
            pass  # something could not be read
        except TargetError:
            pass  # what was to be operated on is no longer there, or others stand on it
        except PlanError as error:
            if before is None:
                raise
            self.check_refusal(error, before)
            assert self.snapshot == before or before.intents or refresh, "a refused plan changed state"
        except StateConflictError:
            assert self.backend.how == "answer lost"
            self.tear()
        else:
            return True
        return False

    def check_error(self, error: Exception) -> None:
        """A step fails only for what the cloud said, or for what only an apply could tell."""
        if isinstance(error, OperationError):
            assert isinstance(error.cause, CAUSES), repr(error.cause)
            return
        text = str(error)
        if isinstance(error, PlanDeviationError):
            assert "keep its value" in text or "was taken over" in text, text
        elif isinstance(error, PlanError):
            assert "protected" in text or "would be created with" in text, text
        else:
            raise AssertionError(f"a step failed with {error!r}") from error  # noqa: TRY004 - no type was wrong

    def tear(self) -> None:
        """A run ended without being able to say so."""
        self.revive()
        making = {intent.token for intent in self.snapshot.intents.values() if intent.action == "create"}
        for held in self.cloud.objects.values():  # that it was made only half nobody but the run was told
            held.half = held.half and held.token not in making
        self.torn.update(run.id for run in self.engine.history(REF) if run.status == "running")

    def revive(self) -> None:
        """A new process takes over."""
        self.cloud.dead = False
        self.backend.kill_in = 0
        self.engine = self.new_engine()

    def settle(self) -> None:
        """Whatever happened, it can be brought to a good end."""
        self.heal()
        self.revive()
        for name, record in self.snapshot.records.items():
            if record.options.get("protect"):
                self.specs.setdefault(name, Spec())
        for number, name in enumerate(self.specs):
            self.specs[name] = attrs.evolve(
                self.specs[name],
                protect=False,
                delete_first=None,
                import_id=None,
                label=f"last {number}",
            )
        done = self.do_apply(refresh=True) or self.do_apply(refresh=True) or self.do_apply(refresh=True)
        assert done, f"it can't be brought to an end: {self.errors}"
        assert self.attempt(lambda: self.engine.destroy(REF))
        assert not self.snapshot.records
        assert not [id for id, held in self.cloud.objects.items() if held.token and id not in self.released]
