"""An engine whose clouds are simulated: for tests of programs, without accounts, servers or waiting."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from iaclib.declare.registry import require_type, type_facts
from iaclib.engine.engine import Engine
from iaclib.engine.given import stack_ref
from iaclib.engine.running import Operation
from iaclib.errors import DeclarationError, IaclibError, PartialFailure, ThrottledError
from iaclib.execute.handlers import Access
from iaclib.model.addresses import StackRef, near
from iaclib.model.bulk import collector_paused
from iaclib.model.values import plain
from iaclib.plan.queries import type_name
from iaclib.state.journal import Exported
from iaclib.testing.answers import Answers, Value
from iaclib.testing.clock import ByAddress, Turns, VirtualClock
from iaclib.testing.cloud import Cloud
from iaclib.testing.faults import OPERATIONS, Behaviour, Error
from iaclib.testing.handlers import SimulatedSource, place_of
from iaclib.testing.objects import SimulatedObject
from iaclib.testing.state import SimulatedState
from iaclib.testing.twice import collect_twice, fields_read
from iaclib.testing.values import mark

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import timedelta

    from iaclib.declare.desired import Desired
    from iaclib.declare.stack import Stack
    from iaclib.engine.drift import Drift
    from iaclib.engine.session import Session
    from iaclib.execute.events import Event
    from iaclib.execute.run import Run
    from iaclib.plan.plan import Plan
    from iaclib.provider.base import Provider
    from iaclib.schema.facts import TypeFacts


class Simulator(Engine):
    """An engine on state in memory, whose clouds are simulated.

    Every resource type works, also one whose provider or handler isn't there:
    what an object may be and shows is made up from the type's facts. Real
    handlers and credentials are never asked for. The same test gives the same
    ids, calls and times. Programs are collected twice, to find those that
    alter f-string tokens.

    Args:
        providers: As for an Engine; their regions, accounts and default tags count.
        parallelism: Calls that may be under way at once, in virtual time.
        keyring: As for an Engine.
        policies: As for an Engine.
        on_event: As for an Engine.
    """

    def __init__(
        self,
        *,
        providers: Sequence[Provider] = (),
        parallelism: int = 32,
        keyring: Any = None,
        policies: Iterable[Callable[..., Any] | str] = (),
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        numbers = itertools.count(1)
        clock = VirtualClock()
        self._cloud = Cloud(clock)
        self._cloud.following = self._following
        super().__init__(
            state=SimulatedState(self._cloud),
            parallelism=max(1, parallelism),
            keyring=keyring,
            policies=policies,
            on_event=on_event,
            _clock=clock,
            _token=lambda: mark("simulated", next(numbers)),
        )
        self.last: dict[str, object] = {}  # what was planned and done last, for whoever reports a failure
        self._answers = Answers()
        self._settings.access = Access(providers, SimulatedSource(self._cloud, self._answers))
        self._settings.pool = lambda size: Turns(size, clock)
        self._settings.queue = ByAddress
        self._settings.collect = self._collect

    def _collect(self, stack: Stack) -> Desired:
        """Collect a program twice, and note what it reads: of what is left unset, that alone is made up."""
        desired = collect_twice(stack)
        for type, field in fields_read(desired):
            self._cloud.read_fields.setdefault(type, set()).add(field)
        return desired

    if not TYPE_CHECKING:  # the signature is the Engine's

        def plan(self, stack: Stack, **options: Any) -> Plan:
            """Plan, as an Engine; see there."""
            found = super().plan(stack, **options)
            self.last = {"the last plan": found}
            return found

        def refresh(self, ref: str | StackRef | Stack, **options: Any) -> Drift:
            """Refresh, as an Engine; see there."""
            found = super().refresh(ref, **options)
            self.last = {"the last drift": found}
            return found

    def _carry_out(self, op: Operation, plan: Plan, *, continue_on_error: bool) -> Run:
        self.last = {"the last plan": plan}
        try:
            with collector_paused():
                run = super()._carry_out(op, plan, continue_on_error=continue_on_error)
        except IaclibError as error:
            if (failed := getattr(error, "run", None)) is not None:
                self.last["the last run"] = failed
            raise
        self.last["the last run"] = run
        return run

    # --------------------------------------------------------------------------------------------- what there is

    @property
    def objects(self) -> Mapping[str, SimulatedObject]:
        """What the cloud has, by address; by ``project/stack:address`` where several stacks have it; seeded objects by id."""
        return Objects(self._cloud)

    @property
    def calls(self) -> list[tuple[str, str]]:
        """All calls so far, as (operation, address); each retry is one of its own. May be cleared."""
        return self._cloud.calls

    @property
    def clock(self) -> VirtualClock:
        """The virtual clock; ``sim.clock.sleep(60)`` lets a minute pass."""
        return self._cloud.clock

    def add(self, type: Any, id: str, /, **props: Any) -> SimulatedObject:
        """Let there be an object that no stack made, to be looked up, imported or referred to.

        Args:
            type: A resource class, or a type's name.
            id: Its physical id.
            **props: Its properties, computed ones too; the rest is made up.

        Raises:
            DeclarationError: The type is not known, or a property doesn't fit.
        """
        name, facts = _type(type, props)
        inputs: dict[str, Any] = {}
        outputs: dict[str, Any] = {}
        for key, value in plain(props, f"sim.add({name!r})").items():
            item = facts.properties.get(key)
            if item is None:
                hint = near(key, facts.properties) or f"it has {', '.join(facts.properties)}"
                msg = (
                    f"sim.add({name!r}): {key} is no property of it, expected one that is declared ({hint}); correct it"
                )
                raise DeclarationError(msg)
            fault = item.shape.fault(value)
            if fault is not None:
                msg = f"sim.add({name!r}): {key}{fault.path}: {fault.problem}; correct it"
                raise DeclarationError(msg)
            (outputs if item.computed else inputs)[key] = value
        provider = self._settings.access.default(name, id)
        return self._cloud.add(name, id, inputs, outputs, place_of(provider))

    def answer(self, lookup: Any, value: Value) -> None:
        """Say what a lookup finds; without an answer it is an error.

        Args:
            lookup: A Lookup's class, the function that makes it, its type or
                its address; or a Lookup, for this question alone. For
                ``SomeType.get(...)`` this is as ``add``.
            value: Computed fields by name, the rest is made up; None for
                "there is nothing"; or a function of the question's fields.

        Raises:
            DeclarationError: It is for no lookup, or it doesn't fit the class.
        """
        query = getattr(lookup, "__dict__", {}).get("_iac_query")
        if query is None or query.action != "read":
            self._answers.add(lookup, value)
        elif isinstance(value, Mapping):
            self.add(query.type, query.inputs["id"], **{key: one for key, one in value.items() if key != "id"})
        elif value is None:
            self._cloud.absent.add((query.type, query.inputs["id"]))
        else:
            msg = f"sim.answer({lookup!r}): {value!r} is no answer, expected properties by name, or None; pass that"
            raise DeclarationError(msg)

    def outputs(self, ref: str | StackRef | Stack, /, **values: Any) -> None:
        """Let another stack have outputs, for ``stack_output``; those that it has already stay."""
        where = stack_ref(ref)
        with self._operation(where, "apply") as op:
            op.recover()
            known = op.ledger.state.outputs
            op.ledger.commit([Exported({**known, **plain(values, f"sim.outputs({str(where)!r})")})])

    # ---------------------------------------------------------------------------------------------- what goes wrong

    def fail(
        self,
        operation: str,
        address: str,
        times: int = 1,
        error: Error | None = None,
        *,
        after: bool = False,
        must: bool = True,
    ) -> None:
        """Let calls fail.

        Args:
            operation: "create", "read", "update", "delete", "find" or "lookup".
            address: Whose; ``*`` stands for anything, as in ``net/*``.
            times: How many calls.
            error: What they raise; None for a refusal that is not retried.
                With the class ``PartialFailure`` the object is half made.
                A BaseException such as KeyboardInterrupt is as a kill there.
            after: Whether the call is carried out first, and its answer lost.
            must: Whether a test that ends before any call met the fault is
                wrong; the fixture ``sim`` fails it then. See ``unmet``.

        Raises:
            ValueError: There is no such operation.
        """
        after = after or error is PartialFailure
        self._cloud.faults.add("fail", operation, address, times, error, after=after, must=must)

    def throttle(
        self, operation: str, address: str, times: int = 1, retry_after: float | None = None, *, must: bool = True
    ) -> None:
        """Let calls be throttled, which the engine retries.

        Args:
            operation: As for ``fail``.
            address: As for ``fail``.
            times: How many calls.
            retry_after: Seconds that the cloud asks to wait.
            must: As for ``fail``.
        """
        error = ThrottledError(f"too many calls of {operation}, as the test asked", retry_after=retry_after)
        self._cloud.faults.add("throttle", operation, address, times, error, after=False, must=must)

    @property
    def unmet(self) -> list[str]:
        """The faults that no call has met so far, but those with ``must=False``: a test that ends so tests less than it says."""
        return self._cloud.faults.unmet()

    def drift(
        self,
        ref: str | StackRef | Stack,
        *,
        targets: Iterable[str] = (),
        exclude: Iterable[str] = (),
        max_age: timedelta | float | None = None,
        **props: Any,
    ) -> Any:
        """Change an object behind the engine's back; without properties tell what drifted, as ``Engine.drift``.

        Args:
            ref: An object's address; or a stack, to be told.
            targets: See ``Engine.drift``.
            exclude: See ``Engine.drift``.
            max_age: See ``Engine.drift``.
            **props: Its properties as they are from now on; None unsets one.

        Raises:
            KeyError: There is no object.
            DeclarationError: A property doesn't fit.
        """
        if not props and isinstance(ref, str) and "/" not in ref:
            msg = f"sim.drift({ref!r}): no property is given, expected those that are other from now on, or a stack to tell the drift of; pass tags={{...}}, or 'project/stack'"
            raise DeclarationError(msg)
        if not props:
            found = super().drift(ref, targets=targets, exclude=exclude, max_age=max_age)
            self.last = {"the last drift": found}
            return found
        self._alter(str(ref), props)
        return None

    def _alter(self, address: str, props: Mapping[str, Any]) -> None:
        thing = self.objects[address]
        facts = type_facts(thing.type)
        for name, value in plain(dict(props), f"sim.drift({address!r})").items():
            item = facts.properties.get(name) if facts is not None else None
            if facts is not None and item is None:
                hint = near(name, facts.properties) or f"it has {', '.join(facts.properties)}"
                msg = f"sim.drift({address!r}): {name} is no property of {thing.type}, expected one that it has ({hint}); correct it"
                raise DeclarationError(msg)
            fault = item.shape.fault(value) if item is not None and value is not None else None
            if fault is not None:
                msg = f"sim.drift({address!r}): {name}{fault.path}: {fault.problem}; correct it"
                raise DeclarationError(msg)
            (thing.outputs if item is not None and item.computed else thing.inputs)[name] = value

    def vanish(self, address: str, /) -> None:
        """Let an object be gone behind the engine's back.

        Raises:
            KeyError: There is no object.
        """
        self._cloud.remove(self.objects[address])

    def latency(self, seconds: float, operation: str = "") -> None:
        """Let calls take time, on the virtual clock; those that run at once take as long as the longest.

        Args:
            seconds: How long.
            operation: Which; "" for all that no other time is given for.
        """
        if operation and operation not in OPERATIONS:
            msg = f"{operation!r} is no operation, expected one of {', '.join(OPERATIONS)}; correct it"
            raise ValueError(msg)
        self._cloud.latency[operation] = seconds

    def eventual(self, seconds: float) -> None:
        """Let reads not show new objects until some time has passed on the virtual clock."""
        self._cloud.eventual = seconds

    def behaviour(
        self,
        type: Any,
        *,
        check: Callable[[str, SimulatedObject], object] | None = None,
        outputs: Callable[[SimulatedObject], Mapping[str, Any]] | None = None,
        ready_after: float = 0.0,
        normalise: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
        replaces: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None,
    ) -> None:
        """Say what a type does beyond its facts; the last that is said of a type counts.

        Args:
            type: A resource class, or a type's name.
            check: Called before a create, update or delete with the operation's
                name and the object: for a create and an update as it would
                become, with ``before`` the inputs that it has now. What it raises is
                what the cloud answers, an ``InvalidRequestError`` for what is
                refused for good.
            outputs: Called after a create or update with the object as it
                became; gives properties by name, in place of those made up.
            ready_after: Seconds until a new object is ready; what depends on
                it waits.
            normalise: As a handler's ``normalise``.
            replaces: As a handler's ``replaces``.
        """
        name, _facts = _type(type)
        self._cloud.behaviours[name] = Behaviour(check, outputs, ready_after, normalise, replaces)

    def session(self, ref: str | StackRef | Stack, *, prune: bool = False) -> Session:
        """Work on a stack step by step, as with an Engine; from then on all that is left unset in it is made up."""
        self._cloud.stepwise.add(str(stack_ref(ref)))
        return super().session(ref, prune=prune)

    def _following(self, carrier: SimulatedObject) -> list[str]:
        """List what is recorded to be deleted with an object."""
        if not carrier.stack:
            return []
        ref = StackRef.parse(carrier.stack)
        snapshot = self._backend.load(ref)
        found = [*snapshot.records.values(), *snapshot.superseded]
        return [
            ref.urn(one.address) for one in found if (one.options.get("deleted_with") or ("",))[0] == carrier.address
        ]


class Objects(Mapping[str, SimulatedObject]):
    """What a simulated cloud has, by address."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def __getitem__(self, address: str) -> SimulatedObject:
        found = self._cloud.at(address)
        if found is not None:
            return found
        here = {one.urn: one for one in self._cloud if address == (one.address or one.id)}
        if len(here) > 1:
            msg = f"{address}: {', '.join(here)} are objects, expected one; say which, as project/stack:address"
            raise KeyError(msg)
        if not here:
            hint = near(address, list(self)) or f"there are {', '.join(self) or 'none'}"
            msg = f"{address}: no such object in the simulated cloud, expected an address that was applied; {hint}"
            raise KeyError(msg)
        (urn,) = here
        return self._cloud.at(urn) or here[urn]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(one.address or one.id for one in self._cloud))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _type(type: Any, props: Collection[str] = ()) -> tuple[str, TypeFacts]:
    """Give the name and facts of a resource class or a type, one that takes any property among them."""
    name = type_name(type)
    made, facts = require_type(name, "sim")
    learn = getattr(made, "_iac_learn", None)
    return name, facts if learn is None else learn(props)
