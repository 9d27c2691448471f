"""A plan from the JSON that ``body`` wrote. What is read is not trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from iaclib.declare.desired import Declared, Desired
from iaclib.declare.registry import require_type
from iaclib.declare.sources import Query
from iaclib.model.addresses import StackRef
from iaclib.model.outputs import expressions_in
from iaclib.model.scope import Location
from iaclib.model.values import reveal
from iaclib.plan.body import PROVIDERS
from iaclib.plan.changes import Violation
from iaclib.plan.facts import Facts, Found
from iaclib.plan.layout import NODE, VALUES, VERDICT, read_fields
from iaclib.plan.node import Node
from iaclib.plan.program import read_declared
from iaclib.plan.verdict import Verdict
from iaclib.plan.writing import Reader, count, flag, mapping, rows, text, texts
from iaclib.provider.registry import provider_class
from iaclib.state.codec import Providers, record_from
from iaclib.state.record import ProviderRecord, Record

if TYPE_CHECKING:
    from iaclib.model.values import Secret
    from iaclib.provider.base import Provider

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
        self.reader.subject = PROVIDERS
        self.providers = [
            ProviderRecord(text(name), text(account), text(region), mapping(self.reader.value(config)))
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
            "violations": [Violation(*texts(one)) for one in rows(body["violations"])],
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
        return Desired(
            self.ref,
            resources,
            self._values(body["exports"]),
            components,
            flag(body["raised"]),
            sources=[self._query(*data) for data in rows(body["lookups"])],
        )

    def _query(self, address: Any, type: Any, action: Any, inputs: Any, location: Any) -> Query:
        """Give what a lookup asked for; who answers is no longer asked."""
        self.reader.subject = text(address)
        asked = mapping(self.reader.value(inputs))
        return Query(address, text(type), action, asked, {}, None, None, "", self.ref, _Line(location))

    def _values(self, data: Any) -> dict[str, Any]:
        self.reader.subject = ""
        return mapping(self.reader.value(data))

    def _declared(self, data: Mapping[str, Any]) -> Declared:
        self.reader.subject = data["address"]
        declared = Declared()
        read_declared(data, declared, self.reader)
        declared.location = _Line(data["location"])
        declared.defined_by = text(data.get("defined_by", ""))
        declared.expressions = expressions_in(declared.inputs)
        declared.has_secret = flag(data.get("has_secret", False))
        declared.cls, declared.facts = require_type(declared.type, declared.address, declared.defined_by)
        place = data.get("provider")
        declared.provider = None if place is None else self._configured(count(place))
        return declared

    def _configured(self, place: int) -> Provider:
        if place not in self.made:
            record = self.providers[place]
            self.made[place] = provider_class(record.name).from_config(reveal(dict(record.config)))
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
        for name, value in read_fields(data, NODE).items():
            setattr(node, name, value)
        if flag(data.get("program", False)):
            node.program = desired.resources[address]
        if "forgets" in data:
            node.forgets = self._record(data["forgets"], address)
        if "verdict" in data:
            node.verdict = Verdict(**read_fields(data["verdict"], VERDICT))
        return node

    def _record(self, data: Mapping[str, Any], subject: str) -> Record:
        self.reader.subject = subject
        given = dict(data)
        for key in VALUES:
            if key in given and given[key] != 0:
                given[key] = mapping(self.reader.value(given[key]))
        place = given.pop("P", None)
        record = record_from(given, self.shared)
        if place is not None:
            record = structs.replace(record, provider=self.providers[count(place)])
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
            looked_up={a: self._found(a, *found) for a, found in data.get("looked_up", {}).items()},
        )

    def _found(self, address: str, type: Any, values: Any) -> Found:
        self.reader.subject = address
        return Found(text(type), mapping(self.reader.value(values)))
