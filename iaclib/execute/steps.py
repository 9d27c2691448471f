"""The order of a plan's steps, as one graph from which everything falls out.

Knows rules 1 to 8 of ordering: creates and updates after what they depend on;
deletes after all of them, in the reverse of the *recorded* dependencies; and
what must be deleted before its replacement, together with what stands on it,
first. Knows nothing of handlers, state writes or time. Linear in steps and
their edges; nothing recurses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.errors import DependencyCycleError
from iaclib.execute.task import Kind, StepGraph, Task, after, roots_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from iaclib.plan.node import Node
    from iaclib.state.record import Record, Snapshot


def build_steps(
    nodes: Mapping[str, Node],
    snapshot: Snapshot,
    superseded: Sequence[Record] = (),
    freed: Iterable[tuple[str, str]] = (),
    withheld: Container[str] = (),
) -> StepGraph:
    """Order the steps of a plan.

    Args:
        nodes: The plan's nodes by address, dependencies first.
        snapshot: The state that the plan was made from.
        superseded: Left over from earlier runs, to be deleted.
        freed: (address to create, address to delete first): they share a unique key.
        withheld: Addresses whose old halves are left to a later plan.
    """
    build = _Build(nodes, snapshot, superseded, freed, withheld)
    build.creates_and_updates()
    build.deletes()
    return build.finish()


def _acts(node: Node) -> bool:
    return node.action.value != "same" or node.rewrite or node.maybe


class _Build:
    def __init__(
        self,
        nodes: Mapping[str, Node],
        snapshot: Snapshot,
        superseded: Sequence[Record],
        freed: Iterable[tuple[str, str]],
        withheld: Container[str],
    ) -> None:
        self.nodes = nodes
        self.records = snapshot.records
        self.superseded = superseded
        self.freed = tuple(freed)
        self.withheld = withheld
        self.main: dict[str, Task] = {}
        self.decides: dict[str, Task] = {}
        self.deleting: dict[str, list[Task]] = {}  # address -> deletes of objects recorded there
        self.gates: dict[tuple[str, bool], Task] = {}  # (kept address, for early deletes) -> what stands for it
        self.barrier = Task(Kind.GATE, "")
        self.downstream: set[str] = set()  # what may have to wait for an early delete
        self.unsure: dict[Task, list[Task]] = {}  # early task -> downstream ones that go before it, if they can
        self.carried: list[Task] = []  # what stands for objects that go with another
        self.roots: Mapping[Task, Task] = {}  # delete -> the one that takes it along

    # ------------------------------------------------------------------------------------- creates and updates

    def creates_and_updates(self) -> None:
        """Place each create and update after what it depends on (rule 1)."""
        gone = ("delete", "forget")
        waits = {creates for creates, _ in self.freed}
        for address, node in self.nodes.items():
            if node.action.value in gone:
                continue
            upstream = [task for name in node.dependencies if (task := self.main.get(name)) is not None]
            if node.delete_first or address in waits or any(name in self.downstream for name in node.dependencies):
                self.downstream.add(address)
            if not _acts(node):
                if not upstream:
                    continue
                task = Task(Kind.GATE, address, node)  # so that order passes through what stays the same
            else:
                task = Task(Kind.MAIN, address, node)
            for other in upstream:
                other.then(task)
            task.then(self.barrier, needed=False)
            self.main[address] = task

    # ------------------------------------------------------------------------------------------------- deletes

    def deletes(self) -> None:
        """Place each delete: early where a replacement waits for it, late otherwise (rule 2)."""
        self._goers()
        if not self.deleting:
            return
        users, standing = self._users(), self._standing()
        self._go_early(users, standing)
        self._carry()
        self._between(users, standing)
        for address, tasks in self.deleting.items():
            for task in tasks:
                self._place(task, users.get(address, ()), standing.get(address, ()))
        for (address, early), gate in self.gates.items():
            for user in users.get(address, ()):
                if (user, early) in self.gates:
                    self.gates[user, early].then(gate)
            for task in standing.get(address, ()):
                if task.early or not early:
                    task.stand.then(gate)
        for address, tasks in self.deleting.items():
            for task in tasks:
                if task.early:
                    self._create_after(address, task)
        for creates, deletes in self.freed:
            self._free(creates, deletes)
        self._make_sure()

    def _goers(self) -> None:
        """Make the tasks of what is deleted or let go."""
        for address, node in self.nodes.items():
            record = node.record
            if record is None or (address in self.withheld and not node.delete_first):
                continue
            action = node.action.value
            if action in ("delete", "forget") or (action == "replace" and record.id):
                task = Task(Kind.DELETE, address, node, record)
                task.early = node.delete_first
                self.deleting.setdefault(address, []).append(task)
        for record in self.superseded:
            task = Task(Kind.DELETE, record.address, self.nodes.get(record.address), record)
            task.superseded = True
            self.deleting.setdefault(record.address, []).append(task)

    def _users(self) -> dict[str, list[str]]:
        """Give, for each address, the addresses whose current objects depend on it."""
        users: dict[str, list[str]] = {}
        for record in self.records.values():
            for name in record.dependencies:
                users.setdefault(name, []).append(record.address)
        return users

    def _standing(self) -> dict[str, list[Task]]:
        """Give, for each address, the deletes of objects that depend on it themselves."""
        standing: dict[str, list[Task]] = {}
        for tasks in self.deleting.values():
            for task in tasks:
                for name in task.record.dependencies if task.record is not None else ():
                    if name != task.address:
                        standing.setdefault(name, []).append(task)
        return standing

    def _go_early(self, users: Mapping[str, Sequence[str]], standing: Mapping[str, Sequence[Task]]) -> None:
        """Let removed ones that stand on what is deleted first go before it, old halves too."""
        todo = [address for address, tasks in self.deleting.items() if any(task.early for task in tasks)]
        seen = set(todo)
        while todo:
            address = todo.pop()
            for task in standing.get(address, ()):
                if task.superseded or (task.node is not None and task.node.action.value in ("delete", "forget")):
                    task.early = True
            for user in (*users.get(address, ()), *(task.address for task in standing.get(address, ()))):
                if user not in seen:
                    seen.add(user)
                    todo.append(user)

    def _carry(self) -> None:
        """Let an object go with another's delete, but what stands on it go before (rule 8)."""
        tasks = {task.record.uid: task for found in self.deleting.values() for task in found if task.record is not None}
        for task in tasks.values():
            uid = "" if task.retained else task.beside
            carrier = tasks.get(uid) if uid else None
            # What has to make way for its own successor can't wait for a delete at the end.
            if carrier is None or carrier is task or carrier.retained or (task.early and not carrier.early):
                continue
            task.carrier = carrier
            task.gate = Task(Kind.GATE, task.address)
            task.early = carrier.early
            carrier.then(task)
            self.carried.append(task.gate)
        for task in tasks.values():
            if task.carrier is not None:
                task.stand.then(task.carrier.stand)
        self.roots = roots_of(tasks.values())

    def _between(self, users: Mapping[str, Sequence[str]], standing: Mapping[str, Sequence[Task]]) -> None:
        """Let the order of two deletes pass through kept addresses.

        An early delete doesn't wait for a late one that way: what stays between
        them lives without the object anyway, until its successor comes.
        """
        above = _closure(self.deleting, users)
        if len(above) == len(self.deleting):
            return
        below = _closure(standing, {name: record.dependencies for name, record in self.records.items()})
        between = (above & below) - set(self.deleting)
        self.gates = {(name, early): Task(Kind.GATE, name) for name in between for early in (True, False)}

    def _place(self, task: Task, users: Iterable[str], standing: Iterable[Task]) -> None:
        if not task.early:
            self.barrier.then(task.stand, needed=False)
        root = self.roots.get(task)
        for other in standing:
            if root is not None and self.roots.get(other) is root:  # one call takes both
                continue
            # What stands at the address of an old half by now may well stand on its successor: a late delete of it can wait.
            if task.early and task.superseded and not other.early:
                continue
            if other.superseded and not task.superseded:  # it may as well stand on an old half that was there
                self.unsure.setdefault(task.stand, []).append(other.stand)
            else:
                other.stand.then(task.stand)
        for user in users:
            if user == task.address:
                continue
            gate = self.gates.get((user, task.early))
            if gate is not None and task.superseded:  # what is kept may well stand on its successor
                self.unsure.setdefault(task.stand, []).append(gate)
            elif gate is not None:
                gate.then(task.stand)
            final = self.main.get(user)
            if final is None:
                continue
            # A user that stays must first let go of the object, unless it is itself waiting for the replacement.
            if not task.early or user not in self.downstream:
                final.then(task.stand)
            elif not self.nodes[user].delete_first and task.address not in self.nodes[user].dependencies:
                self.unsure.setdefault(task.stand, []).append(final)

    def _make_sure(self) -> None:
        """Let what has to wait for some early delete go before another one where it doesn't wait for that."""
        for task, finals in self.unsure.items():
            later = after(task)
            for final in finals:
                if final not in later:
                    final.then(task)

    def _create_after(self, address: str, task: Task) -> None:
        node, final = task.node, self.main.get(address)
        if task.superseded or node is None or final is None or node.action.value != "replace":
            return
        task.then(final)
        first = task
        if node.maybe:
            first = self.decides[address] = Task(Kind.DECIDE, address, node)
            first.then(task)
        for name in node.dependencies:
            if name in self.main and name not in self.downstream:
                self.main[name].then(first)
            elif name in self.main and not self._goes_after(name, node):
                self.unsure.setdefault(first, []).append(self.main[name])
        if node.maybe:
            for name in node.dependencies:
                above = self.decides.get(name)
                if above is not None:
                    above.then(first)

    def _goes_after(self, name: str, node: Node) -> bool:
        """Tell whether one surely waits for another's delete, because that one's object stands on its old one."""
        return self.nodes[name].delete_first and node.record is not None and name in node.record.dependencies

    def _free(self, creates: str, deletes: str) -> None:
        """Delete one object before another is created that has its unique key (rule 2a)."""
        final = self.main.get(creates)
        for task in self.deleting.get(deletes, ()):
            if final is not None and not task.superseded:
                task.then(final)

    # -------------------------------------------------------------------------------------------------- finish

    def finish(self) -> StepGraph:
        """Check that the order has an end, and give it."""
        tasks = [*self.main.values(), *self.decides.values(), *self.gates.values(), *self.carried, self.barrier]
        for found in self.deleting.values():
            tasks.extend(found)
        waiting = {task: task.waiting for task in tasks}
        ready = [task for task in tasks if not task.waiting]
        done = 0
        while ready:
            task = ready.pop()
            done += 1
            for other, _ in task.next:
                waiting[other] -= 1
                if not waiting[other]:
                    ready.append(other)
        if done < len(tasks):
            stuck = sorted({task.address for task in tasks if waiting[task] > 0 and task.address})
            msg = (
                f"{', '.join(stuck[:10])}: the order of their changes has no beginning, "
                "expected deletes that don't wait for each other; use two steps, or set delete_before_replace"
            )
            raise DependencyCycleError(msg)
        return StepGraph(tasks, self.main, self.decides, self.barrier)


def _closure(start: Iterable[str], edges: Mapping[str, Any]) -> set[str]:
    seen = set(start)
    todo = list(seen)
    while todo:
        for name in edges.get(todo.pop(), ()):
            if name not in seen:
                seen.add(name)
                todo.append(name)
    return seen
