"""What must be deleted before something else is: rule 6's cascade.

An object that goes before its successor comes takes along those recorded
dependents that are replaced in the same run: their old halves go even earlier.
So do removed ones, also through others that stay, and take along theirs. A
worklist, so that long chains cost no stack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from iaclib.errors import PlanError
from iaclib.model.outputs import refs
from iaclib.plan.changes import Action
from iaclib.plan.node import Node


class Cascade:
    """Spreads "delete first" through recorded edges.

    Args:
        nodes: The plan's nodes; changed in place.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = nodes

    def run(self) -> None:
        """Make every member of every cascade delete-first, or refuse.

        Raises:
            PlanError: A member insists on ``delete_before_replace=False``.
        """
        queue = deque(  # with whether what stands on it has to go before it
            (node, True)
            for node in self.nodes.values()
            if node.delete_first and node.action in {Action.REPLACE, *_REMOVED}
        )
        if not queue:
            return
        users = self._users()
        passed: set[tuple[str, bool]] = set()
        while queue:
            root, goes = queue.popleft()
            for node in users.get(root.address, ()):
                if node.action is Action.REPLACE and goes:
                    if self._join(node, root):
                        queue.append((node, True))
                    continue
                removed = node.action in _REMOVED
                if (node.address, removed) not in passed:
                    passed.add((node.address, removed))
                    queue.append((node, removed))

    def _users(self) -> dict[str, list[Node]]:
        users: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            if node.record is not None:
                beside = node.declared.deleted_with if node.declared is not None else None  # not recorded yet, maybe
                for need in dict.fromkeys((*node.record.dependencies, *([beside] if beside else []))):
                    users.setdefault(need, []).append(node)
        return users

    def _join(self, node: Node, root: Node) -> bool:
        """Let a dependent join; tell whether that changed anything for it."""
        declared = node.declared
        if declared is None or node is root:
            return False
        if declared.options.delete_before_replace is False:
            msg = (
                f"{node.address}: it is to be replaced create-first (delete_before_replace=False), but it stands on "
                f"{root.address}, which is deleted before its successor comes, expected both in one order; drop the "
                f"option here or set delete_before_replace=False on {root.address}"
            )
            raise PlanError(msg, address=node.address, root=root.address)
        changed = False
        if not node.delete_first:
            node.delete_first = changed = True
            node.explain(f"it stands on {root.address}, which is deleted first")
        if node.maybe and not root.maybe and _follows(node, root.address):
            # Its input goes away with the root for certain, so there is nothing left to find out.
            node.maybe, node.forced, changed = False, True, True
            if node.reason.startswith("only an apply"):
                node.reason = node.reason.partition("; ")[2]
        return changed


def _follows(node: Node, root: str) -> bool:
    """Tell whether what forces the replacement comes from the root: a field, the trigger, or that it follows it."""
    declared = node.declared
    if declared is None:
        return False
    values = [declared.inputs.get(name) for name in node.verdict.forcing]
    if node.record is not None and "replacement_trigger" in node.record.options:
        values.append(declared.trigger)
    return root in declared.follows or any(address == root for value in values for address, _ in refs(value))


_REMOVED = frozenset({Action.DELETE, Action.FORGET})
