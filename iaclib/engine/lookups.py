"""Reading what a program looks up: objects that it doesn't manage, and other stacks' outputs.

Happens before planning, so that the planner stays pure, and once: the plan
keeps what was found. Knows nothing of changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from iaclib.declare.registry import type_facts
from iaclib.declare.sources import Query, Source, StackOutput
from iaclib.engine.observer import calling
from iaclib.engine.vault import Vault
from iaclib.errors import ApplyCancelled, DeclarationError, IaclibError, NotFoundError, OperationError, PlanError
from iaclib.execute.dispatch import outcomes
from iaclib.execute.handlers import plain_inputs, prefix
from iaclib.execute.job import Job, said
from iaclib.execute.jobs import Jobs
from iaclib.execute.retry import TIMEOUT
from iaclib.model.addresses import near
from iaclib.model.evaluate import leaf_nodes, ref_nodes, resolve
from iaclib.model.expressions import Looked
from iaclib.model.redact import redacted
from iaclib.model.values import Secret, has_secret, plain, reveal
from iaclib.plan.facts import Found
from iaclib.plan.text import show
from iaclib.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.execute.job import Outcome
    from iaclib.model.addresses import StackRef
    from iaclib.state.record import ProviderRecord

Known = dict[str, dict[str, Any]]  # address -> field -> value


class Values(Mapping[str, Any]):
    """What a lookup found, read only: by attribute or by key; secrets are Secret, what there is nothing of is None."""

    __slots__ = ("_values", "_where")

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where = where
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            hint = near(name, self._values) or f"there are {', '.join(self._values)}"
            raise AttributeError(f"{self._where}: no property {name!r}, expected one that it has; {hint}") from None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{self._where} {self._values!r}>"


def read(settings: Settings, what: Any) -> Any:
    """Read a lookup, or an output made of lookups and other stacks' outputs.

    Returns:
        Values for a lookup; for an output its plain value, also of a secret.

    Raises:
        DeclarationError: It is, or needs, something else.
        PlanError: There is no such object or output.
        OperationError: It could not be read.
    """
    query = getattr(what, "__dict__", {}).get("_iac_query")
    if query is not None:
        found = look_up(settings, with_needed([query]), query.stack)
        return Values(query.address, found[query.address].values)
    expr = getattr(what, "_expr", None)
    if expr is None:
        msg = f"engine.read: {what!r} is no lookup and no output, expected SomeType.get(...), a Lookup or an output of one; pass that"
        raise DeclarationError(msg)
    for node in ref_nodes(expr):
        msg = f"engine.read: {node.describe()} is a property of a resource, expected lookups and other stacks' outputs only; use run.value(...) after an apply, or engine.snapshot(...)"
        raise DeclarationError(msg, address=node.address)
    found = look_up(settings, list(needed_by(expr)))
    return reveal(resolve(expr, lambda address, field: found[address].values.get(field)))


def needed_by(value: Any) -> dict[Source, None]:
    """Give what a lowered value needs to be read, directly or not."""
    return dict.fromkeys(with_needed([node.source for node in leaf_nodes(value) if isinstance(node, Looked)]))


def with_needed(sources: Sequence[Any]) -> list[Source]:
    """Add the lookups that lookups are made of."""
    found: dict[Source, None] = {}
    pending = list(sources)
    while pending:
        source = pending.pop()
        if source not in found:
            found[source] = None
            pending += _needed(source)
    return list(found)


def _needed(source: Source) -> list[Any]:
    nodes = leaf_nodes(source.inputs) if isinstance(source, Query) else ()
    return [node.source for node in nodes if isinstance(node, Looked)]


def look_up(
    settings: Settings,
    sources: Sequence[Source],
    ref: StackRef | None = None,
    op: Operation | None = None,
    before: Mapping[str, Found] | None = None,
) -> dict[str, Found]:
    """Read all sources, each once: outputs first, then lookups in the order in which they need each other.

    Args:
        settings: Of the engine.
        sources: What a program looks up; what they are made of is among them.
        ref: The stack that it is for, if any.
        op: The operation whose threads and limits are used, if any.
        before: What was read already, for sources that are made of it.

    Returns:
        By address: what was read before, then the others in the order of the sources.

    Raises:
        PlanError: There is no such object, stack or output, or it is of another type.
        OperationError: Something could not be read.
    """
    before = before or {}
    known: Known = {address: dict(found.values) for address, found in before.items()}
    for address, values in stack_outputs(settings, [one for one in sources if isinstance(one, StackOutput)]).items():
        known[address] = {**known.get(address, {}), **values}
    queries = [source for source in sources if isinstance(source, Query)]
    if queries:
        _answer(settings, queries, known, ref, op)
    types = {address: found.type for address, found in before.items()}
    types |= {source.address: source.type if isinstance(source, Query) else "" for source in sources}
    return {address: Found(type, known[address]) for address, type in types.items()}


def _answer(
    settings: Settings, waiting: Sequence[Query], found: Known, ref: StackRef | None, op: Operation | None
) -> None:
    """Read lookups into what is found already."""
    with calling(settings, "" if ref is None else str(ref), op) as (calls, limits):
        reader = _Reader(settings, Jobs(settings.access, limits, type_facts, str, ""))
        while waiting:
            ready = [query for query in waiting if all(need.address in found for need in _needed(query))]
            waiting = [query for query in waiting if query not in frozenset(ready)]
            jobs = [reader.job(query, found, ref) for query in ready]
            done = outcomes(calls, jobs)
            if op is not None and len(done) < len(jobs):
                msg = f"{ref}: stopped while looking up what it needs, expected to finish that; run it again"
                raise ApplyCancelled(msg, run=op.run(ok=False))
            failed: list[IaclibError] = []
            for query, (job, outcome) in zip(ready, done, strict=True):
                try:
                    found[query.address] = reader.values(query, job, outcome)
                except (PlanError, OperationError) as error:
                    failed.append(error)
            if failed:
                for other in failed[1:]:
                    failed[0].add_note(f"and {other}")
                raise failed[0]


class _Reader:
    """Makes jobs of lookups, and values of their outcomes."""

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self.access = settings.access
        self.jobs = jobs

    def job(self, query: Query, found: Known, ref: StackRef | None) -> Job:
        inputs = resolve(dict(query.inputs), lambda address, field: found[address].get(field))
        for name, value in inputs.items():
            facts, path, problem = query.fields[name], "", ""
            if value is not None and facts.shape is not None:
                path, problem = facts.shape.fault(value, hide=facts.spec.secret) or ("", "")
            elif facts.spec.required:
                problem = "it refers to what is unset, expected a value"
            if problem:
                msg = f"{query.address}: {name}{path}: {problem}; correct it in {query.location}"
                raise PlanError(msg, address=query.address)
        inputs = {name: value for name, value in inputs.items() if value is not None}
        record = self._provider(query)
        if query.handler is not None:
            handler = self.access.source.answerer(query.type, query.handler)
            provider = self.access.instance(record) if record is not None else None
        else:
            handler, provider = self.access.serve(query.type, record, query.address, query.defined_by)
        if getattr(handler, query.action, None) is None:
            msg = f"{query.address}: {type(handler).__name__} has no {query.action} method, expected {query.type} to be looked up by one; add {query.action}(ctx, query) to the handler"
            raise PlanError(msg, address=query.address)
        guard = Record(query.address, query.type, "", inputs=inputs)
        values = plain_inputs(inputs)
        return Job(
            query.action,
            "",
            query.address,
            query.address if ref is None else ref.urn(query.address),
            "" if ref is None else str(ref),
            handler,
            provider,
            self.jobs.limit(query.type, record, provider),
            TIMEOUT,
            id=str(values["id"]) if query.action == "read" else "",
            inputs=values,
            guard=guard,
        )

    def _provider(self, query: Query) -> ProviderRecord | None:
        provider = query.provider
        if provider is None and query.handler is not None:
            provider = self.access.defaults.get(prefix(query.type))
        elif provider is None:
            provider = self.access.default(query.type, query.address)
        return None if provider is None else self.access.bind(provider)

    def values(self, query: Query, job: Job, outcome: Outcome) -> dict[str, Any]:
        """Give what was found.

        Raises:
            PlanError: There is nothing, or it is not what the class says.
            OperationError: It could not be read.
        """
        asked = job.guard.inputs if job.guard is not None else {}
        if outcome.fatal is not None:
            raise outcome.fatal
        if isinstance(outcome.error, NotFoundError) or (outcome.error is None and _nothing(query, outcome)):
            wanted = ", ".join(f"{name} {show(value)}" for name, value in asked.items())
            msg = f"{query.address}: there is no {query.type} with {wanted or 'no condition'}, expected one to be there; correct the lookup in {query.location}"
            raise PlanError(msg, address=query.address, type=query.type)
        if outcome.error is not None:
            cause = redacted(outcome.error, job.secrets)
            msg = f"{query.address}: read failed: {said(cause, query.address)}, expected to look up {query.type}; mend the cause, or the lookup in {query.location}"
            raise OperationError(msg, urn=job.urn, action="read", cause=cause)
        if outcome.live is not None:
            live = outcome.live
            shown = {name: value for name, value in (live.inputs or {}).items() if value is not None}
            answer: Any = {**live.outputs, **shown, "id": live.id}
        else:
            answer = outcome.many
            _check_answer(query, answer)
        answer = {**asked, **{name: plain(value, f"{query.address}: {name}") for name, value in answer.items()}}
        return {name: _value(answer.get(name), facts.spec.secret) for name, facts in query.fields.items()}


def _nothing(query: Query, outcome: Outcome) -> bool:
    return outcome.live is None if query.action == "read" else outcome.absent


def _value(value: Any, secret: bool) -> Any:
    return Secret(reveal(value)) if secret and value is not None else value


def _check_answer(query: Query, answer: Any) -> None:
    """Check that a handler's answer is what the class says."""
    if not hasattr(answer, "items"):
        msg = f"{query.address}: {query.type} answered {type(answer).__name__}, expected a mapping of fields, or None; fix the handler's lookup"
        raise PlanError(msg, address=query.address)
    for name, facts in query.fields.items():
        if facts.spec.computed and name not in answer:
            hint = near(name, answer)
            msg = f"{query.address}: {query.type} answered without {name}, expected all computed fields, None where there is nothing{f' ({hint})' if hint else ''}; fix the handler's lookup"
            raise PlanError(msg, address=query.address)
        value = answer.get(name)
        fault = facts.shape.fault(value, hide=facts.spec.secret) if facts.shape and value is not None else None
        if fault is not None:
            msg = (
                f"{query.address}: {query.type} answered {name}{fault.path}: {fault.problem}; fix the handler's lookup"
            )
            raise PlanError(msg, address=query.address)


def stack_outputs(settings: Settings, sources: Sequence[StackOutput]) -> Known:
    """Read other stacks' outputs from the engine's state, each stack once.

    Raises:
        PlanError: There is no such stack or output, or it is of another type.
        SealError: It is secret, and the engine's keyring doesn't open it.
    """
    found: Known = {}
    all_of: Known = {}
    for source in sources:
        if source.address not in all_of:
            all_of[source.address] = _outputs_of(settings, source)
        outputs = all_of[source.address]
        if source.name not in outputs:
            hint = near(source.name, outputs) or f"there are {', '.join(outputs) or 'none'}"
            msg = f"{source.ref}: no output {source.name!r}, expected one that the stack exports ({hint}); correct stack_output in {source.location}, or apply {source.ref} first"
            raise PlanError(msg, ref=str(source.ref), name=source.name)
        value = outputs[source.name]
        fault = source.shape.fault(value, hide=has_secret(value))
        if fault is not None:
            msg = f"{source.ref}: output {source.name}{fault.path}: {fault.problem}; correct type= of stack_output in {source.location}, or what {source.ref} exports"
            raise PlanError(msg, ref=str(source.ref), name=source.name)
        found.setdefault(source.address, {})[source.name] = value
    return found


def _outputs_of(settings: Settings, source: StackOutput) -> dict[str, Any]:
    snapshot = settings.backend.load(source.ref)
    if not snapshot.lineage:
        known = [str(ref) for ref in settings.backend.stacks()]
        hint = near(str(source.ref), known)
        msg = f"{source.ref}: there is no such stack in this state, expected one that was applied{f' ({hint})' if hint else ''}; apply it first, or correct stack_output in {source.location}"
        raise PlanError(msg, ref=str(source.ref), name=source.name)
    return dict(Vault(source.ref, settings.keyring).open(snapshot).outputs)
