"""Resources by the vendor's name of their type, those included that no class declares yet.

The classes that are made here know no more of a type than its name: any
property is taken, and any can be read. What is right is told by the schema,
which the provider asks AWS for before anything is planned.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from iaclib.declare.generated import service_module
from iaclib.declare.options import Options
from iaclib.declare.resource import Resource, class_of, observed
from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model.addresses import near
from iaclib.model.outputs import Output, secret
from iaclib.model.scope import caller
from iaclib.schema.cloud import SETTLE
from iaclib.schema.facts import PropertyFacts, TypeFacts
from iaclib.schema.names import RESERVED, module_name
from iaclib.schema.pack import HIDDEN, NESTED_HIDDEN, pack
from iaclib.schema.shapes import Shape
from iaclib.schema.wire import from_vendor

if TYPE_CHECKING:
    from collections.abc import Iterable


_NAME: Final = re.compile(r"[A-Za-z0-9]{2,64}(::[A-Za-z0-9]{2,64}){2}(::MODULE)?")
_HEAD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ANY: Final = Shape("any", nullable=True)
_ID: Final = PropertyFacts("id", Shape("str"), computed=True, stable=True)

_classes: dict[str, type[Resource]] = {}
_lock = threading.RLock()


def resource(type: str, name: str, /, *, opts: Options | None = None, **props: Any) -> Any:
    """Declare a resource of any type that AWS's registry has, by the vendor's names.

    Args:
        type: The vendor's name of the type, such as ``AWS::SQS::Queue``, or a
            third party's.
        name: The logical name.
        opts: As for every resource.
        **props: Properties as the vendor names them, ``QueueName``; a type
            that has a class takes the class's own names as well.

    Returns:
        An object of the type's class, or of a general one where there is none
        yet. Its properties can be read by the vendor's names, ``site.Arn``; so
        a program stays as it is when the type gets a class.

    Raises:
        DeclarationError: The name is no type's, or one letter from a known one.
        InvalidPropertyError: A property isn't what the class takes.
    """
    aws = pack("aws")
    if isinstance(type, str) and type in aws.archive:
        service, last = type.split("::")[1:]
        found = getattr(service_module("iaclib.aws", module_name(service.lower())), last)
        made = found(name, opts=opts, **_given(type, name, props))
        own = vars(made)
        for wire, field in _wires(type).items():
            if wire not in own and field in found._iac_class.fields:
                own[wire] = getattr(made, field)
        return made
    _check(type)
    given = {key: _hidden(key, value, HIDDEN) for key, value in props.items()}
    return _class(type, [*props, *_named(opts)])(name, opts=opts, **given)


class Untyped(Resource):
    """A resource of a type that has no class here; its properties have the vendor's names."""

    @classmethod
    def _iac_learn(cls, names: Iterable[str]) -> TypeFacts:
        """Note that a type has these properties, and give what is known of it now."""
        known: TypeFacts = _class(cls._iac_class.type.type.partition(":")[2], names)._iac_class.type
        return known

    def __getattr__(self, name: str) -> Output[Any]:
        """Give a property that was left unset, or that the cloud gives."""
        if name.startswith("_"):
            raise AttributeError(name)
        self._iac_learn([name])
        found: Output[Any] = observed(self, name)
        return found


def __getattr__(name: str) -> Any:
    """Give the class of a type that state or a plan's file names."""
    if _NAME.fullmatch(name):
        return _class(name, ())
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def _class(vendor: str, names: Iterable[str]) -> type[Resource]:
    """Give the class of a type, which knows all names of properties that programs used so far."""
    with _lock:
        known = _classes.get(vendor)
        had = {} if known is None else known._iac_class.type.properties
        new = [name for name in names if name not in had]
        if known is not None and not new:
            return known
        properties = {"id": _ID, **had, **{name: PropertyFacts(name, _ANY, wire=_wire(name)) for name in new}}
        facts = TypeFacts(type=f"aws:{vendor}", properties=properties, version=0, settle=SETTLE)
        made = class_of(facts, vendor.replace("::", ""), __name__, f"{vendor}.\n", Untyped)
        _classes[vendor] = made
        return made


def _named(opts: Options | None) -> list[str]:
    """Give the properties that options name; those given no value may be among them."""
    if not isinstance(opts, Options):
        return []  # what else it is, the class tells
    paths = (*opts.secret_outputs, *opts.ignore_changes, *opts.replace_on_changes)
    return [found[0] for path in paths if (found := _HEAD.match(path)) is not None]


def _hidden(name: str, value: Any, names: tuple[str, ...] = NESTED_HIDDEN) -> Any:
    """Make a secret of text whose name says that nobody should see it."""
    if isinstance(value, str | Output):
        return secret(value) if name.endswith(names) else value
    if isinstance(value, Mapping):
        return {key: _hidden(key, item) for key, item in value.items()}
    return [_hidden("", item) for item in value] if isinstance(value, list | tuple) else value


def _wire(name: str) -> str:
    return name[:-1] if name.endswith("_") and name[:-1] in RESERVED else name


@cache
def _facts(type: str) -> TypeFacts:
    """Give what the pack says of a type."""
    service, last = type.split("::")[1:]
    return pack("aws").facts(service.lower(), last)


@cache
def _wires(type: str) -> Mapping[str, str]:
    """Give the class's names of a type's properties by the vendor's."""
    return {one.wire: one.name for one in _facts(type).properties.values() if one.wire is not None}


def _given(type: str, name: str, props: Mapping[str, Any]) -> dict[str, Any]:
    """Give properties by the class's names."""
    wires = _wires(type)
    wanted = {key: value for key, value in props.items() if key in wires and key != wires[key]}
    for key in wanted:
        if wires[key] in props:
            msg = f"{name}: {key} and {wires[key]} are one property, expected it once; drop one in {caller()}"
            raise InvalidPropertyError(msg)
    renamed = from_vendor(_facts(type), wanted) if wanted else {}
    return {**{key: value for key, value in props.items() if key not in wanted}, **renamed}


def _check(type: Any) -> None:
    """Refuse what is no type's name, and what is a slip of the pen."""
    if not isinstance(type, str) or _NAME.fullmatch(type) is None:
        shown = repr(type[:80]) if isinstance(type, str) else type.__class__.__name__
        hint = near(type, pack("aws").archive) if isinstance(type, str) else ""
        msg = (
            f"aws.resource: {shown} is no type's name, expected one such as 'AWS::SQS::Queue'; "
            f"{hint or 'correct it'} in {caller()}"
        )
        raise DeclarationError(msg)
    meant = _meant(type)
    if meant:
        msg = f"aws.resource: there is no {type}, expected a type of AWS; did you mean {meant!r}? In {caller()}"
        raise DeclarationError(msg)


@cache
def _meant(type: str) -> str:
    """Give the type whose name this one was meant to be, or ""."""
    return next((one for one in pack("aws").archive if _one_slip(type, one)), "")


def _one_slip(name: str, known: str) -> bool:
    """Whether a name is another but for case, or for one letter; digits tell versions apart."""
    one, other = name.lower(), known.lower()
    if abs(len(one) - len(other)) > 1 or name.partition("::")[0].lower() != "aws":
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    if one[start:] == other[start:]:
        return True
    if one[start : start + 2] == other[start : start + 2][::-1] and one[start + 2 :] == other[start + 2 :]:
        return True
    cuts = ((1, 1), (1, 0), (0, 1))
    return any(
        one[start + a :] == other[start + b :] and not (one[start : start + a] + other[start : start + b]).isdigit()
        for a, b in cuts
    )
