"""Many stacks, in the order in which they read each other's outputs, over an executor.

Knows which stack waits for which and what a failure means for the others;
knows nothing of where jobs run: any ``concurrent.futures.Executor`` does.
"""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from functools import partial
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from iaclib.declare.config import field_values
from iaclib.declare.program import load_program
from iaclib.errors import ApplyCancelled, ApplyError, DeclarationError, DependencyCycleError
from iaclib.fleet import job
from iaclib.fleet.member import EngineSettings, Member
from iaclib.fleet.report import Report, Result
from iaclib.fleet.workers import Processes
from iaclib.model.addresses import StackRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor, Future

    from iaclib.declare.config import Config

_T = TypeVar("_T")
_UNORDERED: Final = ("plan", "drift")  # nothing changes, so nobody waits for anybody


class Fleet:
    """Stacks that are planned, applied or destroyed together.

    A stack that reads another one's outputs (``stack_output``) comes after it,
    and before it in a destroy. A failure stays in its stack: those that need
    it are skipped, all others go on.

    Args:
        members: The stacks.
        engine: What each stack's engine is made with.
        executor: Where jobs run; None makes processes on this machine for each
            operation. With Dask: ``client.get_executor()``.
        workers: How many processes those are; None takes one a processor.
        on_result: Called with each Result, in the calling thread, as stacks end.

    Raises:
        ConfigError: A member's program names no stack.
        DeclarationError: Two members are the same stack.
    """

    def __init__(
        self,
        members: Iterable[Member],
        *,
        engine: EngineSettings | None = None,
        executor: Executor | None = None,
        workers: int | None = None,
        on_result: Callable[[Result], object] | None = None,
    ) -> None:
        self._members: dict[StackRef, Member] = {}
        for member in members:
            ref = member.ref
            if ref in self._members:
                msg = f"{ref}: two members of the fleet are this stack, expected one; remove one, or name it otherwise"
                raise DeclarationError(msg)
            self._members[ref] = member
        self._settings = engine or EngineSettings()
        self._executor = executor
        self._workers = workers or os.cpu_count() or 1
        self._on_result = on_result or (lambda _: None)

    @classmethod
    def from_config(cls, config: Config, **kwargs: Any) -> Fleet:
        """Make a fleet of all stacks of a configuration that name their program.

        Args:
            config: What ``load_config`` gave; what the environment overrides counts.
            kwargs: As for ``Fleet``; the engine's settings default to the configuration's ``state``.

        Raises:
            ConfigError: A program names no stack, or a field's value is missing or wrong.
        """
        folder = os.path.dirname(config.path)  # noqa: PTH120 - as text, which is sent
        members = []
        for key, stack in config.stacks.items():
            if stack.program:
                program = load_program(stack.program, folder)
                ref = StackRef.parse(key if "/" in key else f"{program._iac_project}/{key}")
                fields = field_values(config, ref, program._iac_class)
                members.append(Member(stack.program, ref.name, fields, ref.project, folder))
        return cls(members, **{"engine": EngineSettings(config.state), **kwargs})

    @property
    def refs(self) -> list[StackRef]:
        """The stacks, as they were given."""
        return list(self._members)

    def plan(self, **options: Any) -> Report:
        """Plan every stack, with the options of ``Engine.plan``.

        What a stack that isn't applied yet will export isn't known: a stack
        that reads it fails to plan until that one is there.
        """
        return self._operate("plan", options)

    def apply(self, **options: Any) -> Report:
        """Apply every stack, with the options of ``Engine.apply``.

        Raises:
            DependencyCycleError: Stacks read each other's outputs in a circle; nothing was done.
            ApplyCancelled: Ctrl-C: running stacks stopped at their next step; ``report`` has what was done.
        """
        return self._operate("apply", options)

    def destroy(self, **options: Any) -> Report:
        """Destroy every stack, those that read others' outputs first, with the options of ``Engine.destroy``."""
        return self._operate("destroy", options)

    def drift(self, **options: Any) -> Report:
        """See what changed behind every stack, with the options of ``Engine.drift``."""
        return self._operate("drift", options)

    # ------------------------------------------------------------------------------------------------------------ run

    def _operate(self, operation: str, options: Mapping[str, Any]) -> Report:
        with self._jobs() as executor:
            if operation in _UNORDERED:
                return _Round(self, operation, options, executor, {}).run()
            needed = self._needed(executor)
            waits = {ref: {one for one in found.refs if one in needed} for ref, found in needed.items()}
            _refuse_cycles(waits)
            failed = {ref: found.error for ref, found in needed.items() if found.error is not None}
            if operation == "destroy":
                waits = {ref: {user for user, used in waits.items() if ref in used} for ref in waits}
                for ref in waits.keys() - failed.keys():
                    waits[ref] |= failed.keys()  # they may stand on anything, as nobody can tell
            return _Round(self, operation, options, executor, waits, failed).run()

    @contextmanager
    def _jobs(self) -> Iterator[Executor]:
        if self._executor is not None:
            yield self._executor
            return
        with Processes(min(self._workers, max(len(self._members), 1))) as executor:
            yield executor

    def _needed(self, executor: Executor) -> dict[StackRef, job.Needs]:
        """Ask every program which stacks' outputs it reads."""
        futures = {ref: executor.submit(job.needs, member) for ref, member in self._members.items()}
        return {ref: _outcome(future, lambda error: job.Needs(error=error), ref) for ref, future in futures.items()}


class _Round:
    """One operation on all stacks of a fleet.

    Args:
        fleet: The fleet.
        operation: What is done.
        options: Of the engine's method.
        executor: Where.
        waits: Which stacks each waits for; those of another fleet left out.
        failed: Those that can't be done, and why.
    """

    def __init__(
        self,
        fleet: Fleet,
        operation: str,
        options: Mapping[str, Any],
        executor: Executor,
        waits: Mapping[StackRef, set[StackRef]],
        failed: Mapping[StackRef, Exception] = MappingProxyType({}),
    ) -> None:
        self._fleet = fleet
        self._operation = operation
        self._options = options
        self._executor = executor
        self._waits = waits
        self._failed = failed
        self._results: dict[StackRef, Result] = {}
        self._running: dict[Future[Result], StackRef] = {}

    def run(self) -> Report:
        order: TopologicalSorter[StackRef] = TopologicalSorter(
            {ref: self._waits.get(ref, ()) for ref in self._fleet.refs}
        )
        order.prepare()
        cancelled = False
        while order.is_active():
            for ref in order.get_ready():
                if (result := self._not_to_do(ref, cancelled=cancelled)) is not None:
                    self._ended(result)
                    order.done(ref)
                else:
                    self._submit(ref)
            try:
                ended = wait(self._running, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:
                if cancelled:
                    raise
                cancelled = True  # those that run got it too, and stop at their next step
                for future in self._running:
                    future.cancel()  # does nothing to those
                continue
            for future in ended:
                ref = self._running.pop(future)
                if future.cancelled():
                    self._ended(Result(ref, self._operation, skipped="cancelled"))
                else:
                    self._ended(_outcome(future, partial(Result, ref, self._operation, None, {}, ""), ref))
                order.done(ref)
        report = Report(tuple(self._results.values()))
        if cancelled:
            msg = f"{self._operation} of {len(self._results)} stacks: cancelled, expected to go on; run again\n{report}"
            raise ApplyCancelled(msg, report=report)
        return report

    def _not_to_do(self, ref: StackRef, *, cancelled: bool) -> Result | None:
        if ref in self._failed:
            return Result(ref, self._operation, error=self._failed[ref])
        if cancelled:
            return Result(ref, self._operation, skipped="cancelled")
        hindrances = [
            (bool(found.skipped), other) for other in self._waits.get(ref, ()) if not (found := self._results[other]).ok
        ]
        if not hindrances:
            return None
        skipped, other = min(hindrances)  # one that failed rather than one that was skipped on its account
        verb = "it reads outputs of" if self._operation == "apply" else "it may be needed by"
        reason = f"{verb} {other}, which {'was skipped' if skipped else 'failed'}"
        return Result(ref, self._operation, skipped=reason)

    def _submit(self, ref: StackRef) -> None:
        member, settings = self._fleet._members[ref], self._fleet._settings
        future = self._executor.submit(job.perform, self._operation, member, ref, settings, dict(self._options))
        self._running[future] = ref

    def _ended(self, result: Result) -> None:
        self._results[result.ref] = result
        self._fleet._on_result(result)


def _outcome(future: Future[_T], failed: Callable[[Exception], _T], ref: StackRef) -> _T:
    """Give what a job gave; else what says that where it ran, or the way there, is broken."""
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - an executor's own kinds
        msg = (
            f"{ref}: where it ran ended, or could not be reached ({type(error).__name__}: {error}), expected its "
            "result; run again, which also decides what it had begun"
        )
        return failed(ApplyError(msg, ref=str(ref)))


def _refuse_cycles(waits: Mapping[StackRef, set[StackRef]]) -> None:
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        circle = " -> ".join(map(str, reversed(error.args[1])))
        msg = f"{circle}: stacks read each other's outputs in a circle, expected an order; export what both need from a third one"
        raise DependencyCycleError(msg) from None
