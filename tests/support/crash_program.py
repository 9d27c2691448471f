"""A program whose process kills itself at a numbered point, again and again.

Run as ``python crash_program.py FOLDER PARALLELISM``. For each phase (create,
change, destroy) and each point (before and after each durable write; before,
within and after each handler call) a forked child runs the phase and kills
itself there with SIGKILL; a second child runs the phase again and checks that
state and cloud agree. Prints what doesn't hold; the exit status counts it.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import NotFoundError
from iaclib.provider.handler import Live


class Points:
    """Counts the points that are passed, and kills at one of them."""

    def __init__(self) -> None:
        self.kill_at = 0
        self._numbers = itertools.count(1)

    def passed(self) -> None:
        """Be killed here, if this is the point."""
        if next(self._numbers) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


POINTS = Points()
FOLDER = Path()


class Files:
    """A cloud of one file an object; each write is atomic."""

    def path(self, id: str) -> Path:
        return FOLDER / "cloud" / id

    def write(self, id: str, data: Mapping[str, Any]) -> None:
        new = FOLDER / f"new-{id}"
        new.write_text(json.dumps(data))
        new.rename(self.path(id))

    def read(self, id: str) -> dict[str, Any] | None:
        try:
            return json.loads(self.path(id).read_text())
        except FileNotFoundError:
            return None

    def all(self) -> dict[str, dict[str, Any]]:
        return {path.name: json.loads(path.read_text()) for path in sorted((FOLDER / "cloud").iterdir())}


FILES = Files()


class TokenHandler:
    """Finds what it made by token."""

    def make(self, ctx: Any, inputs: Mapping[str, Any], id: str) -> Live:
        POINTS.passed()
        FILES.write(id, {"address": ctx.address, "token": ctx.token, "inputs": dict(inputs)})
        POINTS.passed()
        return self.live(id)

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        return self.make(ctx, inputs, f"obj-{os.urandom(6).hex()}")

    def find(self, ctx: Any, inputs: Mapping[str, Any]) -> Live | None:
        return next((self.live(id) for id, held in FILES.all().items() if held["token"] == ctx.token), None)

    def read(self, ctx: Any, id: str) -> Live | None:
        return self.live(id) if FILES.read(id) is not None else None

    def update(self, ctx: Any, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        POINTS.passed()
        held = FILES.read(id)
        if held is None:
            raise NotFoundError(f"{id} is not there")
        FILES.write(id, {**held, "inputs": dict(after)})
        POINTS.passed()
        return self.live(id)

    def delete(self, ctx: Any, id: str) -> None:
        POINTS.passed()
        FILES.path(id).unlink(missing_ok=True)
        POINTS.passed()

    def live(self, id: str) -> Live:
        held = FILES.read(id)
        assert held is not None
        return Live(id, {"out": f"{id}!"}, held["inputs"])


class NotingHandler(TokenHandler):
    """Notes the id before it is used, and needs two calls: a kill can leave half an object."""

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        # The id is known before anything is made, as with a name that the client chooses.
        id = f"obj-{os.urandom(6).hex()}"
        ctx.checkpoint(id=id)
        self.make(ctx, {**inputs, "size": None}, id)
        self.make(ctx, inputs, id)
        return self.live(id)


class IdentityHandler(TokenHandler):
    """Carries no token: its inputs are its identity."""

    find = None

    def identity(self, inputs: Mapping[str, Any]) -> str:
        return f"link-{inputs['hard']}-{inputs['label']}"

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        return self.make(ctx, inputs, self.identity(inputs))


class Item(iac.Resource, type="crash:Item", handler=TokenHandler):
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    label: iac.Input[str] = iac.field(default=None, unique=True)
    link: iac.Input[str] = iac.field(default=None)
    out: iac.Output[str] = iac.computed()


class Noting(iac.Resource, type="crash:Noting", handler=NotingHandler):
    size: iac.Input[int] = iac.field(default=None)
    link: iac.Input[str] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    out: iac.Output[str] = iac.computed()


class Link(iac.Resource, type="crash:Link", handler=IdentityHandler):
    hard: iac.Input[str] = iac.field(replaces=True)
    label: iac.Input[str] = iac.field(replaces=True)
    out: iac.Output[str] = iac.computed()


class Program(iac.Stack, project="crash"):
    """Chains, replacements in both orders, updates, removals."""

    changed: bool = False

    def build(self) -> None:
        hard = "two" if self.changed else "one"
        base = Item("base", size=2 if self.changed else 1)
        first = Item("first", hard=hard, link=base.id)  # create, then delete
        user = Item("user", link=first.id)
        unique = Item("unique", hard=hard, label="the one", link=base.id)  # delete, then create
        Item("above", hard=unique.id)
        noting = Noting("noting", hard=hard, size=3)
        Link("link", hard=noting.id, label="a")
        if not self.changed:
            gone = Item("gone", link=user.id)
            Item("gone-too", link=gone.id)
        else:
            Item("new", link=user.id)
        self.export(out=user.out)


class Counted:
    """A backend whose durable writes are points."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, *args: Any, **options: Any) -> int:
        POINTS.passed()
        serial = self._inner.append(*args, **options)
        POINTS.passed()
        return serial


PHASES = ("create", "change", "destroy")


def engine(parallelism: int) -> Engine:
    made = Engine(state=f"sqlite:///{FOLDER}/state.db", parallelism=parallelism)
    made._settings.backend = Counted(made._settings.backend)
    return made


def work(phase: str, parallelism: int) -> None:
    """Do one phase."""
    with engine(parallelism) as made:
        if phase == "destroy":
            made.destroy("crash/dev")
        else:
            made.apply(Program("dev", changed=phase == "change"))


def check(phase: str) -> list[str]:
    """Say what doesn't hold after a phase."""
    wrong = []
    with engine(0) as made:
        snapshot = made.snapshot("crash/dev")
        live = FILES.all()
        recorded = {record.id for record in (*snapshot.records.values(), *snapshot.superseded)}
        if snapshot.intents or snapshot.superseded:
            wrong.append(f"left over: {list(snapshot.intents.values())} {snapshot.superseded}")
        if set(live) != recorded:
            wrong.append(f"only the cloud has {set(live) - recorded}, only state has {recorded - set(live)}")
        wrong.extend(
            f"{address} exists {count} times"
            for address, count in Counter(held["address"] for held in live.values()).items()
            if count > 1
        )
        if phase == "destroy":
            if live:
                wrong.append(f"not destroyed: {live}")
        else:
            plan = made.plan(Program("dev", changed=phase == "change"))
            if plan:
                wrong.append(f"the second plan is not empty:\n{plan}")
            if phase == "create" and FILES.read(snapshot.records["noting"].id)["inputs"]["size"] != 3:
                wrong.append("noting was left half made")
    return wrong


def forked(function: Any) -> int:
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


def main(folder: str, parallelism: int) -> int:
    """Kill each phase at each point; give how many things went wrong."""
    global FOLDER  # noqa: PLW0603 - the handlers' one cloud
    root = Path(folder)
    failures = 0
    before = root / "empty"
    (before / "cloud").mkdir(parents=True)
    for phase in PHASES:
        for point in itertools.count(1):
            FOLDER = root / f"{phase}-{point}"
            shutil.copytree(before, FOLDER)

            def killed(point: int = point, phase: str = phase) -> None:
                POINTS.kill_at = point
                work(phase, parallelism)

            def again(phase: str = phase, point: int = point) -> None:
                work(phase, parallelism)
                wrong = check(phase)
                for text in wrong:
                    print(f"{phase}, killed at point {point}: {text}")  # noqa: T201 - its report
                if wrong:
                    raise SystemExit(1)

            status = forked(killed)
            if status not in {0, -signal.SIGKILL}:
                print(f"{phase}, point {point}: the run failed")  # noqa: T201 - its report
                failures += 1
            if forked(again) != 0:
                print(f"{phase}, point {point}: the run after it failed")  # noqa: T201 - its report
                failures += 1
            if status == 0:
                break
        before = FOLDER
        print(f"{phase}: {point} points")  # noqa: T201 - its report
    return failures


if __name__ == "__main__":
    raise SystemExit(min(100, main(sys.argv[1], int(sys.argv[2]))))
