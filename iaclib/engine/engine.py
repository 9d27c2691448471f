"""The façade that programs talk to: plan, apply, destroy, refresh, recover.

Says in which order the parts are used; each part's work is elsewhere.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Never, Self

from iaclib.declare.desired import Desired
from iaclib.engine.asking import Asking
from iaclib.engine.awaitable import Awaitable
from iaclib.engine.given import open_backend, plan_options, stack_ref
from iaclib.engine.keeping import Keeping
from iaclib.engine.keyrings import open_keyring
from iaclib.engine.looking import Looking
from iaclib.engine.observer import Observer, observed_by
from iaclib.engine.places import refuse_spilled, steward
from iaclib.engine.planning import Planning, collected
from iaclib.engine.records import check
from iaclib.engine.settings import Settings
from iaclib.engine.stewarding import Stewarding
from iaclib.engine.unchanged import check_assets
from iaclib.engine.vault import Vault
from iaclib.errors import ConfigError, UndecidedError
from iaclib.execute.clock import Clock, SystemClock
from iaclib.execute.delivery import Delivery
from iaclib.execute.handlers import Access
from iaclib.execute.stopping import Stop
from iaclib.model.addresses import StackRef
from iaclib.model.bulk import collector_paused
from iaclib.plan.facts import PlanOptions
from iaclib.plan.plan import Plan
from iaclib.plan.policy import judge, named_policies, refuse_violations
from iaclib.state.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from iaclib.declare.stack import Stack
    from iaclib.engine.running import Operation
    from iaclib.engine.session import Session
    from iaclib.execute.events import Event
    from iaclib.execute.run import Run
    from iaclib.provider.base import Provider
    from iaclib.state.backend import Backend
    from iaclib.state.record import RunSummary, Snapshot
    from iaclib.state.seal import Keyring


def _token() -> str:
    return os.urandom(16).hex()


class Engine(Asking, Awaitable, Keeping, Looking, Stewarding):
    """Plans and applies stacks, and remembers what they made.

    Several engines live side by side; nothing is global. Use it in a ``with``
    block, or call ``close()``.

    Args:
        state: Where state is kept: a URL such as ``sqlite:///infra.db`` (three
            slashes: relative, four: absolute) or ``memory:``, or a Backend.
        providers: Configured access to clouds; each serves the types of its name.
        parallelism: Steps that run at once, in threads; 0 runs them one by one
            in the caller's thread, where a call that hangs can't be left behind.
        keyring: Wraps the keys that seal secrets: ``passphrase:env:NAME``,
            ``file:PATH``, ``awskms:ARN``, ``gcpkms:NAME``, ``azkv:URL``, a
            Keyring, or a list of these: the first writes, all read. None takes
            the passphrase in ``IACLIB_PASSPHRASE``, else the backend's own.
        encrypt: "all" seals all that programs and clouds say of resources, not
            only secrets; None goes on as a stack's state has it.
        policies: Functions under ``@iac.policy``, or names of the entry points
            ``iaclib.policies``; asked in this order.
        on_event: Called with each Event, in order, from a thread of its own.
            A slow one holds up nothing: an operation waits at most 5 seconds
            for it at its end. What it raises is logged once, and harms nothing.
        lease_ttl: How long others respect a run that fell silent.
        lease_wait: How long to wait for somebody else's run; 0 fails at once.
    """

    def __init__(
        self,
        *,
        state: str | Backend = "sqlite:///.iaclib/state.db",
        providers: Sequence[Provider] = (),
        parallelism: int = 32,
        keyring: str | Keyring | Sequence[str | Keyring] | None = None,
        encrypt: Literal["secrets", "all"] | None = None,
        policies: Iterable[Callable[..., Any] | str] = (),
        on_event: Callable[[Event], object] | None = None,
        lease_ttl: timedelta = timedelta(seconds=60),
        lease_wait: timedelta = timedelta(0),
        _clock: Clock | None = None,
        _grace: float = 30.0,
        _token: Callable[[], str] = _token,
    ) -> None:
        asked = named_policies(policies)
        self._backend = open_backend(state)
        if encrypt not in (None, "secrets", "all"):
            msg = f"encrypt={encrypt!r}: no such choice, expected 'all', 'secrets' or None; correct it"
            raise ConfigError(msg)
        self._settings = Settings(
            backend=self._backend,
            keyring=open_keyring(keyring, self._backend),
            access=Access(providers),
            clock=_clock or SystemClock(),
            token=_token,
            parallelism=parallelism,
            lease_ttl=lease_ttl,
            lease_wait=lease_wait,
            events=Delivery(on_event),
            grace=_grace,
            policies=asked,
            encrypt=encrypt,
        )
        self._observer = Observer(self._settings)
        self._running: list[Stop] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Never:
        msg = (
            "an engine can't be pickled, as it holds open state and keys; make one where it is used (iaclib.fleet does)"
        )
        raise TypeError(msg)

    def close(self) -> None:
        """Give back what the backend holds open."""
        if (close := getattr(self._backend, "close", None)) is not None:
            close()

    def cancel(self) -> None:
        """Ask running operations to stop: running steps finish, no new ones start. A second call aborts."""
        with self._lock:
            for stop in self._running:
                stop.request()

    # --------------------------------------------------------------------------------------------- plan and apply

    def plan(
        self,
        stack: Stack,
        *,
        refresh: bool = False,
        targets: Iterable[str] = (),
        exclude: Iterable[str] = (),
        dependents: bool = False,
        replace: Iterable[str] = (),
        destroy: bool = False,
        adopt: bool = False,
    ) -> Plan:
        """Say what ``apply`` would do. Calls nothing that changes anything, writes nothing anywhere.

        Args:
            stack: The program.
            refresh: Whether to read what exists first, and correct what drifted.
            targets: Addresses to operate on; a component's means all in it. Empty for all.
            exclude: Addresses to leave as they are.
            dependents: Whether what stands on the targets is a target too.
            replace: Addresses to replace whatever their inputs are.
            destroy: Whether to plan the deletion of all that is recorded.
            adopt: Whether creates that find their object existing take it over.

        Raises:
            UndecidedError: An interrupted run must be decided first.
            PlanError: Also where a policy fails.
            TargetError: The targets can't be operated on alone.
            ApplyFailed: With ``refresh`` or ``import_id``: something could not be read.
        """
        options = plan_options(
            targets=targets, exclude=exclude, dependents=dependents, replace=replace, destroy=destroy, adopt=adopt
        )
        with collector_paused():
            desired = collected(stack, self._settings)
            ref = desired.ref
            refuse_spilled(self._settings, ref)
            vault = Vault(ref, self._settings.keyring, self._settings.encrypt)
            snapshot = vault.open(self._backend.load(ref))
        check(ref, snapshot)
        if snapshot.intents:
            names = ", ".join(sorted({intent.record.address for intent in snapshot.intents.values()}))
            msg = (
                f"{ref}: an earlier run was interrupted at {names}, expected it to be decided; "
                f"call engine.recover({str(ref)!r}) or apply"
            )
            raise UndecidedError(msg, ref=str(ref))
        planning = Planning(self._settings, self._observer, desired, snapshot, options)
        observed = None
        if refresh:
            reading = self._observer.read(ref, snapshot, planning.chosen())
            if reading.errors:
                raise self._observer.unread(ref, snapshot, reading)
            observed = observed_by(reading, snapshot)
        plan = planning.plan(snapshot.lineage or self._settings.token(), observed)
        plan._sealing = vault
        return plan

    def apply(
        self,
        plan: Plan | Stack,
        *,
        program: Stack | None = None,
        continue_on_error: bool = False,
        refresh: bool = False,
        targets: Iterable[str] = (),
        exclude: Iterable[str] = (),
        dependents: bool = False,
        replace: Iterable[str] = (),
        destroy: bool = False,
        adopt: bool = False,
    ) -> Run:
        """Carry out a plan, or plan a stack and carry that out.

        Doing nothing writes nothing. Interrupted operations are decided first.

        Args:
            plan: A plan, or the program.
            program: Beside a plan that was loaded and needs functions of its
                program, such as those of ``.map``: the program, which must
                still say what the plan was made from.
            continue_on_error: Whether to go on with what a failure doesn't touch.
            refresh: As for ``plan``, like the rest; for a program only.
            targets: See ``plan``.
            exclude: See ``plan``.
            dependents: See ``plan``.
            replace: See ``plan``.
            destroy: See ``plan``.
            adopt: See ``plan``.

        Raises:
            ApplyFailed: At least one step failed; has ``.run``.
            ApplyCancelled: It was stopped; has ``.run``.
            StalePlanError: What the plan was made from has changed.
            SealError: The plan's file was altered, or sealed with another key.
            PolicyViolationError: A mandatory policy objects; nothing was called.
        """
        options = plan_options(
            targets=targets, exclude=exclude, dependents=dependents, replace=replace, destroy=destroy, adopt=adopt
        )
        if isinstance(plan, Plan):
            if refresh or options != PlanOptions():
                msg = (
                    "refresh, targets, replace and the like belong to the making of a plan, expected none beside a "
                    "plan; give them to engine.plan"
                )
                raise TypeError(msg)
            from iaclib.engine.planned import check_fresh, prepared  # few programs keep plans

            now = None if program is None else collected(program, self._settings)
            plan = prepared(plan, self._settings, now)
            judge(plan, self._settings.policies)  # another engine may have made it: the policies of both count
            refuse_violations(plan)
            with self._operation(plan.ref, "destroy" if plan._destroy else "apply") as op:
                op.recover()
                check_fresh(plan, op)
                return self._carry_out(op, plan, continue_on_error=continue_on_error)
        if program is not None:
            msg = "program= belongs to a plan, expected a plan beside it; give the program alone to plan and apply it"
            raise TypeError(msg)
        desired = collected(plan, self._settings)
        with self._operation(desired.ref, "destroy" if destroy else "apply") as op:
            op.recover()
            return self._apply(op, desired, options, refresh=refresh, continue_on_error=continue_on_error)

    def _apply(
        self, op: Operation, desired: Desired, options: PlanOptions, *, refresh: bool, continue_on_error: bool
    ) -> Run:
        planning = Planning(self._settings, self._observer, desired, op.ledger.state.freeze(), options, op)
        if refresh:
            reading = self._observer.refresh(op, planning.chosen())
            if reading.errors:
                raise self._observer.unread(op.ref, op.ledger.state.freeze(), reading, op)
            planning = Planning(self._settings, self._observer, desired, op.ledger.state.freeze(), options, op)
        return self._carry_out(op, planning.plan(op.ledger.state.lineage), continue_on_error=continue_on_error)

    def _carry_out(self, op: Operation, plan: Plan, *, continue_on_error: bool) -> Run:
        check_assets(plan)
        op.ledger.state.lineage = plan.lineage
        if plan._observed:
            self._observer.write(op, plan._observed)
        return op.apply(plan, continue_on_error=continue_on_error)

    def destroy(
        self,
        ref: str | StackRef | Stack,
        *,
        targets: Iterable[str] = (),
        exclude: Iterable[str] = (),
        dependents: bool = False,
        continue_on_error: bool = False,
    ) -> Run:
        """Delete all that a stack's state records; the program is not needed.

        Only where delete hooks were applied the stack itself has to be given,
        so that its program can be asked for them.

        Args:
            ref: The stack, or ``"project/stack"``.
            targets: Addresses to delete; a component's means all in it. Empty for all.
            exclude: Addresses to leave as they are.
            dependents: Whether what stands on the targets is deleted too.
            continue_on_error: Whether to go on with what a failure doesn't touch.

        Raises:
            ProtectedResourceError: Something is protected; nothing is deleted.
            TargetError: Something that stays stands on a target.
            ApplyFailed: At least one step failed; has ``.run``.
        """
        where = stack_ref(ref)
        options = plan_options(targets=targets, exclude=exclude, dependents=dependents, destroy=True)
        with self._operation(where, "destroy") as op:
            op.recover()
            desired = Desired(where)
            if not isinstance(ref, str | StackRef) and any(
                record.options.get("delete_hooks") for record in op.ledger.state.records.values()
            ):
                desired = collected(ref, self._settings)
            return self._apply(op, desired, options, refresh=False, continue_on_error=continue_on_error)

    def session(self, ref: str | StackRef | Stack, *, prune: bool = False) -> Session:
        """Work on a stack step by step, with plain values in between; use it in a ``with`` block.

        Args:
            ref: The stack, or ``"project/stack"``.
            prune: Whether to delete at a clean exit what was not touched.
        """
        from iaclib.engine.session import Session

        where = stack_ref(ref)
        return Session(where, self._operation(where, "session", signals=False), self._settings, self._observer, prune)

    def recover(self, ref: str | StackRef | Stack) -> Run:
        """Decide what an interrupted run left open; nothing else is done.

        Raises:
            UndecidedError: Something can't be decided; it says what to look at.
        """
        with self._operation(stack_ref(ref), "recover") as op:
            op.recover()
            return op.end()

    # ------------------------------------------------------------------------------------------------------- state

    def snapshot(self, ref: str | StackRef | Stack, *, serial: int | None = None) -> Snapshot:
        """Read a stack's state; an empty snapshot if there is none.

        Args:
            ref: The stack, or ``"project/stack"``.
            serial: Which state: an earlier serial that is retained; None for the newest.

        Raises:
            StateError: That serial is not retained; it says which are.
        """
        where = stack_ref(ref)
        found = self._backend.load(where) if serial is None else steward(self._backend).load_at(where, serial)
        return Vault(where, self._settings.keyring).open(found)

    def history(self, ref: str | StackRef | Stack) -> Sequence[RunSummary]:
        """List a stack's runs, oldest first."""
        return self._backend.history(stack_ref(ref))

    def stacks(self) -> Sequence[StackRef]:
        """List the stacks that have state."""
        return self._backend.stacks()

    @contextmanager
    def _operation(
        self, ref: StackRef, name: str, *, signals: bool = True, settings: Settings | None = None, **how: bool
    ) -> Iterator[Operation]:
        stop = Stop()
        with self._lock:
            self._running.append(stop)
        try:
            with collector_paused():
                from iaclib.engine.running import operation  # all that only changing needs

            with operation(settings or self._settings, ref, name, stop, signals=signals, **how) as op:
                yield op
        finally:
            with self._lock:
                self._running.remove(stop)
