"""What a plan must not do: protected resources (rule 26) and hooks that nobody would run (rule 35)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from iaclib.errors import PlanError, ProtectedResourceError
from iaclib.plan.changes import Action

if TYPE_CHECKING:
    from iaclib.plan.node import Node


def check_protected(nodes: Collection[Node]) -> None:
    """Refuse deletes and replacements of protected resources, all at once.

    Raises:
        ProtectedResourceError: Naming all of them.
    """
    offenders = [
        node
        for node in nodes
        if node.protected
        and (node.action in {Action.DELETE, Action.FORGET} or (node.action is Action.REPLACE and not node.maybe))
        and node.record is not None
        and node.record.id
    ]
    if offenders:
        lines = [_refusal(node) for node in offenders]
        raise ProtectedResourceError("\n".join(lines), addresses=tuple(node.address for node in offenders))


def check_hooks(nodes: Collection[Node]) -> None:
    """Refuse deletes whose hooks are not there to be run.

    Raises:
        PlanError: A resource with delete hooks is gone from the program.
    """
    offenders = [
        node.address
        for node in nodes
        if node.action is Action.DELETE
        and node.options is None
        and node.record is not None
        and node.record.options.get("delete_hooks")
    ]
    if offenders:
        msg = (
            f"{', '.join(sorted(offenders))}: applied with delete hooks, which are not in the program any more, expected "
            "them to be there for the delete; apply once without the hooks first, or pass the stack to engine.destroy"
        )
        raise PlanError(msg, addresses=tuple(sorted(offenders)))


def _refusal(node: Node) -> str:
    what = "deleted" if node.action is Action.DELETE else "replaced"
    why = node.reason
    if not why and node.verdict.forcing:
        why = f"{', '.join(node.verdict.forcing)} changes"
    if node.record is not None and node.record.status in ("failed", "tainted"):
        remedy = "look at the object, then untaint it or set protect=False"
    elif node.declared is None:
        remedy = "declare it with protect=False and apply that first"
    else:
        remedy = "set protect=False if this is meant"
    because = f" ({why})" if why else ""
    return f"{node.address}: it is protected and would be {what}{because}, expected it to stay; {remedy}"
