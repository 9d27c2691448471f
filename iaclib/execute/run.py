"""What a run gives back: its steps, errors and the stack's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from iaclib.execute.queries import Managed, managed
from iaclib.model.values import reveal
from iaclib.plan.text import printable
from iaclib.state.record import Record


class Step(Struct, frozen=True):
    """One physical operation of a run.

    Args:
        address: Of which resource.
        action: "create", "update", "delete", "forget" and so on.
        replacing: Whether this is half of a replacement.
        id: The physical id, if there is one.
        seconds: How long it took.
        error: Why it failed, or None.
        skipped: Why it was not tried, or "".
    """

    address: str
    action: str
    replacing: bool = False
    id: str | None = None
    seconds: float = 0.0
    error: Exception | None = None
    skipped: str = ""


_DONE = {
    "create": "created", "update": "updated", "delete": "deleted", "read": "read", "import": "imported",
    "adopt": "adopted", "forget": "forgotten", "move": "moved",
}  # fmt: skip
_SIGNS = {"create": "+", "update": "~", "delete": "-", "import": "<-", "adopt": "<-", "forget": "x", "move": "->"}


def _line(step: Step) -> str:
    """Show a step in one line; errors have been redacted."""
    head = f"{_SIGNS.get(step.action, '='):>3} {step.address}  {step.action}"
    head += "  (half of a replacement)" if step.replacing else ""
    if step.error is not None:
        return f"{head}  FAILED: {printable(' '.join(str(step.error).split()))}"
    if step.skipped:
        return f"{head}  skipped {printable(step.skipped)}"
    return f"{head}  {printable(step.id or '')}{f'  {step.seconds:.1f} s' if step.seconds >= 0.05 else ''}".rstrip()  # noqa: PLR2004 - what shows as 0.1


def nothing(_output: Any) -> Any:
    """Refuse to give a value: who asks has a run without any."""
    msg = "this run came from another process; its values are in .outputs, its objects in engine.snapshot(...)"
    raise LookupError(msg)


class Run(Struct, frozen=True, eq=False):
    """One apply and its outcome.

    Args:
        ok: Whether all of the plan was carried out.
        outputs: The stack's exports: plain values, Secret for secret ones.
        steps: In order of completion; skipped ones last.
        errors: One a failed step, and those of the run itself.
        serial: The state's serial after the run.
    """

    ok: bool
    outputs: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[Step] = ()
    errors: Sequence[Exception] = ()
    serial: int = 0
    _value: Callable[[Any], Any] = nothing
    _records: Mapping[str, Record] | None = None

    def __repr__(self) -> str:
        return f"<Run {'ok' if self.ok else 'failed'}, {len(self.steps)} steps, serial {self.serial}>"

    def __str__(self) -> str:
        lines = [_line(step) for step in self.steps if step.action != "read"]
        counts: dict[str, int] = {}
        for step in self.steps:
            what = "failed" if step.error is not None else "skipped" if step.skipped else step.action
            counts[what] = counts.get(what, 0) + 1
        done = ", ".join(f"{count} {_DONE.get(what, what)}" for what, count in counts.items())
        failed = "" if self.ok else f" {len(self.errors)} error{'' if len(self.errors) == 1 else 's'}."
        return "\n".join([*lines, *([""] if lines else []), f"Run: {done or 'nothing to do'}.{failed}"])

    def resources(self, of: Any = None) -> list[Managed]:
        """List the objects that the stack has after the run, by address.

        Args:
            of: A resource class or a type's name; None for all types.

        Returns:
            One for each: ``.address``, ``.id``, ``.inputs``, ``.outputs``, and
            its properties as attributes.
        """
        if self._records is None:
            nothing(of)
        return managed(self._records or {}, of)

    def value(self, output: Any) -> Any:
        """Give the value that an output of the applied program has now.

        Raises:
            UnknownValueError: It is not known, because its resource was not made.
        """
        return reveal(self._value(output))

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what only this process has: functions of the program."""
        return Run, (self.ok, dict(self.outputs), self.steps, self.errors, self.serial)
