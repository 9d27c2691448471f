"""The local wing under kill -9: files, commands and HTTP objects, killed within each operation.

Run as ``python local_crash.py FOLDER STRIDE``. As ``crash_program`` does, for
each phase a forked child runs it and kills itself at a numbered point: around
each durable write, and around each thing that a handler does to disk,
processes or server; of these points every STRIDE-th is tried. A second child
runs the phase again and compares state with the world.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crash_program as crash
import iaclib.local.handlers.http as http_handler
import rest_api
from counted import Counted
from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.local import Command, Directory, File, HttpResource, RandomPassword

WORLD = Path()  # what the local types change; state is beside it
API = rest_api.Api()
PHASES = ("create", "change", "destroy")
NAMES = ("folder", "password", "conf", "moved", "mark", "found", "known", "once")


def around(owner: Any, name: str) -> None:
    """Make a function's beginning and end points."""
    function: Callable[..., Any] = getattr(owner, name)

    def counted(*args: Any, **given: Any) -> Any:
        crash.POINTS.passed()
        result = function(*args, **given)
        crash.POINTS.passed()
        return result

    setattr(owner, name, counted)


class Program(iac.Stack, project="local"):
    """Each type that leaves something, updated, replaced in both orders, and removed."""

    changed: bool = False

    def build(self) -> None:
        n = 2 if self.changed else 1
        folder = Directory("folder", path=str(WORLD / "site"))
        password = RandomPassword("password")
        File("conf", path=f"{folder.id}/conf", content=f"{password.result} {n}")
        File("moved", path=f"{folder.id}/{n}", content="x")  # create, then delete
        Command(  # delete, then create
            "mark",
            create=["sh", "-c", "mkdir mark && echo made >> log"],
            read=["test", "-d", "mark"],
            delete=["rm", "-rf", "mark"],
            cwd=str(WORLD),
            triggers={"n": n},
        )
        self.remote("found", "things", {"name": "x", "n": n, "ref": "{token}"}, find=True)
        self.remote("known", "named", {"name": "x", "n": n}, known_id="x")
        self.remote("once", "once", {"name": "x", "n": n}, idempotent=True)

    def remote(self, name: str, kind: str, body: dict[str, Any], *, find: bool = False, **more: Any) -> None:
        one = {"url": f"/{kind}/{{id}}"}
        if find:
            more["find"] = {"url": f"/{kind}?ref={{token}}", "items": "data", "match": {"ref": "{token}"}}
        if not more.get("idempotent"):  # that one is replaced
            more["update"] = one
        HttpResource(
            name,
            base_url=API.url,
            create={"url": f"/{kind}"},
            read=one,
            delete=one,
            body=body,
            body_path="data",
            id_path="data.id",
            **more,
        )


def engine() -> Engine:
    made = Engine(state=f"sqlite:///{WORLD.parent}/state.db", parallelism=0)
    made._settings.backend = Counted(made._settings.backend, ("append",))
    return made


def work(phase: str) -> None:
    """Do one phase."""
    with engine() as made:
        if phase == "destroy":
            made.destroy("local/dev")
        else:
            made.apply(Program("dev", changed=phase == "change"))


def check(phase: str) -> list[str]:
    """Say what doesn't hold after a phase."""
    wrong = []
    n = 2 if phase == "change" else 1
    destroyed = phase == "destroy"
    with engine() as made:
        snapshot = made.snapshot("local/dev")
        if snapshot.intents or snapshot.superseded:
            wrong.append(f"left over: {list(snapshot.intents.values())} {snapshot.superseded}")
        if sorted(snapshot.records) != ([] if destroyed else sorted(NAMES)):
            wrong.append(f"recorded: {sorted(snapshot.records)}")
        if not destroyed and (plan := made.plan(Program("dev", changed=phase == "change"), refresh=True)):
            wrong.append(f"the second plan is not empty:\n{plan}")
    files = sorted(str(path.relative_to(WORLD)) for path in WORLD.rglob("*"))
    expected = ["log"] if destroyed else ["log", "mark", "site", f"site/{n}", "site/conf"]
    if files != expected:
        wrong.append(f"there are {files}, not {expected}")
    if (made_times := (WORLD / "log").read_text().count("made")) != {"create": 1, "change": 2, "destroy": 2}[phase]:
        wrong.append(f"the command ran {made_times} times")
    return wrong


def objects(phase: str) -> list[str]:
    """Say what is wrong with the server's objects."""
    kinds = sorted(path.split("/")[1] for path in API.store)
    sizes = {one["n"] for one in API.store.values()}
    if phase == "destroy":
        return [f"the server has {API.store}"] if API.store else []
    good = kinds == ["named", "once", "things"] and sizes == {2 if phase == "change" else 1}
    return [] if good else [f"the server has {API.store}"]


def main(folder: str, stride: int) -> int:
    """Kill each phase at each point; give how many things went wrong."""
    global WORLD, API  # noqa: PLW0603 - the one world of all children
    os.environ["no_proxy"] = "127.0.0.1"
    for owner, names in (
        (os, ("fsync",)),
        (Path, ("mkdir", "replace", "rmdir", "unlink")),
        (subprocess.Popen, ("__init__", "wait")),
        (http_handler, ("send",)),
    ):
        for name in names:
            around(owner, name)
    failures = 0
    before, here = Path(folder) / "before", Path(folder) / "here"
    (before / "world").mkdir(parents=True)
    WORLD = here / "world"
    with rest_api.serving() as API:
        shutil.copytree(before, here)
        for phase in PHASES:  # loads all modules, once for all children
            work(phase)
            check(phase)
        API.store.clear()
        stored: tuple[dict[str, Any], dict[str, str]] = ({}, {})
        for phase in PHASES:
            for point in itertools.count(1, stride):
                shutil.rmtree(here, ignore_errors=True)
                shutil.copytree(before, here)
                API.store, API.keys = ({path: dict(one) for path, one in stored[0].items()}, dict(stored[1]))

                def killed(point: int = point, phase: str = phase) -> None:
                    crash.POINTS.arm(point)
                    work(phase)

                def again(phase: str = phase, point: int = point) -> None:
                    work(phase)
                    wrong = check(phase)
                    for text in wrong:
                        print(f"{phase}, killed at point {point}: {text}")  # noqa: T201 - its report
                    if wrong:
                        raise SystemExit(1)

                status = crash.forked(killed)
                if status not in {0, -signal.SIGKILL}:
                    print(f"{phase}, point {point}: the run failed")  # noqa: T201 - its report
                    failures += 1
                if crash.forked(again) != 0:
                    print(f"{phase}, point {point}: the run after it failed")  # noqa: T201 - its report
                    failures += 1
                for text in objects(phase):
                    print(f"{phase}, killed at point {point}: {text}")  # noqa: T201 - its report
                    failures += 1
                if status != -signal.SIGKILL:
                    break
            shutil.rmtree(before)
            shutil.copytree(here, before)
            stored = (API.store, API.keys)
            print(f"{phase}: {point} points, every {stride} tried")  # noqa: T201 - its report
    return failures


if __name__ == "__main__":
    raise SystemExit(min(100, main(sys.argv[1], int(sys.argv[2]))))
