"""Changes as data: what happens to each resource, and to which of its properties.

Knows what a change looks like from outside; knows nothing of how it was found
or how it will be made.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Action(enum.StrEnum):
    """What happens to one resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    SAME = "same"
    READ = "read"
    IMPORT = "import"
    ADOPT = "adopt"
    FORGET = "forget"
    MOVE = "move"

    @property
    def symbol(self) -> str:
        """The sign that stands for the action in a printed plan."""
        return _SYMBOLS[self]


_SYMBOLS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "+/-",
    Action.DELETE: "-",
    Action.SAME: "=",
    Action.READ: "<=",
    Action.IMPORT: "<-",
    Action.ADOPT: "<-",
    Action.FORGET: "x",
    Action.MOVE: "->",
}


class Property(Struct, frozen=True):
    """One leaf that changes.

    Args:
        path: Where it is: field, then keys and positions, as ``("tags", "Name")``.
        before: What it was; None if there was nothing.
        after: What it will be; None if it goes, ``UNKNOWN`` if only an apply tells.
        forces_replacement: Whether this change makes the object a new one.
        known: Whether ``after`` is known now.
    """

    path: tuple[str | int, ...]
    before: Any = None
    after: Any = None
    forces_replacement: bool = False
    known: bool = True


class Violation(Struct, frozen=True):
    """What a policy has against a plan.

    Args:
        policy: The policy's name.
        level: "advisory", or "mandatory": then the plan can't be applied.
        address: Of the change that it is about; "" for the plan as a whole.
        message: What is wrong, in the policy's words.
    """

    policy: str
    level: str
    address: str
    message: str


class Change(Struct, frozen=True):
    """What happens to one resource.

    Args:
        address: Its address in the stack.
        urn: ``project/stack:address``.
        type: Its type, as it will be; as it was for what goes.
        action: What happens.
        reason: Why, in words for people; never drives anything. Empty where
            the properties say it all.
        properties: The leaves that change, in the order of the declaration.
        before: Inputs as recorded, with what a refresh saw; None on create.
        after: Inputs as they will be, unknowns as ``UNKNOWN``; None on delete.
        delete_first: For a replacement: the old object goes before the new one comes.
        maybe: Only an apply can tell whether this happens.
    """

    address: str
    urn: str
    type: str
    action: Action
    reason: str = ""
    properties: tuple[Property, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    delete_first: bool = False
    maybe: bool = False
