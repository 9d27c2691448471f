"""In which order recorded objects can go: dependents before what they stand on."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iaclib.state.record import Record


def removal_order(records: Mapping[str, Record]) -> list[str]:
    """Sort addresses so that each comes after its recorded dependents.

    Among equals the address decides, so that the order does not depend on how
    state was read. What a broken state lists in a circle comes last.
    """
    addresses = sorted(records)
    position = {address: index for index, address in enumerate(addresses)}
    waiting = [0] * len(addresses)
    needs: list[list[int]] = []
    for address in addresses:
        own = [position[name] for name in records[address].dependencies if name in position and name != address]
        needs.append(own)
        for index in own:
            waiting[index] += 1
    ready = [index for index, count in enumerate(waiting) if not count]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for need in needs[index]:
            waiting[need] -= 1
            if not waiting[need]:
                heapq.heappush(ready, need)
    if len(order) < len(addresses):
        done = set(order)
        order += [index for index in range(len(addresses)) if index not in done]
    return [addresses[index] for index in order]
