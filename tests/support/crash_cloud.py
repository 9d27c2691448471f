"""A cloud of one file an object, whose every call is a point at which the process may be killed.

Types for the crash sweep. Points are numbered as they are passed: before each
call of a handler, after its effect, and around each durable write.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iaclib import declare as iac
from iaclib.errors import ConflictError, InvalidRequestError, NotFoundError
from iaclib.provider.handler import Live


class Points:
    """Counts the points that are passed, and kills at one of them."""

    def __init__(self) -> None:
        self.arm(0)

    def arm(self, kill_at: int) -> None:
        """Count from the beginning, and kill at a point; at none for 0."""
        self._kill_at = kill_at
        self._numbers = itertools.count(1)

    def passed(self) -> None:
        """Be killed here, if this is the point."""
        if next(self._numbers) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Files:
    """The objects; each write is atomic."""

    def __init__(self) -> None:
        self.folder = Path()
        self.refusing: set[str] = set()  # addresses whose delete is refused
        self._numbers = itertools.count()

    def path(self, id: str) -> Path:
        return self.folder / "cloud" / id

    def write(self, id: str, data: Mapping[str, Any]) -> None:
        new = self.folder / f"new-{os.getpid()}-{next(self._numbers)}"
        new.write_text(json.dumps(data))
        new.rename(self.path(id))

    def read(self, id: str) -> dict[str, Any] | None:
        try:
            return json.loads(self.path(id).read_text())
        except FileNotFoundError:
            return None

    def all(self) -> dict[str, dict[str, Any]]:
        found = {path.name: self.read(path.name) for path in sorted((self.folder / "cloud").iterdir())}
        return {id: held for id, held in found.items() if held is not None}

    def appear(self, id: str, inputs: Mapping[str, Any]) -> None:
        """Let somebody else have made an object."""
        if self.read(id) is None:
            self.write(id, {"address": "", "token": "", "inputs": dict(inputs)})

    def told(self, what: str) -> None:
        """Note that a hook ran."""
        with (self.folder / "hooks").open("a") as log:
            log.write(f"{what}\n")

    def hooks(self) -> list[str]:
        """List the hooks that ran."""
        log = self.folder / "hooks"
        return log.read_text().splitlines() if log.exists() else []


POINTS = Points()
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
        if ctx.address in FILES.refusing:
            raise InvalidRequestError(f"{id} must not be deleted now")
        inside = [other for other, held in FILES.all().items() if held["inputs"].get("inside") == id]
        for one in (*inside, id):
            FILES.path(one).unlink(missing_ok=True)
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

    find = None  # type: ignore[assignment]

    def identity(self, inputs: Mapping[str, Any]) -> str:
        return f"link-{inputs['hard']}-{inputs['label']}"

    def create(self, ctx: Any, inputs: Mapping[str, Any]) -> Live:
        id = self.identity(inputs)
        if FILES.read(id) is not None:
            raise ConflictError(f"{id} exists", existing_id=id)
        return self.make(ctx, inputs, id)


class Item(iac.Resource, type="crash:Item", handler=TokenHandler):
    size: iac.Input[int] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    label: iac.Input[str] = iac.field(default=None, unique=True)
    link: iac.Input[str] = iac.field(default=None)
    inside: iac.Input[str] = iac.field(default=None, replaces=True)
    password: iac.Input[str] = iac.field(default=None, secret=True)
    out: iac.Output[str] = iac.computed()


class Noting(iac.Resource, type="crash:Noting", handler=NotingHandler):
    size: iac.Input[int] = iac.field(default=None)
    link: iac.Input[str] = iac.field(default=None)
    hard: iac.Input[str] = iac.field(default=None, replaces=True)
    out: iac.Output[str] = iac.computed()


class Link(iac.Resource, type="crash:Link", handler=IdentityHandler):
    hard: iac.Input[str] = iac.field(replaces=True)
    label: iac.Input[str] = iac.field(replaces=True)
    size: iac.Input[int] = iac.field(default=None)
    out: iac.Output[str] = iac.computed()
