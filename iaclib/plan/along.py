"""Which objects go with another that is deleted: rule 8's ``deleted_with``.

Told by uid: an object goes with the one that it was created beside, not with
whatever is at that address later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from iaclib.plan.changes import Action
from iaclib.plan.recorded import beside

if TYPE_CHECKING:
    from iaclib.plan.node import Node
    from iaclib.state.record import Record


def go_along(nodes: Mapping[str, Node], superseded: Sequence[Record]) -> None:
    """Note in each node whose object goes with another, with which one.

    Args:
        nodes: The plan's; changed in place.
        superseded: Old halves that this plan deletes.
    """
    going = {
        node.record.uid: node
        for node in nodes.values()
        if node.record is not None and node.record.id and not node.retain and node.action in _GOES
    }
    left_over = {record.uid: record for record in superseded if not record.options.get("retain_on_delete")}
    below: dict[str, frozenset[str]] = {}  # uid -> what its object stands on
    for node in going.values():
        uid = _beside(node, nodes)
        above = going.get(uid)
        carrier = left_over.get(uid) or (above.record if above is not None and above is not node else None)
        if carrier is None:
            continue
        # What is removed has its own place in the order, in case that what it is to go with is not replaced after all.
        if above is not None and above.maybe and node.declared is None and _stands_between(node, above, going):
            continue
        if uid not in below:
            below[uid] = _stands_on(carrier, nodes)
        if node.address in below[uid]:
            continue  # the edge between them was turned round: it has to outlive what it is to go with
        node.beside = uid
        if node.action is Action.DELETE:
            node.explain("it goes with what it was declared deleted_with")


_GOES = frozenset({Action.DELETE, Action.REPLACE})


def _beside(node: Node, nodes: Mapping[str, Node]) -> str:
    """Give the uid of what takes a node's object along; declared options count (rule 29)."""
    if node.record is None:
        return ""
    uid = beside(node.record)
    declared = node.declared
    if declared is None:
        return uid
    if uid or not declared.deleted_with:
        return (
            uid if declared.deleted_with else ""
        )  # by id: what it was created beside, whatever it goes with from now on
    other = nodes.get(declared.deleted_with)
    return other.record.uid if other is not None and other.record is not None else ""


def _stands_between(node: Node, above: Node, going: Mapping[str, Node]) -> bool:
    """Tell whether something else that an object stands on is deleted too."""
    needs = set(node.record.dependencies) if node.record is not None else set()
    return any(one.address in needs for one in going.values() if one is not above and one is not node)


def _stands_on(record: Record, nodes: Mapping[str, Node]) -> frozenset[str]:
    """Give the addresses on which an object stands, as recorded, also indirectly."""
    found: set[str] = set()
    todo = list(record.dependencies)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            node = nodes.get(name)
            if node is not None and node.record is not None:
                todo.extend(node.record.dependencies)
    return frozenset(found)
