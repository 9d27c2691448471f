"""What the lookups of a program find in the simulated cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

from msgspec import Struct

from iaclib.declare.base import FieldFacts
from iaclib.declare.lookup import Lookup
from iaclib.errors import DeclarationError, InvalidRequestError
from iaclib.model.addresses import near
from iaclib.testing import values

if TYPE_CHECKING:
    from iaclib.provider.base import Identity

Value = Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any] | None] | None


class _Answer(Struct, frozen=True):
    value: Value
    fields: Mapping[str, FieldFacts]
    asked: Mapping[str, Any]  # what the query must hold to be answered so


class Answers:
    """Answers by type or by address; the newest that fits counts."""

    def __init__(self) -> None:
        self._answers: dict[str, list[_Answer]] = {}

    def add(self, lookup: Any, value: Any) -> None:
        """Note an answer.

        Raises:
            DeclarationError: It is for no lookup, or it doesn't fit the class.
        """
        key, fields, asked = _subject(lookup)
        if isinstance(value, Mapping):
            _check(key, fields, value)
        elif value is not None and not callable(value):
            msg = f"sim.answer({key!r}): {value!r} is no answer, expected fields by name, a function or None; pass that"
            raise DeclarationError(msg)
        self._answers.setdefault(key, []).append(_Answer(value, fields, asked))

    def find(self, type: str, address: str, query: Mapping[str, Any], place: Identity) -> Mapping[str, Any] | None:
        """Answer a query; None if the answer is that there is nothing.

        Raises:
            InvalidRequestError: Nobody said what the answer is.
        """
        known = [*self._answers.get(type, ()), *self._answers.get(address, ())]
        fitting = [one for one in known if all(query.get(name) == value for name, value in one.asked.items())]
        if not fitting:
            msg = f"{address}: nobody answers this lookup of {type}, expected the test to say what it finds; call sim.answer({type!r}, {{...}}) first"
            raise InvalidRequestError(msg, type=type)
        answer = fitting[-1]
        value = answer.value(query) if callable(answer.value) else answer.value
        if value is None:
            return None
        if answer.fields is not _UNCHECKED:
            _check(type, answer.fields, value)
        digits = values.mark(type, sorted(query.items(), key=lambda item: item[0]))
        birth = values.Birth(type, f"{values.slug(type)}-{digits[:17]}", digits, *place)
        made = {
            name: values.made(item.shape, name, birth)
            for name, item in answer.fields.items()
            if item.spec.computed and item.shape is not None and name not in value
        }
        return {**made, **value}


_UNCHECKED: Mapping[str, Any] = {}


def _subject(lookup: Any) -> tuple[str, Mapping[str, FieldFacts], Mapping[str, Any]]:
    """Find out what is answered: type or address, the class's fields, and the question."""
    if isinstance(lookup, str):
        return lookup, _UNCHECKED, {}
    asked: Mapping[str, Any] = {}
    query = getattr(lookup, "__dict__", {}).get("_iac_query")
    if isinstance(lookup, Lookup) and query is not None:
        asked, lookup = query.inputs, type(lookup)
    elif callable(lookup) and not isinstance(lookup, type):  # a function that makes one, such as ec2.lookup_image
        lookup = get_type_hints(lookup).get("return")
    if isinstance(lookup, type) and issubclass(lookup, Lookup) and lookup._iac_class.type is not None:
        return lookup._iac_class.type, lookup._iac_class.fields, asked
    msg = f"sim.answer: {lookup!r} is no lookup, expected a Lookup or its class, the function that makes it, its type or its address; pass one"
    raise DeclarationError(msg)


def _check(where: str, fields: Mapping[str, FieldFacts], value: Mapping[str, Any]) -> None:
    if fields is _UNCHECKED:
        return
    for name, item in value.items():
        facts = fields.get(name)
        if facts is None:
            hint = near(name, fields) or f"it has {', '.join(fields)}"
            msg = f"sim.answer({where!r}): {name} is no field of it, expected one that is declared ({hint}); correct it"
            raise DeclarationError(msg)
        fault = facts.shape.fault(item) if facts.shape is not None and item is not None else None
        if fault is not None:
            msg = f"sim.answer({where!r}): {name}{fault.path}: {fault.problem}; correct it"
            raise DeclarationError(msg)
