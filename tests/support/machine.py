"""A state machine that drives one engine through random programs, failures and crashes.

Run as ``python machine.py EXAMPLES SEED`` it tries many, and ends with an
error at the first that breaks a rule; the test suite runs it with few.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import iaclib.execute.dispatch as dispatch_module
import iaclib.execute.executor as executor_module
from faulty_cloud import FAULTS, KINDS, Cloud, Interrupted, Killed, Now
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
    TargetError,
    ThrottledError,
    UndecidedError,
)
from iaclib.execute.pool import Pool
from integrity_rules import (
    check_order,
    check_planned,
    check_protected,
    check_replaced,
    check_settled,
    check_state,
    check_untouched,
)
from random_program import NAMES, USES, Spec, Use, effective, moves, stack_of
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
        how = self.how if self.kill_in == 0 else ""
        if how == "refused":
            raise OSError("the disk is busy")
        self._end(how == "kill before")
        serial = self.inner.append(*args, **options)
        if how == "answer lost":
            raise OSError("the answer was lost")
        self._end(how == "kill after")
        return serial

    def _end(self, now: bool) -> None:
        if now:
            Now.cloud.dead = True
            raise Killed


names = st.sampled_from(NAMES)
several = st.frozensets(names, max_size=2)
uses = st.builds(Use, names, st.sampled_from(sorted(USES)))
values = st.one_of(uses, uses, st.none(), st.sampled_from(("one", "two")))
kinds = st.sampled_from(("thing", "thing", "named", "auto", "link"))
specs = st.builds(
    Spec,
    kind=kinds,
    size=st.integers(1, 3),
    hard=values,
    link=values,
    extra=values,
    label=st.sampled_from(("one", "two")),
    depends=st.frozensets(names, max_size=1),
    delete_first=st.sampled_from((None, None, None, True, False)),
    exported=st.booleans(),
    beside=st.none() | st.none() | names,
    follow=st.just(frozenset()) | st.frozensets(names, max_size=1),
    protect=st.sampled_from((False, False, False, False, True)),
    retain=st.sampled_from((False, False, False, False, True)),
)
edits = st.one_of(
    st.tuples(st.just("size"), st.integers(1, 3)),
    st.tuples(st.just("hard"), values),
    st.tuples(st.just("hard"), values),
    st.tuples(st.just("link"), values),
    st.tuples(st.just("extra"), values),
    st.tuples(st.just("label"), st.sampled_from(("one", "two", "three"))),
    st.tuples(st.just("kind"), kinds),
    st.tuples(st.just("depends"), several),
    st.tuples(st.just("exported"), st.booleans()),
)
options = st.one_of(
    st.tuples(st.just("delete_first"), st.sampled_from((None, True, False))),
    st.tuples(st.just("protect"), st.booleans()),
    st.tuples(st.just("ignore"), st.booleans()),
    st.tuples(st.just("retain"), st.booleans()),
    st.tuples(st.just("beside"), st.none() | names),
    st.tuples(st.just("follow"), several),
    st.tuples(st.just("trigger"), values),
    st.tuples(st.just("replace_on"), st.sampled_from(("", "link", "size", "*"))),
    st.tuples(st.just("former"), st.just(frozenset()) | st.frozensets(names, max_size=1)),
    st.tuples(st.just("adopt"), st.booleans()),
    st.tuples(st.just("import_id"), st.none()),
    st.tuples(st.just("hooked"), st.booleans()),
)
faults = st.tuples(names, st.sampled_from([(op, kind) for op, kinds in FAULTS.items() for kind in kinds]))


class Machine(RuleBasedStateMachine):
    """One stack's life."""

    def __init__(self) -> None:
        super().__init__()
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
        executor_module.deque = Shuffled  # type: ignore[attr-defined, misc]
        dispatch_module.Pool = Inline  # type: ignore[attr-defined, misc]

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            executor_module.deque = deque  # type: ignore[attr-defined, misc]
            dispatch_module.Pool = Pool  # type: ignore[attr-defined, misc]

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
            beside, retain = record.options.get("deleted_with"), record.options.get("retain_on_delete")
            spec = self.acting.get(record.address) if record in snapshot.records.values() else None
            if spec is not None:
                retain = spec.retain
                beside = beside if spec.beside else None
                if spec.beside and beside is None and spec.beside in self.uids:
                    beside = (spec.beside, self.uids[spec.beside])
            if beside and beside[1] == uid and record.id != id and not retain:
                found.append(record.id)
        return found

    # ------------------------------------------------------------------------------------------ changing the program

    @initialize(
        parallelism=st.sampled_from((0, 3)),
        shuffle=st.integers(0, 3),
        first=st.lists(st.tuples(names, specs), min_size=2, max_size=6),
    )
    def begin(self, parallelism: int, shuffle: int, first: list[tuple[str, Spec]]) -> None:
        Shuffled.source = random.Random(shuffle)
        self.parallelism = parallelism
        self.engine = self.new_engine()
        self.specs = dict(first)

    @rule(name=names, spec=specs)
    def declare(self, name: str, spec: Spec) -> None:
        self.specs[name] = spec

    @rule(name=names)
    def drop(self, name: str) -> None:
        self.specs.pop(name, None)

    def edit(self, changes: Sequence[tuple[str, tuple[str, Any]]]) -> None:
        for name, (field, value) in changes:
            if name in self.specs:
                self.specs[name] = attrs.evolve(self.specs[name], **{field: value})

    @rule(old=names, new=names)
    def rename(self, old: str, new: str) -> None:
        """Declare something at another address, and say so by an alias."""
        if old in self.specs and new not in self.specs:
            self.specs = {name: spec.renamed(old, new) for name, spec in self.specs.items()}
            self.specs[new] = attrs.evolve(self.specs.pop(old), former=frozenset({old}))

    @rule(order=st.permutations(NAMES))
    def reorder(self, order: list[str]) -> None:
        self.order = tuple(order)

    # --------------------------------------------------------------------------------------------------- troubles

    @rule(writes=st.integers(1, 12), how=st.sampled_from(("kill before", "kill after", "refused", "answer lost")))
    def fragile(self, writes: int, how: str) -> None:
        self.backend.kill_in, self.backend.how = writes, how

    @rule(name=names, field=st.sampled_from(("size", "link")))
    def drift(self, name: str, field: str) -> None:
        record = self.snapshot.records.get(name)
        if record is not None and record.id in self.cloud.objects and field in record.inputs:
            self.cloud.objects[record.id].inputs[field] = 77 if field == "size" else "elsewhere"
            self.cloud.blurred = True

    @rule(name=names)
    def vanish(self, name: str) -> None:
        record = self.snapshot.records.get(name)
        if record is not None:
            self.acting = {}
            self.cloud.remove(record.id, told=False)

    @rule(name=names, known=st.booleans(), same=st.booleans())
    def appear(self, name: str, known: bool, same: bool) -> None:
        """Somebody else makes what a resource wants to be; it may be told of it."""
        spec = self.program.get(name)
        if spec is None:
            return
        type_name = KINDS[spec.kind].__name__
        inputs: dict[str, Any] = {"size": spec.size if same else 9}
        if isinstance(spec.hard, str):
            inputs["hard"] = spec.hard
        if spec.kind in {"named", "link"}:
            inputs["label"] = spec.label
        if spec.kind == "auto":
            inputs["name"] = f"of somebody {next(self.numbers)}"
        id = self.cloud.appear(type_name, inputs)
        if known:
            self.specs[name] = attrs.evolve(self.specs[name], import_id=id)

    # ------------------------------------------------------------------------------------------------- operations

    @rule(
        changes=st.lists(st.tuples(names, edits | options), max_size=4),
        troubles=st.just(()) | st.lists(faults, max_size=3),
        go_on=st.booleans(),
        refresh=st.booleans(),
        saved=st.booleans(),
        replace=st.just(frozenset()) | st.frozensets(names, max_size=1),
    )
    def change(
        self,
        changes: Sequence[Any],
        troubles: Sequence[tuple[str, tuple[str, str]]],
        go_on: bool,
        refresh: bool,
        saved: bool,
        replace: frozenset[str],
    ) -> None:
        """Change the program and apply it; some calls may go wrong."""
        self.edit(changes)
        for name, (operation, kind) in troubles:
            self.cloud.fault(operation, name, kind)
        self.do_apply(go_on=go_on, refresh=refresh, saved=saved, replace=replace & self.program.keys())

    @rule(changes=st.lists(st.tuples(names, edits | options), min_size=1, max_size=4))
    def change_quietly(self, changes: Sequence[Any]) -> None:
        """The same, and nothing goes wrong."""
        self.heal()
        self.edit(changes)
        self.do_apply()

    def heal(self) -> None:
        self.cloud.heal()
        self.backend.kill_in = 0

    @rule(chosen=st.sets(names, min_size=1, max_size=3), dependents=st.booleans(), exclude=st.booleans())
    def apply_part(self, chosen: set[str], dependents: bool, exclude: bool) -> None:
        known = chosen & (self.program.keys() | self.snapshot.records.keys())
        if known and exclude:
            self.do_apply(exclude=known)
        elif known:
            self.do_apply(targets=known, dependents=dependents)

    @rule(what=st.sampled_from(("restart", "recover", "refresh", "look")))
    def observe(self, what: str) -> None:
        """Do what changes nothing in the cloud."""
        before = self.snapshot
        if what == "restart":
            self.revive()
        elif what == "recover":
            self.attempt(lambda: self.engine.recover(REF))
        elif what == "refresh":
            self.attempt(lambda: self.engine.refresh(REF))
            self.no_changes(before)
        else:
            if self.attempt(lambda: self.engine.drift(REF)):
                assert self.snapshot == before
            self.no_changes(before)

    @rule(name=names, whole=st.booleans())
    def taint(self, name: str, whole: bool) -> None:
        record = self.snapshot.records.get(name)
        if record is None:
            return
        if not whole:
            self.attempt(lambda: self.engine.taint(REF, name))
        elif self.attempt(lambda: self.engine.untaint(REF, name)) and record.id in self.cloud.objects:
            self.cloud.objects[record.id].half = False

    @rule(name=names)
    def forget(self, name: str) -> None:
        if name in self.snapshot.records:
            self.attempt(lambda: self.engine.forget(REF, name), forgetting=name)

    @rule(old=names, new=names)
    def move(self, old: str, new: str) -> None:
        records = self.snapshot.records
        if old in records and new not in records and new not in self.specs:
            if self.attempt(lambda: self.engine.move(REF, old, new)) and old in self.specs:
                self.rename(old, new)
                self.specs[new] = attrs.evolve(self.specs[new], former=frozenset())

    @rule(name=names)
    def import_it(self, name: str) -> None:
        """Record what somebody made, without changing it."""
        spec, records = self.program.get(name), self.snapshot.records
        if spec is None or name in records or self.snapshot.intents:
            return
        recorded = {record.id for record in records.values()}
        type_name = KINDS[spec.kind].__name__
        free = (id for id, held in self.cloud.objects.items() if held.type == type_name and not held.token)
        id = next((id for id in free if id not in recorded), None)
        if id is not None and not moves(self.program, records):
            self.attempt(lambda: self.engine.import_(self.stack(self.program), {name: id}), self.snapshot)

    @rule()
    def resolve(self) -> None:
        """Say of each undecided operation what became of it, truthfully."""
        for intent in list(self.snapshot.intents.values()):
            id, known = intent.id or intent.record.id, self.cloud.objects
            if intent.action == "create":
                made = [id for id, held in known.items() if held.token == intent.token]
                answer: dict[str, Any] = {"adopt": made[0]} if made else {"absent": True}
            elif intent.action == "update":
                wanted = {**intent.record.inputs}
                answer = {"done": True} if id in known and known[id].inputs == wanted else {"absent": True}
            else:
                answer = {"absent": True} if id in known else {"done": True}
            self.attempt(lambda: self.engine.resolve(REF, intent.record.address, **answer))  # noqa: B023 - called at once

    @rule(go_on=st.booleans())
    def destroy(self, go_on: bool) -> None:
        if self.snapshot.intents and not self.attempt(lambda: self.engine.recover(REF)):
            return
        before = self.snapshot
        self.cloud.take()
        clean = self.attempt(lambda: self.engine.destroy(REF, continue_on_error=go_on), before)
        check_protected(before, self.cloud.take(), {})
        if clean:
            after = self.snapshot
            assert not after.records
            assert not after.superseded
            assert not after.outputs

    # ------------------------------------------------------------------------------------------------------ checks

    @invariant()
    def integrity(self) -> None:
        check_state(self.snapshot, self.cloud, self.released)

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
        run: Callable[[], Any]
        if saved and plan is not None:
            run = lambda: self.engine.apply(plan, continue_on_error=go_on)
        else:
            run = lambda: self.engine.apply(self.stack(program), continue_on_error=go_on, **how)
        clean = self.attempt(run, before, program=program, refresh=bool(how.get("refresh")))
        calls, after = self.cloud.take(), self.snapshot
        part = how.get("targets") or how.get("exclude")
        if plan is None:
            assert not clean or how.get("refresh"), "refused as a plan, but applied"
        else:
            if not how.get("refresh") or saved:
                check_planned(plan, calls, program)
            failed = any(getattr(error, "action", "") in {"create", "update"} for error in self.errors)
            check_order(plan, before, calls, program, stopped=failed and not go_on)
            if part:
                touched = {change.address for change in plan.changes}
                check_untouched(before, after, calls, touched | moves(program, before.records).keys())
        check_protected(before, calls, program)
        if clean and part:
            if part <= program.keys() | after.records.keys():
                again = self.planned(**how)
                assert not again, f"the second plan is not empty:\n{again}"
        elif clean:
            self.cloud.blurred = self.cloud.blurred and not how.get("refresh")
            self.settled(program)
            check_replaced(before, after, program)
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
        refresh: bool = False,
        forgetting: str = "",
    ) -> bool:
        """Run an operation; tell whether it went well. Errors must have a reason."""
        began = self.snapshot
        self.acting = program or {}
        new_of = moves(self.acting, began.records)
        self.uids = {new_of.get(address, address): record.uid for address, record in began.records.items()}
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

    def tear(self) -> None:
        """A run ended without being able to say so."""
        self.revive()
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
    )
    machine = Machine if start is None else seed(start)(type("Machine", (Machine,), {}))
    run_state_machine_as_test(machine, settings=checks)


if __name__ == "__main__":
    explore(int(sys.argv[1]), 30, int(sys.argv[2]))
    print(f"{sys.argv[1]} lives from seed {sys.argv[2]}: every rule held")  # noqa: T201 - its report
