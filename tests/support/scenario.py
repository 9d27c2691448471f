"""The interpreter of scenarios: declares, disturbs, acts, and compares.

After every step it checks, beyond what the scenario says, what always has to
hold: integrity, a plan that changes nothing, no step beyond the plan, and an
empty second plan after a clean apply.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from iaclib import declare as iac
from iaclib import errors
from iaclib.backends import Memory
from iaclib.declare.component import Component
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, PartialFailure, UndecidedError
from iaclib.model.values import reveal
from iaclib.plan.plan import Plan
from recording import KINDS, Account, Cloud, Effect, Now, integrity
from scenario_file import Hidden, Scenario, changed, check_calls, check_order, read_calls
from virtual import VirtualClock

REF = "shop/dev"
_WHOLE = re.compile(r"\$\{?([\w/-]+)\.(\w+)\}?(?:\|(\w+))?")
_WITHIN = re.compile(r"\$\{([\w/-]+)\.(\w+)\}")
_MAPS: dict[str, Callable[[Any], Any]] = {"constant": lambda _: "constant", "length": len, "letter": lambda one: one[0]}


class Killed(BaseException):
    """Leaves a handler as a kill of the process would."""


def has(feature: str) -> bool:
    """Tell whether the engine has what a scenario needs, such as ``opts.aliases`` or ``plan.targets``."""
    kind, _, name = feature.partition(".")
    if kind == "opts":
        return name in attrs.fields_dict(iac.Options)
    found = getattr(Engine, kind, None)
    return found is not None and (not name or name in inspect.signature(found).parameters)


class World:
    """One stack on one cloud, driven by scenarios."""

    def __init__(self, parallelism: int, plan_file: Path | None = None) -> None:
        self.parallelism = parallelism
        self.plan_file = plan_file  # what is applied is a plan that was kept here
        self.cloud = Now.cloud = Cloud()
        self.clock = VirtualClock()
        self.backend = Memory(clock=self.clock.now)
        self.accounts: dict[tuple[tuple[str, str], ...], Account] = {}
        self.program: Mapping[str, Any] = {}
        self.left: Sequence[str] = ()
        self.disturbed = False  # the cloud was changed behind the engine's back
        self.let_go = threading.Event()  # lets calls go on that hang
        self.engine: Engine
        self.open()

    def open(self) -> None:
        """Start an engine on the same state."""
        self.engine = Engine(state=self.backend, parallelism=self.parallelism, _clock=self.clock)

    @property
    def snapshot(self) -> Any:
        return self.engine.snapshot(REF)

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
                self.let_go.set()
                self.let_go.clear()

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
        self._disturb(step.get("cloud") or {}, before)
        operation = next((name for name in step if name in _OPERATIONS), None)
        self.cloud.take()
        self.cloud.reads.clear()
        plan, refusal = self._plan_first(operation, step, before)
        self._set_faults(step.get("faults") or {})
        result, error = None, None
        if operation is not None:
            try:
                result = _OPERATIONS[operation](self, step[operation], plan)
            except (Exception, Killed) as raised:  # noqa: BLE001 - compared with what is expected
                error = raised
        calls, reads = self.cloud.take(), sorted(self.cloud.reads)
        self._compare_error(step, error)
        if refusal is not None:
            assert type(error) is type(refusal), f"plan refused ({refusal}), apply said {error!r}"
        self._check_faults()
        run = result if hasattr(result, "steps") else getattr(error, "run", None)
        self.left = step.get("left", self.left)
        integrity(self.snapshot, self.cloud, self.left)
        if plan is not None and run is not None:
            _check_within(plan, run)
        self._compare(step, Happened(before, self.snapshot, calls, reads, plan, result, error, run))
        if operation == "apply" and error is None and step.get("again", True):
            self._settled()

    def _plan_first(self, operation: str | None, step: Mapping[str, Any], before: Any) -> tuple[Any, Any]:
        """Plan what is about to be applied: it calls nothing, writes nothing, and refuses what apply refuses."""
        if operation not in {"apply", "plan"}:
            return None, None
        options = {name: value for name, value in (step[operation] or {}).items() if name != "continue_on_error"}
        if before.intents:
            try:
                self.engine.plan(self.stack())
            except UndecidedError:
                return None, None
            except Exception:  # noqa: BLE001 - the program or another rule refuses even earlier
                return None, None
            raise AssertionError("a plan was made although an intent is open")
        if options.get("refresh") and any(call.startswith("R ") for call in step.get("faults") or {}):
            return None, None
        try:
            plan = self.engine.plan(self.stack(), **options)
            again = self.engine.plan(self.stack(), **options)
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
        plan = self.engine.plan(self.stack())
        assert not plan, f"a second plan is not empty:\n{plan}"
        snapshot = self.snapshot
        if not self.disturbed:
            refreshed = self.engine.plan(self.stack(), refresh=True)
            assert not refreshed, f"a second plan with refresh is not empty:\n{refreshed}"
            for record in snapshot.records.values():
                assert record.id in self.cloud.objects, f"{record.address} does not exist"
        self.cloud.take()

    # ---------------------------------------------------------------------------------------------------- program

    def stack(self) -> iac.Stack:
        """Make the stack that the program describes."""
        program = self.program

        def build(stack: iac.Stack) -> None:
            made: dict[str, Any] = {}
            self._declare({name: spec for name, spec in program.items() if name != "exports"}, "", made)
            for name, value in (program.get("exports") or {}).items():
                stack.export(**{name: _value(value, made)})

        return type("Shop", (iac.Stack,), {"build": build})("dev")

    def _declare(self, entries: Mapping[str, Any], prefix: str, made: dict[str, Any]) -> None:
        for name in _in_order(entries, prefix):
            spec = dict(entries[name] or {})
            if "raises" in spec:
                raise RuntimeError(spec["raises"])
            address = f"{prefix}{name}"
            opts = self._options(spec.pop("opts", None), made)
            if "component" in spec:
                made[address] = self._component(name, spec["component"] or {}, address, made, opts)
                continue
            kind = KINDS[spec.pop("type", "Thing")]
            fields = {field: _value(value, made) for field, value in spec.items()}
            made[address] = kind(name, **fields) if opts is None else kind(name, opts=opts, **fields)

    def _component(self, name: str, inside: Mapping[str, Any], address: str, made: dict[str, Any], opts: Any) -> Any:
        def build(_: Component) -> None:
            self._declare(inside, f"{address}/", made)

        group = type("Group", (Component,), {"build": build})
        return group(name) if opts is None else group(name, opts=opts)

    def _options(self, given: Mapping[str, Any] | None, made: Mapping[str, Any]) -> iac.Options | None:
        if given is None:
            return None
        options = dict(given)
        for name in ("depends_on", "replace_with"):
            if name in options:
                options[name] = tuple(made[address] for address in options[name])
        if "deleted_with" in options:
            options["deleted_with"] = made[options["deleted_with"]]
        if "replacement_trigger" in options:
            options["replacement_trigger"] = _value(options["replacement_trigger"], made)
        if "provider" in options:
            options["provider"] = self._account(options["provider"])
        if "timeouts" in options:
            options["timeouts"] = iac.Timeouts(**options["timeouts"])
        if "hooks" in options:
            options["hooks"] = (iac.Hooks(**{name: self._hook(name, what) for name, what in options["hooks"].items()}),)
        return iac.Options(**options)

    def _account(self, given: Mapping[str, str]) -> Account:
        return self.accounts.setdefault(tuple(sorted(given.items())), Account(**given))

    def _hook(self, name: str, what: str) -> Callable[[Any], None]:
        cloud = self.cloud

        def hook(event: Any) -> None:
            cloud.do(f"H {name} {event.address}", lambda: None)
            if what == "fails":
                raise RuntimeError(f"{name} said no")

        return hook

    # ------------------------------------------------------------------------------------------------- disturbances

    def _disturb(self, changes: Mapping[str, Any], before: Any) -> None:
        """Change the cloud behind the engine's back."""
        self.disturbed = self.disturbed or bool(changes)
        for what, values in changes.items():
            match what:
                case "drift":
                    for address, fields in values.items():
                        held = self.cloud.objects[before.records[address].id]["inputs"]
                        held.update(fields)
                        for name in [name for name, value in fields.items() if value is None]:
                            held[name] = None
                case "vanish":
                    for address in [values] if isinstance(values, str) else values:
                        del self.cloud.objects[before.records[address].id]
                case "vanish_superseded":
                    for record in before.superseded:
                        if record.address == values:
                            del self.cloud.objects[record.id]
                case "appear":
                    for id, inputs in values.items():
                        self.cloud.put("", "", inputs, id)
                case "blind":  # reads that miss an object although it is there
                    for address, times in values.items():
                        self.cloud.instead(f"R {address}", *[lambda _: None] * times)
                case _:
                    raise ValueError(f"{what} can't be done to the cloud")

    def _set_faults(self, faults: Mapping[str, Any]) -> None:
        for call, spec in faults.items():
            for one in spec if isinstance(spec, list) else [spec]:
                what = {"error": one} if isinstance(one, str) else dict(one)
                self.cloud.instead(call, *[self._turn(call, what)] * what.pop("times", 1))

    def _turn(self, call: str, spec: Mapping[str, Any]) -> Callable[[Effect], Any]:
        """Make what happens instead of a call."""
        word = spec.get("error", "")
        match word.split() if word else next(iter(spec)):
            case ["kill", when]:
                return lambda effect: self._kill(effect if when == "after" else None)
            case ["hang", *when]:
                return lambda effect: self._hang(effect if when == ["after"] else None)
            case ["stop"]:
                return self._stop
            case ["lost"]:
                return lambda effect: _raise(errors.ProviderError(f"{call}: connection reset", retryable=True), effect)
            case ["bug", *when]:
                return lambda effect: _raise(ValueError("a bug"), effect if when else None)
            case ["blind"]:
                return lambda _: None
            case "partial":
                return lambda effect: _partly(effect, spec)
            case "not_ready":
                return lambda effect: self._not_ready(effect, spec["not_ready"])
            case "conflict":
                return lambda _: _raise(errors.ConflictError(f"{call}: exists", existing_id=spec["conflict"]))
            case [name]:
                kind = getattr(errors, f"{name}Error")
                facts = {key: value for key, value in spec.items() if key not in {"error", "times", "text"}}
                return lambda _: _raise(kind(spec.get("text", f"{call} is refused"), **facts))
        raise ValueError(f"{spec} is no fault")

    @staticmethod
    def _kill(effect: Effect | None) -> None:
        if effect is not None:
            effect()
        raise Killed

    def _hang(self, effect: Effect | None) -> None:
        if effect is not None:
            effect()
        self.engine.cancel()
        self.engine.cancel()
        if self.parallelism:
            self.let_go.wait(30)
        raise KeyboardInterrupt

    def _stop(self, effect: Effect) -> Any:
        given = effect()
        self.engine.cancel()
        return given

    def _not_ready(self, effect: Effect, times: int) -> Any:
        live = effect()
        self.cloud.unready[live.id] = times - 1
        return attrs.evolve(live, ready=False)

    def _check_faults(self) -> None:
        """Check that all that was to go wrong did."""
        waiting = {call: len(turns) for call, turns in self.cloud.turns.items() if turns}
        self.cloud.turns.clear()
        assert not waiting, f"faults that nothing met: {waiting}"

    # ------------------------------------------------------------------------------------------------- comparisons

    def _compare_error(self, step: Mapping[str, Any], error: BaseException | None) -> None:
        expected = step.get("fails")
        if expected is None:
            if error is not None:
                raise error
            return
        wanted = {"error": expected} if isinstance(expected, str) else expected
        assert error is not None, f"expected {wanted['error']}, but it succeeded"
        if type(error).__name__ != wanted["error"]:
            raise error
        text = "\n".join([str(error), *getattr(error, "__notes__", ())])
        for part in _list(wanted.get("text")):
            assert part in text, f"{part!r} is not in {text!r}"
        for part in _list(wanted.get("hides")):
            assert part not in text, f"{part!r} is in {text!r}"
        if "causes" in wanted:
            causes = sorted(_cause(one) for one in getattr(error, "exceptions", ()))
            assert causes == sorted(wanted["causes"]), causes

    def _compare(self, step: Mapping[str, Any], now: Happened) -> None:
        for name in step:
            compare = _COMPARE.get(name)
            if compare is not None:
                compare(now, step[name])
        for name in ("superseded", "intents"):
            if name not in step:
                _COMPARE[name](now, [])
        if "objects" in step:
            found: dict[str, int] = {}
            for held in self.cloud.objects.values():
                found[held["address"]] = found.get(held["address"], 0) + 1
            assert found == step["objects"], found
        for address, parameters in (step.get("on_delete") or {}).items():
            assert self.cloud.parameters[address] == parameters
        if "history" in step:
            last = self.engine.history(REF)[-1]
            assert f"{last.operation} {last.status}" == step["history"]


@attrs.frozen
class Happened:
    """What a step led to."""

    before: Any
    after: Any
    calls: Sequence[str]
    reads: Sequence[str]
    plan: Any
    result: Any
    error: BaseException | None
    run: Any


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
        except errors.PlanError as error:
            if "functions" not in error.facts:
                raise
        return world.engine.apply(loaded, program=world.stack(), continue_on_error=carry_on)
    if world.parallelism and plan is not None:
        return world.engine.apply(plan, continue_on_error=given.get("continue_on_error", False))
    return world.engine.apply(world.stack(), **given)


def _plan(world: World, options: Any, plan: Any) -> Any:
    return plan if plan is not None else world.engine.plan(world.stack(), **(options or {}))


def _destroy(world: World, options: Any, _: Any) -> Any:
    given = dict(options or {})
    return world.engine.destroy(world.stack() if given.pop("program", False) else REF, **given)


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
    "import": lambda world, ids, _: world.engine.import_(world.stack(), ids),
    "resolve": lambda world, given, _: world.engine.resolve(REF, **given),
    "reopen": _reopen,
}


# ------------------------------------------------------------------------------------------------------- comparisons


def _compare_planned(now: Happened, expected: Mapping[str, Any]) -> None:
    found: dict[str, list[str]] = {}
    for change in now.plan.changes:
        words = [change.action.value]
        words += ["maybe"] if change.maybe else []
        words += ["delete_first"] if change.delete_first else []
        words += ["superseded"] if change.reason == "superseded" else []
        found.setdefault(change.address, []).append(" ".join(words))
    wanted = {address: _list(words) for address, words in expected.items()}
    quiet = {address: words for address, words in found.items() if words != ["same"] or address in wanted}
    assert quiet == wanted, f"{quiet}\n{now.plan}"


def _compare_reasons(now: Happened, expected: Mapping[str, Any]) -> None:
    for address, parts in expected.items():
        reason = now.plan.change(address).reason
        for part in _list(parts):
            assert part in reason, f"{address}: {reason!r}"


def _compare_steps(now: Happened, expected: Sequence[str]) -> None:
    found = []
    for step in now.run.steps:
        words = [step.action, step.address]
        words += ["replacing"] if step.replacing else []
        words += ["skipped"] if step.skipped else []
        words += ["failed"] if step.error is not None else []
        found.append(" ".join(words))
    assert sorted(found) == sorted(expected), found


def _compare_records(now: Happened, expected: Any) -> None:
    assert set(now.after.records) == set(expected), sorted(now.after.records)
    if not isinstance(expected, Mapping):
        return
    for address, wanted in expected.items():
        facts = wanted
        if isinstance(wanted, str):
            facts = {"id": wanted} if wanted in {"kept", "new"} else {"status": wanted}
        record, old = now.after.records[address], now.before.records.get(address)
        for name, value in (facts or {}).items():
            match name:
                case "id" if value == "kept":
                    assert old is not None, address
                    assert record.id == old.id, address
                case "id" if value == "new":
                    assert record.id, address
                    assert old is None or record.id != old.id, address
                case "options" | "outputs":
                    have = reveal(dict(getattr(record, name)))
                    assert {key: have.get(key) for key in value} == value, f"{address}: {have}"
                case "dependencies":
                    assert list(record.dependencies) == list(value), f"{address}: {record.dependencies}"
                case "provider":
                    have = {key: item for key, item in attrs.asdict(record.provider).items() if key in value}
                    assert have == value, f"{address}: {record.provider}"
                case _:
                    have = getattr(record, name)
                    have = reveal(dict(have)) if isinstance(have, Mapping) else have
                    assert have == value, f"{address}: {name} is {have}"


def _compare_drift(now: Happened, expected: Mapping[str, str]) -> None:
    drift = now.result if hasattr(now.result, "changes") else getattr(now.error, "drift", None)
    found = {change.address: change.action.value for change in drift.changes}
    assert found == expected, found
    assert bool(drift) == bool(expected)


_COMPARE: dict[str, Callable[[Happened, Any], None]] = {
    "calls": lambda now, text: check_calls(now.calls, read_calls(text)),
    "order": lambda now, texts: [check_order(now.calls, read_calls(text)) for text in _list(texts)],
    "never": lambda now, names: _same([name for name in _list(names) if name in now.calls], []),
    "reads": lambda now, names: _same(now.reads, sorted(names)),
    "planned": _compare_planned,
    "counts": lambda now, counts: _same(now.plan.counts, counts),
    "reasons": _compare_reasons,
    "steps": _compare_steps,
    "records": _compare_records,
    "superseded": lambda now, names: _same(sorted(old.address for old in now.after.superseded), sorted(names)),
    "intents": lambda now, names: _same(
        sorted(f"{one.action} {one.record.address}" for one in now.after.intents.values()), sorted(names)
    ),
    "outputs": lambda now, wanted: _same(reveal(dict(now.after.outputs)), wanted),
    "drifted": _compare_drift,
    "ok": lambda now, wanted: _same(now.run.ok, wanted),
}


def _same(found: Any, wanted: Any) -> None:
    assert found == wanted, f"expected {wanted}, found {found}"


def _check_within(plan: Any, run: Any) -> None:
    """Check that a run did no more than its plan said."""
    allowed: dict[str, set[str]] = {}
    for change in plan.changes:
        allowed.setdefault(change.address, set()).update(_STEPS[change.action.value])
    for step in run.steps:
        if step.action == "adopt":  # where the program lets a create take over what it meets
            allowed.setdefault(step.address, set()).update(
                {"adopt", "update"} if "create" in allowed[step.address] else ()
            )
    for step in run.steps:
        if step.action == "read" or step.skipped:
            continue
        assert step.action in allowed.get(step.address, ()), f"{step} is not in the plan:\n{plan}"


_STEPS = {
    "create": {"create"},
    "update": {"update"},
    "replace": {"create", "update", "delete", "forget"},
    "delete": {"delete", "forget"},
    "same": {"move"},
    "read": {"read"},
    "import": {"import", "update"},
    "forget": {"forget"},
    "move": {"move", "update"},
}


# -------------------------------------------------------------------------------------------------------------- parts


def _raise(error: Exception, effect: Effect | None = None) -> None:
    if effect is not None:
        effect()
    raise error


def _partly(effect: Effect, spec: Mapping[str, Any]) -> None:
    live = effect()
    if not spec["partial"]:
        raise PartialFailure(attrs.evolve(live, id=""), "not finished")
    raise PartialFailure(live, "not finished", repairable=spec.get("repairable", False))


def _cause(error: BaseException) -> str:
    return type(getattr(error, "cause", None) or error).__name__


def _list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _value(value: Any, made: Mapping[str, Any]) -> Any:
    """Turn what stands in a file into what a program would write."""
    if isinstance(value, Hidden):
        return iac.secret(_value(value.value, made))
    if isinstance(value, Mapping):
        return {key: _value(item, made) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, made) for item in value]
    if not isinstance(value, str):
        return value
    whole = _WHOLE.fullmatch(value)
    if whole is not None:
        output = getattr(made[whole[1]], whole[2])
        return output.map(_MAPS[whole[3]]) if whole[3] else output
    return _WITHIN.sub(lambda found: str(getattr(made[found[1]], found[2])), value)


def _in_order(entries: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Give names so that what is referred to comes first, else in the order in which they stand there."""
    done: set[str] = set()
    for name in entries:
        stack = deque([name])
        while stack:
            top = stack[-1]
            missing = [need for need in _needs(entries[top], entries, prefix) if need not in done and need != top]
            if missing and missing[0] not in stack:
                stack.append(missing[0])
                continue
            stack.pop()
            if top not in done:
                done.add(top)
                yield top


def _needs(spec: Any, entries: Mapping[str, Any], prefix: str) -> list[str]:
    return [
        name
        for address in _mentioned(spec)
        if address.startswith(prefix) and (name := address.removeprefix(prefix).partition("/")[0]) in entries
    ]


def _mentioned(value: Any) -> Iterator[str]:
    if isinstance(value, Hidden):
        yield from _mentioned(value.value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key in {"depends_on", "replace_with"}:
                yield from item
            elif key == "deleted_with":
                yield item
            else:
                yield from _mentioned(item)
    elif isinstance(value, list):
        for item in value:
            yield from _mentioned(item)
    elif isinstance(value, str):
        for found in _WHOLE.finditer(value):
            yield found[1]


__all__ = ["ApplyFailed", "World", "has"]
