"""A cloud in memory that records every call, and user-defined types on it.

``cloud.calls`` lists ``"C a"``, ``"U a"``, ``"D a"`` (with the address; ``"D a"``
of an old half too) in the order in which they were made.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from iaclib import declare as iac
from iaclib.errors import InvalidRequestError, NotFoundError
from iaclib.provider.handler import Live


class Cloud:
    """What exists, and what was asked for."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.reads: list[str] = []
        self.failing: dict[str, list[Any]] = {}
        self.before: dict[str, Any] = {}  # call -> function that is called with it
        self.after: dict[str, Any] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def fail(self, call: str, *errors: BaseException) -> None:
        """Let a call fail, once for each error given."""
        self.failing.setdefault(call, []).extend(errors or (InvalidRequestError(f"{call} is refused"),))

    def ids(self, address: str) -> list[str]:
        """Give the ids of all objects made for an address."""
        return sorted(known for known, held in self.objects.items() if held["address"] == address)

    def note(self, call: str) -> None:
        with self._lock:
            self.calls.append(call)
            errors = self.failing.get(call)
            error = errors.pop(0) if errors else None
        if call in self.before:
            self.before[call]()
        if error is not None:
            raise error

    def new_id(self) -> str:
        return f"id-{next(self._numbers)}"

    def take(self) -> list[str]:
        """Give the calls since the last time."""
        calls, self.calls = self.calls, []
        return calls


class Now:
    """Which cloud the handlers work on; set by the test."""

    cloud: Cloud = Cloud()


class ThingHandler:
    """Handles all test types, with tokens."""

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        cloud = Now.cloud
        cloud.note(f"C {ctx.address}")
        for known, held in cloud.objects.items():
            if held["token"] == ctx.token:
                return self._live(known)
        known = cloud.new_id()
        cloud.objects[known] = {"address": ctx.address, "token": ctx.token, "inputs": dict(inputs)}
        if (after := cloud.after.get(f"C {ctx.address}")) is not None:
            after()
        return self._live(known)

    def read(self, ctx: Any, id: str) -> Live | None:
        Now.cloud.reads.append(ctx.address)
        Now.cloud.note(f"R {ctx.address}")
        Now.cloud.calls.remove(f"R {ctx.address}")
        return self._live(id) if id in Now.cloud.objects else None

    def find(self, ctx: Any, inputs: Mapping[str, Any]) -> Live | None:
        for known, held in Now.cloud.objects.items():
            if held["token"] == ctx.token:
                return self._live(known)
        return None

    def update(self, ctx: Any, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        Now.cloud.note(f"U {ctx.address}")
        if id not in Now.cloud.objects:
            raise NotFoundError(f"{id} is not there")
        Now.cloud.objects[id]["inputs"] = dict(after)
        if (hook := Now.cloud.after.get(f"U {ctx.address}")) is not None:
            hook()
        return self._live(id)

    def delete(self, ctx: Any, id: str) -> None:
        Now.cloud.note(f"D {ctx.address}")
        Now.cloud.objects.pop(id, None)
        if (hook := Now.cloud.after.get(f"D {ctx.address}")) is not None:
            hook()

    def _live(self, id: str) -> Live:
        inputs = Now.cloud.objects[id]["inputs"]
        return Live(id, {"out": f"out-{inputs.get('size')}", "fixed": f"fixed-{id}"}, dict(inputs))


class Thing(iac.Resource, type="test:Thing", handler=ThingHandler):
    """Something with a field of each kind."""

    size: iac.Input[int] = iac.field(default=None)
    link: iac.Input[str] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    data: iac.Input[Mapping[str, iac.Input[str]]] = iac.field(default=None)
    members: iac.Input[Sequence[iac.Input[str]]] = iac.field(default=None, unordered=True)
    password: iac.Input[str] = iac.field(default=None, secret=True)
    out: iac.Output[str] = iac.computed()
    fixed: iac.Output[str] = iac.computed(stable=True)


class Named(iac.Resource, type="test:Named", handler=ThingHandler):
    """Something of which only one of a name can be there."""

    label: iac.Input[str] = iac.field(unique=True)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    link: iac.Input[str] = iac.field(default=None)
    out: iac.Output[str] = iac.computed()
    fixed: iac.Output[str] = iac.computed(stable=True)


def integrity(snapshot: Any, cloud: Cloud) -> None:
    """Check what must hold after every run, also a failed one."""
    for record in snapshot.records.values():
        for name in record.dependencies:
            assert name in snapshot.records, f"{record.address} depends on {name}, which is not recorded"
    known = {record.id for record in (*snapshot.records.values(), *snapshot.superseded) if record.id}
    tokens = {intent.token for intent in snapshot.intents.values()}
    for id, held in cloud.objects.items():
        if held["token"]:
            assert id in known or held["token"] in tokens, f"{id} ({held['address']}) is an orphan"
    for id in known:
        assert sum(record.id == id for record in (*snapshot.records.values(), *snapshot.superseded)) == 1
