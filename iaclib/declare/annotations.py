"""From a field's annotation to its shape.

``Input[str]`` is ``str | Output[str]``; outputs drop out, since every field
takes them. TypedDicts become objects, Literals enums, Annotated adds
constraints.
"""

from __future__ import annotations

import enum
import types
import typing
from collections import abc
from typing import Any, Final, Union

from iaclib.errors import DeclarationError
from iaclib.model.assets import Asset
from iaclib.model.fields import Pattern, Range
from iaclib.model.outputs import Output
from iaclib.model.values import Secret
from iaclib.schema.shapes import Shape

_SCALARS: Final[dict[Any, str]] = {str: "str", int: "int", float: "float", bool: "bool", Asset: "asset"}
_LISTS: Final = (list, tuple, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
_MAPS: Final = (dict, abc.Mapping, abc.MutableMapping)
_WRAPPERS: Final = (typing.Required, typing.NotRequired, typing.Final)
_known: dict[Any, Shape] = {}


class UnsupportedError(Exception):
    """An annotation that describes no JSON value."""


def hints(cls: type, local: dict[str, Any] | None = None) -> dict[str, Any]:
    """Resolve the annotations of a class itself, not of its bases.

    Raises:
        DeclarationError: A name in one is not known at run time.
    """
    own = cls.__dict__.get("__annotations__")  # noqa: RUF063 - a class's own names, without its bases'
    if own is None:
        own = (
            getattr(cls, "__annotations__", {})
            if "__annotate__" in dir(cls) or "__annotate_func__" in cls.__dict__
            else {}
        )
    if not any(isinstance(value, str) for value in own.values()):
        return dict(own)
    import sys

    namespace = {**vars(sys.modules.get(cls.__module__, types.ModuleType("none"))), **(local or {})}
    found = {}
    for name, value in own.items():
        try:
            found[name] = eval(value, namespace) if isinstance(value, str) else value  # noqa: S307 - the class's own annotation, as typing.get_type_hints does
        except (NameError, AttributeError) as error:
            msg = f"{cls.__qualname__}.{name}: the annotation {value!r} can't be resolved at run time ({error}), expected names that the module imports; import them outside of TYPE_CHECKING"
            raise DeclarationError(msg) from None
    return found


def shape_of(annotation: Any, where: str) -> Shape:
    """Give the shape that an annotation describes.

    Raises:
        DeclarationError: It describes no JSON value.
    """
    try:
        return _shape(annotation)
    except UnsupportedError as error:
        msg = f"{where}: the annotation {error} describes no JSON value, expected str, int, float, bool, Asset, Literal, list, mapping, TypedDict, or Input of one"
        raise DeclarationError(msg + "; change it") from None


def _shape(annotation: Any) -> Shape:  # noqa: C901, PLR0911, PLR0912 - one branch a kind of annotation
    if annotation in (Any, object):
        return Shape("any", nullable=True)
    if annotation is None or annotation is types.NoneType:
        return Shape("any", enum=(None,), nullable=True)
    kind = _SCALARS.get(annotation)
    if kind is not None:
        return Shape(kind)
    if typing.is_typeddict(annotation):
        return _object(annotation)
    if isinstance(annotation, typing.NewType):
        return _shape(annotation.__supertype__)
    if hasattr(annotation, "__value__"):  # type X = ... of Python 3.12
        return _shape(annotation.__value__)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is None:
        if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            return _enum(tuple(member.value for member in annotation))
        if annotation in _LISTS:
            return Shape("list")
        if annotation in _MAPS:
            return Shape("map")
        raise UnsupportedError(getattr(annotation, "__qualname__", str(annotation)))
    if origin is typing.Annotated:
        return _constrain(_shape(arguments[0]), arguments[1:])
    if origin in _WRAPPERS or origin is Output or origin is Secret:
        return _shape(arguments[0])
    if origin is Union or origin is types.UnionType:
        return _union([argument for argument in arguments if typing.get_origin(argument) is not Output])
    if origin is typing.Literal:
        return _enum(arguments)
    if origin in _LISTS:
        if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):  # noqa: PLR2004 - tuple[X, ...]
            return Shape("list")
        return Shape("list", items=_shape(arguments[0]))
    if origin in _MAPS:
        return Shape("map", items=_shape(arguments[1]))
    raise UnsupportedError(str(annotation))


def _enum(allowed: tuple[Any, ...]) -> Shape:
    kinds = {type(value) for value in allowed if value is not None}
    nullable = None in allowed
    if len(kinds) != 1 or (kind := _SCALARS.get(next(iter(kinds)))) is None:
        raise UnsupportedError(f"Literal{list(allowed)}")
    return Shape(kind, enum=tuple(value for value in allowed if value is not None), nullable=nullable)


def _union(members: list[Any]) -> Shape:
    nullable = types.NoneType in members
    shapes = [_shape(member) for member in members if member is not types.NoneType]
    if len(shapes) == 1:
        return _copy(shapes[0], nullable=nullable or shapes[0].nullable)
    if not shapes:
        return Shape("any", nullable=True)
    flat = tuple(inner for shape in shapes for inner in (shape.options or (shape,)))
    if any(shape.kind == "any" for shape in flat):
        return Shape("any", nullable=True)
    return Shape("union", options=flat, nullable=nullable or any(shape.nullable for shape in flat))


def _constrain(shape: Shape, constraints: tuple[Any, ...]) -> Shape:
    for constraint in constraints:
        if isinstance(constraint, Pattern):
            shape = _copy(shape, pattern=constraint.regex)
        elif isinstance(constraint, Range):
            key = "length" if shape.kind == "str" else "range"
            shape = _copy(shape, **{key: (constraint.least, constraint.most)})
    return shape


def _copy(shape: Shape, **changes: Any) -> Shape:
    names = (
        "enum", "pattern", "range", "length", "items", "properties", "required", "options", "nullable", "folded",
        "unordered", "wire", "refers", "secret",
    )  # fmt: skip
    return Shape(shape.kind, **{name: changes.get(name, getattr(shape, name)) for name in names})


def _object(annotation: Any) -> Shape:
    found = _known.get(annotation)
    if found is not None:
        return found
    properties: dict[str, Shape] = {}
    shape = _known[annotation] = Shape("object", properties=properties)  # known before its keys: it may nest itself
    required = set(annotation.__required_keys__)
    try:
        for name, hint in typing.get_type_hints(annotation, include_extras=True).items():
            wrapper = typing.get_origin(hint)
            if wrapper is typing.Required:  # text annotations hide these from __required_keys__
                required.add(name)
            elif wrapper is typing.NotRequired:
                required.discard(name)
            properties[name] = _shape(hint)
    except (NameError, UnsupportedError) as error:
        del _known[annotation]
        raise UnsupportedError(f"{annotation.__qualname__} ({error})") from None
    shape.required = frozenset(required)
    return shape
