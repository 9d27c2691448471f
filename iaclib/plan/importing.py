"""An object that exists, as a record of a declaration: rule 32's ``import_id``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.errors import PlanError
from iaclib.model.redact import guard_repeats
from iaclib.model.values import Secret, reveal
from iaclib.plan.compare import project, unknown_in
from iaclib.plan.facts import Facts, view
from iaclib.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.declare.desired import Declared
    from iaclib.plan.node import Node
    from iaclib.provider.handler import Live


def to_import(declared: Declared, record: Record | None) -> str | None:
    """Give the id of the object that a declaration takes over; None if it names none, or has taken it over before.

    A replacement has another id than the object that was imported; that is
    not taken over again because the option is still there.
    """
    known = declared.options.import_id
    if known is None or record is None:
        return known
    return None if known in (record.id, record.options.get("import_id")) else known


def imported(node: Node, declared: Declared, known: str, facts: Facts, holder: str) -> Record:
    """Give the record of an object that is taken over.

    Args:
        node: With the inputs that are wanted.
        declared: The declaration.
        known: Its physical id.
        facts: With what was read of it.
        holder: The address at which the id is recorded already, or "".

    Raises:
        PlanError: It is recorded elsewhere, or does not exist.
    """
    if holder:
        msg = (
            f"{node.address}: {known} is recorded at {holder} already, expected an object that is not managed here; "
            f"say Options(aliases=({holder!r},)) instead of import_id, in {declared.location}"
        )
        raise PlanError(msg, address=node.address, holder=holder)
    live = (facts.imports or {}).get(node.address)
    if live is None:
        msg = (
            f"{node.address}: {known} does not exist, expected a {declared.type} to import; "
            f"correct import_id in {declared.location}"
        )
        raise PlanError(msg, address=node.address)
    return record_of(node.address, declared, live, node.inputs, node.generation, provider=node.provider)


def record_of(
    address: str, declared: Declared, live: Live, wanted: Mapping[str, Any], generation: int, **more: Any
) -> Record:
    """Record what a read showed of an object, reduced to what is declared of it.

    What the cloud shows beyond that counts as output, as after a create. A
    declared field that can't be read counts as different.
    """
    seen = view(declared.facts)
    shown: dict[str, Any] = {}
    secret = seen.secrets | frozenset(declared.options.secret_outputs)
    outputs: dict[str, Any] = {name: _guard(name, value, secret) for name, value in live.outputs.items()}
    for name, value in (live.inputs or {}).items():
        if value is None:
            continue
        if name in wanted and name not in seen.write_only:
            like = wanted[name]
            reduced = value if unknown_in(like) else project(value, like, unordered=name in seen.unordered)
            shown[name] = Secret(reveal(reduced)) if isinstance(like, Secret) else _guard(name, reduced, seen.secrets)
        elif name not in seen.write_only:
            outputs.setdefault(name, _guard(name, value, secret))
    return Record(
        address,
        declared.type,
        live.id,
        inputs=shown,
        baseline=dict(shown),
        outputs=guard_repeats(outputs, shown, wanted),
        generation=generation,
        version=declared.facts.version,
        defined_by=declared.defined_by,
        parent=declared.parent,
        **more,
    )


def _guard(name: str, value: Any, secrets: frozenset[str]) -> Any:
    return Secret(reveal(value)) if name in secrets and not isinstance(value, Secret) else value
