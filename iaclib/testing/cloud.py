"""The simulated cloud: which objects there are, and what it refuses as a real one would.

Knows types by their facts alone. Knows nothing of plans or state, and of the
engine no more than the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from iaclib.declare.registry import type_facts
from iaclib.errors import (
    ConflictError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    OperationTimeoutError,
    PartialFailure,
)
from iaclib.model.values import leaves
from iaclib.provider.handler import Live
from iaclib.testing import values
from iaclib.testing.faults import Behaviour, Faults
from iaclib.testing.objects import SimulatedObject, names_of, wanted
from iaclib.testing.references import named_in, referred
from iaclib.testing.refusing import check_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from iaclib.provider.base import Identity
    from iaclib.provider.context import Context
    from iaclib.schema.facts import TypeFacts
    from iaclib.testing.clock import VirtualClock


class Cloud:
    """What there is, and what was asked for.

    Args:
        clock: Its time.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.calls: list[tuple[str, str]] = []
        self.faults = Faults()
        self.behaviours: dict[str, Behaviour] = {}
        self.latency: dict[str, float] = {}  # by operation, "" for all
        self.eventual = 0.0
        self.following: Callable[[SimulatedObject], Sequence[str]] = lambda _carrier: ()  # urns of what goes with it
        self._objects: dict[tuple[str, str], SimulatedObject] = {}
        self._placed: dict[str, list[SimulatedObject]] = {}  # by urn, the newest last
        self._tokens: dict[str, SimulatedObject] = {}
        self._known: dict[str, SimulatedObject] = {}  # by what refers to it: its id, its ARN
        self._gone: dict[str, SimulatedObject] = {}  # by the same, of what is there no more
        self._shown: dict[str, SimulatedObject] = {}  # by any text among outputs
        self._lost: dict[str, SimulatedObject] = {}  # by urn, where there was an object and is none
        self._types: dict[str, None] = {}  # of which there ever was an object here
        self.absent: set[tuple[str, str]] = set()  # what the test says is not there
        self.read_fields: dict[str, set[str]] = {}  # what programs read of a type
        self.stepwise: set[str] = set()  # stacks that sessions work on: what they will read can't be known
        self._keys: dict[tuple[Any, ...], SimulatedObject] = {}
        self._born: dict[str, int] = {}  # how many objects lived at a urn

    # ----------------------------------------------------------------------------------------------------- looking

    def __iter__(self) -> Iterator[SimulatedObject]:
        return iter(self._objects.values())

    def at(self, urn: str) -> SimulatedObject | None:
        """Give the newest object that a resource made."""
        found = self._placed.get(urn)
        return found[-1] if found else None

    def get(self, type: str, id: str) -> SimulatedObject | None:
        """Give an object by its id."""
        return self._objects.get((type, id))

    def shown(self, thing: SimulatedObject, *, inputs: bool = True) -> Live:
        """Show an object as a handler does."""
        behaviour = self.behaviours.get(thing.type)
        ready = behaviour is None or self.clock.time >= thing.created + behaviour.ready_after
        if not inputs:
            return Live(thing.id, thing.outputs, None, ready)
        facts = type_facts(thing.type)
        hidden = {name for name, item in facts.properties.items() if item.write_only} if facts is not None else ()
        return Live(
            thing.id, thing.outputs, {key: value for key, value in thing.inputs.items() if key not in hidden}, ready
        )

    def _visible(self, thing: SimulatedObject | None) -> Live | None:
        if thing is None or (thing.token and self.clock.time < thing.created + self.eventual):
            return None
        return self.shown(thing)

    # ------------------------------------------------------------------------------------------------------- calls

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let nothing else happen meanwhile: what takes time in a call moves its own clock only."""
        self.clock.inside += 1
        try:
            yield
        finally:
            self.clock.inside -= 1

    def create(self, type: str, ctx: Context[Any], inputs: Mapping[str, Any], place: Identity) -> Live:
        """Make an object, or give the one that the same token made."""
        after = self._enter("create", ctx)
        known = self._tokens.get(ctx.token)
        if known is not None:
            return self.shown(known, inputs=False)
        facts = type_facts(type)
        uses = self._check(facts, type, ctx, inputs)
        digits = values.mark(ctx.urn, self._born.get(ctx.urn, 0))
        id, own = values.new_id(facts, type, inputs, digits)
        other = self._objects.get((type, id))
        if other is not None:
            msg = f"{ctx.address}: {id} exists already, as {other.name}, expected another name; rename one of them"
            raise ConflictError(msg, existing_id=id)
        thing = SimulatedObject(
            type, id, inputs, address=ctx.address, stack=ctx.stack, token=ctx.token, created=self.clock.time,
            own=own, place=place,
        )  # fmt: skip
        keys = self._free_keys(thing, facts, inputs, ctx.address)
        self._born[ctx.urn] = self._born.get(ctx.urn, 0) + 1
        self._tokens[ctx.token] = thing
        self._placed.setdefault(ctx.urn, []).append(thing)
        self._use(thing, uses)
        self._put(thing, facts, digits, keys)
        self._leave("create", ctx, after, thing)
        return self.shown(thing, inputs=False)

    def read(self, type: str, ctx: Context[Any], id: str) -> Live | None:
        """Show an object."""
        after = self._enter("read", ctx)
        thing = self._objects.get((type, id))
        unasked = (type, id) not in self.absent and id not in self._gone and id not in self._known
        if thing is None and ctx.record is None and unasked:
            msg = (
                f"{ctx.address}: there is no {type} {id!r} in the simulated cloud, expected what a program looks up or "
                f"imports to be seeded; call sim.add({type!r}, {id!r}, ...) first"
            )
            raise InvalidRequestError(msg, type=type, id=id)
        if thing is not None:
            self._make_up(thing, type_facts(type))
        self._leave("read", ctx, after, thing)
        return self._visible(thing)

    def find(self, type: str, ctx: Context[Any]) -> Live | None:
        """Show what a token made."""
        after = self._enter("find", ctx)
        thing = self._tokens.get(ctx.token)
        self._leave("find", ctx, after, thing)
        return self._visible(thing if thing is not None and thing.type == type else None)

    def update(self, type: str, ctx: Context[Any], id: str, inputs: Mapping[str, Any]) -> Live:
        """Give an object other inputs."""
        after = self._enter("update", ctx)
        thing = self._objects.get((type, id))
        if thing is None:
            msg = f"{ctx.address}: {id} is gone, expected it to be there; run again with refresh=True"
            raise NotFoundError(msg, type=type, id=id)
        facts = type_facts(type)
        uses = self._check(facts, type, ctx, inputs, thing)
        keys = self._free_keys(thing, facts, inputs, ctx.address)
        for key in [key for key, holder in self._keys.items() if holder is thing] if keys else ():
            del self._keys[key]
        thing.before, thing.inputs = thing.inputs, dict(inputs)
        thing.half = False
        if not thing.stack:  # it was seeded, and is managed from now on
            thing.address, thing.stack = ctx.address, ctx.stack
            self._placed.setdefault(ctx.urn, []).append(thing)
        self._use(thing, uses)
        self._put(thing, facts, thing.mark, keys)
        self._leave("update", ctx, after, thing)
        return self.shown(thing, inputs=False)

    def delete(self, type: str, ctx: Context[Any], id: str) -> None:
        """Delete an object; one that is not there is deleted."""
        after = self._enter("delete", ctx)
        thing = self._objects.get((type, id))
        if thing is not None:
            behaviour = self.behaviours.get(type)
            if behaviour is not None and behaviour.check is not None:
                behaviour.check("delete", thing)
            going = self._going_with(thing)
            holding = [user.name for one in going for user in one.users if user not in going]
            if holding:
                msg = (
                    f"{ctx.address}: {id} is used by {', '.join(dict.fromkeys(holding))}, expected nothing to use it "
                    "any more; delete that first"
                )
                raise DependencyViolationError(msg, type=type, id=id)
            for one in going:
                self.remove(one)
        self._leave("delete", ctx, after, thing)

    def _going_with(self, thing: SimulatedObject) -> dict[SimulatedObject, None]:
        """List an object and what state says goes with it; state is asked only where something uses it."""
        going = {thing: None}
        pending = [thing] if thing.users else []
        while pending:
            for urn in self.following(pending.pop()):
                for one in self._placed.get(urn, ()):
                    if one not in going:
                        going[one] = None
                        pending.append(one)
        return going

    # ----------------------------------------------------------------------------------------- what goes on inside

    def _enter(self, operation: str, ctx: Context[Any]) -> BaseException | type[BaseException] | None:
        self.calls.append((operation, ctx.address))
        return self.faults.take(operation, ctx.address, ctx.urn) if self.faults else None

    def ask(self, ctx: Context[Any]) -> None:
        """Note a lookup, and let it fail or take as long as the test says."""
        self._leave("lookup", ctx, self._enter("lookup", ctx), None)

    def _leave(
        self,
        operation: str,
        ctx: Context[Any],
        error: BaseException | type[BaseException] | None,
        thing: SimulatedObject | None,
    ) -> None:
        """Let the time pass that a call takes, then fail if its answer is to be lost."""
        if self.latency:
            seconds = self.latency.get(operation, self.latency.get("", 0.0))
            if seconds > ctx.remaining:
                self.clock.time += ctx.remaining
                msg = f"{ctx.address}: {operation} takes {seconds:g} s, expected it within its timeout; raise timeouts"
                raise OperationTimeoutError(msg)
            self.clock.time += seconds
        if error is None:
            return
        if isinstance(error, type) and issubclass(error, PartialFailure):
            if thing is not None:
                thing.half = True
            live = self.shown(thing) if thing is not None else None
            raise PartialFailure(live, f"{ctx.address}: {operation} was done in part, as the test asked")
        raise error

    def _check(
        self,
        facts: TypeFacts | None,
        type: str,
        ctx: Context[Any],
        inputs: Mapping[str, Any],
        thing: SimulatedObject | None = None,
    ) -> dict[SimulatedObject, None]:
        """Refuse inputs that no cloud would take; give the objects that they refer to."""
        if facts is not None:
            check_inputs(facts, ctx.address, inputs)
        behaviour = self.behaviours.get(type)
        if behaviour is not None and behaviour.check is not None:
            behaviour.check("create" if thing is None else "update", wanted(type, ctx, inputs, thing))
        return self._references(facts, type, ctx, inputs)

    def _references(
        self, facts: TypeFacts | None, type: str, ctx: Context[Any], inputs: Mapping[str, Any]
    ) -> dict[SimulatedObject, None]:
        """Give the objects that inputs refer to, which must be there."""
        found: dict[SimulatedObject, None] = {}
        targets = referred(type, self._types)
        stack = ctx.urn[: len(ctx.urn) - len(ctx.address)]
        needed = {stack + address for address in ctx.dependencies} if ctx.dependencies else ()
        lost = [thing for urn in needed if (thing := self._lost.get(urn)) is not None]
        for name, value in inputs.items():
            if facts is not None and name == facts.tags:
                continue
            if not isinstance(value, str | list | dict):
                continue
            for text in (value,) if isinstance(value, str) else leaves(value):
                if not isinstance(text, str) or not text:
                    continue
                thing = self._known.get(text)
                if thing is not None:
                    if thing.own_id or thing.urn in needed:
                        found[thing] = None
                    continue
                gone = self._gone.get(text)
                if gone is None or not (gone.own_id or gone.urn in needed):
                    gone = next((one for one in lost if named_in(one, text)), None)
                if gone is not None:
                    msg = f"{ctx.address}: {name} refers to {gone.name}, which is gone, expected an object that exists; refresh, or declare it again"
                    raise InvalidRequestError(msg, path=name)
                target = targets.get(name)
                if target is not None and text not in self._shown:
                    msg = f"{ctx.address}: {name} refers to {text!r}, and there is no such {target}, expected one that exists; declare it, or seed it by sim.add({target!r}, {text!r})"
                    raise InvalidRequestError(msg, path=name)
        return found

    def _use(self, thing: SimulatedObject, uses: dict[SimulatedObject, None]) -> None:
        for other in thing.uses.keys() - uses.keys():
            other.users.pop(thing, None)
        for other in uses:
            if other is not thing:
                other.users[thing] = None
        thing.uses = uses

    def _free_keys(
        self, thing: SimulatedObject, facts: TypeFacts | None, inputs: Mapping[str, Any], address: str
    ) -> list[tuple[Any, ...]]:
        """Give the unique keys of some inputs, which must be free."""
        keys: list[tuple[Any, ...]] = []
        for fields in facts.unique if facts is not None else ():
            held = [inputs.get(field) for field in fields]
            if any(value is None for value in held):
                continue
            key = (thing.type, thing.place, fields, repr(held))
            other = self._keys.get(key)
            if other is not None and other is not thing:
                shown = " and ".join(fields)
                msg = f"{address}: {shown} is taken by {other.name}, expected a value that is free; change it"
                raise ConflictError(msg, existing_id=other.id)
            keys.append(key)
        return keys

    def _put(
        self, thing: SimulatedObject, facts: TypeFacts | None, digits: str, keys: Sequence[tuple[Any, ...]]
    ) -> None:
        thing.mark = digits
        if facts is not None:
            thing.outputs = values.computed(facts, thing.birth)
            self._make_up(thing, facts)
            self._follow(thing, facts)
        behaviour = self.behaviours.get(thing.type)
        if behaviour is not None and behaviour.outputs is not None:
            thing.outputs.update(behaviour.outputs(thing))
        thing.outputs.update(thing.seeded)
        for value in thing.outputs.values():
            for text in (value,) if isinstance(value, str) else value if isinstance(value, list) else ():
                if isinstance(text, str):
                    self._shown[text] = thing
        self._objects[thing.type, thing.id] = thing
        self._types[thing.type] = None
        self._lost.pop(thing.urn, None)
        for name in names_of(thing):
            self._known[name] = thing
            self._gone.pop(name, None)
        for key in keys:
            self._keys[key] = thing

    def _unset(self, thing: SimulatedObject, facts: TypeFacts | None) -> list[str]:
        """List what an object was given no value for, as far as programs read it, or sessions may."""
        if facts is None:
            return []
        names = facts.properties if thing.stack in self.stepwise else self.read_fields.get(thing.type, ())
        known = [(name, item) for name in names if (item := facts.properties.get(name)) is not None]
        return [
            name for name, item in known if not item.computed and not item.write_only and thing.inputs.get(name) is None
        ]

    def _make_up(self, thing: SimulatedObject, facts: TypeFacts | None) -> None:
        """Let an object show what it was given no value for; see ``_unset``."""
        for name in self._unset(thing, facts):
            if name not in thing.outputs and facts is not None:
                thing.outputs[name] = values.made(facts.properties[name].shape, name, thing.birth)

    def made_up(self, type: str, id: str) -> dict[str, Any]:
        """Give what an object shows though it was given no value for it; no secrets."""
        thing, facts = self._objects.get((type, id)), type_facts(type)
        if thing is None or facts is None:
            return {}
        self._make_up(thing, facts)
        return {name: thing.outputs[name] for name in self._unset(thing, facts) if not facts.properties[name].secret}

    @staticmethod
    def _follow(thing: SimulatedObject, facts: TypeFacts) -> None:
        """Let an object show the ids that what it uses has, under the same name: a machine the VPC of its subnet."""
        for name in thing.outputs:
            if name.endswith("_id") and facts.properties[name].computed and thing.outputs[name] != thing.id:
                for other in thing.uses:
                    if isinstance(shown := other.inputs.get(name, other.outputs.get(name)), str):
                        thing.outputs[name] = shown

    def add(
        self, type: str, id: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], place: Identity
    ) -> SimulatedObject:
        """Let there be an object that nobody declared."""
        facts = type_facts(type)
        thing = SimulatedObject(type, id, inputs, created=self.clock.time, place=place)
        keys = self._free_keys(thing, facts, inputs, id)
        thing.seeded = dict(outputs)
        self._put(thing, facts, values.mark(type, id), keys)
        return thing

    def remove(self, thing: SimulatedObject) -> None:
        """Let an object be gone; what uses it stays."""
        self._objects.pop((thing.type, thing.id), None)
        self._tokens.pop(thing.token, None)
        placed = self._placed.get(thing.urn)
        if placed is not None and thing in placed:
            placed.remove(thing)
            if not placed:
                self._lost[thing.urn] = thing
        for name in names_of(thing):
            if self._known.get(name) is thing:
                del self._known[name]
                self._gone[name] = thing
        for key in [key for key, holder in self._keys.items() if holder is thing]:
            del self._keys[key]
        for other in thing.uses:
            other.users.pop(thing, None)
