"""Policies that mend declarations before anything is planned from them.

Knows what such a policy sees and how its answer meets the type's shapes;
knows nothing of plans.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from iaclib.declare.options import Options
from iaclib.errors import InvalidPropertyError
from iaclib.model.addresses import near
from iaclib.model.expressions import Expr
from iaclib.model.outputs import Output, expressions_in, is_secret, lower, make_secret, ref_nodes
from iaclib.model.redact import secret_texts
from iaclib.schema.hiding import hide

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared, Desired
    from iaclib.plan.policy import Policy


class DeclaredResource(Struct, frozen=True):
    """A resource as declared, before it is planned. A copy: changing it changes nothing.

    Args:
        address: Its address in the stack.
        type: Its type.
        inputs: What was passed, by field, with the class's defaults: plain
            values, ``Secret`` for secrets, and an ``Output`` for what is known
            only later, which may be passed on as it is.
        options: Its options, with what its component hands down.
    """

    address: str
    type: str
    inputs: Mapping[str, Any]
    options: Options


def remediated(desired: Desired, policies: Sequence[Policy]) -> Desired:
    """Let policies that remediate mend each resource, in their order; each sees what those before it did.

    Args:
        desired: As it was collected; stays as it is.
        policies: Those of other levels are left out.

    Raises:
        PlanError: A policy raised, or gave what its resource doesn't take.
    """
    remedies = [one for one in policies if one.level == "remediate"]
    if not remedies:
        return desired
    resources = dict(desired.resources)
    credit: dict[str, dict[str, str]] = {}
    for address, declared in desired.resources.items():
        for one in remedies:
            before = resources[address]
            given = one.ask(address, _shown(before), None, lambda held=before: secret_texts(held.inputs))  # type: ignore[misc]
            if given is None:
                continue
            if not isinstance(given, Mapping):
                raise one.fault(address, f"returned {type(given).__name__}, expected a mapping of fields, or None")
            mended = {str(name): _field(one, declared, name, value, desired) for name, value in given.items()}
            resources[address] = _merged(before, mended)
            credit.setdefault(address, {}).update(
                {name: one.name for name, value in mended.items() if not _equal(value, before.inputs.get(name))}
            )
    return structs.replace(desired, resources=resources, remedies=credit)


def _shown(declared: Declared) -> DeclaredResource:
    inputs = {name: _copied(value) for name, value in declared.inputs.items()}
    return DeclaredResource(declared.address, declared.type, inputs, declared.options)


def _copied(value: Any) -> Any:
    if isinstance(value, Expr):
        return Output(value)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def _field(one: Policy, declared: Declared, name: Any, value: Any, desired: Desired) -> Any:
    """Lower one field of an answer, and check it as its declaration would have."""
    facts = declared.facts.properties.get(name)
    if facts is None or facts.computed:
        settable = [known for known, item in declared.facts.properties.items() if not item.computed]
        hint = near(str(name), settable) or f"it has {', '.join(settable) or 'none'}"
        raise one.fault(declared.address, f"sets {name!r}, expected a field of {declared.type} ({hint})")
    if value is None:
        if facts.required:
            raise one.fault(declared.address, f"unsets {name}, which is required, expected a value")
        return None
    try:
        lowered = lower(value, name)
    except InvalidPropertyError as error:
        raise one.fault(declared.address, f"sets {error.message}") from None
    for ref in ref_nodes(lowered):
        if ref.stack != desired.ref:
            raise one.fault(
                declared.address, f"sets {name} to {ref.describe()}, expected an output of this stack's resources"
            )
    fault = facts.shape.fault(lowered, hide=facts.secret)
    if fault is not None:
        raise one.fault(declared.address, f"sets {name}{fault.path}: {fault.problem}")
    return make_secret(lowered) if facts.secret else hide(facts.shape, lowered, make_secret)


def _merged(declared: Declared, mended: Mapping[str, Any]) -> Declared:
    """Put fields into a copy of a declaration; what is None is unset."""
    new = copy.copy(declared)
    new.inputs = {name: value for name, value in {**declared.inputs, **mended}.items() if value is not None}
    new.expressions = expressions_in(new.inputs)
    new.has_secret = is_secret(new.inputs)
    return new


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
