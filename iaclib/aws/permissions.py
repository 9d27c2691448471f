"""Which IAM actions an operation on a type of AWS needs.

Types with a handler of their own need what that calls, as ``actions`` lists
it; the others need Cloud Control, and what the registry says that its handlers
need.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from iaclib.aws.actions import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iaclib.provider.permissions import Need
    from iaclib.schema.cloud import CloudFacts

_VALID: Final = re.compile(r"[a-z0-9-]+:[A-Za-z0-9*]+")
_CALLS: Final = {
    "create": ("CreateResource", "GetResourceRequestStatus", "ListResourceRequests"),
    "read": ("GetResource",),
    "update": ("UpdateResource", "GetResourceRequestStatus"),
    "delete": ("DeleteResource", "GetResourceRequestStatus"),
}


def actions(need: Need) -> frozenset[str] | None:
    """Give what a need comes to, None if that is not known."""
    own = ACTIONS.get(need.type)
    if own is not None:
        asked = {"read" if one not in own and one == "lookup" else one for one in need.operations}
        return frozenset(one for operation in asked for one in own.get(operation, ()))
    cloud = _cloud(need)
    if cloud is None:
        return None
    operations = {"read" if one == "lookup" else one for one in need.operations}
    found = set(_of_cloud(cloud, operations))
    if "::" in need.type:
        found.add("cloudformation:DescribeType")
    for operation in operations & _CALLS.keys():
        found.update(f"cloudformation:{call}" for call in _CALLS[operation])
    return frozenset(found)


def _cloud(need: Need) -> CloudFacts | None:
    """Give the facts of a type, None if there are none."""
    if "::" in need.type:
        told: CloudFacts | None = None if need.facts is None else need.facts.cloud
        return told
    from iaclib.schema.pack import pack  # needed by few plans

    aws = pack("aws")
    found = aws.located(need.type)
    return None if found is None else aws.facts(*found).cloud


def _of_cloud(cloud: CloudFacts, operations: set[str]) -> Iterator[str]:
    """Give the actions that the registry names; a few of its entries are spelled wrongly, or are no actions."""
    given = [one for name in operations if name in cloud.handlers for one in cloud.handlers[name].permissions]
    if cloud.tags is not None and operations & {"create", "tag"}:  # what we make carries our tags
        given += cloud.tags.permissions
    for one in given:
        service, _, action = one.partition(":")
        spelled = f"{service.lower()}:{action}"
        if _VALID.fullmatch(spelled):
            yield spelled
