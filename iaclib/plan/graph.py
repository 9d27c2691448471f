"""The order of declared resources: who needs whom, and a topological order.

Knows edges between addresses; knows nothing of state. Nothing recurses, so a
chain may be as long as memory allows.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from iaclib.errors import DeclarationError, DependencyCycleError
from iaclib.model.expressions import Ref
from iaclib.model.outputs import refs

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from iaclib.declare.desired import Declared, Desired

_NONE: tuple[str, ...] = ()


class Graph:
    """Declared resources with their edges.

    Args:
        desired: What a stack declares.
        recorded: What else may be needed, since it is there already.

    Attributes:
        desired: The same.
        order: All addresses, dependencies first; otherwise as declared.
        dependencies: address -> sorted addresses that it needs directly, by a
            property or by an option.

    Raises:
        DependencyCycleError: Resources need each other in a circle.
        DeclarationError: Something refers to a resource that is not declared.
    """

    __slots__ = ("dependencies", "desired", "order")

    def __init__(self, desired: Desired, recorded: Container[str] = ()) -> None:
        self.desired = desired
        resources = desired.resources
        positions = {address: position for position, address in enumerate(resources)}
        self.dependencies: dict[str, tuple[str, ...]] = {}
        ordered = True
        for address, declared in resources.items():
            if not declared.expressions and not declared.linked:
                self.dependencies[address] = _NONE
                continue
            needs = _needs(declared)
            own = positions[address]
            for need in needs:
                position = positions.get(need)
                if position is None and need in recorded:
                    continue
                if position is None:
                    msg = (
                        f"{address}: it needs {need!r}, which this stack doesn't declare, expected a resource of the "
                        f"same stack; declare it, or drop the reference in {declared.location}"
                    )
                    raise DeclarationError(msg, address=address)
                ordered = ordered and position < own
            self.dependencies[address] = tuple(sorted(needs))
        # A program can use a resource only after making it, so this is the usual case.
        self.order: tuple[str, ...] = tuple(resources) if ordered else _sort(positions, self.dependencies, resources)


def _needs(declared: Declared) -> set[str]:
    needs = {*declared.depends_on, *declared.follows}
    for nodes in declared.expressions.values():
        for node in nodes:
            if type(node) is Ref:
                needs.add(node.address)
    if declared.trigger is not None:
        needs.update(need for need, _field in refs(declared.trigger))
    return needs


def _sort(
    positions: Mapping[str, int], dependencies: Mapping[str, tuple[str, ...]], resources: Mapping[str, Declared]
) -> tuple[str, ...]:
    """Sort by Kahn's algorithm; of what is ready, what was declared first comes first."""
    addresses = list(positions)
    waiting = [sum(need in positions for need in dependencies[address]) for address in addresses]
    dependents: list[list[int]] = [[] for _ in addresses]
    for address, needs in dependencies.items():
        for need in needs:
            if need in positions:
                dependents[positions[need]].append(positions[address])
    ready = [position for position, count in enumerate(waiting) if not count]
    order: list[str] = []
    while ready:
        position = heapq.heappop(ready)
        order.append(addresses[position])
        for dependent in dependents[position]:
            waiting[dependent] -= 1
            if not waiting[dependent]:
                heapq.heappush(ready, dependent)
    if len(order) < len(addresses):
        raise _cycle({addresses[position] for position, count in enumerate(waiting) if count}, dependencies, resources)
    return tuple(order)


def _cycle(
    left: set[str], dependencies: Mapping[str, tuple[str, ...]], resources: Mapping[str, Declared]
) -> DependencyCycleError:
    """Name one circle among the resources that could not be ordered."""
    address = min(left)
    seen: dict[str, int] = {}
    path: list[str] = []
    while address not in seen:
        seen[address] = len(path)
        path.append(address)
        address = next(need for need in dependencies[address] if need in left)
    circle = path[seen[address] :]
    first = circle.index(min(circle))
    circle = circle[first:] + circle[:first]
    text = " needs ".join(f"{name} ({resources[name].location})" for name in circle)
    msg = (
        f"{circle[0]}: resources need each other in a circle, expected an order in which they can be created: "
        f"{text} needs {circle[0]}; drop one of these references or depends_on"
    )
    return DependencyCycleError(msg, addresses=tuple(circle))
