"""The interpreter of scenarios: takes their steps.

After every step it checks, beyond what the scenario says, what always has to
hold: integrity, a plan that changes nothing, no step beyond the plan, and an
empty second plan after a clean apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from iaclib import declare as iac
from iaclib.backends import Memory
from iaclib.engine.engine import Engine
from iaclib.errors import PlanError, UndecidedError
from iaclib.plan.plan import Plan
from recording import Cloud, Now, integrity
from scenario_compare import Happened, check_within, compare, compare_error
from scenario_faults import Faults, Killed, disturb
from scenario_file import Scenario, changed
from scenario_program import Program
from virtual import VirtualClock

REF = "shop/dev"


class World:
    """One stack on one cloud, driven by scenarios."""

    def __init__(self, parallelism: int, plan_file: Path | None = None) -> None:
        self.parallelism = parallelism
        self.plan_file = plan_file  # what is applied is a plan that was kept here
        self.cloud = Now.cloud = Cloud()
        self.clock = VirtualClock()
        self.backend = Memory(clock=self.clock.now)
        self.programs = Program(self.cloud)
        self.program: Mapping[str, Any] = {}
        self.faults = Faults(self.cloud, self.cancel, threads=bool(parallelism))
        self.kept: Any = None  # a plan that a later step carries out
        self.left: Sequence[str] = ()
        self.disturbed = False  # the cloud was changed behind the engine's back
        self.engine: Engine
        self.open()

    def open(self) -> None:
        """Start an engine on the same state."""
        self.engine = Engine(state=self.backend, parallelism=self.parallelism, _clock=self.clock)

    def cancel(self) -> None:
        """Ask the engine that runs now to stop."""
        self.engine.cancel()

    @property
    def snapshot(self) -> Any:
        """The state."""
        return self.engine.snapshot(REF)

    @property
    def stack(self) -> iac.Stack:
        """What the program declares now."""
        return self.programs.stack(self.program)

    def run(self, scenario: Scenario) -> None:
        """Take all steps."""
        self.program = scenario.program
        for number, step in enumerate(scenario.steps, 1):
            try:
                self.step(step)
            except (Exception, Killed) as error:
                error.add_note(f"in step {number} of {scenario.id}")
                raise
            finally:
                self.faults.let_go.set()
                self.faults.let_go.clear()

    # ------------------------------------------------------------------------------------------------------- steps

    def step(self, step: Mapping[str, Any]) -> None:
        """Prepare, act, compare."""
        if "program" in step:
            self.program = step["program"]
        if "change" in step:
            self.program = changed(self.program, step["change"])
        if "wait" in step:
            self.clock.sleep(step["wait"])
        before = self.snapshot
        disturb(self.cloud, step.get("cloud") or {}, before)
        self.disturbed = self.disturbed or "cloud" in step
        operation = next((name for name in step if name in _OPERATIONS), None)
        self.cloud.take()
        self.cloud.reads.clear()
        plan, refusal = self._plan_first(operation, step, before)
        self.faults.set(step.get("faults") or {})
        result, error = None, None
        if operation is not None:
            try:
                result = _OPERATIONS[operation](self, step[operation], plan)
            except (Exception, Killed) as raised:  # noqa: BLE001 - compared with what is expected
                error = raised
        calls, reads = self.cloud.take(), sorted(self.cloud.reads)
        compare_error(step, error)
        if refusal is not None:
            assert type(error) is type(refusal), f"plan refused ({refusal}), apply said {error!r}"
        self.faults.check()
        run = result if hasattr(result, "steps") else getattr(error, "run", None)
        self.left = step.get("left", self.left)
        integrity(self.snapshot, self.cloud, self.left)
        if plan is not None and run is not None:
            check_within(plan, run)
        if operation == "apply" and plan is not None and not plan and not (step["apply"] or {}).get("refresh"):
            assert self.snapshot == before, "a plan of nothing wrote something"
        history = self.engine.history(REF)
        last = history[-1] if history else None
        compare(step, Happened(before, self.snapshot, calls, reads, plan, result, error, run, self.cloud, last))
        if operation == "apply" and error is None and step.get("again", True):
            self._settled()

    def _plan_first(self, operation: str | None, step: Mapping[str, Any], before: Any) -> tuple[Any, Any]:
        """Plan what is about to be applied: it calls nothing, writes nothing, and refuses what apply refuses."""
        if operation not in {"apply", "plan"}:
            return None, None
        options = {name: value for name, value in (step[operation] or {}).items() if name != "continue_on_error"}
        if before.intents:
            try:
                self.engine.plan(self.stack)
            except UndecidedError:
                return None, None
            raise AssertionError("a plan was made although an intent is open")
        if options.get("refresh") and any(call.startswith("R ") for call in step.get("faults") or {}):
            return None, None
        try:
            plan = self.engine.plan(self.stack, **options)
            again = self.engine.plan(self.stack, **options)
        except Exception as error:  # noqa: BLE001 - compared with what apply says
            return None, error
        finally:
            assert not self.cloud.calls, f"a plan called {self.cloud.calls}"
            assert self.snapshot == before, "a plan changed the state"
        if before.lineage:  # it is drawn at random for a stack that was never written
            assert (str(plan), plan.digest) == (str(again), again.digest)
        self.cloud.reads.clear()
        return plan, None

    def _settled(self) -> None:
        """After a clean apply nothing is left to do, whether the cloud is looked at or not."""
        plan = self.engine.plan(self.stack)
        assert not plan, f"a second plan is not empty:\n{plan}"
        snapshot = self.snapshot
        if not self.disturbed:
            refreshed = self.engine.plan(self.stack, refresh=True)
            assert not refreshed, f"a second plan with refresh is not empty:\n{refreshed}"
            for record in snapshot.records.values():
                assert record.id in self.cloud.objects, f"{record.address} does not exist"
        self.cloud.take()


# -------------------------------------------------------------------------------------------------------- operations


def _apply(world: World, options: Any, plan: Any) -> Any:
    """Apply the program as it is, or the plan that was made of it: from a file, or where steps run side by side."""
    given = dict(options or {})
    if world.plan_file is not None and plan is not None:
        plan.save(world.plan_file)
        loaded = Plan.load(world.plan_file)
        assert (str(loaded), loaded.digest, loaded.counts) == (str(plan), plan.digest, plan.counts)
        carry_on = given.get("continue_on_error", False)
        try:
            return world.engine.apply(loaded, continue_on_error=carry_on)
        except PlanError as error:
            if "functions" not in error.facts:
                raise
        return world.engine.apply(loaded, program=world.stack, continue_on_error=carry_on)
    if world.parallelism and plan is not None:
        return world.engine.apply(plan, continue_on_error=given.get("continue_on_error", False))
    return world.engine.apply(world.stack, **given)


def _plan(world: World, options: Any, plan: Any) -> Any:
    world.kept = plan if plan is not None else world.engine.plan(world.stack, **(options or {}))
    return world.kept


def _carry_out(world: World, options: Any, _: Any) -> Any:
    """Apply the plan that an earlier step made."""
    return world.engine.apply(world.kept, **(options or {}))


def _destroy(world: World, options: Any, _: Any) -> Any:
    given = dict(options or {})
    return world.engine.destroy(world.stack if given.pop("program", False) else REF, **given)


def _reopen(world: World, *_: Any) -> None:
    world.engine.close()
    world.open()


_OPERATIONS: dict[str, Callable[[World, Any, Any], Any]] = {
    "apply": _apply,
    "plan": _plan,
    "destroy": _destroy,
    "refresh": lambda world, options, _: world.engine.refresh(REF, **(options or {})),
    "drift": lambda world, options, _: world.engine.drift(REF, **(options or {})),
    "recover": lambda world, *_: world.engine.recover(REF),
    "taint": lambda world, address, _: world.engine.taint(REF, address),
    "untaint": lambda world, address, _: world.engine.untaint(REF, address),
    "forget": lambda world, address, _: world.engine.forget(REF, address),
    "move": lambda world, pair, _: [world.engine.move(REF, old, new) for old, new in pair.items()][-1],
    "import": lambda world, ids, _: world.engine.import_(world.stack, ids),
    "resolve": lambda world, given, _: world.engine.resolve(REF, **given),
    "reopen": _reopen,
    "carry_out": _carry_out,
}
