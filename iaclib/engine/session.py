"""The imperative way: resources ensured one by one, with plain values in between.

Each ``ensure`` is a small plan, made and carried out by the same planner and
executor under one lease; state is that of the declarative way.
"""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from iaclib.declare.collect import link
from iaclib.declare.component import Component
from iaclib.declare.desired import Declared, Desired
from iaclib.declare.resource import Resource
from iaclib.engine.planning import Planning
from iaclib.engine.records import under
from iaclib.engine.unchanged import check_assets
from iaclib.errors import ApplyCancelled, ApplyFailed, DeclarationError, TargetError, UnknownValueError
from iaclib.execute.executor import Result
from iaclib.model import scope
from iaclib.model.addresses import is_within, near
from iaclib.model.expressions import Ref
from iaclib.model.outputs import Output, lower, resolve
from iaclib.model.values import UNKNOWN, has_unknown, reveal
from iaclib.plan.facts import PlanOptions
from iaclib.plan.recorded import read_field
from iaclib.plan.remedy import remediated
from iaclib.state.journal import Exported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from iaclib.declare.sources import Source
    from iaclib.engine.observer import Observer
    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.model.addresses import StackRef
    from iaclib.model.scope import Collection
    from iaclib.plan.facts import Found

T = TypeVar("T")


class Recorded:
    """What state holds of an object, seen from a session: its fields read as outputs.

    ``session.get("net/vpc").id`` goes into fields, text and ``depends_on``
    like an output of a declared resource; ``.id.value`` is the plain value.
    """

    def __init__(self, ref: StackRef, address: str, known: frozenset[str]) -> None:
        self.__dict__.update(
            logical_name=address.rpartition("/")[2],
            _iac_recorded=True,
            _iac_ref=ref,
            _iac_address=address,
            _iac_fields=known,
        )

    def __getattr__(self, name: str) -> Output[Any]:
        own = self.__dict__
        if name.startswith("_") or (name != "id" and name not in own["_iac_fields"]):
            hint = near(name, own["_iac_fields"]) or "see engine.snapshot(...)"
            msg = f"{own['_iac_address']}: no field {name!r} is recorded, expected one that is; {hint}"
            raise AttributeError(msg)
        return Output(Ref(own["_iac_ref"], own["_iac_address"], name))

    def __repr__(self) -> str:
        return f"<Recorded {self.__dict__['_iac_address']}>"


class Session:
    """A stack held for step-by-step work; made by ``engine.session``.

    Within the block resources are declared as in a stack's ``build()``, and
    brought about by ``ensure``.
    """

    def __init__(
        self,
        ref: StackRef,
        holding: AbstractContextManager[Operation],
        settings: Settings,
        observer: Observer,
        prune: bool,
    ) -> None:
        self.ref = ref
        self._holding = holding
        self._settings = settings
        self._observer = observer
        self._prune = prune
        self._collection: Collection = scope.Collection(ref, known=self._known)
        self._tried: dict[str, Declared] = {}
        self._waiting: dict[str, set[str]] = {}  # uid of an old half -> addresses that may still stand on it
        self._touched: set[str] = set()
        self._exports: set[str] = set()
        self._errors: list[Exception] = []
        self._token: Any = None
        self._op: Operation | None = None
        self._looked_up: dict[str, Found] = {}
        self._read: set[Source] = set()

    # ------------------------------------------------------------------------------------------------- the block

    def __enter__(self) -> Self:
        if scope.current.get() is not None:
            msg = f"{self.ref}: a session within a declaration scope at {scope.caller()}, expected it outside; end the other one first"
            raise DeclarationError(msg)
        self._op = self._holding.__enter__()
        try:
            with self._op.stop.signals():
                self._op.recover()
        except BaseException as error:
            self._holding.__exit__(type(error), error, error.__traceback__)
            raise
        self._token = scope.current.set(scope.Scope(self._collection))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        scope.current.reset(self._token)
        op = self._running()
        try:
            if error is None:
                self._finish(op)
            else:
                op.conclude(Result([], [error] if isinstance(error, Exception) else [], unfinished=True, fatal=error))
        except BaseException as failure:
            self._op = None
            self._holding.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._op = None
        self._holding.__exit__(kind, error, traceback)

    def _finish(self, op: Operation) -> None:
        """End cleanly: nothing is left declared only, old halves go, and what was not touched if asked."""
        left = [one for address, one in self._collection.resources.items() if self._tried.get(address) is not one]
        if left:
            names = ", ".join(f"{one.address} ({one.location})" for one in left[:10])
            msg = f"{self.ref}: declared in the session and never ensured: {names}, expected every declaration to be; pass them to ensure"
            error = DeclarationError(msg)
            op.conclude(Result([], [error]))
            raise error
        with op.stop.signals():
            self._superseded(op)
            if self._prune:
                self._delete(op, [name for name in op.ledger.state.records if name not in self._touched])
                kept = {name: value for name, value in op.ledger.state.outputs.items() if name in self._exports}
                if kept.keys() != op.ledger.state.outputs.keys():
                    op.ledger.commit([Exported(kept)])
        op.conclude(Result([], self._errors))

    def _running(self) -> Operation:
        if self._op is None:
            msg = f"{self.ref}: the session is not open, expected to be within its `with` block; open another one"
            raise RuntimeError(msg)
        return self._op

    # ------------------------------------------------------------------------------------------------- the steps

    @overload
    def ensure(self, item: T, /) -> T: ...
    @overload
    def ensure(self, first: Any, second: Any, /, *more: Any) -> tuple[Any, ...]: ...
    def ensure(self, *items: Any) -> Any:
        """Bring about what is declared: create, update, replace, or nothing.

        Several are done as one batch, concurrently where they allow it. A
        component means all in it.

        Args:
            *items: Resources and components declared in this session.

        Returns:
            The item; of several, a tuple.

        Raises:
            ApplyFailed: A step failed; what succeeded is recorded.
            TargetError: Something needed does not exist yet, or something
                that stands on a resource would have to go first.
        """
        done = self.ensure_all(items)
        return done[0] if len(done) == 1 else done

    def ensure_all(self, items: Iterable[T]) -> tuple[T, ...]:
        """Do as ``ensure`` does; give a tuple, also of one item or none."""
        given = tuple(items)
        batch: dict[str, Declared] = {}
        for item in given:
            batch.update(self._declared(item))
        if not batch:
            return given
        op = self._running()
        link(batch.values(), self._collection)
        self._tried.update(batch)
        self._touched.update(batch)
        for address in batch:  # it may be declared again, to be ensured again
            self._collection.locations.pop(address, None)
        for item in given:
            if isinstance(item, Component):
                self._collection.locations.pop(item.__dict__["_iac_address"], None)
        desired = remediated(Desired(self.ref, batch), self._settings.policies)
        self._carry_out(op, desired, PlanOptions(only=frozenset(batch), session=True))
        with op.stop.signals():
            self._superseded(op, frozenset(batch))
        return given

    def delete(self, address: str) -> None:
        """Delete what is recorded at an address; a component's means all in it.

        Raises:
            TargetError: Nothing is recorded there, or something recorded stands on it.
            ProtectedResourceError: It is protected.
            ApplyFailed: A step failed.
        """
        op = self._running()
        addresses = [record.address for record in under(op.ledger.state.view(), address)]
        self._delete(op, addresses)
        for name in [*self._collection.locations]:
            if is_within(name, address):
                del self._collection.locations[name]
        for name in addresses:
            self._collection.resources.pop(name, None)

    def get(self, address: str) -> Recorded:
        """Give a view of what is recorded at an address.

        Raises:
            TargetError: Nothing is recorded there.
        """
        state = self._running().ledger.state
        record = state.records.get(address)
        if record is None or not record.id:
            hint = near(address, state.records)
            msg = (
                f"{address}: nothing is recorded there, expected an address of {self.ref}; {hint or 'ensure it first'}"
            )
            raise TargetError(msg, address=address)
        self._touched.add(address)
        return Recorded(self.ref, address, frozenset((*record.inputs, *record.outputs)))

    def value(self, value: Any) -> Any:
        """Give the plain value of an output, of text with tokens, or of data with either in it.

        Raises:
            UnknownValueError: Something in it is not known: its resource was not ensured.
        """
        found = resolve(lower(value, f"{self.ref}: value", self._collection.tokens), self._known)
        if has_unknown(found):
            msg = f"{self.ref}: the value depends on what was not ensured yet, expected a known one; ensure its resources first"
            raise UnknownValueError(msg)
        return reveal(found)

    def export(self, **outputs: Any) -> None:
        """Give values to the outside as the stack's outputs; written at once.

        Raises:
            UnknownValueError: One depends on what was not ensured yet.
        """
        op = self._running()
        now = dict(op.ledger.state.outputs)
        for name, value in outputs.items():
            self._collection.tokens.refuse_any(name, f"{self.ref}: an export's name")
            found = resolve(lower(value, f"{self.ref}: export {name}", self._collection.tokens), self._known)
            if has_unknown(found):
                msg = f"{self.ref}: export {name} depends on what was not ensured yet, expected a known value; ensure its resource first"
                raise UnknownValueError(msg)
            now[name] = found
        self._exports.update(outputs)
        if now != op.ledger.state.outputs:
            op.ledger.commit([Exported(now)])

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs as they are now: plain values, Secret for secret ones."""
        return dict(self._running().ledger.state.outputs)

    # ----------------------------------------------------------------------------------------------------- within

    def _known(self, address: str, field: str) -> Any:
        """Give a field of a recorded object, or of a lookup of this session."""
        if self._op is None:
            return UNKNOWN
        sources = [one for one in self._collection.sources if one.address == address]
        if sources:
            return self._look_up(self._op, sources)[address].values.get(field)
        if field == "urn":
            return self.ref.urn(address)
        record = self._op.ledger.current(address)
        return UNKNOWN if record is None or not record.id else read_field(record, field)

    def _look_up(self, op: Operation, sources: Iterable[Source]) -> dict[str, Found]:
        """Read lookups, each once a session; give all that were read."""
        fresh = [source for source in sources if source not in self._read]
        if fresh:
            from iaclib.engine.lookups import look_up, with_needed  # not every session looks something up

            missing = [source for source in with_needed(fresh) if source not in self._read]
            self._looked_up = look_up(self._settings, missing, self.ref, op, self._looked_up)
            self._read.update(missing)
        return self._looked_up

    def _used(self, op: Operation, batch: Iterable[Declared]) -> dict[str, Found]:
        """Read what declarations look up."""
        if not self._collection.sources:
            return {}
        from iaclib.engine.lookups import needed_by

        needed = needed_by([[one.inputs, one.trigger] for one in batch])
        found = self._look_up(op, needed)
        return {source.address: found[source.address] for source in needed}

    def _declared(self, item: Any) -> dict[str, Declared]:
        """Give the declarations that an item stands for."""
        own = getattr(item, "__dict__", {})
        if not isinstance(item, Resource | Component) or own.get("_iac_ref") != self.ref:
            what = f"{own['_iac_ref']}'s {item!r}" if own.get("_iac_ref") else type(item).__name__
            msg = f"{self.ref}: ensure is given {what}, expected resources and components declared in this session; declare it in the block"
            raise DeclarationError(msg)
        if isinstance(item, Resource):
            declared: Declared = own["_iac"]
            return {declared.address: declared}
        within = own["_iac_address"]
        return {address: one for address, one in self._collection.resources.items() if is_within(address, within)}

    def _carry_out(self, op: Operation, desired: Desired, options: PlanOptions) -> None:
        with op.stop.signals():
            state = op.ledger.state
            known = ChainMap[str, Any](self._collection.resources, state.records)
            looked_up = self._used(op, desired.resources.values())
            planning = Planning(
                self._settings, self._observer, desired, state.view(), options, op, known, looked_up=looked_up
            )
            plan = planning.plan(state.lineage)
            check_assets(plan)
            self._done(op, op.carry_out(plan)[0])

    def _done(self, op: Operation, result: Result) -> None:
        if result.fatal is not None:
            raise result.fatal
        if result.unfinished and op.stop.level > 0:
            msg = f"{self.ref}: the session was stopped, expected to finish the step; run it again to go on"
            raise ApplyCancelled(msg, run=op.run(ok=False, errors=result.errors))
        if result.errors:
            self._errors.extend(result.errors)
            msg = (
                f"{self.ref}: {len(result.errors)} step{'s' if len(result.errors) > 1 else ''} of the session did not "
                "succeed; what succeeded is recorded, mend the cause and ensure again"
            )
            raise ApplyFailed(msg, result.errors, run=op.run(ok=False, errors=result.errors))

    def _delete(self, op: Operation, addresses: list[str]) -> None:
        if addresses:
            options = PlanOptions(destroy=True, only=frozenset(addresses), session=True)
            self._carry_out(op, Desired(self.ref), options)

    def _superseded(self, op: Operation, ensured: frozenset[str] | None = None) -> None:
        """Delete old halves of replacements.

        Args:
            op: The operation.
            ensured: What was just ensured: only those go on which nothing
                stands that wasn't ensured since. None: all of them.
        """
        state = op.ledger.state
        going = []
        for old in state.superseded.values():
            users = op.ledger.users_of(old.address)
            if ensured is not None:
                waits = self._waiting.setdefault(old.uid, set(users))
                waits -= ensured
                if waits & users:
                    continue
            going.append(old.uid)
        if going:
            options = PlanOptions(only=frozenset(), superseded=frozenset(going), session=True)
            planning = Planning(self._settings, self._observer, Desired(self.ref), state.view(), options, op)
            self._done(op, op.carry_out(planning.plan(state.lineage))[0])
