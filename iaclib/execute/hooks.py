"""Functions of the program that run around an object's operations: rule 35.

Knows which functions run when and what they are told; running them is a job
like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.plan.node import Node


class HookEvent(Struct, frozen=True):
    """What a hook is told of the operation. Secrets are Secret.

    Args:
        urn: ``project/stack:address``.
        address: The address in the stack.
        type: The type of the object.
        id: Its physical id; "" before it is created.
        before: Inputs before the operation; None on create.
        after: Inputs after it; None on delete.
        outputs: Computed properties as they are known at that moment.
    """

    urn: str
    address: str
    type: str
    id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    outputs: Mapping[str, Any]


def hooks_of(node: Node | None, name: str) -> tuple[Callable[[Any], None], ...]:
    """Give a node's hooks of one kind, such as "before_create", in their order."""
    options = node.options if node is not None else None
    if options is None or not options.hooks:
        return ()
    return tuple(hook for hooks in options.hooks if (hook := getattr(hooks, name)) is not None)
