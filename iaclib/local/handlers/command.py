"""Commands: programs that make, change, show and remove something.

What a program makes can carry no token. With a ``read`` command it has an
identity: the engine runs that first and writes down that nothing was there.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.errors import InvalidRequestError, ProviderError
from iaclib.local.handlers import process
from iaclib.local.handlers.base import LocalContext, LocalHandler, SecretTexts, foreign, taken_over
from iaclib.model.values import has_secret, plain, reveal
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: What the create command was given: made anew if it changes, unless there is an update command.
_GIVEN = ("create", "environment", "cwd", "stdin")
_ABSENT = 1  # the exit code by which `read` says that there is nothing
_SHOWN = 600  # characters of what a failed program printed that its error repeats


class CommandHandler(LocalHandler):
    """Programs run for a step."""

    def replaces(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> Collection[str]:
        """Without an update command, whatever the create command was given makes it anew."""
        return () if after.get("update") else _GIVEN

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Give the id that ``read`` stands for; None without it."""
        if not inputs.get("read"):
            return None
        seen = json.dumps([inputs["read"], inputs.get("cwd")])
        return f"command-{hashlib.sha256(seen.encode()).hexdigest()[:16]}"

    def create(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Live:
        id = self.identity(inputs) or f"command-{ctx.token[:16]}"
        return Live(id, self._run(ctx, "create", inputs, id))

    def read(self, ctx: LocalContext, id: str) -> Live | None:
        process.wait_for(ctx)
        inputs = reveal(dict(ctx.inputs))
        kept = {} if ctx.record is None else dict(ctx.record.outputs)
        if not inputs.get("read"):
            if ctx.record is None:
                msg = (
                    f"{ctx.address}: the command has no read, expected one that tells whether {id} exists; give it one"
                )
                raise InvalidRequestError(msg)
            return Live(id, kept)
        found = self._observed(ctx, inputs, id)
        return None if found is None else Live(id, {**kept, **found}, taken_over(ctx))

    def update(self, ctx: LocalContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        if not after.get("update") or all(before.get(name) == after.get(name) for name in (*_GIVEN, "update")):
            return Live(id)  # how to read and delete it has changed, not the thing itself
        return Live(id, self._run(ctx, "update", after, id))

    def delete(self, ctx: LocalContext, id: str) -> None:
        inputs = reveal(dict(ctx.inputs))
        if inputs.get("delete"):
            self._run(ctx, "delete", inputs, id)

    def _run(self, ctx: LocalContext, action: str, inputs: Mapping[str, Any], id: str) -> dict[str, Any]:
        """Run the program of an action, which has to succeed, and give the outputs."""
        done = self._call(ctx, action, inputs, id)
        if done.code != 0:
            raise _failed(ctx, action, inputs, done, expected="0")
        texts = SecretTexts(ctx.inputs)
        outputs = {"stdout": texts.guard(done.stdout), "stderr": texts.guard(done.stderr), "exit_code": done.code}
        if action == "delete" or not inputs.get("read"):
            return outputs
        found = self._observed(ctx, inputs, id)
        if found is None:
            msg = f"{ctx.address}: {action} succeeded but read says that nothing is there, expected it to be; correct one of the two"
            raise ProviderError(msg)
        return {**outputs, **found}

    def _observed(self, ctx: LocalContext, inputs: Mapping[str, Any], id: str) -> dict[str, Any] | None:
        """Run ``read``: what it prints, or None if it says that nothing is there."""
        done = self._call(ctx, "read", inputs, id)
        if done.code == _ABSENT:
            return None
        if done.code != 0:
            raise _failed(ctx, "read", inputs, done, expected="0 where it exists or 1 where it doesn't")
        return {"observed": SecretTexts(ctx.inputs).guard(_parsed(done.stdout))}

    def _call(self, ctx: LocalContext, action: str, inputs: Mapping[str, Any], id: str) -> process.Finished:
        if has_secret(ctx.inputs.get(action)):
            msg = f"{ctx.address}: {action} holds a secret, expected none: everybody on the machine can see a program's arguments; pass it in environment or stdin"
            raise InvalidRequestError(msg)
        argv = inputs[action]
        if not argv:
            msg = f"{ctx.address}: {action} is empty, expected a program and its arguments; correct it"
            raise InvalidRequestError(msg)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("IACLIB_")}
        own = {"TOKEN": ctx.token, "ADDRESS": ctx.address, "ACTION": action, "ID": id}
        done = process.run(
            ctx,
            argv,
            environment={
                **inherited,
                **(inputs.get("environment") or {}),
                **{f"IACLIB_{name}": own[name] for name in own},
            },
            cwd=self.path(inputs.get("cwd") or "."),
            stdin=inputs.get("stdin"),
        )
        return structs.replace(done, stdout=foreign(done.stdout), stderr=foreign(done.stderr))


def _parsed(text: str) -> Any:
    """Read JSON that state can hold; anything else is text."""
    try:
        return plain(json.loads(text), "observed")
    except (ValueError, RecursionError):
        return text


def _failed(
    ctx: LocalContext, action: str, inputs: Mapping[str, Any], done: process.Finished, *, expected: str
) -> ProviderError:
    how = f"exit code {done.code}" if done.code >= 0 else f"signal {-done.code}"
    said = SecretTexts(ctx.inputs).mask(" ".join((done.stderr or done.stdout).split()))
    shown = said if len(said) <= _SHOWN else f"…{said[-_SHOWN:]}"
    msg = f"{ctx.address}: the {action} command {inputs[action][0]!r} ended with {how}, expected {expected}; it says: {shown or 'nothing'}"
    return ProviderError(msg, exit_code=done.code)
