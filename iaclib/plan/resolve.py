"""From a declaration to the inputs that count: one function for plan and apply.

Knows references, default tags, generated names and ``ignore_changes``. Called
with what is known when planning, and again with all values when applying.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from iaclib.errors import InvalidPropertyError
from iaclib.model.outputs import resolve
from iaclib.model.values import UNKNOWN, Secret
from iaclib.plan.changes import Action
from iaclib.plan.compare import unknown_in
from iaclib.plan.facts import view
from iaclib.plan.names import generated_name
from iaclib.plan.paths import keep_recorded
from iaclib.schema.hiding import hide

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared
    from iaclib.plan.facts import Facts
    from iaclib.plan.node import Node
    from iaclib.state.record import Record

Lookup = Callable[[str, str], Any]


class Naming(Struct, frozen=True):
    """What generated names and default tags are made of.

    Args:
        stack: The stack's name.
        lineage: The stack's lineage.
        generation: Of the object that will have these inputs.
        tags: The provider's default tags.
    """

    stack: str
    lineage: str
    generation: int
    tags: Mapping[str, Any] | None = None


def final_inputs(
    declared: Declared, lookup: Lookup, record: Record | None, naming: Naming, *, fresh: bool = False
) -> Mapping[str, Any]:
    """Give a resource's inputs as a handler would get them, with UNKNOWN leaves.

    What is unset is left out. Nothing is copied where nothing has to change.

    Args:
        declared: The declaration.
        lookup: Gives the value of (address, field), or UNKNOWN.
        record: What is recorded of the object, if it is of the same type.
        naming: For default tags and generated names.
        fresh: Whether generated names are to be new ones, as in a replacement.
    """
    facts = view(declared.facts)
    inputs: Mapping[str, Any] = declared.inputs
    if declared.expressions:
        memo: dict[int, Any] = {}
        known = dict(inputs)
        for name in declared.expressions:
            value = known[name] = resolve(known[name], lookup, memo)
            if value is None:
                del known[name]
        inputs = known
    if naming.tags and declared.facts.tags is not None:
        inputs = with_default_tags(inputs, declared.facts.tags, naming.tags)
    for name in facts.generated:
        if inputs.get(name) is None:
            inputs = {**inputs, name: _generate(declared, name, None if fresh else record, naming)}
    for name in facts.secret:
        value = inputs.get(name)
        if value is not None and value is not UNKNOWN and not isinstance(value, Secret):
            inputs = {**inputs, name: Secret(value)}
    for name, shape in facts.hiding:
        value = inputs.get(name)
        hidden = hide(shape, value, Secret)
        if hidden is not value:
            inputs = {**inputs, name: hidden}
    if record is not None and declared.options.ignore_changes:
        inputs = keep_recorded(inputs, record.inputs, declared.options.ignore_changes)
    return inputs


def resolved_inputs(
    node: Node, lookup: Lookup, facts: Facts, stack: str, *, fresh: bool | None = None
) -> Mapping[str, Any]:
    """Give a node's final inputs.

    Args:
        node: What is planned.
        lookup: Gives a field of a resource as far as it is known.
        facts: For default tags and names.
        stack: The stack's name.
        fresh: Whether generated names are new ones; None for what is planned:
            new ones for a new object.
    """
    declared, record = node.declared, node.record
    if declared is None:
        return node.inputs
    own = record if node.alike else None
    naming = Naming(stack, facts.lineage, node.generation, facts.default_tags.get(node.address))
    if fresh is None:
        fresh = node.action is Action.REPLACE
    return final_inputs(declared, lookup, own, naming, fresh=fresh or own is None or not own.id)


def with_default_tags(inputs: Mapping[str, Any], field: str, tags: Mapping[str, Any]) -> Mapping[str, Any]:
    """Merge a provider's default tags into inputs; explicit keys win."""
    own = inputs.get(field)
    if own is UNKNOWN:
        return inputs
    if isinstance(own, Secret):
        return {**inputs, field: Secret({**tags, **own.reveal()})}
    return {**inputs, field: {**tags, **(own or {})}}


def _generate(declared: Declared, name: str, record: Record | None, naming: Naming) -> str:
    if record is not None and record.inputs.get(name) is not None:
        kept: str = record.inputs[name]
        return kept
    shape = declared.facts.properties[name].shape

    def fits(candidate: str) -> bool:
        try:
            shape.check(candidate, name)
        except InvalidPropertyError:
            return False
        return True

    return generated_name(naming.stack, declared.address, naming.lineage, naming.generation, fits)


def check_resolved(declared: Declared, inputs: Mapping[str, Any]) -> None:
    """Check what references came to: a declaration could not know it.

    Raises:
        InvalidPropertyError: A value is not what its field takes, or a
            required one turned out to be unset.
    """
    for name in declared.expressions:
        one = declared.facts.properties.get(name)
        if one is None:
            continue
        value = inputs.get(name)
        if value is None:
            if one.required:
                msg = (
                    f"{declared.address}: {name} is required, but what it refers to is unset, expected a value; "
                    f"refer to something else in {declared.location}"
                )
                raise InvalidPropertyError(msg, address=declared.address)
        elif not unknown_in(value):
            one.shape.check(value, f"{declared.address}: {name}")
