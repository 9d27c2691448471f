"""Lookups that a class describes: fields are the question, computed fields the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from iaclib.declare.base import ClassFacts, Declaration, Fielded, missing_or_unknown, read_fields
from iaclib.declare.naming import check_type
from iaclib.declare.options import Options
from iaclib.declare.sources import Query, sought
from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model import fields, scope
from iaclib.model.expressions import Looked, lift
from iaclib.model.outputs import Output


class _Answer:
    """Reads a field that was left unset, or that is computed, as an output."""

    __slots__ = ("name", "secret")

    def __init__(self, name: str, *, secret: bool) -> None:
        self.name = name
        self.secret = secret

    def __get__(self, instance: Lookup | None, owner: type) -> Any:
        query = None if instance is None else instance.__dict__.get("_iac_query")
        if instance is None or query is None:
            msg = f"{owner.__qualname__}.{self.name} is read from the class, expected an instance; make one and read it from there"
            raise AttributeError(msg)
        found = instance.__dict__[self.name] = Output(Looked(query, self.name, secret=self.secret))
        return found


class Lookup(Declaration, Fielded):
    """The base of lookups: what exists already, read when planning and never changed.

    A subclass gives a type and fields; its handler answers by
    ``lookup(ctx, query)``, with a mapping of the fields::

        class Image(iac.Lookup, type="cloud:Image", handler=ImageHandler):
            owner: iac.Input[str]
            image_id: iac.Output[str] = iac.computed()

    Called within a stack it is read for each plan, and the plan keeps the
    values. Outside of one it is for ``engine.read``, or for the one stack
    that uses it. Class keywords: ``type``; ``handler``, a class or instance,
    where no provider serves the type.
    """

    _reserved: ClassVar[frozenset[str]] = frozenset({"logical_name", "opts"})
    _iac_class: ClassVar[ClassFacts] = ClassFacts({})
    _iac_handler: ClassVar[Any] = None

    if TYPE_CHECKING:
        logical_name: str = fields.positional(kw_only=False)
        opts: Options | None = fields.field(default=None)

    def __init_subclass__(cls, *, type: str = "", handler: Any = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found = read_fields(cls, 2, values=False)
        cls._iac_class = ClassFacts(found, check_type(type, cls) if type else None)
        for name, item in found.items():
            if item.spec.replaces or item.spec.unique or item.spec.generated or item.spec.write_only:
                msg = f"{cls.__qualname__}.{name}: replaces, unique, generated and write_only are for what is managed, expected a plain field; drop them"
                raise DeclarationError(msg)
            setattr(cls, name, _Answer(name, secret=item.spec.secret))
        if handler is not None:
            cls._iac_handler = handler

    if not TYPE_CHECKING:

        def __init__(self, logical_name, *extra, opts=None, **given):
            cls = type(self)
            known, location = cls._iac_class, scope.caller()
            if extra:
                msg = f"{cls.__name__}: {len(extra)} positional arguments after the name, expected keywords; name them in {location}"
                raise InvalidPropertyError(msg)
            if known.type is None:
                msg = f"{cls.__qualname__} {logical_name!r}: the class has no type, expected one with type='...'; use a subclass in {location}"
                raise DeclarationError(msg)
            for item in known.defaults:
                if given.get(item.name) is None:
                    given[item.name] = item.spec.factory() if item.spec.factory is not None else item.spec.default
            missing_or_unknown(known, given, str(logical_name)[:80], location)
            own_handler = cls._iac_handler is not None
            query = sought(
                logical_name,
                known.type,
                "lookup",
                {name: value for name, value in given.items() if value is not None},
                known.fields,
                opts,
                handler=cls._iac_handler,
                own_handler=own_handler,
                defined_by=f"{cls.__module__}:{cls.__qualname__}" if own_handler else "",
            )
            own = {name: value for name, value in given.items() if value is not None}
            for name, lowered in query.inputs.items():
                if known.fields[name].spec.secret:  # reads as an output, so that text made of it stays secret
                    own[name] = Output(lift(lowered))
            own |= {"logical_name": logical_name, "opts": opts, "_iac_query": query}
            object.__setattr__(self, "__dict__", own)

    def __repr__(self) -> str:
        query: Query | None = self.__dict__.get("_iac_query")
        return f"<{type(self).__name__} {query.address if query is not None else '?'}>"
