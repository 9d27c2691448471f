"""What resources, components and stacks share: fields read from annotations, and how a call fills them.

Type checkers see dataclass-like constructors; at run time one generic
constructor serves all classes, which keeps declaring thousands of types and
resources cheap.
"""

from __future__ import annotations

import re
import sys
import typing
from typing import TYPE_CHECKING, Any, ClassVar, Never, dataclass_transform

from msgspec import Struct

from iaclib.declare.annotations import hints, shape_of
from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model import fields
from iaclib.model.addresses import near
from iaclib.model.fields import MISSING, FieldSpec
from iaclib.model.outputs import lower, make_secret
from iaclib.model.tokens import PREFIX
from iaclib.schema.facts import PropertyFacts
from iaclib.schema.hiding import hide
from iaclib.schema.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.model.scope import Location


class FieldFacts(Struct, frozen=True):
    """One field of a class: what was said of it, and what it takes."""

    name: str
    spec: FieldSpec
    shape: Shape | None  # None: any Python value, checked by `kind` if it is a class
    kind: type | None = None


class ClassFacts:
    """What the library knows of a declaring class; under its one private attribute."""

    __slots__ = ("defaults", "fields", "required", "type")

    def __init__(self, found: Mapping[str, FieldFacts], type_: Any = None) -> None:
        self.fields = dict(found)
        self.type = type_
        self.required = tuple(name for name, facts in found.items() if facts.spec.required)
        self.defaults = tuple(
            facts
            for facts in found.values()
            if not facts.spec.computed and not facts.spec.required and facts.spec.default is not None
        )


class Declaration:
    """A named thing of a program: a resource or component."""

    _iac_class: ClassVar[Any] = None
    _reserved: ClassVar[frozenset[str]] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        msg = f"{type(self).__name__} {self.__dict__.get('logical_name', '')!r}: {name} is assigned after the call, expected properties as arguments; pass {name}=... in the call"
        raise DeclarationError(msg)

    def __reduce__(self) -> Never:
        msg = f"a {type(self).__name__} can't be pickled: it belongs to the program that declares it; pass 'module:Class' and its configuration"
        raise TypeError(msg)

    def __deepcopy__(self, _memo: object) -> Never:
        msg = f"a {type(self).__name__} can't be copied deeply: its outputs belong to one collect; declare another"
        raise TypeError(msg)


@dataclass_transform(
    kw_only_default=True, field_specifiers=(fields.field, fields.computed, fields.positional), eq_default=False
)
class Fielded:
    """The base that makes type checkers see fields as keyword-only arguments."""


def read_fields(cls: type, depth: int, *, values: bool) -> dict[str, FieldFacts]:
    """Read the fields that a class declares, those of its bases first.

    Args:
        cls: The class being defined.
        depth: How many frames up its definition is.
        values: Whether any Python value will do (components, stacks).

    Raises:
        DeclarationError: A field is misdeclared.
    """
    found: dict[str, FieldFacts] = {}
    for base in reversed(cls.__mro__[1:]):
        facts = base.__dict__.get("_iac_class")
        if facts is not None:
            found.update(facts.fields)
    frame = sys._getframe(depth)
    annotated = hints(cls, frame.f_locals if frame.f_locals is not frame.f_globals else None)
    reserved = cls._reserved  # type: ignore[attr-defined]
    for name, annotation in annotated.items():
        if name.startswith("_") or _is_class_variable(annotation):
            continue
        where = f"{cls.__qualname__}.{name}"
        if name in reserved:
            msg = f"{where}: the name is the library's, expected another one; write {name}_"
            raise DeclarationError(msg)
        value = cls.__dict__.get(name, MISSING)
        spec = value if isinstance(value, FieldSpec) else FieldSpec(default=value)
        if isinstance(spec.default, list | dict | set):
            msg = f"{where}: the default is a {type(spec.default).__name__} that all instances would share, expected a factory; write iac.field(factory=...)"
            raise DeclarationError(msg)
        shape, kind = _shape(annotation, where, values=values or spec.computed)
        found[name] = FieldFacts(name, spec, shape, kind)
        if name in cls.__dict__:
            delattr(cls, name)
    for name, value in list(cls.__dict__.items()):
        if isinstance(value, FieldSpec):
            msg = f"{cls.__qualname__}.{name}: a field without annotation, expected one such as iac.Input[str]; add it"
            raise DeclarationError(msg)
    return found


def _is_class_variable(annotation: Any) -> bool:
    return annotation is ClassVar or typing.get_origin(annotation) is ClassVar


def _shape(annotation: Any, where: str, *, values: bool) -> tuple[Shape | None, type | None]:
    try:
        return shape_of(annotation, where), None
    except DeclarationError:
        if not values:
            raise
        return None, annotation if isinstance(annotation, type) and typing.get_origin(annotation) is None else None


def missing_or_unknown(facts: ClassFacts, given: Mapping[str, Any], where: str, location: Location) -> None:
    """Refuse arguments that are not fields, and a call without required ones.

    Raises:
        InvalidPropertyError: Naming the field, a near match, and the line.
    """
    for name in given:
        field = facts.fields.get(name)
        if field is None:
            known = [known for known, item in facts.fields.items() if not item.spec.computed]
            hint = near(name, known) or f"there are {', '.join(known) or 'none'}"
            shown = "a name made of an output" if PREFIX in name else repr(name[:80])
            msg = f"{where}: no property {shown}, expected a declared one ({hint}); correct it in {location}"
            raise InvalidPropertyError(msg)
        if field.spec.computed:
            msg = f"{where}: {name} is computed, expected it to be read only; drop it in {location}"
            raise InvalidPropertyError(msg)
    missing = [name for name in facts.required if given.get(name) is None]
    if missing:
        msg = f"{where}: {', '.join(missing)} missing, expected {'a value' if len(missing) == 1 else 'values'}; pass {missing[0]}=... in {location}"
        raise InvalidPropertyError(msg)


_SEGMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_path(path: str, facts: ClassFacts, where: str, location: Location, option: str) -> None:
    """Check that a path in an option begins with a property.

    Raises:
        DeclarationError: It doesn't, or holds a token.
    """
    if PREFIX in path:
        msg = f"{where}: {option} holds an output, expected a path known when declaring; write it out in {location}"
        raise DeclarationError(msg)
    head = _SEGMENT.match(path)
    if head is None or (head[0] not in facts.fields and head[0] != "id"):
        hint = near(path, facts.fields) or f"there are {', '.join(facts.fields)}"
        msg = f"{where}: {option} has {path[:80]!r}, expected a path that begins with a property ({hint}); correct it in {location}"
        raise DeclarationError(msg)


def lower_field(value: Any, field: FieldFacts, address: str, tokens: Any, location: Location) -> Any:
    """Turn one argument into a lowered value and check it against its shape.

    Raises:
        InvalidPropertyError: It is no JSON, or not what the field takes.
    """
    try:
        lowered = lower(value, f"{address}: {field.name}", tokens)
    except InvalidPropertyError as error:
        raise InvalidPropertyError(f"{error.message}; in {location}", address=address) from None
    assert field.shape is not None  # noqa: S101 - resources take JSON only
    fault = field.shape.fault(lowered, hide=field.spec.secret)
    if fault is not None:
        msg = f"{address}: {field.name}{fault.path}: {fault.problem}; correct it in {location}"
        raise InvalidPropertyError(msg, address=address)
    return make_secret(lowered) if field.spec.secret else hide(field.shape, lowered, make_secret)


def field_of(facts: PropertyFacts) -> FieldFacts:
    """Give a field of a class that is made from facts."""
    spec = FieldSpec(
        default=MISSING if facts.required or facts.computed else None,
        replaces=facts.replaces,
        generated=facts.generated,
        secret=facts.secret,
        write_only=facts.write_only,
        unordered=facts.unordered,
        computed=facts.computed,
        stable=facts.stable,
        wire=facts.wire,
    )
    return FieldFacts(facts.name, spec, facts.shape)


def property_of(item: FieldFacts) -> PropertyFacts:
    """Give the facts of a field of a class that a program wrote."""
    spec = item.spec
    return PropertyFacts(
        name=item.name,
        shape=item.shape or Shape("any", nullable=True),
        required=spec.required,
        replaces=spec.replaces,
        generated=spec.generated,
        secret=spec.secret,
        write_only=spec.write_only,
        unordered=spec.unordered,
        computed=spec.computed,
        stable=spec.stable,
        wire=spec.wire,
    )
