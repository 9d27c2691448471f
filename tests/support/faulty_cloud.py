"""A cloud in memory that fails on command, watches what it is asked for, and can be killed under.

Types for the property tests. ``Cloud.calls`` is the log from which the tests
check order and number of calls; ``Cloud.wrong`` collects what a real cloud
would have refused and a correct engine never asks for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from iaclib import declare as iac
from iaclib.errors import (
    ConflictError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    PartialFailure,
    ThrottledError,
)
from iaclib.provider.handler import Live

#: Ways in which one call can go wrong, by operation.
FAULTS: Mapping[str, Sequence[str]] = {
    "C": (
        "refused", "foreign", "throttled", "partial", "repairable", "nothing made", "lost answer", "not ready",
        "kill before", "kill after", "interrupt before", "interrupt after",
    ),
    "U": (
        "refused", "foreign", "throttled", "partial", "lost answer", "kill before", "kill after",
        "interrupt before", "interrupt after",
    ),
    "D": (
        "refused", "foreign", "throttled", "in use", "lost answer", "kill before", "kill after",
        "interrupt before", "interrupt after",
    ),
    "R": ("refused", "throttled"),
    "H": ("refused", "foreign", "kill before", "interrupt before"),
}  # fmt: skip


class Killed(BaseException):
    """The process ends here: nothing that comes after has an effect."""


class Interrupted(BaseException):
    """A handler is torn out of its call; the process lives on."""


@attrs.frozen
class Call:
    """One call of a handler that changes something."""

    operation: str  # "C", "U", "D"
    address: str
    id: str
    token: str

    def __str__(self) -> str:
        return f"{self.operation} {self.address} {self.id}"


@attrs.define
class Held:
    """One object of the cloud."""

    type: str
    address: str
    token: str
    inputs: dict[str, Any]
    half: bool = False
    unready: int = 0  # reads until it is ready


class Cloud:
    """What exists, and what was asked for."""

    def __init__(self) -> None:
        self.objects: dict[str, Held] = {}
        self.calls: list[Call] = []
        self.wrong: list[str] = []
        self.gone: set[str] = set()  # objects whose end the engine was not told of
        self.blurred = False  # something differs from what the engine was told
        self.dead = False
        self.inside: Callable[[str], Sequence[str]] = lambda _id: ()  # ids of what goes with an object
        self._faults: dict[tuple[str, str], list[str]] = {}
        self._numbers = itertools.count(1)

    def fault(self, operation: str, address: str, kind: str) -> None:
        """Let the next such call at an address go wrong."""
        self._faults.setdefault((operation, address), []).append(kind)

    def heal(self) -> None:
        """Take back all faults."""
        self._faults.clear()

    @property
    def faulty(self) -> bool:
        """Whether any call is still to go wrong."""
        return any(self._faults.values())

    def take(self) -> list[Call]:
        """Give the calls since the last time."""
        calls, self.calls = self.calls, []
        return calls

    def new_id(self) -> str:
        """Give an id that nothing had before."""
        return f"id-{next(self._numbers)}"

    def appear(self, type_name: str, inputs: Mapping[str, Any]) -> str:
        """Let somebody else make an object; give its id."""
        id = f"Link-{inputs['label']}" if type_name == "Link" else self.new_id()
        if id not in self.objects:
            self.objects[id] = Held(type_name, "", "", dict(inputs))
        return id

    def remove(self, id: str, *, told: bool) -> None:
        """Let an object end, and what is inside it; the engine need not be told."""
        inside = self.inside(id)
        if self.objects.pop(id, None) is not None and not told:
            self.gone.add(id)
            self.blurred = True
        for other in inside:
            if other in self.objects:
                self.gone.add(other)
                self.remove(other, told=told)

    def enter(self, operation: str, address: str) -> str:
        """Begin a call: give the fault that is to happen in it, "" for none."""
        if self.dead:
            raise Killed
        planned = self._faults.get((operation, address))
        kind = planned.pop(0) if planned else ""
        match kind:
            case "refused":
                raise InvalidRequestError(f"{operation} {address} is refused")
            case "foreign":
                raise RuntimeError(f"{operation} {address} broke")
            case "throttled":
                raise ThrottledError(f"{operation} {address}: slow down", retry_after=1.0)
            case "in use":
                raise DependencyViolationError(f"{address} is in use")
            case "nothing made":
                raise PartialFailure(None, f"{address} was given up")
        self._end(kind, "before")
        return kind

    def leave(self, kind: str) -> None:
        """End a call after its effect."""
        if kind == "lost answer":
            raise RuntimeError("the answer was lost")
        self._end(kind, "after")

    def _end(self, kind: str, when: str) -> None:
        if kind == f"kill {when}":
            self.dead = True
            raise Killed
        if kind == f"interrupt {when}":
            raise Interrupted


class Now:
    """Which cloud the handlers work on; set by the test."""

    cloud: Cloud = Cloud()


class Handler:
    """Creates with a token by which it finds again what it made."""

    type = ""

    def id_of(self, inputs: Mapping[str, Any]) -> str:
        return Now.cloud.new_id()

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        cloud = Now.cloud
        kind = cloud.enter("C", ctx.address)
        same = next((id for id, held in cloud.objects.items() if held.token == ctx.token), None)
        if same is not None:
            return self.live(same)
        self.check_free(ctx, inputs)
        id = self.id_of(inputs)
        if id in cloud.objects:
            raise ConflictError(f"{id} exists", existing_id=id)
        cloud.calls.append(Call("C", ctx.address, id, ctx.token))
        held = cloud.objects[id] = Held(self.type, ctx.address, ctx.token, dict(inputs))
        if kind in ("partial", "repairable"):
            held.half = True
            raise PartialFailure(self.live(id), "only half of it was made", repairable=kind == "repairable")
        if kind == "not ready":
            held.unready = 2
        cloud.leave(kind)
        return self.live(id)

    def check_free(self, ctx: Any, inputs: Mapping[str, Any], own: str = "") -> None:
        """Refuse a unique key that is taken."""
        for field in ("label", "name"):
            if inputs.get(field) is None:
                continue
            for id, held in Now.cloud.objects.items():
                if id != own and held.type == self.type and held.inputs.get(field) == inputs[field]:
                    raise ConflictError(f"{field} {inputs[field]} is taken by {id}", existing_id=id)

    def read(self, ctx: Any, id: str) -> Live | None:
        Now.cloud.enter("R", ctx.address)
        held = Now.cloud.objects.get(id)
        if held is None or held.type != self.type:
            return None
        held.unready = max(0, held.unready - 1)
        return self.live(id)

    def find(self, ctx: Any, inputs: Mapping[str, Any]) -> Live | None:
        Now.cloud.enter("R", ctx.address)
        found = [id for id, held in Now.cloud.objects.items() if held.token == ctx.token]
        return self.live(found[0]) if found else None

    def update(self, ctx: Any, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        cloud = Now.cloud
        kind = cloud.enter("U", ctx.address)
        held = cloud.objects.get(id)
        if held is None:
            raise NotFoundError(f"{id} is not there")
        self.check_free(ctx, after, own=id)
        cloud.calls.append(Call("U", ctx.address, id, ctx.token))
        if kind == "partial":
            held.inputs["size"] = after.get("size", held.inputs.get("size"))
            raise PartialFailure(self.live(id), "only half of it was changed")
        if kind == "lost answer":
            cloud.blurred = True
        held.inputs = dict(after)
        held.half = False
        cloud.leave(kind)
        return self.live(id)

    def delete(self, ctx: Any, id: str) -> None:
        cloud = Now.cloud
        kind = cloud.enter("D", ctx.address)
        cloud.calls.append(Call("D", ctx.address, id, ctx.token))
        cloud.remove(id, told=kind != "lost answer")
        cloud.leave(kind)

    def live(self, id: str) -> Live:
        held = Now.cloud.objects[id]
        outputs = {"out": f"out-{held.inputs.get('size')}", "fixed": f"fixed-{id}"}
        return Live(id, outputs, dict(held.inputs), ready=not held.unready)


class LinkHandler(Handler):
    """Carries no token: inputs are the identity."""

    find = None  # type: ignore[assignment]

    def identity(self, inputs: Mapping[str, Any]) -> str:
        return f"{self.type}-{inputs['label']}"

    def id_of(self, inputs: Mapping[str, Any]) -> str:
        return self.identity(inputs)

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        cloud = Now.cloud
        kind = cloud.enter("C", ctx.address)
        id = self.identity(inputs)
        if id in cloud.objects:
            raise ConflictError(f"{id} exists", existing_id=id)
        cloud.calls.append(Call("C", ctx.address, id, ctx.token))
        cloud.objects[id] = Held(self.type, ctx.address, ctx.token, dict(inputs))
        if kind in ("partial", "repairable"):
            cloud.objects[id].half = True
            raise PartialFailure(self.live(id), "only half of it was made", repairable=kind == "repairable")
        cloud.leave(kind)
        return self.live(id)


def _handler(base: type[Handler], type_name: str) -> Any:
    return type(type_name, (base,), {"type": type_name})


class Thing(iac.Resource, type="machine:Thing", handler=_handler(Handler, "Thing")):
    """A field of each kind, no unique key."""

    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    link: iac.Input[str] = iac.field(default=None)
    data: iac.Input[Mapping[str, iac.Input[str]]] = iac.field(default=None)
    members: iac.Input[Sequence[iac.Input[str]]] = iac.field(default=None, unordered=True)
    password: iac.Input[str] = iac.field(default=None, secret=True)
    out: iac.Output[str] = iac.computed()
    fixed: iac.Output[str] = iac.computed(stable=True)


class Named(iac.Resource, type="machine:Named", handler=_handler(Handler, "Named")):
    """Something of which only one of a label can be there."""

    label: iac.Input[str] = iac.field(unique=True)
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    link: iac.Input[str] = iac.field(default=None)
    out: iac.Output[str] = iac.computed()
    fixed: iac.Output[str] = iac.computed(stable=True)


class Auto(iac.Resource, type="machine:Auto", handler=_handler(Handler, "Auto")):
    """Something that is given a unique name."""

    name: iac.Input[str] = iac.field(default=None, generated=True, unique=True, replaces=True)
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    link: iac.Input[str] = iac.field(default=None)
    out: iac.Output[str] = iac.computed()
    fixed: iac.Output[str] = iac.computed(stable=True)


class Link(iac.Resource, type="machine:Link", handler=_handler(LinkHandler, "Link")):
    """Something that carries no token."""

    label: iac.Input[str] = iac.field(replaces=True)
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    link: iac.Input[str] = iac.field(default=None)
    out: iac.Output[str] = iac.computed()
    fixed: iac.Output[str] = iac.computed(stable=True)


KINDS = {"thing": Thing, "named": Named, "auto": Auto, "link": Link}
