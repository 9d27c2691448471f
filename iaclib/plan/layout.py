"""What a plan is made of, field by field: how each is written and read.

The tables are compared with the classes by a test, so that a new field can't
be forgotten in plan files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from iaclib.declare.desired import Declared, Desired
from iaclib.plan.changes import Action, Violation
from iaclib.plan.facts import OF_HANDLERS, Facts
from iaclib.plan.node import Node
from iaclib.plan.verdict import Verdict
from iaclib.plan.writing import count, flag, text, texts


class Field(NamedTuple):
    """How a field is read; it is written as it is, and left out where it has its default."""

    read: Callable[[Any], Any]
    default: Any


#: Of a node; beside address, declaration, records, inputs and provider, which are written by hand.
NODE: Final[Mapping[str, Field]] = {
    "action": Field(Action, Action.SAME),
    "delete_first": Field(flag, False),
    "maybe": Field(flag, False),
    "reason": Field(text, ""),
    "forced": Field(flag, False),
    "rewrite": Field(flag, False),
    "dependencies": Field(texts, ()),
    "generation": Field(count, 1),
    "beside": Field(text, ""),
    "moved": Field(text, ""),
    "adopt": Field(flag, False),
    "retyped": Field(flag, False),
}
#: Of a verdict.
VERDICT: Final[Mapping[str, Field]] = {
    "action": Field(Action, Action.SAME),
    "maybe": Field(flag, False),
    "changed": Field(texts, ()),
    "unknown": Field(texts, ()),
    "forcing": Field(texts, ()),
    "rewrite": Field(flag, False),
}
#: The parts of a record that hold users' values, by the state codec's keys.
VALUES: Final = ("n", "b", "o", "x", "O")


def write_fields(value: Any, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Write the fields of a value that differ from their defaults."""
    return {name: found for name, field in fields.items() if (found := getattr(value, name)) != field.default}


def read_fields(data: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """Undo ``write_fields``."""
    return {name: field.read(data[name]) if name in data else field.default for name, field in fields.items()}


#: What of each class is written or made again; compared with the classes by a test.
KNOWN: Final[Mapping[type, frozenset[str]]] = {
    Violation: frozenset({"policy", "level", "address", "message"}),
    Node: frozenset({*NODE, "address", "declared", "record", "inputs", "provider", "verdict", "program", "forgets"}),
    Verdict: frozenset(VERDICT),
    Facts: frozenset(
        {*OF_HANDLERS, "lineage", "providers", "default_tags", "observed", "imports", "looked_up", "retyped"}
    ),
    Desired: frozenset({"ref", "resources", "outputs", "components", "raised", "remedies", "sources", "tokens"}),
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
        | {"location", "defined_by", "expressions", "has_secret", "cls", "facts", "provider"}
    ),
}


def fields_of(cls: type) -> frozenset[str]:
    """Name the fields that a class has, to be compared with ``KNOWN``."""
    slots: tuple[str, ...] = getattr(cls, "__slots__", ())
    return frozenset(slots)
