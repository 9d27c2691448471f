"""What credentials must be allowed to do: what is needed, and the policy that allows it.

Plain values. Which actions an operation needs is each provider's to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field


class Need(Struct, frozen=True):
    """What is done to objects of one type.

    Args:
        type: Its name.
        operations: Of "create", "read", "update", "delete", "tag", "lookup".
        facts: What is known of the type, where only the cloud itself knows it.
    """

    type: str
    operations: frozenset[str]
    facts: Any = None


class Permissions(Struct, frozen=True):
    """A policy that allows what is needed, and nothing else.

    Args:
        reasons: Each action that is allowed, and the types that need it.
        uncovered: Types of which it is not known what they need.
    """

    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    uncovered: tuple[str, ...] = ()

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that are allowed, in order."""
        return tuple(self.reasons)

    @property
    def statements(self) -> list[dict[str, Any]]:
        """The policy's statements: one for each service, in order."""
        services: dict[str, list[str]] = {}
        for action in self.reasons:
            services.setdefault(action.partition(":")[0], []).append(action)
        return [
            {"Sid": _sid(service), "Effect": "Allow", "Action": actions, "Resource": "*"}
            for service, actions in services.items()
        ]

    @property
    def document(self) -> dict[str, Any]:
        """The policy, for a ``policy_document`` property and the like."""
        return {"Version": "2012-10-17", "Statement": self.statements}

    def json(self, indent: int | None = 2) -> str:
        """Write the policy as IAM takes it."""
        return json.dumps(self.document, indent=indent)

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def __str__(self) -> str:
        return self.json()


def _sid(service: str) -> str:
    return "".join(part.capitalize() for part in service.split("-"))


def permissions(found: Mapping[str, frozenset[str] | None]) -> Permissions:
    """Make a policy of the actions that each type needs; None where that is not known."""
    reasons: dict[str, list[str]] = {}
    for type in sorted(found):
        for action in found[type] or ():
            reasons.setdefault(action, []).append(type)
    return Permissions(
        {action: tuple(reasons[action]) for action in sorted(reasons)},
        tuple(sorted(type for type, actions in found.items() if actions is None)),
    )
