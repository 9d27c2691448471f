"""What every cloud refuses of a type's inputs, by the type's facts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.errors import InvalidRequestError
from iaclib.model.addresses import near
from iaclib.testing import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.schema.facts import TypeFacts


def check_inputs(facts: TypeFacts, where: str, inputs: Mapping[str, Any]) -> None:
    """Check the inputs of a create or update.

    Raises:
        InvalidRequestError: A property isn't the type's, or read-only, or doesn't fit, or is missing.
    """
    for name, value in inputs.items():
        item = facts.properties.get(name)
        if item is None:
            hint = near(name, facts.properties)
            msg = f"{where}: {name} is no property of {facts.type}, expected one that it has{f' ({hint})' if hint else ''}; correct it"
            raise InvalidRequestError(msg, path=name)
        if item.computed:
            msg = f"{where}: {name} is read-only, expected the cloud to give it; leave it out"
            raise InvalidRequestError(msg, path=name)
        if value is None or (item.shape.plain_text and isinstance(value, str)):
            continue
        fault = item.shape.fault(value, hide=item.secret)
        if fault is not None:
            msg = f"{where}: {name}{fault.path}: {fault.problem}; correct it"
            raise InvalidRequestError(msg, path=f"{name}{fault.path}")
    for name in values.required(facts):
        if inputs.get(name) is None:
            msg = f"{where}: {name} is missing, expected {facts.properties[name].shape.words()}; give it"
            raise InvalidRequestError(msg, path=name)
