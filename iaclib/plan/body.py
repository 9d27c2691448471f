"""A plan as JSON, and back: every field of what it is made of.

What is written of each kind of value stands in a table, and a test compares
the tables with the classes, so that a new field can't be forgotten. Facts of
types, and the functions of handlers, are no part of it: those are found again
by the type's name; nor is what only planning asks for, such as what was read of
objects to be imported. What is read is not trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import attrs
import orjson

from iaclib.declare.desired import Declared, Desired
from iaclib.declare.registry import require_type
from iaclib.model.addresses import StackRef
from iaclib.model.scope import Location
from iaclib.plan.changes import Action
from iaclib.plan.facts import Facts
from iaclib.plan.node import Node
from iaclib.plan.program import read_declared, write_declared
from iaclib.plan.verdict import SAME, Verdict
from iaclib.plan.writing import Reader, Writer, count, flag, mapping, rows, text, texts
from iaclib.provider.registry import provider_class
from iaclib.state.codec import Providers, record_from, record_to
from iaclib.state.record import ProviderRecord, Record

if TYPE_CHECKING:
    from iaclib.model.values import Secret
    from iaclib.provider.base import Provider


class Planned(Protocol):
    """What of a plan is written."""

    lineage: str
    serial: int
    outputs: Mapping[str, Any]
    _desired: Desired
    _nodes: dict[str, Node]
    _facts: Facts
    _old_outputs: Mapping[str, Any]
    _superseded: tuple[Record, ...]
    _freed: tuple[tuple[str, str], ...]
    _gone: tuple[Record, ...]
    _moves: Mapping[str, str]
    _withheld: frozenset[str]
    _destroy: bool
    _partial: bool

    @property
    def digest(self) -> str:
        """The digest of what it says."""
        ...


class _Field(NamedTuple):
    """How a field is read; it is written as it is, and left out where it has its default."""

    read: Callable[[Any], Any]
    default: Any


#: Of a node; beside address, declaration, records, inputs and provider, which are written by hand.
NODE: Final[Mapping[str, _Field]] = {
    "action": _Field(Action, Action.SAME),
    "delete_first": _Field(flag, False),
    "maybe": _Field(flag, False),
    "reason": _Field(text, ""),
    "forced": _Field(flag, False),
    "rewrite": _Field(flag, False),
    "dependencies": _Field(texts, ()),
    "generation": _Field(count, 1),
    "beside": _Field(text, ""),
    "moved": _Field(text, ""),
    "adopt": _Field(flag, False),
    "retyped": _Field(flag, False),
}
#: Of a verdict.
VERDICT: Final[Mapping[str, _Field]] = {
    "action": _Field(Action, Action.SAME),
    "maybe": _Field(flag, False),
    "changed": _Field(texts, ()),
    "unknown": _Field(texts, ()),
    "forcing": _Field(texts, ()),
    "rewrite": _Field(flag, False),
}
#: The parts of a record that hold users' values, by the state codec's keys.
_VALUES: Final = ("n", "b", "o", "x", "O")
_TEXTS: Final = ("address", "type", "id", "uid", "parent", "status", "defined_by")


class _Line(Location):
    """A line of the program as a file names it."""

    __slots__ = ("_file", "_number")

    def __init__(self, shown: str) -> None:
        self._file, _, number = text(shown).rpartition(":")
        self._number = int(number)

    @property
    def file(self) -> str:
        return self._file

    @property
    def line(self) -> int:
        return self._number


def _write(value: Any, fields: Mapping[str, _Field]) -> dict[str, Any]:
    return {name: found for name, field in fields.items() if (found := getattr(value, name)) != field.default}


def _read(data: Mapping[str, Any], fields: Mapping[str, _Field]) -> dict[str, Any]:
    return {name: field.read(data[name]) if name in data else field.default for name, field in fields.items()}


class _Table:
    """Values that occur many times, each written once."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._places: dict[bytes, int] = {}
        self._known: dict[int, tuple[Any, int]] = {}

    def place(self, value: Any, row: Callable[[Any], Any]) -> int:
        """Give the place of a value in the table."""
        known = self._known.get(id(value))
        if known is None:
            written = row(value)
            place = self._places.setdefault(orjson.dumps(written), len(self.rows))
            if place == len(self.rows):
                self.rows.append(written)
            known = self._known[id(value)] = (value, place)
        return known[1]


# --------------------------------------------------------------------------------------------------------- writing


def write_plan(plan: Planned, secret: Callable[[str, Secret[Any]], Any]) -> dict[str, Any]:
    """Write a plan.

    Args:
        plan: The plan.
        secret: Takes the address in which a Secret stands ("" for the stack's
            own) and the Secret, gives the JSON that stands for it.

    Raises:
        PlanError: It holds what has no written form.
    """
    return _Writing(secret).plan(plan)


class _Writing:
    def __init__(self, secret: Callable[[str, Secret[Any]], Any]) -> None:
        self.expressions: list[Any] = []
        self.writer = Writer(secret, self._refer)
        self.providers = _Table()
        self.tags = _Table()

    def _refer(self, parts: list[Any]) -> int:
        self.expressions.append(parts)
        return len(self.expressions) - 1

    def plan(self, plan: Planned) -> dict[str, Any]:
        desired, facts = plan._desired, plan._facts
        # A node's own declaration is the one that counts.
        resources = {**desired.resources, **{n.address: n.declared for n in plan._nodes.values() if n.declared}}
        body = {
            "ref": list(desired.ref),
            "lineage": plan.lineage,
            "serial": plan.serial,
            "digest": plan.digest,
            "destroy": plan._destroy,
            "partial": plan._partial,
            "raised": desired.raised,
            "resources": [self._declared(declared) for declared in resources.values()],
            "components": {address: str(location) for address, location in desired.components.items()},
            "exports": self._values(desired.outputs),
            "nodes": [self._node(node) for node in plan._nodes.values()],
            "outputs": self._values(plan.outputs),
            "old_outputs": self._values(plan._old_outputs),
            "superseded": [self._record(record, record.address) for record in plan._superseded],
            "gone": [self._record(record, record.address) for record in plan._gone],
            "freed": [list(pair) for pair in plan._freed],
            "moves": dict(plan._moves),
            "withheld": sorted(plan._withheld),
            "facts": self._facts(facts),
        }
        body["expressions"] = self.expressions
        body["providers"] = self.providers.rows
        body["default_tags"] = self.tags.rows
        return body

    def _values(self, values: Mapping[str, Any]) -> Any:
        self.writer.subject = ""
        return self.writer.value(dict(values))

    def _declared(self, declared: Declared) -> dict[str, Any]:
        self.writer.subject = declared.address
        data = write_declared(declared, self.writer)
        data["location"] = str(declared.location)
        if declared.defined_by:
            data["defined_by"] = declared.defined_by
        if declared.has_expr:
            data["has_expr"] = True
        if declared.has_secret:
            data["has_secret"] = True
        if declared.provider is not None:
            provider = declared.provider
            data["provider"] = self.providers.place(provider, lambda one: [one.name, "", "", dict(one.config())])
        return data

    def _node(self, node: Node) -> dict[str, Any]:
        self.writer.subject = node.address
        data: dict[str, Any] = {"address": node.address, **_write(node, NODE)}
        if node.declared is not None:
            data["declared"] = True
        if node.program is not None:
            data["program"] = True
        if node.inputs is not (node.declared.inputs if node.declared is not None else None):
            data["inputs"] = self.writer.value(node.inputs)
        if node.record is not None:
            data["record"] = self._record(node.record, node.address)
        if node.forgets is not None:
            data["forgets"] = self._record(node.forgets, node.address)
        if node.provider is not None:
            data["provider"] = self._provider(node.provider)
        if node.verdict is not SAME:
            data["verdict"] = _write(node.verdict, VERDICT)
        return data

    def _record(self, record: Record, subject: str) -> dict[str, Any]:
        self.writer.subject = subject
        data = record_to(record)
        for key in _VALUES:
            if key in data:
                data[key] = self.writer.value(data[key])
        return data

    def _provider(self, provider: ProviderRecord) -> int:
        return self.providers.place(provider, lambda one: [one.name, one.account, one.region, dict(one.config)])

    def _facts(self, facts: Facts) -> dict[str, Any]:
        data: dict[str, Any] = {
            "providers": {a: None if one is None else self._provider(one) for a, one in facts.providers.items()},
            "default_tags": {a: self.tags.place(one, self.writer.value) for a, one in facts.default_tags.items()},
        }
        if facts.observed is not None:
            data["observed"] = {
                address: None if record is None else self._record(record, address)
                for address, record in facts.observed.items()
            }
        return data


# --------------------------------------------------------------------------------------------------------- reading


def read_plan(body: Mapping[str, Any], secret: Callable[[str, Any], Secret[Any]]) -> dict[str, Any]:
    """Undo ``write_plan``: give the arguments that make the Plan.

    Handlers' functions are missing in its Facts.

    Args:
        body: What was written.
        secret: Undoes the ``secret`` of ``write_plan``.

    Raises:
        UnknownProviderError: A type is not known here; it says what to import.
        TypeError: As ValueError and LookupError: it is not what was written.
    """
    return _Reading(body, secret).plan()


class _Reading:
    def __init__(self, body: Mapping[str, Any], secret: Callable[[str, Any], Secret[Any]]) -> None:
        self.body = body
        project, name = body["ref"]
        self.ref = StackRef(text(project), text(name))
        self.reader = Reader(self.ref, secret, body["expressions"])
        self.providers = [
            ProviderRecord(text(name), text(account), text(region), mapping(config))
            for name, account, region, config in rows(body["providers"])
        ]
        self.made: dict[int, Provider] = {}
        self.tags = [mapping(self.reader.value(one)) for one in rows(body["default_tags"])]
        self.shared = Providers()

    def plan(self) -> dict[str, Any]:
        body = self.body
        desired = self._desired()
        nodes: dict[str, Node] = {}
        for data in rows(body["nodes"]):
            node = self._node(data, desired)
            if node.address in nodes:
                raise ValueError("two nodes at one address")
            nodes[node.address] = node
        return {
            "desired": desired,
            "nodes": nodes,
            "facts": self._facts(body["facts"], text(body["lineage"])),
            "serial": count(body["serial"]),
            "outputs": self._values(body["outputs"]),
            "old_outputs": self._values(body["old_outputs"]),
            "superseded": [self._record(data, data["a"]) for data in rows(body["superseded"])],
            "freed": [(text(creates), text(deletes)) for creates, deletes in rows(body["freed"])],
            "gone": [self._record(data, data["a"]) for data in rows(body["gone"])],
            "moves": {new: text(old) for new, old in mapping(body["moves"]).items()},
            "withheld": frozenset(texts(body["withheld"])),
            "destroy": flag(body["destroy"]),
            "partial": flag(body["partial"]),
            "digest": text(body["digest"]),
        }

    def _desired(self) -> Desired:
        body = self.body
        resources: dict[str, Declared] = {}
        for data in rows(body["resources"]):
            declared = self._declared(data)
            if declared.address in resources:
                raise ValueError("two resources at one address")
            resources[declared.address] = declared
        components: dict[str, Location] = {address: _Line(at) for address, at in body["components"].items()}
        return Desired(self.ref, resources, self._values(body["exports"]), components, flag(body["raised"]))

    def _values(self, data: Any) -> dict[str, Any]:
        self.reader.subject = ""
        return mapping(self.reader.value(data))

    def _declared(self, data: Mapping[str, Any]) -> Declared:
        self.reader.subject = data["address"]
        declared = Declared()
        read_declared(data, declared, self.reader)
        declared.location = _Line(data["location"])
        declared.defined_by = text(data.get("defined_by", ""))
        declared.has_expr = flag(data.get("has_expr", False))
        declared.has_secret = flag(data.get("has_secret", False))
        declared.cls, declared.facts = require_type(declared.type, declared.address, declared.defined_by)
        place = data.get("provider")
        declared.provider = None if place is None else self._configured(count(place))
        return declared

    def _configured(self, place: int) -> Provider:
        if place not in self.made:
            record = self.providers[place]
            self.made[place] = provider_class(record.name).from_config(record.config)
        return self.made[place]

    def _node(self, data: Mapping[str, Any], desired: Desired) -> Node:
        address = self.reader.subject = text(data["address"])
        declared = desired.resources[address] if flag(data.get("declared", False)) else None
        record = self._record(data["record"], address) if "record" in data else None
        if "inputs" in data:
            inputs: Mapping[str, Any] = mapping(self.reader.value(data["inputs"]))
        else:
            inputs = declared.inputs if declared is not None else {}
        provider = self.providers[count(data["provider"])] if "provider" in data else None
        node = Node(address, declared, record, inputs, provider, ())
        for name, value in _read(data, NODE).items():
            setattr(node, name, value)
        if flag(data.get("program", False)):
            node.program = desired.resources[address]
        if "forgets" in data:
            node.forgets = self._record(data["forgets"], address)
        if "verdict" in data:
            node.verdict = Verdict(**_read(data["verdict"], VERDICT))
        return node

    def _record(self, data: Mapping[str, Any], subject: str) -> Record:
        self.reader.subject = subject
        given = dict(data)
        for key in _VALUES:
            if key in given and given[key] != 0:
                given[key] = mapping(self.reader.value(given[key]))
        record = record_from(given, self.shared)
        for name in _TEXTS:
            text(getattr(record, name))
        count(record.generation)
        count(record.version)
        if not all(isinstance(one, str) for one in record.dependencies):
            raise TypeError("dependencies that are no addresses")
        return record

    def _facts(self, data: Mapping[str, Any], lineage: str) -> Facts:
        observed = data.get("observed")
        return Facts(
            lineage=lineage,
            providers={a: None if at is None else self.providers[count(at)] for a, at in data["providers"].items()},
            default_tags={address: self.tags[count(at)] for address, at in data["default_tags"].items()},
            observed=None
            if observed is None
            else {address: None if one is None else self._record(one, address) for address, one in observed.items()},
        )


#: What of each class is written or made again; compared with the classes by a test.
KNOWN: Final[Mapping[type, frozenset[str]]] = {
    Node: frozenset({*NODE, "address", "declared", "record", "inputs", "provider", "verdict", "program", "forgets"}),
    Verdict: frozenset(VERDICT),
    Facts: frozenset(
        {"lineage", "providers", "default_tags", "observed", "imports", "retyped", "normalise", "identity"}
    ),
    Desired: frozenset({"ref", "resources", "outputs", "components", "raised"}),
    Declared: frozenset(
        {
            "address",
            "type",
            "inputs",
            "parent",
            "depends_on",
            "options",
            "replace_with",
            "deleted_with",
            "former",
            "trigger",
        }
        | {"location", "defined_by", "has_expr", "has_secret", "cls", "facts", "provider"}
    ),
}


def fields_of(cls: type) -> frozenset[str]:
    """Name the fields that a class has, to be compared with ``KNOWN``."""
    slots: tuple[str, ...] = getattr(cls, "__slots__", ())
    return frozenset(one.name for one in attrs.fields(cls)) if attrs.has(cls) else frozenset(slots)
