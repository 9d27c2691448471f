"""A state machine that drives one engine through random programs, failures and crashes.

Run as ``python machine.py EXAMPLES SEED`` it tries many, and ends with an
error at the first that breaks a rule; the test suite runs it with few.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import attrs
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from faulty_cloud import KINDS
from faulty_engine import Inline, Shuffled
from iaclib.engine.engine import Engine
from integrity_rules import check_protected, check_state
from life import REF, Life
from random_choices import changes, faults, names, specs
from random_program import NAMES, Spec, moves


class Machine(Life, RuleBasedStateMachine):
    """One stack's life, step by step."""

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        Life.__init__(self)

    def new_engine(self) -> Engine:
        engine = Life.new_engine(self)
        engine._settings.queue = Shuffled
        engine._settings.pool = Inline
        return engine

    def teardown(self) -> None:
        self.settle()

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

    @rule(
        name=names, what=st.sampled_from(("size", "link", "vanish", "appear")), known=st.booleans(), same=st.booleans()
    )
    def meddle(self, name: str, what: str, known: bool, same: bool) -> None:
        """Change the cloud behind the engine's back."""
        if what == "vanish":
            self.vanish(name)
        elif what == "appear":
            self.appear(name, known, same)
        else:
            self.drift(name, what)

    def drift(self, name: str, field: str) -> None:
        record = self.snapshot.records.get(name)
        if record is not None and record.id in self.cloud.objects and field in record.inputs:
            self.cloud.objects[record.id].inputs[field] = 77 if field == "size" else "elsewhere"
            self.cloud.blurred = True

    def vanish(self, name: str) -> None:
        record = self.snapshot.records.get(name)
        if record is not None:
            self.acting = {}
            self.cloud.remove(record.id, told=False)

    def appear(self, name: str, known: bool, same: bool) -> None:
        """Somebody else makes what a resource wants to be; it may be told of it."""
        spec = self.program.get(name)
        if spec is None:
            return
        type_name = KINDS[spec.kind].__name__
        kin = (held for held in self.cloud.objects.values() if held.type == type_name)
        if spec.kind == "named" and any(held.inputs["label"] == spec.label for held in kin):
            return  # a cloud keeps no two of one label
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
        changes=changes,
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

    @rule(changes=changes)
    def change_quietly(self, changes: Sequence[Any]) -> None:
        """The same, and nothing goes wrong."""
        self.heal()
        self.edit(changes)
        self.do_apply()

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

    @rule(name=names, other=names, what=st.sampled_from(("taint", "untaint", "forget", "move", "import", "resolve")))
    def steward(self, name: str, other: str, what: str) -> None:
        """Change state by hand."""
        if what == "forget":
            self.forget(name)
        elif what == "move":
            self.move(name, other)
        elif what == "import":
            self.import_it(name)
        elif what == "resolve":
            self.resolve()
        else:
            self.taint(name, what == "untaint")

    def taint(self, name: str, whole: bool) -> None:
        record = self.snapshot.records.get(name)
        if record is None:
            return
        if not whole:
            self.attempt(lambda: self.engine.taint(REF, name))
        elif self.attempt(lambda: self.engine.untaint(REF, name)) and record.id in self.cloud.objects:
            self.cloud.objects[record.id].half = False

    def forget(self, name: str) -> None:
        if name in self.snapshot.records:
            self.attempt(lambda: self.engine.forget(REF, name), forgetting=name)

    def move(self, old: str, new: str) -> None:
        records = self.snapshot.records
        if old not in records or new in records or new in self.specs:
            return
        if self.attempt(lambda: self.engine.move(REF, old, new)) and old in self.specs:
            self.specs = {name: spec.renamed(old, new) for name, spec in self.specs.items()}
            self.specs[new] = self.specs.pop(old)

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

    @invariant()
    def integrity(self) -> None:
        check_state(self.snapshot, self.cloud, self.released)


def explore(examples: int, steps: int, start: int | None = None, *, shrink: bool = True) -> None:
    """Run many random lives; what breaks a rule is made as small as possible, or shown as it was found."""
    checks = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=start is None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        report_multiple_bugs=False,
    )
    machine = Machine if start is None else seed(start)(type("Machine", (Machine,), {}))
    run_state_machine_as_test(machine, settings=checks)


if __name__ == "__main__":
    explore(int(sys.argv[1]), 30, int(sys.argv[2]))
    print(f"{sys.argv[1]} lives from seed {sys.argv[2]}: every rule held")  # noqa: T201 - its report
