"""A program whose process is killed at a numbered point, again and again.

Run as ``python crash_program.py FOLDER PARALLELISM STRIDE [thorough]``. In
each phase of a stack's life, and for every STRIDEth point in it (before and
after each durable write; before each handler call, after its effect, after its
answer), a forked child runs the phase and is killed there with SIGKILL; a
second child runs the phase again and checks that state and cloud agree.
``thorough`` kills the second child as well, at each of its own points, before
a third one ends it. Prints the points and what doesn't hold; the exit status
counts it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from counted import Counted
from crash_cloud import FILES, POINTS, Item, Link, Noting
from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed

REF = "crash/dev"


def _hooks() -> iac.Hooks:
    def told(name: str) -> Callable[[Any], None]:
        def hook(event: Any) -> None:
            POINTS.passed()
            FILES.told(f"{name} {event.address} {event.id}")
            POINTS.passed()

        return hook

    return iac.Hooks(
        before_create=told("before_create"),
        after_create=told("after_create"),
        after_update=told("after_update"),
    )


class Group(iac.Component):
    """Two resources that are moved together."""

    hard: str = "one"

    def build(self) -> None:
        inner = Item("inner", size=1)
        Item("outer", link=inner.id, hard=self.hard)


class Program(iac.Stack, project="crash"):
    """Chains, replacements in both orders, updates, removals, and whatever else makes calls or writes."""

    changed: bool = False

    def build(self) -> None:
        changed = self.changed
        hard = "two" if changed else "one"
        base = Item("base", size=2 if changed else 1, password=iac.secret(f"hunter-{hard}"))
        first = Item("first", hard=hard, link=base.id)  # create, then delete
        user = Item("user", link=first.id, opts=iac.Options(hooks=(_hooks(),)))
        unique = Item("unique", hard=hard, label="the one", link=base.id)  # delete, then create
        Item("above", hard=unique.id)
        noting = Noting("noting", hard=hard, size=3)
        Link("link", hard=noting.id, label="a")
        box = Item("box", hard=hard)
        Item("in-box", inside=box.id, opts=iac.Options(deleted_with=box))
        Item("kept", hard=hard, opts=iac.Options(retain_on_delete=True))
        Item("follower", size=1, opts=iac.Options(replace_with=[first]))
        Item("imported", size=2, opts=iac.Options(import_id="theirs"))
        Link("adopted", hard="x", label="b", size=2, opts=iac.Options(adopt=True))
        stubborn = Item("stubborn", hard=hard)  # its old half can't be deleted at first
        Item("on-stubborn", hard=stubborn.id)
        if not changed:
            Group("group")
            gone = Item("gone", link=user.id)
            Item("gone-too", link=gone.id)
        else:
            Group("set", hard=hard, opts=iac.Options(aliases="group"))
            Item("new", link=user.id)
        self.export(out=user.out, secret=iac.secret(f"known {hard}"))


def open_engine(parallelism: int) -> Engine:
    """Open the stack's engine; its durable writes are points."""
    made = Engine(state=f"sqlite:///{FILES.folder}/state.db", parallelism=parallelism)
    made._settings.backend = Counted(made._settings.backend, ("append",))
    return made


# -------------------------------------------------------------------------------------------------------------- phases


def _create(made: Engine) -> None:
    FILES.appear("theirs", {"size": 1})
    FILES.appear("link-x-b", {"hard": "x", "label": "b", "size": 1})
    made.apply(Program("dev"))


def _change(made: Engine) -> None:
    FILES.refusing.add("stubborn")
    try:
        made.apply(Program("dev", changed=True), continue_on_error=True)
    except ApplyFailed as failed:
        errors = [getattr(error, "action", repr(error)) for error in failed.exceptions]
        assert errors == ["delete"], errors
    finally:
        FILES.refusing.clear()


def _mend(made: Engine) -> None:
    made.apply(Program("dev", changed=True))


def _steward(made: Engine) -> None:
    """State is changed by hand; each is done once, whichever process comes to it."""
    made.recover(REF)
    records = made.snapshot(REF).records
    if "new" in records:
        made.move(REF, "new", "renamed")
    if records["base"].status == "ok":
        made.taint(REF, "base")
    if "kept" in records:
        made.forget(REF, "kept")


def _destroy(made: Engine) -> None:
    made.destroy(REF)


PHASES: dict[str, Callable[[Engine], None]] = {
    "create": _create,
    "change": _change,
    "mend": _mend,
    "steward": _steward,
    "destroy": _destroy,
}
#: Objects that state let go of, by address, after each phase.
RELEASED = {"change": 1, "mend": 1, "steward": 2, "destroy": 2}


def check(phase: str) -> list[str]:
    """Say what doesn't hold after a phase."""
    wrong = []
    with open_engine(0) as made:
        snapshot = made.snapshot(REF)
        live = FILES.all()
        recorded = {record.id for record in (*snapshot.records.values(), *snapshot.superseded)}
        old = [record.address for record in snapshot.superseded]
        if snapshot.intents or old != (["stubborn"] if phase == "change" else []):
            wrong.append(f"left over: {list(snapshot.intents.values())} {old}")
        released = [id for id, held in live.items() if held["address"] == "kept" and id not in recorded]
        if len(released) != RELEASED.get(phase, 0):
            wrong.append(f"{len(released)} objects were let go")
        if set(live) - set(released) != recorded:
            wrong.append(f"only the cloud has {set(live) - recorded}, only state has {recorded - set(live)}")
        counts = Counter(record.address for record in snapshot.records.values())
        made_of = Counter(held["address"] for id, held in live.items() if id in recorded and held["address"])
        wrong.extend(
            f"{address} exists {count} times"
            for address, count in made_of.items()
            if count > max(counts[address], 1) + old.count(address)
        )
        hooks = Counter(told for told in FILES.hooks() if not told.startswith("before"))
        wrong.extend(f"the hook {told} ran {count} times" for told, count in hooks.items() if count > 1)
        if "hunter" in (FILES.folder / "state.db").read_bytes().decode("latin-1"):
            wrong.append("a secret can be read in the state")
        wrong += _unfinished(phase, made, snapshot)
    return wrong


def _unfinished(phase: str, made: Engine, snapshot: Any) -> list[str]:
    """Say what is still to be done after a phase."""
    if phase == "destroy":
        return [f"not destroyed: {sorted(snapshot.records)}"] if snapshot.records or snapshot.outputs else []
    if phase == "steward":
        addresses = snapshot.records.keys()
        done = "renamed" in addresses and "new" not in addresses and "kept" not in addresses
        return [] if done and snapshot.records["base"].status == "tainted" else ["something was not done by hand"]
    plan = made.plan(Program("dev", changed=phase != "create"))
    left = [(change.address, change.reason) for change in plan.changes if change.action.value != "same"]
    wrong = []
    if left != ([("stubborn", "superseded")] if phase == "change" else []):
        wrong.append(f"the second plan does more:\n{plan}")
    if FILES.read(snapshot.records["noting"].id)["inputs"]["size"] != 3:  # type: ignore[index]
        wrong.append("noting was left half made")
    if set(snapshot.outputs) != {"out", "secret"}:
        wrong.append(f"the outputs are {sorted(snapshot.outputs)}")
    return wrong


# --------------------------------------------------------------------------------------------------------------- sweep


def forked(function: Callable[[], Any]) -> int:
    """Run a function in a child; give its exit status, or minus the signal."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            function()
            status = 0
        except BaseException:  # noqa: BLE001 - a child reports whatever ended it
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Sweep:
    """Kills phases at each point.

    Args:
        root: A folder to work in.
        parallelism: Of the engine.
        stride: From one point to the next that is tried; 1 for all.
        thorough: Whether recoveries are killed too.
    """

    def __init__(self, root: Path, parallelism: int, stride: int, *, thorough: bool) -> None:
        self.root = root
        self.parallelism = parallelism
        self.stride = stride
        self.thorough = thorough
        self.points = 0
        self.failures = 0

    def run(self) -> None:
        """Go through all phases."""
        before = self.root / "empty"
        (before / "cloud").mkdir(parents=True)
        for phase in PHASES:
            before = self.sweep(phase, before)

    def sweep(self, phase: str, before: Path) -> Path:
        """Kill a phase at each of its points; give the folder in which it was not killed."""
        for point in itertools.count(1, self.stride):
            folder = self.copied(before, f"{phase}-{point}")
            status = self.killed(phase, folder, point)
            if status == 0:
                self.say(phase, "to its end", forked(lambda: self.checked(phase)))
                break
            if self.thorough:
                self.twice(phase, folder, point)
            self.again(phase, f"killed at point {point}")
            self.points += 1
            shutil.rmtree(folder)
        print(f"{phase}: up to {point - 1} points")  # noqa: T201 - its report
        return folder

    def twice(self, phase: str, folder: Path, point: int) -> None:
        """Kill the recovery of a killed phase at each of its own points."""
        for second in itertools.count(1):
            self.copied(folder, f"{phase}-{point}-{second}")
            status = self.killed(phase, FILES.folder, second)
            if status != 0:
                self.again(phase, f"killed at point {point}, and at point {second} of the run after")
                self.points += 1
            shutil.rmtree(FILES.folder)
            if status == 0:
                break
        FILES.folder = folder

    def copied(self, folder: Path, name: str) -> Path:
        """Work on a copy of a folder from now on."""
        FILES.folder = self.root / name
        shutil.copytree(folder, FILES.folder)
        return FILES.folder

    def killed(self, phase: str, folder: Path, point: int) -> int:
        """Run a phase in a child that is killed at a point, if it comes to it."""

        def child() -> None:
            POINTS.arm(point)
            self.work(phase)

        status = forked(child)
        if status not in {0, -signal.SIGKILL}:
            self.say(phase, f"point {point}", status)
        return status

    def again(self, phase: str, what: str) -> None:
        """Run a phase that was killed to its end."""

        def child() -> None:
            self.work(phase)
            self.checked(phase)

        self.say(phase, what, forked(child))

    def work(self, phase: str) -> None:
        """Do one phase."""
        with open_engine(self.parallelism) as made:
            PHASES[phase](made)

    def checked(self, phase: str) -> None:
        """End the process with an error if something doesn't hold."""
        wrong = check(phase)
        if wrong:
            print("\n".join(wrong))  # noqa: T201 - its report
            raise SystemExit(1)

    def say(self, phase: str, what: str, status: int) -> None:
        """Count what went wrong."""
        if status != 0:
            print(f"{phase}, {what}: it went wrong, see above")  # noqa: T201 - its report
            self.failures += 1


def main(folder: str, parallelism: int, stride: int, *, thorough: bool) -> int:
    """Sweep, and give how many things went wrong."""
    sweep = Sweep(Path(folder), parallelism, stride, thorough=thorough)
    # Once beforehand in this process, so that the children have loaded what they need.
    sweep.copied(_empty(sweep.root / "none"), "warm")
    for phase in PHASES:
        sweep.work(phase)
        sweep.checked(phase)
    sweep.run()
    print(f"killed at {sweep.points} points, parallelism {parallelism}: {sweep.failures} not mended")  # noqa: T201
    return sweep.failures


def _empty(folder: Path) -> Path:
    (folder / "cloud").mkdir(parents=True)
    return folder


if __name__ == "__main__":
    raise SystemExit(min(100, main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), thorough="thorough" in sys.argv)))
