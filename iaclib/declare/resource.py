"""Resources: classes whose calls declare one object each.

The constructor is one for all classes and checks everything at the call, so
that errors name the user's line. Knows nothing of state, plans or clouds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from iaclib.declare import registry
from iaclib.declare.aliases import former_addresses
from iaclib.declare.annotations import shape_of
from iaclib.declare.base import (
    ClassFacts,
    Declaration,
    Fielded,
    FieldFacts,
    check_path,
    field_of,
    lower_field,
    missing_or_unknown,
    property_of,
    read_fields,
)
from iaclib.declare.desired import Declared
from iaclib.declare.naming import address_of, check_type
from iaclib.declare.options import DEFAULT, Options, inherit
from iaclib.declare.sources import Query, chosen_provider, sought
from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model import fields, scope
from iaclib.model.addresses import near
from iaclib.model.expressions import Looked, Ref, lift
from iaclib.model.fields import FieldSpec
from iaclib.model.outputs import Output, has_expr, is_secret, leaf_nodes, lower
from iaclib.model.tokens import PREFIX
from iaclib.model.values import MASK
from iaclib.provider.base import active
from iaclib.provider.registry import register_handler
from iaclib.schema.facts import TypeFacts
from iaclib.schema.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iaclib.model.outputs import Input
    from iaclib.model.scope import Location

_ID = FieldFacts("id", FieldSpec(computed=True, stable=True), Shape("str"))
_ID_ASKED = FieldFacts("id", FieldSpec(), Shape("str", length=(1, None)))
_BIG = 2**63
_SHORT = 4096  # text up to this length needs no slow check


class _Property:
    """Reads a field that was left unset, or that is computed, as an output."""

    __slots__ = ("name", "secret")

    def __init__(self, name: str, *, secret: bool) -> None:
        self.name = name
        self.secret = secret

    def __get__(self, instance: Resource | None, owner: type) -> Any:
        if instance is None:
            msg = f"{owner.__qualname__}.{self.name} is read from the class, expected an instance; declare one and read it from there"
            raise AttributeError(msg)
        own = instance.__dict__
        name = self.name
        declared: Declared | None = own.get("_iac")
        if declared is None:
            query: Query | None = own.get("_iac_query")
            if query is None:
                raise AttributeError(name)
            found = own[name] = Output(Looked(query, name, secret=self.secret))
            return found
        secret = self.secret or (declared.options is not DEFAULT and name in declared.options.secret_outputs)
        found = own[name] = Output(Ref(own["_iac_ref"], declared.address, name, secret=secret))
        return found


class Resource(Declaration, Fielded):
    """The base of resource types.

    A subclass gives a type and fields; calling it within a stack declares one
    object::

        class Record(iac.Resource, type="dns:Record", handler=RecordHandler, unique=(("zone", "name"),)):
            zone: iac.Input[str] = iac.field(replaces=True)
            fqdn: iac.Output[str] = iac.computed()

    Class keywords: ``type``; ``handler``, a class or instance, for types that
    no provider serves; ``unique``, tuples of fields that no two objects share;
    ``version``; ``stateful``; ``settle``, seconds until the cloud shows a new
    object reliably; ``is_global``; ``tags``, the field that takes default
    tags; ``on_delete``, a TypedDict of delete parameters; ``timeouts``,
    seconds for "create", "update" and "delete".
    """

    _reserved: ClassVar[frozenset[str]] = frozenset({"logical_name", "opts", "id", "urn", "get"})
    _iac_class: ClassVar[ClassFacts] = ClassFacts({})

    if TYPE_CHECKING:
        logical_name: str = fields.positional(kw_only=False)
        opts: Options | None = fields.field(default=None)

        @property
        def id(self) -> Output[str]:
            """The physical id in the cloud."""

    def __init_subclass__(
        cls,
        *,
        type: str = "",
        handler: Any = None,
        unique: Sequence[Sequence[str]] = (),
        version: int = 1,
        stateful: bool = False,
        settle: float = 0,
        is_global: bool = False,
        tags: str | None = None,
        on_delete: Any = None,
        timeouts: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        found = {"id": _ID, **read_fields(cls, 2, values=False)}
        if not type:
            cls._iac_class = ClassFacts(found)
            return
        facts = TypeFacts(
            type=check_type(type, cls),
            properties={name: property_of(item) for name, item in found.items()},
            unique=_unique(cls, unique, found),
            version=version,
            stateful=stateful,
            settle=float(settle),
            tags=tags,
            is_global=is_global,
            on_delete=None if on_delete is None else shape_of(on_delete, f"{cls.__qualname__} on_delete"),
            timeouts=dict(timeouts or {}),
        )
        if tags is not None and tags not in found:
            msg = f"{cls.__qualname__}: tags={tags!r} names no field, expected one that is declared; correct it"
            raise DeclarationError(msg)
        _complete(cls, found, facts)
        if handler is not None:
            register_handler(type, handler, f"{cls.__module__}:{cls.__qualname__}")
        cls._iac_own_handler = handler is not None

    _iac_own_handler: ClassVar[bool] = False

    if not TYPE_CHECKING:

        def __init__(self, logical_name, *extra, opts=None, **given):
            if extra:
                msg = f"{type(self).__name__}: {len(extra)} positional arguments after the name, expected keywords; name them in {scope.caller()}"
                raise InvalidPropertyError(msg)
            _declare(self, logical_name, opts, given)

    @classmethod
    def get(cls, logical_name: str, *, id: Input[str], opts: Options | None = None) -> Self:
        """Look up an object that this stack doesn't manage; it is read when planning and never changed.

        Outside of a stack it is for ``engine.read``, or for the one stack that uses it.

        Args:
            logical_name: Its name in the stack, as for a resource.
            id: Its physical id; may be an output of another lookup or stack.
            opts: Only ``provider`` counts for what is not managed.

        Returns:
            An object of this class whose properties are outputs: what the
            handler's ``read`` shows.
        """
        facts = cls._iac_class.type
        if facts is None:
            msg = f"{cls.__qualname__}.get({logical_name!r}): the class has no type, expected one with type='...'; use a subclass in {scope.caller()}"
            raise DeclarationError(msg)
        query = sought(
            logical_name,
            facts.type,
            "read",
            {"id": id},
            {**cls._iac_class.fields, "id": _ID_ASKED},
            opts,
            own_handler=cls._iac_own_handler,
            defined_by=f"{cls.__module__}:{cls.__qualname__}" if cls._iac_own_handler else "",
        )
        found = object.__new__(cls)
        object.__setattr__(found, "__dict__", {"logical_name": logical_name, "opts": opts, "_iac_query": query})
        return found

    @property
    def urn(self) -> str:
        """``project/stack:address``."""
        query: Query | None = self.__dict__.get("_iac_query")
        if query is not None:
            return query.urn
        ref: str = self.__dict__["_iac_ref"].urn(self.__dict__["_iac"].address)
        return ref

    def __repr__(self) -> str:
        declared = self.__dict__.get("_iac") or self.__dict__.get("_iac_query")
        return f"<{type(self).__name__} {declared.address if declared is not None else '?'}>"


def _complete(cls: type[Resource], found: Mapping[str, FieldFacts], facts: TypeFacts) -> None:
    """Make a class one that declares a type."""
    cls._iac_class = ClassFacts(found, facts)
    for name, item in found.items():
        setattr(cls, name, _Property(name, secret=item.spec.secret))
    registry.register(cls, facts)


def class_of(
    facts: TypeFacts, name: str, module: str, doc: str, base: type[Resource] = Resource, **attributes: Any
) -> type[Resource]:
    """Make the class of a type from what is known of it; a provider has its handler.

    Args:
        facts: Of the type.
        name: The class's.
        module: Where programs find it.
        doc: Its docstring.
        base: What it is made from.
        **attributes: Of the class, such as ``upgrade``.
    """
    space = {"__module__": module, "__qualname__": name, "__doc__": doc, **attributes}
    made: type[Resource] = type(name, (base,), space)
    _complete(made, {one.name: field_of(one) for one in facts.properties.values()}, facts)
    return made


def observed(resource: Resource, name: str) -> Any:
    """Give the output of a property of which its class did not know when the resource was declared."""
    return _Property(name, secret=False).__get__(resource, type(resource))


def _declare(  # noqa: C901, PLR0912, PLR0915 - the hot path of declaring; calls in it cost more than they explain
    self: Resource, logical_name: Any, opts: Options | None, given: dict[str, Any]
) -> None:
    """Check one declaration and put it into the collection."""
    cls = type(self)
    known = cls._iac_class
    facts = known.type
    now = scope.current.get()
    if now is None:
        now = scope.require(f"{cls.__name__} {logical_name!r}")
    location = scope.caller()
    address = address_of(now, logical_name, location)
    if facts is None:
        msg = f"{address}: {cls.__qualname__} has no type, expected a class with type='...'; declare a subclass, in {location}"
        raise DeclarationError(msg)
    collection = now.collection
    for item in known.defaults:
        if given.get(item.name) is None:
            given[item.name] = item.spec.factory() if item.spec.factory is not None else item.spec.default
    named = known.fields
    tokens = collection.tokens
    quiet = not len(tokens)
    ref = collection.ref
    inputs: dict[str, Any] = {}
    expressions: dict[str, list[Ref | Looked]] = {}
    secrets = unset = False
    for name, value in given.items():
        field = named.get(name)
        if field is None or field.spec.computed or field.shape is None:
            missing_or_unknown(known, given, address, location)
            continue
        if value is None:
            unset = True
            continue
        spec = field.spec
        if (
            quiet
            and type(value) is str
            and field.shape.plain_text
            and not spec.secret
            and len(value) < _SHORT
            and value.isascii()
            and PREFIX not in value
            and MASK not in value
        ):
            inputs[name] = value
            continue
        if type(value) is int and field.shape.plain_int and not spec.secret and -_BIG < value < _BIG:
            inputs[name] = value
            continue
        hidden = spec.secret or field.shape.secret
        if type(value) is Output and type(value._expr) is Ref and value._expr.stack == ref and not hidden:
            expr = value._expr  # another resource's property, mostly; only text made of outputs has a kind to check
            inputs[name] = expr
            expressions[name] = [expr]
            secrets = secrets or expr.secret
            continue
        if (
            quiet
            and type(value) is dict
            and field.shape.plain_texts
            and not spec.secret
            and all(map(_is_harmless, value))
            and all(map(_is_harmless, value.values()))
        ):
            inputs[name] = dict(value)
            continue
        lowered = lower_field(value, field, address, tokens, location)
        inputs[name] = lowered
        if isinstance(lowered, int | float | str):
            continue
        made_of = leaf_nodes(lowered)
        if made_of or has_expr(lowered):
            expressions[name] = made_of
        secrets = secrets or is_secret(lowered)
    for name in known.required:
        if name not in inputs:
            missing_or_unknown(known, given, address, location)
    collection.claim(address, location)

    declared = Declared()
    declared.address = address
    declared.type = facts.type
    declared.facts = facts
    declared.inputs = inputs
    declared.location = location
    declared.cls = cls
    declared.parent = now.prefix[:-1]
    declared.expressions = expressions
    declared.has_secret = secrets
    declared.depends_on = declared.replace_with = ()
    declared.deleted_with = ""
    declared.trigger = None
    if opts is not None:
        _check_options(opts, known, address, location)
    declared.former = former_addresses(now, logical_name, opts, address) if opts is not None or now.former else ()
    declared.defined_by = f"{cls.__module__}:{cls.__qualname__}" if cls._iac_own_handler else ""
    if opts is None and now.inherited is None:
        declared.options = DEFAULT
    else:
        if opts is not None and opts.replacement_trigger is not None:
            declared.trigger = lower(opts.replacement_trigger, f"{address}: replacement_trigger", tokens)
        declared.options = inherit(opts, now.inherited)
    declared.provider = chosen_provider(
        declared.options.provider, active.get(), facts.type, address, location, own_handler=cls._iac_own_handler
    )
    own = {name: value for name, value in given.items() if value is not None} if unset else given
    for name, field in named.items() if secrets else ():
        if name in inputs and (
            field.spec.secret or _hides(field, inputs[name])
        ):  # reads as an output, so that text made of it stays secret
            own[name] = Output(lift(inputs[name]))
    own["logical_name"] = logical_name
    own["opts"] = opts
    own["_iac"] = declared
    own["_iac_ref"] = ref
    object.__setattr__(self, "__dict__", own)
    collection.resources[address] = declared


def _hides(field: FieldFacts, lowered: Any) -> bool:
    """Tell whether a field's own shape made something within its value secret."""
    return field.shape is not None and field.shape.hides and is_secret(lowered)


def _is_harmless(text: Any) -> bool:
    """Tell of a text at one look that it may stand in any declaration as it is."""
    return type(text) is str and len(text) < _SHORT and text.isascii() and PREFIX not in text and MASK not in text


def _check_options(opts: Any, known: ClassFacts, address: str, location: Location) -> None:
    if not isinstance(opts, Options):
        msg = f"{address}: opts is {type(opts).__name__}, expected iac.Options(...); pass one in {location}"
        raise DeclarationError(msg)
    for path in opts.ignore_changes:
        check_path(path, known, address, location, "ignore_changes")
    for path in opts.replace_on_changes:
        if path != "*":
            check_path(path, known, address, location, "replace_on_changes")
    for path in opts.secret_outputs:
        check_path(path, known, address, location, "secret_outputs")
    if opts.import_id is not None and PREFIX in opts.import_id:
        msg = f"{address}: import_id holds an output, expected a physical id known when declaring; write it out in {location}"
        raise DeclarationError(msg)
    shape = known.type.on_delete
    if shape is not None and opts.on_delete:
        fault = shape.fault(lower(opts.on_delete, f"{address}: on_delete"))
        if fault is not None:
            msg = f"{address}: on_delete{fault.path}: {fault.problem}; correct it in {location}"
            raise InvalidPropertyError(msg)
    if opts.on_delete and has_expr(lower(opts.on_delete, f"{address}: on_delete")):
        msg = (
            f"{address}: on_delete holds an output, expected values known when declaring; write them out in {location}"
        )
        raise DeclarationError(msg)


def _unique(
    cls: type, keyword: Sequence[Sequence[str]], found: Mapping[str, FieldFacts]
) -> tuple[tuple[str, ...], ...]:
    tuples = [tuple(names) for names in keyword]
    tuples += [(name,) for name, item in found.items() if item.spec.unique]
    for names in tuples:
        for name in names:
            if name not in found or found[name].spec.computed:
                hint = near(name, found) or "there is none like it"
                msg = (
                    f"{cls.__qualname__}: unique names {name!r}, expected a field that can be set ({hint}); correct it"
                )
                raise DeclarationError(msg)
    return tuple(dict.fromkeys(tuples))
