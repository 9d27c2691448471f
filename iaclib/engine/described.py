"""Declarations of types that only the cloud knows: planned by the facts that it tells.

A handler that has read them offers them as ``live_facts``. What such a
declaration holds can't be checked at its line, so it is checked here, before
anything is planned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import InvalidPropertyError
from iaclib.model.addresses import near

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared
    from iaclib.schema.facts import TypeFacts


def describe(declared: Declared, facts: TypeFacts) -> None:
    """Give a declaration the facts of its type, which it has to agree with.

    Raises:
        InvalidPropertyError: A property is none of the type's, or is given by
            the cloud, or one that is required is missing.
    """
    at, line = declared.address, declared.location
    for name in declared.inputs:
        one = facts.properties.get(name)
        if one is None:
            known = [other for other, item in facts.properties.items() if not item.computed]
            hint = near(name, known) or f"there are {', '.join(known) or 'none'}"
            msg = f"{at}: no property {name!r}, expected one of {facts.type} ({hint}); correct it in {line}"
            raise InvalidPropertyError(msg, address=at)
        if one.computed:
            msg = f"{at}: {name} is computed, expected it to be read only; drop it in {line}"
            raise InvalidPropertyError(msg, address=at)
    missing = [name for name, one in facts.properties.items() if one.required and name not in declared.inputs]
    if missing:
        msg = f"{at}: {', '.join(missing)} missing, expected {'it' if len(missing) == 1 else 'them'}; pass {missing[0]}=... in {line}"
        raise InvalidPropertyError(msg, address=at)
    declared.facts = facts
