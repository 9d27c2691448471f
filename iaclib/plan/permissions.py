"""Which operations a plan comes to, and what they need to be allowed.

An operation is followed by reads: what was made is shown, and a run after a
kill looks at what became of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.declare.registry import type_facts
from iaclib.errors import UnknownProviderError
from iaclib.plan.changes import Action
from iaclib.provider.permissions import Need, Permissions, permissions
from iaclib.provider.registry import brings_handler, provider_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iaclib.plan.node import Node
    from iaclib.schema.facts import TypeFacts
    from iaclib.state.record import Record

_PLAIN = {
    Action.CREATE: ("create", "read"),
    Action.DELETE: ("delete", "read"),
    Action.REPLACE: ("create", "read", "delete"),
    Action.IMPORT: ("read",),
}


def permissions_of(
    nodes: Iterable[Node],
    superseded: Iterable[Record],
    looked_up: Iterable[str],
    observed: Iterable[Record],
    described: Mapping[str, TypeFacts],
) -> Permissions:
    """Give the policy for a plan.

    Args:
        nodes: What is done.
        superseded: What is left of earlier replacements, and goes.
        looked_up: The types of which something is looked up.
        observed: What is read although nothing is done to it.
        described: What the cloud told of types that have no class.
    """
    wanted: dict[str, set[str]] = {}
    for node in nodes:
        for type, operations in _operations(node):
            wanted.setdefault(type, set()).update(operations)
    for record in superseded:
        wanted.setdefault(record.type, set()).update(_PLAIN[Action.DELETE])
    for type in looked_up:
        wanted.setdefault(type, set()).add("lookup")
    for record in observed:
        wanted.setdefault(record.type, set()).add("read")
    needs = [Need(type, frozenset(done), described.get(type)) for type, done in wanted.items() if done]
    return permissions({need.type: _actions(need) for need in needs})


def _operations(node: Node) -> list[tuple[str, set[str]]]:
    """Give each type that a node works on, and what is done."""
    action, type, record = node.action, node.type, node.record
    if action is Action.DELETE and node.beside:
        return []  # it goes with another
    found = set(_PLAIN.get(action, ()))
    changes = action is Action.UPDATE or (action is Action.IMPORT and not node.verdict.quiet)
    if changes or node.adopt or (action is Action.REPLACE and node.maybe):
        found |= {"update", "read"}
        tags = _tags(node)
        if node.adopt or tags is None or tags in (*node.verdict.changed, *node.verdict.unknown):
            found.add("tag")
    if action is Action.REPLACE and record is not None and record.type != type:
        return [(type, found - {"delete"}), (record.type, set(_PLAIN[Action.DELETE]))]
    if action is Action.REPLACE and node.retain:
        found.discard("delete")
    return [(type, found)]


def _tags(node: Node) -> str | None:
    """Name the field of a type's tags, None if that is not known."""
    facts: TypeFacts | None = node.declared.facts if node.declared is not None else type_facts(node.type)
    return None if facts is None else facts.tags


def _actions(need: Need) -> frozenset[str] | None:
    if brings_handler(need.type):
        return None
    try:
        provider = provider_class(need.type.partition(":")[0])
    except UnknownProviderError:
        return None
    return provider.actions(need)
