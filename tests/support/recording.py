"""A cloud in memory that records every call, and user-defined types on it.

``cloud.calls`` lists ``"C a"``, ``"U a"``, ``"D a"`` (with the address; ``"D a"``
of an old half too) in the order in which they were made, ``cloud.reads`` the
addresses that were read.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import structs

from iaclib import declare as iac
from iaclib.errors import ConflictError, InvalidRequestError, NotFoundError
from iaclib.provider.base import Identity, Provider
from iaclib.provider.handler import Live

Effect = Callable[[], Any]


class Cloud:
    """What exists, and what was asked for."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.reads: list[str] = []
        self.failing: dict[str, list[Any]] = {}
        self.before: dict[str, Any] = {}  # call -> function that is called with it
        self.after: dict[str, Any] = {}
        self.turns: dict[str, list[Callable[[Effect], Any]]] = {}  # call -> what happens instead, once each
        self.unready: dict[str, int] = {}  # id -> reads that still show it not ready
        self.parameters: dict[str, Mapping[str, Any]] = {}  # address -> the parameters of its last delete
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def fail(self, call: str, *errors: BaseException) -> None:
        """Let a call fail, once for each error given."""
        self.failing.setdefault(call, []).extend(errors or (InvalidRequestError(f"{call} is refused"),))

    def instead(self, call: str, *turns: Callable[[Effect], Any]) -> None:
        """Let something else happen, once for each function; it is given the call's effect."""
        self.turns.setdefault(call, []).extend(turns)

    def ids(self, address: str) -> list[str]:
        """Give the ids of all objects made for an address."""
        return sorted(known for known, held in self.objects.items() if held["address"] == address)

    def do(self, call: str, effect: Effect) -> Any:
        """Note a call and let it happen, or what was put in its place."""
        kind, _, address = call.partition(" ")
        with self._lock:
            if kind == "R":
                self.reads.append(address)
            elif kind != "F":
                self.calls.append(call)
            errors = self.failing.get(call)
            error = errors.pop(0) if errors else None
            turns = self.turns.get(call)
            turn = turns.pop(0) if turns else None
        if call in self.before:
            self.before[call]()
        if error is not None:
            raise error
        given = effect() if turn is None else turn(effect)
        if call in self.after:
            self.after[call]()
        return given

    def put(self, address: str, token: str, inputs: Mapping[str, Any], id: str | None = None) -> str:
        """Let an object exist; give its id."""
        known = id or f"id-{next(self._numbers)}"
        self.objects[known] = {"address": address, "token": token, "inputs": dict(inputs)}
        return known

    def take(self) -> list[str]:
        """Give the calls since the last time."""
        calls, self.calls = self.calls, []
        return calls


class Now:
    """Which cloud the handlers work on; set by the test."""

    cloud: Cloud = Cloud()


class PlainHandler:
    """Handles objects that can't be found again: no token is kept, no name is unique."""

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        return Now.cloud.do(f"C {ctx.address}", lambda: self._made(ctx, inputs))

    def read(self, ctx: Any, id: str) -> Live | None:
        return Now.cloud.do(f"R {ctx.address}", lambda: self._live(id))

    def update(self, ctx: Any, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        return Now.cloud.do(f"U {ctx.address}", lambda: self._changed(id, after))

    def delete(self, ctx: Any, id: str) -> None:
        def effect() -> None:
            Now.cloud.parameters[ctx.address] = dict(ctx.on_delete)
            Now.cloud.objects.pop(id, None)

        Now.cloud.do(f"D {ctx.address}", effect)

    def _made(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        return self._live(Now.cloud.put(ctx.address, ctx.token, inputs))

    def _changed(self, id: str, after: Mapping[str, Any]) -> Live:
        if id not in Now.cloud.objects:
            raise NotFoundError(f"{id} is not there")
        Now.cloud.objects[id]["inputs"] = dict(after)
        return self._live(id)

    def _live(self, id: str) -> Live | None:
        held = Now.cloud.objects.get(id)
        if held is None:
            return None
        inputs = held["inputs"]
        shown = {"out": f"out-{inputs.get('size')}", "fixed": f"fixed-{id}"}
        left = Now.cloud.unready.get(id, 0)
        Now.cloud.unready[id] = max(0, left - 1)
        return Live(id, shown, dict(inputs), ready=not left)


class ThingHandler(PlainHandler):
    """Handles objects that keep the token of their create."""

    def find(self, ctx: Any, inputs: Mapping[str, Any]) -> Live | None:
        return Now.cloud.do(f"F {ctx.address}", lambda: self._of(ctx.token))

    def _made(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        return self._of(ctx.token) or super()._made(ctx, inputs)

    def _of(self, token: str) -> Live | None:
        for known, held in Now.cloud.objects.items():
            if held["token"] == token:
                return self._live(known)
        return None


class KeyedHandler(PlainHandler):
    """Handles objects whose label is their id; they keep no token."""

    def identity(self, inputs: Mapping[str, Any]) -> str:
        return f"key-{inputs['label']}"

    def _made(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        known = self.identity(inputs)
        if known in Now.cloud.objects:
            raise ConflictError(f"{known} exists", existing_id=known)
        return self._live(Now.cloud.put(ctx.address, ctx.token, inputs, known))


class DocumentHandler(ThingHandler):
    """Handles JSON documents, which the cloud writes in its own way, beside a zone that it chooses."""

    def normalise(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**inputs, "text": _own_way(inputs["text"])} if "text" in inputs else inputs

    def _live(self, id: str) -> Live | None:
        live = super()._live(id)
        if live is None:
            return None
        inputs = {"zone": "z1", **(live.inputs or {})}
        return structs.replace(live, inputs={**inputs, "text": _own_way(inputs.get("text", "{}"))})


def _own_way(text: str) -> str:
    return json.dumps(json.loads(text), indent=1, sort_keys=True)


class ManyHandler(ThingHandler):
    """Handles objects that can be read all at once."""

    def read_many(self, ctx: Any, ids: Sequence[str]) -> Mapping[str, Live | None]:
        """Read all at once, noted as ``R *``."""
        return Now.cloud.do("R *", lambda: {id: self._live(id) for id in ids}) or {}


class Account(Provider):
    """Access to one account and region of the cloud."""

    name = "test"

    def __init__(self, account: str = "", region: str = "", endpoint: str = "") -> None:
        self.account, self.region, self.endpoint = account, region, endpoint

    def identity(self) -> Identity:
        return Identity(self.account, self.region)

    def config(self) -> Mapping[str, Any]:
        return {"account": self.account, "region": self.region, "endpoint": self.endpoint}


class Thing(iac.Resource, type="test:Thing", handler=ThingHandler):
    """Something with a field of each kind."""

    size: iac.Input[int] = iac.field(default=None)
    link: iac.Input[str] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    data: iac.Input[Mapping[str, iac.Input[str]]] = iac.field(default=None)
    members: iac.Input[Sequence[iac.Input[str]]] = iac.field(default=None, unordered=True)
    parts: iac.Input[Sequence[Any]] = iac.field(default=None)
    password: iac.Input[str] = iac.field(default=None, secret=True)
    out: iac.Output[str] = iac.computed()
    fixed: iac.Output[str] = iac.computed(stable=True)


class Named(iac.Resource, type="test:Named", handler=ThingHandler):
    """Something of which only one of a name can be there."""

    label: iac.Input[str] = iac.field(unique=True)
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    link: iac.Input[str] = iac.field(default=None)
    out: iac.Output[str] = iac.computed()
    fixed: iac.Output[str] = iac.computed(stable=True)


class Pair(iac.Resource, type="test:Pair", handler=ThingHandler, unique=(("zone", "label"),)):
    """Something of which only one of a name can be there in a zone."""

    zone: iac.Input[str] = iac.field(default=None, replaces=True)
    label: iac.Input[str] = iac.field(default=None, replaces=True)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)


class Auto(iac.Resource, type="test:Auto", handler=ThingHandler):
    """Something that gets a name, of which there can be one."""

    label: iac.Input[str] = iac.field(default=None, generated=True, unique=True, replaces=True)
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)


class Plain(iac.Resource, type="test:Plain", handler=PlainHandler):
    """Something that nobody can find again."""

    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)


class Keyed(iac.Resource, type="test:Keyed", handler=KeyedHandler):
    """Something whose inputs are its identity."""

    label: iac.Input[str] = iac.field(replaces=True)
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    link: iac.Input[str] = iac.field(default=None)


class Late(iac.Resource, type="test:Late", handler=ThingHandler, settle=60):
    """Something that the cloud shows late."""

    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    out: iac.Output[str] = iac.computed()


class Document(iac.Resource, type="test:Document", handler=DocumentHandler):
    """Something that the cloud shows in another form than it was sent, with a default of its own."""

    text: iac.Input[str] = iac.field(default="{}")
    zone: iac.Input[str] = iac.field(default=None)


class Many(iac.Resource, type="test:Many", handler=ManyHandler, settle=60):
    """Something that is read in batches, and shown late."""

    size: iac.Input[int] = iac.field(default=None)


class Everywhere(iac.Resource, type="test:Everywhere", handler=ThingHandler, is_global=True):
    """Something that has no region."""

    size: iac.Input[int] = iac.field(default=None)


class Other(iac.Resource, type="other:Other", handler=ThingHandler):
    """Something of another type."""

    size: iac.Input[int] = iac.field(default=None)
    link: iac.Input[str] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    out: iac.Output[str] = iac.computed()


KINDS: dict[str, type[iac.Resource]] = {
    kind.__name__: kind for kind in (Thing, Named, Pair, Auto, Plain, Keyed, Late, Document, Many, Everywhere, Other)
}


def orphans(snapshot: Any, cloud: Cloud) -> list[str]:
    """Name the addresses of objects that a run made and that neither state nor an intent knows."""
    known = {record.id for record in (*snapshot.records.values(), *snapshot.superseded) if record.id}
    tokens = {intent.token for intent in snapshot.intents.values()}
    return sorted(
        held["address"]
        for id, held in cloud.objects.items()
        if held["token"] and id not in known and held["token"] not in tokens
    )


def integrity(snapshot: Any, cloud: Cloud, left: Sequence[str] = ()) -> None:
    """Check what must hold after every run, also a failed one.

    Args:
        snapshot: The state.
        cloud: What exists.
        left: Addresses of objects that were let go on purpose.
    """
    records = [*snapshot.records.values(), *snapshot.superseded]
    for address, record in snapshot.records.items():
        assert record.address == address
        for name in record.dependencies:
            assert name in snapshot.records, f"{address} depends on {name}, which is not recorded"
        if with_ := record.options.get(
            "deleted_with"
        ):  # an address, and the uid of the object beside which it was made
            assert with_[0] in snapshot.records, f"{address} goes with {with_[0]}, which is not recorded"
    uids = [record.uid for record in records]
    assert len(uids) == len(set(uids)), f"two records of one object: {uids}"
    ids = [(record.type, record.id) for record in records if record.id]
    assert len(ids) == len(set(ids)), f"two records of one id: {ids}"
    for record in records:
        assert record.id or record.status == "awaiting_create", f"{record.address} has no id"
    assert orphans(snapshot, cloud) == sorted(left)
