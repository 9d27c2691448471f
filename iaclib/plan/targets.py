"""What of a stack a plan is about: rule 27.

Knows addresses, declared and recorded edges; nothing of what is to be done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import TargetError
from iaclib.model.addresses import is_within, near

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iaclib.plan.facts import PlanOptions
    from iaclib.plan.graph import Graph
    from iaclib.plan.node import Node
    from iaclib.state.record import Record, Snapshot


class Selection:
    """The addresses that are operated on; all of them if ``addresses`` is None."""

    __slots__ = ("addresses",)

    def __init__(self, addresses: frozenset[str] | None = None) -> None:
        self.addresses = addresses

    def __contains__(self, address: str) -> bool:
        return self.addresses is None or address in self.addresses


EVERYTHING = Selection()


def select(graph: Graph, snapshot: Snapshot, options: PlanOptions, moves: Mapping[str, str]) -> Selection:
    """Find out what a plan is about.

    Args:
        graph: What is declared.
        snapshot: What is recorded, at the addresses that it has now.
        options: With the targets and what to leave out.
        moves: new -> old address of what is declared elsewhere now.

    Raises:
        TargetError: Something is named that is neither declared nor recorded.
    """
    if options.only is not None:
        return Selection(options.only)
    if not options.targets and not options.exclude:
        return EVERYTHING
    resources = {*graph.dependencies, *snapshot.records, *(record.address for record in snapshot.superseded)}
    known = resources | set(graph.desired.components) | {one.parent for one in snapshot.records.values() if one.parent}
    for name in sorted({*options.targets, *options.exclude}):
        if not any(is_within(address, name) for address in known):
            hint = near(name, known)
            msg = (
                f"{name}: neither declared nor recorded, expected an address of {graph.desired.ref}; "
                f"{hint or 'correct the target'}"
            )
            raise TargetError(msg, address=name)
    chosen = {address for address in resources if _under(address, options.targets)} if options.targets else resources
    if options.dependents:
        chosen = _with_dependents(chosen, graph, snapshot)
    chosen |= {new for new, old in moves.items() if old in chosen}
    return Selection(frozenset(address for address in chosen if not _under(address, options.exclude)))


def _under(address: str, names: Iterable[str]) -> bool:
    return any(is_within(address, name) for name in names)


def _with_dependents(chosen: set[str], graph: Graph, snapshot: Snapshot) -> set[str]:
    users: dict[str, set[str]] = {}
    for address, needs in graph.dependencies.items():
        for need in needs:
            users.setdefault(need, set()).add(address)
    for record in snapshot.records.values():
        for need in record.dependencies:
            users.setdefault(need, set()).add(record.address)
    found, todo = set(chosen), list(chosen)
    while todo:
        for user in users.get(todo.pop(), ()):
            if user not in found:
                found.add(user)
                todo.append(user)
    return found


def check_needs(node: Node, selection: Selection, snapshot: Snapshot, *, session: bool) -> None:
    """Check that what a target needs is a target too, or recorded.

    Raises:
        TargetError: It needs something new that is not operated on.
    """
    for need in node.dependencies:
        if need in selection:
            continue
        record = snapshot.records.get(need)
        if record is None or not record.id:
            what = f"ensure {need!r} first" if session else f"add {need!r} to the targets, or apply it first"
            msg = (
                f"{node.address}: it needs {need}, which does not exist yet and is not operated on, expected all that "
                f"is needed to exist; {what}"
            )
            raise TargetError(msg, address=node.address, needs=need)
        known = node.record.dependencies if node.record is not None else ()
        if need not in known and _stands_on(record, node.address, selection, snapshot):
            msg = (
                f"{node.address}: it comes to need {need}, which as recorded stands on it and is not a target, "
                f"expected no circle in what is recorded; add {need!r} to the targets, so that both edges change"
            )
            raise TargetError(msg, address=node.address, needs=need)


def _stands_on(record: Record, address: str, selection: Selection, snapshot: Snapshot) -> bool:
    """Tell whether an object stands on an address through what stays as it is recorded."""
    seen: set[str] = set()
    todo = list(record.dependencies)
    while todo:
        name = todo.pop()
        if name == address:
            return True
        between = snapshot.records.get(name)
        if name not in seen and name not in selection and between is not None:
            seen.add(name)
            todo.extend(between.dependencies)
    return False


def check_dependents(nodes: Mapping[str, Node], selection: Selection, snapshot: Snapshot, *, session: bool) -> None:
    """Check that nothing that stays as it is stands on what goes.

    Args:
        nodes: What is planned.
        selection: What is operated on.
        snapshot: What is recorded.
        session: Whether old halves wait until what stands on them has followed.

    Raises:
        TargetError: It does; all such objects are named.
    """
    if selection.addresses is None:
        return
    going = {address for address, node in nodes.items() if address in selection and _goes(node, session=session)}
    if not going:
        return
    lines: dict[str, list[str]] = {}
    for record in snapshot.records.values():
        if record.address not in selection:
            for need in going.intersection(record.dependencies):
                lines.setdefault(need, []).append(record.address)
    if lines:
        text = "\n".join(
            f"{address}: it would be {'replaced' if nodes[address].action.value == 'replace' else 'removed'}, but "
            f"{', '.join(sorted(users))} {'stands' if len(users) == 1 else 'stand'} on it and would stay as "
            f"recorded, expected nothing to be left behind; {'ensure or delete them first' if session else 'add them to the targets, or pass dependents=True'}"
            for address, users in sorted(lines.items())
        )
        raise TargetError(text, addresses=tuple(sorted(lines)))


def _goes(node: Node, *, session: bool) -> bool:
    action = node.action.value
    return action in ("delete", "forget") or (action == "replace" and (node.delete_first or not session))
