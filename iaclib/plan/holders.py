"""Who holds a unique key that a new object wants: rule 2a.

Creating an object with the key of one that goes would overwrite it, and then
delete it. Such a plan is refused, or the delete comes first where that is
asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from iaclib.errors import PlanError
from iaclib.plan.changes import Action
from iaclib.plan.facts import Facts, View, view
from iaclib.plan.node import Node
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
    left_over, left_there, holders = holder_keys(nodes, superseded, facts)
    if not (left_over or left_there or holders):
        return {}, []
    freed: dict[tuple[str, str], None] = {}
    for node in _creating(nodes):
        if node.declared is None:
            continue
        seen = view(node.declared.facts)
        for key in unique_keys(node.declared.type, node.provider, node.inputs, seen, facts):
            if key in left_over:
                raise PlanError(_left_over(node.address, left_over[key]), address=node.address)
            if key in left_there and left_there[key] != node.address:
                raise PlanError(_left_there(node.address, left_there[key]), address=node.address)
            holder = holders.get(key)
            if holder is None or holder == node.address:
                continue
            if node.declared.options.delete_before_replace is not True:
                raise PlanError(held_message(node.address, holder, key), address=node.address, holder=holder)
            freed[node.address, holder] = None
            if not nodes[holder].delete_first:
                nodes[holder].delete_first = True
                nodes[holder].explain(f"it is deleted first to make way for {node.address}")
    return {**left_over, **left_there, **holders}, list(freed)


def holder_keys(
    nodes: Mapping[str, Node], superseded: Sequence[Record], facts: Facts
) -> tuple[Holders, Holders, Holders]:
    """Give the unique keys of objects of types of which something is created: key -> address.

    Returns:
        Those of old halves whose delete is due, of what is left in the cloud,
        and of what is deleted.
    """
    views: dict[str, View] = {
        node.declared.type: view(node.declared.facts) for node in _creating(nodes) if node.declared is not None
    }
    if not views:
        return {}, {}, {}
    going, staying = _parting(nodes)
    return _held(superseded, views, facts), _held(staying, views, facts), _held(going, views, facts)


def _creating(nodes: Mapping[str, Node]) -> list[Node]:
    return [node for node in nodes.values() if node.action in {Action.CREATE, Action.REPLACE}]


_GOES = frozenset({Action.DELETE, Action.FORGET, Action.REPLACE})


def _parting(nodes: Mapping[str, Node]) -> tuple[list[Record], list[Record]]:
    """Give recorded objects that are deleted, and those that leave state and stay in the cloud."""
    going: list[Record] = []
    staying: list[Record] = []
    for node in nodes.values():
        if node.forgets is not None:
            staying.append(node.forgets)
        if node.record is not None and node.record.id and node.action in _GOES:
            (staying if node.retain else going).append(node.record)
    return going, staying


def _held(records: Iterable[Record], views: Mapping[str, View], facts: Facts) -> Holders:
    """Give key -> address for objects of types of which something is created."""
    held: Holders = {}
    for record in records:
        seen = views.get(record.type)
        if seen is not None:
            for key in unique_keys(record.type, record.provider, record.inputs, seen, facts):
                held.setdefault(key, record.address)
    return held


def _left_over(address: str, holder: str) -> str:
    return (
        f"{address}: it would be created with the unique key of an old object of {holder} whose delete is still due, "
        "expected a key that is free; apply without this change first, so that the old object is deleted"
    )


def _left_there(address: str, holder: str) -> str:
    return (
        f"{address}: it would be created with the unique key of {holder}, which this plan leaves in the cloud, expected "
        f"a key that is free; if it is the same object, say Options(aliases=({holder!r},)), or import it by import_id"
    )


def held_message(address: str, holder: str, key: tuple[Any, ...]) -> str:
    """Say that a new object has the unique key of one that goes (rule 2a)."""
    fields = " and ".join(key[2]) if isinstance(key[2], tuple) else "its identity"
    return (
        f"{address}: it would be created with the {fields} of {holder}, which this plan deletes, expected a key that "
        f"is free; if it is the same object, say Options(aliases=({holder!r},)) or keep the address, else set "
        "delete_before_replace=True"
    )
