"""Who holds a unique key that a new object wants: rule 2a.

Creating an object with the key of one that goes would overwrite it, and then
delete it. Such a plan is refused, or the delete comes first where that is
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from iaclib.errors import PlanError
from iaclib.plan.changes import Action
from iaclib.plan.facts import Facts, View, view
from iaclib.plan.node import Node
from iaclib.plan.plan import held_message
from iaclib.plan.verdict import unique_keys

if TYPE_CHECKING:
    from iaclib.state.record import Record

Holders = dict[tuple[Any, ...], str]


def find_holders(
    nodes: Mapping[str, Node], superseded: Sequence[Record], facts: Facts
) -> tuple[Holders, list[tuple[str, str]]]:
    """Find planned creates that want a key of an object that this plan deletes.

    Returns:
        Key -> address of the object that holds it and goes, to be asked again
        for keys that are known only at apply; and pairs of (address to create,
        address to delete first), for which ``delete_before_replace=True`` asked.

    Raises:
        PlanError: A key is held, and nothing was said about who goes first.
    """
    left_over, holders = holder_keys(nodes, superseded, facts)
    if not left_over and not holders:
        return {}, []
    freed: dict[tuple[str, str], None] = {}
    for node in _creating(nodes):
        if node.declared is None:
            continue
        seen = view(node.declared.facts)
        for key in unique_keys(node.declared.type, node.provider, node.inputs, seen, facts):
            if key in left_over:
                raise PlanError(_left_over(node.address, left_over[key]), address=node.address)
            holder = holders.get(key)
            if holder is None or holder == node.address:
                continue
            if node.declared.options.delete_before_replace is not True:
                raise PlanError(held_message(node.address, holder, key), address=node.address, holder=holder)
            freed[node.address, holder] = None
            if not nodes[holder].delete_first:
                nodes[holder].delete_first = True
                nodes[holder].explain(f"it is deleted first to make way for {node.address}")
    return {**left_over, **holders}, list(freed)


def holder_keys(nodes: Mapping[str, Node], superseded: Sequence[Record], facts: Facts) -> tuple[Holders, Holders]:
    """Give the keys that old halves hold, and those of objects that this plan deletes, as far as creates may want them."""
    views: dict[str, View] = {
        node.declared.type: view(node.declared.facts) for node in _creating(nodes) if node.declared is not None
    }
    left_over: Holders = {}
    holders: Holders = {}
    if views:
        for record in superseded:
            _hold(left_over, record, views, facts)
        for node in nodes.values():
            if node.record is not None and node.record.id and node.action in {Action.DELETE, Action.REPLACE}:
                _hold(holders, node.record, views, facts)
    return left_over, holders


def _creating(nodes: Mapping[str, Node]) -> list[Node]:
    return [node for node in nodes.values() if node.action in {Action.CREATE, Action.REPLACE}]


def _hold(holders: Holders, record: Record, views: Mapping[str, View], facts: Facts) -> None:
    seen = views.get(record.type)
    if seen is not None:
        for key in unique_keys(record.type, record.provider, record.inputs, seen, facts):
            holders.setdefault(key, record.address)


def _left_over(address: str, holder: str) -> str:
    return (
        f"{address}: it would be created with the unique key of an old object of {holder} whose delete is still due, "
        "expected a key that is free; apply without this change first, so that the old object is deleted"
    )
