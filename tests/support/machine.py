"""A state machine that drives one engine through random programs, failures and crashes.

Run as ``python machine.py EXAMPLES SEED`` it tries many, and ends with an
error at the first that breaks a rule; the test suite runs it with few.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from typing import Any

import attrs
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import iaclib.execute.executor as executor_module
from faulty_cloud import FAULTS, Cloud, Interrupted, Killed, Now
from iaclib.backends.memory import Memory
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
    ThrottledError,
    UndecidedError,
)
from iaclib.execute.pool import Pool
from integrity_rules import check_order, check_planned, check_protected, check_settled, check_state
from random_program import NAMES, USES, Spec, Use, effective, stack_of
from virtual import VirtualClock

REF = "machine/dev"
#: Causes of failed steps that the cloud really raised.
CAUSES = (
    InvalidRequestError,
    RuntimeError,
    ThrottledError,
    PartialFailure,
    ConflictError,
    NotFoundError,
    DependencyViolationError,
)


class Shuffled(deque):  # type: ignore[type-arg]
    """A queue that gives what is ready in any order, as threads would; drawn from a seed."""

    source = random.Random(0)

    def popleft(self) -> Any:
        self.rotate(-self.source.randrange(len(self)))
        return super().popleft()


class Inline(Pool):
    """Makes calls at once, in the caller's thread: several are begun, then made one by one."""

    def __init__(self, size: int) -> None:
        super().__init__(0)


class FragileMemory:
    """State in memory whose writes can fail, or be the last thing that the process does."""

    def __init__(self) -> None:
        self.inner = Memory()
        self.kill_in = 0
        self.how = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def append(self, *args: Any, **options: Any) -> int:
        if Now.cloud.dead:
            raise Killed
        self.kill_in -= 1
        hit = self.kill_in == 0
        if hit and self.how == "refused":
            raise OSError("the disk is busy")
        if hit and self.how == "kill before":
            Now.cloud.dead = True
            raise Killed
        serial = self.inner.append(*args, **options)
        if hit and self.how == "answer lost":
            raise OSError("the answer was lost")
        if hit and self.how == "kill after":
            Now.cloud.dead = True
            raise Killed
        return serial


names = st.sampled_from(NAMES)
uses = st.builds(Use, names, st.sampled_from(sorted(USES)))
values = st.none() | st.sampled_from(("one", "two")) | uses
specs = st.builds(
    Spec,
    kind=st.sampled_from(("thing", "thing", "named", "auto", "link")),
    size=st.integers(1, 3),
    hard=values,
    link=values,
    extra=values,
    label=st.sampled_from(("one", "two")),
    depends=st.frozensets(names, max_size=1),
    delete_first=st.sampled_from((None, None, None, True, False)),
    exported=st.booleans(),
)
edits = st.one_of(
    st.tuples(st.just("size"), st.integers(1, 3)),
    st.tuples(st.just("hard"), values),
    st.tuples(st.just("hard"), values),
    st.tuples(st.just("link"), values),
    st.tuples(st.just("extra"), values),
    st.tuples(st.just("label"), st.sampled_from(("one", "two", "three"))),
    st.tuples(st.just("depends"), st.frozensets(names, max_size=2)),
    st.tuples(st.just("delete_first"), st.sampled_from((None, True, False))),
    st.tuples(st.just("protect"), st.booleans()),
    st.tuples(st.just("ignore"), st.booleans()),
    st.tuples(st.just("exported"), st.booleans()),
    st.tuples(st.just("kind"), st.sampled_from(("thing", "named", "auto", "link"))),
)


class Machine(RuleBasedStateMachine):
    """One stack's life."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Now.cloud = Cloud()
        self.backend = FragileMemory()
        self.specs: dict[str, Spec] = {}
        self.order = NAMES
        self.numbers = iter(range(1, 10**9))
        self.clock = VirtualClock()
        self.engine = self.new_engine()
        self.torn: set[str] = set()  # runs that could not say how they ended
        self.errors: list[BaseException] = []  # of the last operation
        executor_module.deque = Shuffled  # type: ignore[attr-defined, misc]
        executor_module.Pool = Inline  # type: ignore[attr-defined, misc]

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            executor_module.deque = deque  # type: ignore[attr-defined, misc]
            executor_module.Pool = Pool  # type: ignore[attr-defined, misc]

    def new_engine(self, parallelism: int = 0) -> Engine:
        return Engine(
            state=self.backend,  # type: ignore[arg-type]
            parallelism=parallelism,
            _clock=self.clock,
            _token=lambda: f"{next(self.numbers):032x}",
        )

    @property
    def program(self) -> dict[str, Spec]:
        return effective(self.order, self.specs)

    @property
    def snapshot(self) -> Any:
        return self.engine.snapshot(REF)

    # ------------------------------------------------------------------------------------------ changing the program

    @initialize(
        parallelism=st.sampled_from((0, 3)),
        shuffle=st.integers(0, 3),
        first=st.lists(st.tuples(names, specs), min_size=2, max_size=6),
    )
    def begin(self, parallelism: int, shuffle: int, first: list[tuple[str, Spec]]) -> None:
        Shuffled.source = random.Random(shuffle)
        self.parallelism = parallelism
        self.engine = self.new_engine(parallelism)
        self.specs = dict(first)

    @rule(name=names, spec=specs)
    def declare(self, name: str, spec: Spec) -> None:
        self.specs[name] = spec

    @rule(name=names)
    def drop(self, name: str) -> None:
        self.specs.pop(name, None)

    @rule(changes=st.lists(st.tuples(names, edits), min_size=1, max_size=3))
    def edit(self, changes: list[tuple[str, tuple[str, Any]]]) -> None:
        for name, (field, value) in changes:
            if name in self.specs:
                self.specs[name] = attrs.evolve(self.specs[name], **{field: value})

    @rule(name=names, value=values)
    def harden(self, name: str, value: Any) -> None:
        """Change what makes an object a new one."""
        if name in self.specs:
            self.specs[name] = attrs.evolve(self.specs[name], hard=value)

    @rule(order=st.permutations(NAMES))
    def reorder(self, order: list[str]) -> None:
        self.order = tuple(order)

    # --------------------------------------------------------------------------------------------------- troubles

    @rule(name=names, fault=st.sampled_from([(op, kind) for op, kinds in FAULTS.items() for kind in kinds]))
    def fault(self, name: str, fault: tuple[str, str]) -> None:
        self.cloud.fault(fault[0], name, fault[1])

    @rule(
        writes=st.integers(1, 12), how=st.sampled_from(("kill before", "kill after", "refused", "answer lost"))
    )
    def fragile(self, writes: int, how: str) -> None:
        self.backend.kill_in, self.backend.how = writes, how

    @rule()
    def heal(self) -> None:
        self.cloud.heal()
        self.backend.kill_in = 0

    @rule(name=names, field=st.sampled_from(("size", "link")))
    def drift(self, name: str, field: str) -> None:
        record = self.snapshot.records.get(name)
        if record is not None and record.id in self.cloud.objects and field in record.inputs:
            self.cloud.objects[record.id].inputs[field] = 77 if field == "size" else "elsewhere"
            self.cloud.blurred = True

    @rule(name=names)
    def vanish(self, name: str) -> None:
        record = self.snapshot.records.get(name)
        if record is not None and self.cloud.objects.pop(record.id, None) is not None:
            self.cloud.gone.add(record.id)
            self.cloud.blurred = True

    # ------------------------------------------------------------------------------------------------- operations

    @rule()
    def restart(self) -> None:
        self.revive()

    @rule()
    def plan(self) -> None:
        self.planned()

    @rule(go_on=st.booleans(), refresh=st.booleans(), replace=st.sets(names, max_size=1), saved=st.booleans())
    def apply(self, go_on: bool, refresh: bool, replace: set[str], saved: bool) -> None:
        self.do_apply(go_on=go_on, refresh=refresh, replace=replace & self.program.keys(), saved=saved)

    @rule()
    def apply_it(self) -> None:
        self.do_apply()

    @rule()
    def recover(self) -> None:
        self.attempt(lambda: self.engine.recover(REF))

    @rule()
    def refresh(self) -> None:
        before = self.snapshot
        self.attempt(lambda: self.engine.refresh(REF))
        self.no_changes(before)

    @rule()
    def look(self) -> None:
        before = self.snapshot
        if self.attempt(lambda: self.engine.drift(REF)):
            assert self.snapshot == before
        self.no_changes(before)

    @rule(go_on=st.booleans())
    def destroy(self, go_on: bool) -> None:
        before = self.snapshot
        self.cloud.take()
        clean = self.attempt(lambda: self.engine.destroy(REF, continue_on_error=go_on), before)
        check_protected(before, self.cloud.take(), None)
        if clean:
            after = self.snapshot
            assert not after.records
            assert not after.superseded
            assert not after.outputs
            assert not self.cloud.objects

    # ------------------------------------------------------------------------------------------------------ checks

    @invariant()
    def integrity(self) -> None:
        check_state(self.snapshot, self.cloud)
        assert not self.cloud.wrong, self.cloud.wrong

    def planned(self, **options: Any) -> Any:
        """Plan, and check that it changes nothing and can be repeated; None if it is refused."""
        before, faulty = self.snapshot, self.cloud.faulty
        calls = len(self.cloud.calls)
        try:
            plan = self.engine.plan(stack_of(self.program), **options)
        except (PlanError, UndecidedError) as error:
            self.check_refusal(error, before)
            plan = None
        except ApplyFailed:
            assert options.get("refresh"), "only reading can fail in a plan"
            plan = None
        assert len(self.cloud.calls) == calls, "planning made a call that changes something"
        assert self.snapshot == before, "planning changed state"
        if plan is not None and before.serial and not (options.get("refresh") and faulty):
            again = self.engine.plan(stack_of(self.program), **options)
            assert str(again) == str(plan)
            assert again.digest == plan.digest
        return plan

    def check_refusal(self, error: Exception, before: Any) -> None:
        """A plan is refused for a reason that a user can mend."""
        if isinstance(error, UndecidedError):
            assert before.intents
            return
        text = str(error)
        known = ("protected", "would be created with", "create-first (delete_before_replace=False)")
        assert any(words in text for words in known), f"{type(error).__name__}: {error}"

    def do_apply(
        self, *, go_on: bool = False, refresh: bool = False, replace: Any = frozenset(), saved: bool = False
    ) -> bool:
        """Apply the program; tell whether all went well."""
        program = self.program
        if self.snapshot.intents and not self.attempt(lambda: self.engine.recover(REF)):
            return False
        before = self.snapshot
        if before.intents:
            return False
        plan = self.planned(refresh=refresh, replace=replace)
        self.cloud.take()
        ran: list[Any] = []
        if saved and plan is not None:
            clean = self.attempt(lambda: ran.append(self.engine.apply(plan, continue_on_error=go_on)), before)
        else:
            stack = stack_of(program)
            clean = self.attempt(
                lambda: ran.append(
                    self.engine.apply(stack, continue_on_error=go_on, refresh=refresh, replace=replace)
                ),
                before,
                refresh=refresh,
            )
        calls = self.cloud.take()
        if plan is None:
            assert not clean or refresh, "refused as a plan, but applied"
        else:
            if not refresh or saved:
                check_planned(plan, calls, None)
            failed = any(getattr(error, "action", "") in {"create", "update"} for error in self.errors)
            check_order(plan, before, calls, program, stopped=failed and not go_on)
        check_protected(before, calls, program)
        if clean and refresh:
            self.cloud.blurred = False
        if clean:
            self.settled(program)
        return clean

    def settled(self, program: dict[str, Spec]) -> None:
        """After a clean apply nothing is left to do, and the cloud is as declared."""
        plan = self.engine.plan(stack_of(program))
        assert not plan, f"the second plan is not empty:\n{plan}"
        if not self.cloud.blurred:
            check_settled(self.snapshot, self.cloud, program, ())

    def no_changes(self, before: Any) -> None:
        """Reading changes nothing in the cloud; what it decides of an interrupted run is no reading."""
        if not before.intents:
            assert not self.cloud.take(), "reading changed something"

    def attempt(self, function: Any, before: Any = None, *, refresh: bool = False) -> bool:
        """Run an operation; tell whether it went well. Errors must have a reason."""
        clean = self.tried(function, before, refresh=refresh)
        running = {run.id for run in self.engine.history(REF) if run.status == "running"}
        assert running <= self.torn, "the history says that a run goes on which has ended"
        return clean

    def tear(self) -> None:
        """A run ended without being able to say so."""
        self.revive()
        self.torn.update(run.id for run in self.engine.history(REF) if run.status == "running")

    def tried(self, function: Any, before: Any, *, refresh: bool) -> bool:
        self.errors = []
        try:
            function()
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
        except PlanError as error:
            assert before is not None, error
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
            assert "keep its value" in text, text
        elif isinstance(error, PlanError):
            assert "protected" in text or "would be created with" in text, text
        else:
            raise AssertionError(f"a step failed with {error!r}") from error

    def revive(self) -> None:
        """A new process takes over."""
        self.cloud.dead = False
        self.backend.kill_in = 0
        self.engine = self.new_engine(getattr(self, "parallelism", 0))

    def settle(self) -> None:
        """Whatever happened, it can be brought to a good end."""
        self.heal()
        self.revive()
        for name, record in self.snapshot.records.items():
            if record.options.get("protect"):
                self.specs.setdefault(name, Spec())
        for number, name in enumerate(self.specs):
            self.specs[name] = attrs.evolve(
                self.specs[name], protect=False, delete_first=None, label=f"last {number}"
            )
        # Twice: the first refresh may find an old half gone that the second plan no longer counts with.
        done = self.do_apply(refresh=True) or self.do_apply(refresh=True) or self.do_apply(refresh=True)
        assert done, "it can't be brought to an end"
        self.check_end()

    def check_end(self) -> None:
        self.cloud.blurred = False
        self.settled(self.program)
        self.engine.destroy(REF)
        assert not self.cloud.objects
        assert not self.snapshot.records


def explore(examples: int, steps: int, start: int | None = None) -> None:
    """Run many random lives."""
    checks = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=start is None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        verbosity=Verbosity.normal,
    )
    machine = Machine if start is None else seed(start)(type("Machine", (Machine,), {}))
    run_state_machine_as_test(machine, settings=checks)


if __name__ == "__main__":
    explore(int(sys.argv[1]), 30, int(sys.argv[2]))
    print(f"{sys.argv[1]} lives from seed {sys.argv[2]}: every rule held")  # noqa: T201 - its report
