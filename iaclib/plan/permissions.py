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
    from iaclib.plan.node import Node
    from iaclib.plan.plan import Plan
    from iaclib.schema.facts import TypeFacts

_PLAIN = {
    Action.CREATE: ("create", "read"),
    Action.DELETE: ("delete", "read"),
    Action.REPLACE: ("create", "read", "delete"),
    Action.IMPORT: ("read",),
}


def permissions_of(plan: Plan, *, refresh: bool = False) -> Permissions:
    """Give the policy for a plan; see ``Plan.permissions``."""
    wanted: dict[str, set[str]] = {}
    for node in plan._nodes.values():
        for type, operations in _operations(node):
            wanted.setdefault(type, set()).update(operations)
    for record in plan._superseded:
        wanted.setdefault(record.type, set()).update(_PLAIN[Action.DELETE])
    for found in plan.looked_up.values():
        if found.type:
            wanted.setdefault(found.type, set()).add("lookup")
    if refresh or plan._observed is not None:
        records = (node.record for node in plan._nodes.values())
        for record in (*records, *plan._superseded, *plan._gone):
            if record is not None:
                wanted.setdefault(record.type, set()).add("read")
    told = dict(plan._facts.described)
    return permissions(
        {
            type: _actions(Need(type, frozenset(operations), told.get(type)))
            for type, operations in wanted.items()
            if operations
        }
    )


def _operations(node: Node) -> list[tuple[str, set[str]]]:
    """Give each type that a node works on, and what is done."""
    action, type, record = node.action, node.type, node.record
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
