"""A plan as JSON: every field of what it is made of.

Facts of types, and the functions of handlers, are no part of it: those are
found again by the type's name; nor is what only planning asks for, such as
what was read of objects to be imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from msgspec import structs

from iaclib.declare.desired import Declared, Desired
from iaclib.declare.sources import Query
from iaclib.plan.changes import Violation
from iaclib.plan.facts import Facts, Found
from iaclib.plan.layout import NODE, VALUES, VERDICT, write_fields
from iaclib.plan.node import Node
from iaclib.plan.program import write_declared
from iaclib.plan.verdict import SAME
from iaclib.plan.writing import Writer
from iaclib.state.codec import record_to
from iaclib.state.record import ProviderRecord, Record

if TYPE_CHECKING:
    from iaclib.model.values import Secret


class Planned(Protocol):
    """What of a plan is written."""

    lineage: str
    serial: int
    outputs: Mapping[str, Any]
    violations: tuple[Violation, ...]
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


#: Whom secrets in providers' configurations are sealed for; no address holds a colon.
PROVIDERS = ":providers"


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
            "lookups": [self._query(source) for source in desired.sources if isinstance(source, Query)],
            "exports": self._values(desired.outputs),
            "nodes": [self._node(node) for node in plan._nodes.values()],
            "outputs": self._values(plan.outputs),
            "old_outputs": self._values(plan._old_outputs),
            "superseded": [self._record(record, record.address) for record in plan._superseded],
            "gone": [self._record(record, record.address) for record in plan._gone],
            "freed": [list(pair) for pair in plan._freed],
            "moves": dict(plan._moves),
            "violations": [list(structs.astuple(one)) for one in plan.violations],
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

    def _query(self, query: Query) -> list[Any]:
        self.writer.subject = query.address
        return [query.address, query.type, query.action, self.writer.value(query.inputs), str(query.location)]

    def _declared(self, declared: Declared) -> dict[str, Any]:
        self.writer.subject = declared.address
        data = write_declared(declared, self.writer)
        data["location"] = str(declared.location)
        if declared.defined_by:
            data["defined_by"] = declared.defined_by
        if declared.has_secret:
            data["has_secret"] = True
        if declared.provider is not None:
            provider = declared.provider
            data["provider"] = self.providers.place(provider, lambda one: [one.name, "", "", dict(one.config())])
        return data

    def _node(self, node: Node) -> dict[str, Any]:
        self.writer.subject = node.address
        data: dict[str, Any] = {"address": node.address, **write_fields(node, NODE)}
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
            data["verdict"] = write_fields(node.verdict, VERDICT)
        return data

    def _record(self, record: Record, subject: str) -> dict[str, Any]:
        self.writer.subject = subject
        data = record_to(structs.replace(record, provider=None))
        if record.provider is not None:
            data["P"] = self._provider(record.provider)
        for key in VALUES:
            if key in data:
                data[key] = self.writer.value(data[key])
        return data

    def _provider(self, provider: ProviderRecord) -> int:
        subject, self.writer.subject = self.writer.subject, PROVIDERS
        place = self.providers.place(
            provider, lambda one: [one.name, one.account, one.region, self.writer.value(dict(one.config))]
        )
        self.writer.subject = subject
        return place

    def _facts(self, facts: Facts) -> dict[str, Any]:
        data: dict[str, Any] = {
            "providers": {a: None if one is None else self._provider(one) for a, one in facts.providers.items()},
            "default_tags": {a: self.tags.place(one, self.writer.value) for a, one in facts.default_tags.items()},
        }
        if facts.looked_up:
            data["looked_up"] = {address: self._found(address, found) for address, found in facts.looked_up.items()}
        if facts.observed is not None:
            data["observed"] = {
                address: None if record is None else self._record(record, address)
                for address, record in facts.observed.items()
            }
        return data

    def _found(self, address: str, found: Found) -> list[Any]:
        self.writer.subject = address
        return [found.type, self.writer.value(found.values)]
