"""From the nodes of a plan to the changes that people and programs read.

Knows what happened to inputs; knows nothing of order or of how it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from iaclib.model.values import UNKNOWN, Secret, has_secret, reveal
from iaclib.plan.changes import Action, Change, Property
from iaclib.plan.compare import drifted, project, same, unknown_in
from iaclib.plan.diff import differences, leaves
from iaclib.plan.facts import Found, view

if TYPE_CHECKING:
    from iaclib.plan.node import Node
    from iaclib.state.record import Record


def observed_inputs(record: Record, node: Node) -> Mapping[str, Any]:
    """Give recorded inputs, overlaid with what drifted; what was secret stays so."""
    if record.observed is None:
        return record.inputs
    unordered = view(node.declared.facts).unordered if node.declared is not None else frozenset()
    names = drifted(record.inputs, record.baseline, record.observed, unordered)
    inputs = dict(record.inputs)
    for name in names:
        seen = project(record.observed[name], record.inputs[name], unordered=name in unordered)
        secret = has_secret(record.inputs[name]) or has_secret(record.observed[name])
        inputs[name] = Secret(reveal(seen)) if secret and seen is not None else seen
    return {name: value for name, value in inputs.items() if value is not None}


def change_of(node: Node, urn: Callable[[str], str]) -> Change:
    """Make the public change of a node."""
    record, action = node.record, node.action
    before = observed_inputs(record, node) if record is not None and action is not Action.CREATE else None
    after = node.inputs if node.declared is not None else None
    return Change(
        node.address,
        urn(node.address),
        node.type,
        action,
        node.reason,
        () if action in {Action.SAME, Action.MOVE} else _properties(node, before, after),
        before,
        after,
        node.delete_first and action is Action.REPLACE,
        node.maybe,
    )


def read_change(address: str, found: Found, urn: Callable[[str], str]) -> Change:
    """Make the public change of a lookup: it shows what was found."""
    properties = tuple(Property(path, None, value) for path, value in leaves(found.values) if value is not None)
    return Change(address, urn(address), found.type, Action.READ, "", properties, None, found.values)


def forgotten_change(node: Node, urn: Callable[[str], str]) -> Change:
    """Make the change of the object that an import leaves in the cloud."""
    record = node.forgets
    if record is None:
        msg = f"{node!r} forgets nothing"
        raise AssertionError(msg)
    return Change(
        record.address,
        urn(record.address),
        record.type,
        Action.FORGET,
        f"{record.id} stays in the cloud, another object takes its place",
        (),
        record.inputs,
    )


def superseded_change(record: Record, urn: Callable[[str], str]) -> Change:
    """Make the change of an old half that an earlier run left behind."""
    properties = tuple(Property(path, value) for path, value in leaves(record.inputs) if path)
    return Change(
        record.address, urn(record.address), record.type, Action.DELETE, "superseded", properties, record.inputs
    )


def _properties(node: Node, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[Property, ...]:
    old, new = before or {}, after or {}
    seen = view(node.declared.facts) if node.declared is not None else None
    verdict = node.verdict
    differing = {*verdict.changed, *verdict.unknown}
    found: list[Property] = []
    for name in [*new, *(name for name in old if name not in new)]:
        whole = node.action not in {Action.UPDATE, Action.REPLACE, Action.IMPORT} or node.record is None
        if not whole and name not in differing and not (node.forced and not same_value(old.get(name), new.get(name))):
            continue
        unordered = seen is not None and name in seen.unordered
        forces = name in verdict.forcing and node.action is Action.REPLACE
        found.extend(
            Property((name, *path), one, two, forces, two is not UNKNOWN and not unknown_in(two))
            for path, one, two in differences(old.get(name), new.get(name), unordered=unordered)
        )
    return tuple(found)


def same_value(old: Any, new: Any) -> bool:
    """Tell whether two values are equal, unknowns being unlike anything."""
    return not unknown_in(new) and same(old, new)
