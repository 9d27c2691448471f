"""What runs where an executor runs it: one operation on one stack, from plain data to plain data.

Secrets don't travel: they are left out of what goes back. What a program
raises becomes an error that any process can read.
"""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from iaclib.declare.collect import collect
from iaclib.declare.sources import StackOutput
from iaclib.errors import ApplyError, ApplyFailed, DeclarationError, IaclibError
from iaclib.execute.run import Run
from iaclib.fleet.report import Result
from iaclib.model.addresses import StackRef
from iaclib.model.values import has_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.fleet.member import EngineSettings, Member


class Needs(Struct, frozen=True):
    """Which stacks' outputs a member reads; or why that can't be told."""

    refs: frozenset[StackRef] = frozenset()
    error: Exception | None = None


def needs(member: Member) -> Needs:
    """Tell which stacks' outputs a member reads; nothing is called, no state is read."""
    try:
        desired = collect(member.stack())
    except Exception as error:  # noqa: BLE001 - a program may raise anything
        return Needs(error=_portable(error))
    return Needs(frozenset(source.ref for source in desired.sources if isinstance(source, StackOutput)))


def perform(
    operation: str, member: Member, ref: StackRef, settings: EngineSettings, options: Mapping[str, Any]
) -> Result:
    """Do one operation; whatever happens is in the result.

    Args:
        operation: "plan", "apply", "destroy" or "drift".
        member: On what.
        ref: Its project and name.
        settings: Of the engine.
        options: Of the engine's method.
    """
    began = time.monotonic()
    result = Result(ref, operation)
    try:
        with settings.engine() as engine:
            if operation == "plan":
                plan = engine.plan(member.stack(), **options)
                result = structs.replace(result, counts=_changing(plan.counts), text=str(plan))
            elif operation == "drift":
                drift = engine.drift(ref, **options)
                counts = {"drifted": len(drift.changes)} if drift else {}
                result = structs.replace(result, counts=counts, text=str(drift))
            else:
                run = (
                    engine.apply(member.stack(), **options) if operation == "apply" else engine.destroy(ref, **options)
                )
                result = _ran(result, run)
    except ApplyError as error:
        result = structs.replace(_ran(result, error.run) if error.run is not None else result, error=_portable(error))
    except Exception as error:  # noqa: BLE001 - a program may raise anything
        result = structs.replace(result, error=_portable(error))
    return structs.replace(result, seconds=time.monotonic() - began)


def _changing(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(action): count for action, count in counts.items()}


def _ran(result: Result, run: Run) -> Result:
    counts: dict[str, int] = {}
    for step in run.steps:
        if step.action != "read" and step.error is None and not step.skipped:
            counts[step.action] = counts.get(step.action, 0) + 1
    steps = [structs.replace(step, error=None if step.error is None else _portable(step.error)) for step in run.steps]
    outputs = {name: value for name, value in run.outputs.items() if not has_secret(value)}
    plain = Run(run.ok, outputs, steps, [_portable(error) for error in run.errors], run.serial)
    return structs.replace(result, run=plain, counts=counts)


def _portable(error: Exception) -> Exception:
    """Give an error that says the same and holds nothing but plain facts."""
    if isinstance(error, ApplyFailed):
        return ApplyFailed(error.message, [_portable(one) for one in error.exceptions])
    if isinstance(error, IaclibError):
        facts = {
            name: value for name, value in error.facts.items() if isinstance(value, str | int | float | bool | None)
        }
        found: Exception = type(error)(error.message, **facts)
        for note in getattr(error, "__notes__", ()):
            found.add_note(note)
        return found
    last = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ is not None else None
    where = f" at {last.filename}:{last.lineno}" if last is not None else ""
    return DeclarationError(f"the program raised {type(error).__name__}: {error}{where}, expected none; correct it")
