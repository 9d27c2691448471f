"""What came of a fleet's operation: one result a stack, and all of them as one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from iaclib.execute.run import Run
from iaclib.model.addresses import StackRef


class Result(Struct, frozen=True):
    """What came of one stack.

    Args:
        ref: The stack.
        operation: "plan", "apply", "destroy" or "drift".
        run: What ran: outputs that are not secret, steps, errors; None if nothing did.
        counts: How many resources were, or would be, changed in which way.
        text: A plan, or a drift, as people read it.
        error: Why it failed; None if it didn't.
        skipped: Why it was not tried, or "".
        seconds: How long it took where it ran.
    """

    ref: StackRef
    operation: str
    run: Run | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    text: str = ""
    error: Exception | None = None
    skipped: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it was done, all of it."""
        return self.error is None and not self.skipped

    def __str__(self) -> str:
        if self.skipped:
            return f"- {self.ref}: skipped, {self.skipped}"
        counts = ", ".join(f"{count} {what}" for what, count in self.counts.items()) or "nothing to do"
        if self.error is None:
            return f"= {self.ref}: {counts} ({self.seconds:.1f} s)"
        lines = str(self.error).splitlines() or [type(self.error).__name__]
        done = f"{counts}; " if self.counts else ""
        return "\n    ".join([f"x {self.ref}: {done}FAILED: {lines[0]}", *lines[1:]])


class Report(Struct, frozen=True):
    """What came of all stacks, in the order in which they ended.

    Args:
        results: One for each.
    """

    results: Sequence[Result] = ()

    @property
    def ok(self) -> bool:
        """Whether all were done."""
        return all(result.ok for result in self.results)

    @property
    def failed(self) -> Sequence[Result]:
        """Those that failed; not those that were skipped on their account."""
        return [result for result in self.results if result.error is not None]

    def __getitem__(self, ref: str | StackRef) -> Result:
        wanted = StackRef.parse(ref)
        for result in self.results:
            if result.ref == wanted:
                return result
        raise KeyError(str(wanted))

    def __str__(self) -> str:
        done = sum(result.ok for result in self.results)
        failed = len(self.failed)
        skipped = len(self.results) - done - failed
        end = f"{len(self.results)} stacks: {done} done, {failed} failed, {skipped} skipped."
        return "\n".join([*map(str, self.results), end])
