"""One place in the order of a plan's steps, and the graph of them all.

Knows what a task is about and which come after it. Knows nothing of the rules
by which the graph is made, nor of what carries a task out.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from iaclib.plan.recorded import beside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iaclib.plan.node import Node
    from iaclib.state.record import Record


class Kind(enum.Enum):
    """What a task does."""

    MAIN = "main"  # create, update, or write what changed in state only
    DECIDE = "decide"  # find out whether a "may replace" becomes one, before anything is deleted
    DELETE = "delete"  # delete an object, or let it go
    GATE = "gate"  # order only: nothing is done


class Task:
    """One place in the order. Mutable: the executor counts down ``waiting``."""

    __slots__ = (
        "address", "blocked", "carrier", "early", "gate", "kind", "next", "node", "record", "superseded", "waiting",
    )  # fmt: skip

    def __init__(self, kind: Kind, address: str, node: Node | None = None, record: Record | None = None) -> None:
        self.kind = kind
        self.address = address
        self.node = node
        self.record = record  # for DELETE: what goes
        self.early = False  # for DELETE: whether it goes before its replacement is created
        self.superseded = False  # for DELETE: whether an earlier run left it superseded
        self.carrier: Task | None = None  # for DELETE: with whose delete the object goes (rule 8)
        self.gate: Task | None = None  # for such a DELETE: what stands for it in the order of deletes
        self.next: list[tuple[Task, bool]] = []  # (follower, whether it needs this to succeed)
        self.waiting = 0
        self.blocked = ""  # the address because of which it is skipped

    @property
    def stand(self) -> Task:
        """What stands for an object in the order of deletes."""
        return self.gate or self

    @property
    def retained(self) -> bool:
        """Whether the object of a delete is left in the cloud."""
        if self.superseded or self.node is None:
            return self.record is not None and bool(self.record.options.get("retain_on_delete"))
        return self.node.retain

    @property
    def beside(self) -> str:
        """The uid of the object with which that of a delete goes, or ""."""
        if self.superseded or self.node is None:
            return beside(self.record) if self.record is not None else ""
        return self.node.beside

    def then(self, other: Task, *, needed: bool = True) -> None:
        """Make another task wait for this one."""
        self.next.append((other, needed))
        other.waiting += 1

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.address}>"


class StepGraph:
    """All tasks of a run, in an order that respects their edges."""

    __slots__ = ("barrier", "decides", "main", "tasks")

    def __init__(self, tasks: list[Task], main: dict[str, Task], decides: dict[str, Task], barrier: Task) -> None:
        self.tasks = tasks
        self.main = main  # address -> the task after which its record is final
        self.decides = decides
        self.barrier = barrier  # after all creates and updates


def roots_of(tasks: Iterable[Task]) -> dict[Task, Task]:
    """Give, for each delete with which others go and for each of these, the one call that takes them all."""
    roots: dict[Task, Task] = {}
    for task in tasks:
        path, last = {task}, task
        while last not in roots and last.carrier is not None and last.carrier not in path:
            last = last.carrier
            path.add(last)
        if last is not task:
            roots.update(dict.fromkeys(path, roots.get(last, last)))
    return roots


def after(start: Task) -> set[Task]:
    """Give all tasks that wait for one, directly or not."""
    seen: set[Task] = set()
    todo = [start]
    while todo:
        for task, _needed in todo.pop().next:
            if task not in seen:
                seen.add(task)
                todo.append(task)
    return seen
