"""Stacks for tests of fleets: files in a folder, some of which read others' outputs, fail, wait or kill their process.

Run as ``python fleet_stacks.py FOLDER``, it applies slow stacks until it is interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from iaclib import declare as iac
from iaclib.errors import ApplyCancelled
from iaclib.local import File
from iaclib.provider.context import Context
from iaclib.provider.handler import Live


class Base(iac.Stack, project="fleet"):
    """A file, told to others; a secret too."""

    folder: str
    text: str = "base"

    def build(self) -> None:
        file = File("file", path=f"{self.folder}/{self.logical_name}", content=self.text)
        self.export(path=file.path, hidden=iac.secret("hunter2hunter2"), digest=file.sha256)


class Reader(iac.Stack, project="fleet"):
    """A file that says what others exported."""

    folder: str
    reads: list[str]
    behaviour: str = ""

    def build(self) -> None:
        if self.behaviour == "raise":
            raise KeyError("no such thing")
        found = [iac.stack_output(f"fleet/{name}", "path", type=str) for name in self.reads]
        file = File(
            "file",
            path=f"{self.folder}/{self.logical_name}",
            content="+".join([self.logical_name, *(f"{path}" for path in found)]),
        )
        if self.behaviour == "fail":
            File("other", path=f"{self.folder}/no/such/folder", content="x")
        self.export(path=file.path)


class Dies(iac.Stack, project="fleet"):
    """Ends its process, as if the kernel had run out of memory, but only the first time."""

    folder: str

    def build(self) -> None:
        mark = Path(self.folder, "died")
        if mark.exists() or not Path(self.folder, "die").exists():
            File("file", path=f"{self.folder}/{self.logical_name}", content="x")
            return
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class SlowHandler:
    """Makes things that take a while."""

    def create(self, ctx: Context, inputs: dict[str, str]) -> Live:
        Path(inputs["folder"], f"began-{ctx.token}").touch()
        time.sleep(0.3)
        return Live(ctx.token)

    def find(self, _ctx: Context, _inputs: dict[str, str]) -> None:
        return None

    def read(self, _ctx: Context, id: str) -> Live:
        return Live(id)

    def delete(self, ctx: Context, id: str) -> None:
        pass


class SlowThing(iac.Resource, type="slow:Thing", handler=SlowHandler):
    """Takes a while."""

    folder: iac.Input[str] = iac.field(replaces=True)


class Slow(iac.Stack, project="fleet"):
    """Things that are made one after the other."""

    folder: str

    def build(self) -> None:
        last = None
        for number in range(40):
            last = SlowThing(f"t{number}", folder=self.folder, opts=iac.Options(depends_on=[last] if last else []))


if __name__ == "__main__":
    from iaclib.fleet import EngineSettings, Fleet, Member

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started with it ignored
    members = [Member(Slow, f"s{number}", {"folder": sys.argv[1]}) for number in range(3)]
    fleet = Fleet(members, engine=EngineSettings(f"sqlite:///{sys.argv[1]}/s.db"), workers=2)
    try:
        fleet.apply()
    except ApplyCancelled as error:
        sys.stdout.write(
            repr([(str(result.ref), type(result.error).__name__, result.skipped) for result in error.report.results])
        )
