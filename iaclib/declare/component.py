"""Components: named groups of resources that a class declares together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from iaclib.declare.aliases import former_addresses
from iaclib.declare.base import ClassFacts, Declaration, Fielded, missing_or_unknown, read_fields
from iaclib.declare.naming import address_of
from iaclib.declare.options import DEFAULT, OF_COMPONENTS, Options, inherit, said
from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model import fields, scope
from iaclib.model.expressions import lift
from iaclib.model.outputs import Output, lower, make_secret
from iaclib.provider.base import active

if TYPE_CHECKING:
    from iaclib.model.scope import Location


class Component(Declaration, Fielded):
    """A named group; ``build()`` declares what is in it.

    Fields are its configuration, ``iac.computed()`` ones its results, which
    ``build()`` assigns. Children take over ``protect``, ``retain_on_delete``,
    ``provider`` (for types of that provider) and ``depends_on`` of its
    options; its ``aliases`` move them along.
    """

    _reserved: ClassVar[frozenset[str]] = frozenset({"logical_name", "opts", "urn", "build"})
    _iac_class: ClassVar[ClassFacts] = ClassFacts({})

    if TYPE_CHECKING:
        logical_name: str = fields.positional(kw_only=False)
        opts: Options | None = fields.field(default=None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._iac_class = ClassFacts(read_fields(cls, 2, values=True))

    if not TYPE_CHECKING:

        def __init__(self, logical_name, *extra, opts=None, **given):
            cls = type(self)
            now = scope.require(f"{cls.__name__} {logical_name!r}")
            location = scope.caller()
            address = address_of(now, logical_name, location)
            if extra:
                msg = f"{address}: {len(extra)} positional arguments after the name, expected keywords; name them in {location}"
                raise InvalidPropertyError(msg)
            if opts is not None and not isinstance(opts, Options):
                msg = f"{address}: opts is {type(opts).__name__}, expected iac.Options(...); pass one in {location}"
                raise DeclarationError(msg)
            _check_options(opts, address, location)
            own = fill(cls._iac_class, given, address, location)
            own |= {"logical_name": logical_name, "opts": opts, "_iac_address": address, "_iac_ref": now.collection.ref}
            object.__setattr__(self, "__dict__", own)
            now.collection.claim(address, location)
            now.collection.components[address] = location
            if opts is not None and opts.depends_on:
                now.collection.waits[address] = opts.depends_on
            _build(self, now, address, opts)
            check_assigned(self, address, location)

    def build(self) -> None:
        """Declare what is in the component; assign its computed fields."""

    def __setattr__(self, name: str, value: Any) -> None:
        assign(self, name, value, type(self)._iac_class)

    def __getattr__(self, name: str) -> Any:
        raise_unassigned(self, name, type(self)._iac_class)

    @property
    def urn(self) -> str:
        """``project/stack:address``."""
        ref: str = self.__dict__["_iac_ref"].urn(self.__dict__["_iac_address"])
        return ref

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__dict__.get('_iac_address', '?')}>"


def _build(self: Component, now: scope.Scope, address: str, opts: Options | None) -> None:
    """Run ``build()`` one level down, with what the component hands on."""
    inherited = inherit(opts, now.inherited)
    former = tuple(f"{one}/" for one in former_addresses(now, self.logical_name, opts, address))
    inner = scope.Scope(now.collection, f"{address}/", None if inherited is DEFAULT else inherited, former)
    before = active.get()
    provider = opts.provider if opts is not None else None
    token = scope.current.set(inner)
    active.set(before if provider is None else (*before, provider))
    try:
        self.build()
    except BaseException as error:
        note(error, f"while declaring component {address}")
        raise
    finally:
        scope.current.reset(token)
        active.set(before)


def _check_options(opts: Options | None, address: str, location: Location) -> None:
    """Refuse what speaks of an object: a component has none in the cloud."""
    wrong = [] if opts is None else [name for name in said(opts) if name not in OF_COMPONENTS]
    if wrong:
        msg = f"{address}: {', '.join(wrong)} can't be said of a component, which has no object in the cloud, expected {', '.join(OF_COMPONENTS)}; set the others on the resources in it, in {location}"
        raise DeclarationError(msg)


def note(error: BaseException, text: str) -> None:
    """Say once, innermost first, where in the stack an exception came up."""
    if not any(known.startswith("while declaring") for known in getattr(error, "__notes__", ())):
        error.add_note(text)


def fill(known: ClassFacts, given: dict[str, Any], where: str, location: Location) -> dict[str, Any]:
    """Check the arguments of a component or stack and add defaults.

    Raises:
        InvalidPropertyError: One is unknown, missing or of the wrong type.
    """
    missing_or_unknown(known, given, where, location)
    own: dict[str, Any] = {}
    for name, field in known.fields.items():
        spec = field.spec
        if spec.computed:
            continue
        value = given[name] if name in given else spec.factory() if spec.factory is not None else spec.default
        if field.shape is None:
            if field.kind is not None and value is not None and not isinstance(value, field.kind):
                msg = f"{where}: {name}: expected {field.kind.__name__}, got {type(value).__name__}; correct it in {location}"
                raise InvalidPropertyError(msg)
        elif value is not None or name in given:
            value = _checked(value, field, where, location)
        own[name] = value
    return own


def _checked(value: Any, field: Any, where: str, location: Location) -> Any:
    try:
        lowered = lower(value, f"{where}: {field.name}")
    except InvalidPropertyError as error:
        raise InvalidPropertyError(f"{error.message}; in {location}") from None
    fault = None if value is None and field.spec.default is None else field.shape.fault(lowered, hide=field.spec.secret)
    if fault is not None:
        msg = f"{where}: {field.name}{fault.path}: {fault.problem}; correct it in {location}"
        raise InvalidPropertyError(msg)
    if field.spec.secret and value is not None:
        return Output(lift(make_secret(lowered)))
    return value


def assign(self: Any, name: str, value: Any, known: ClassFacts) -> None:
    """Assign a private attribute, or a computed field while ``build()`` runs."""
    field = known.fields.get(name)
    if not name.startswith("_") and (field is None or not field.spec.computed):
        what = "is no field" if field is None else "is configuration"
        msg = f"{self!r}: {name} {what} and is assigned, expected computed fields only; declare it with iac.computed(), or use a local variable"
        raise DeclarationError(msg)
    if field is not None:
        try:
            lowered = lower(value, f"{self!r}: {name}")
        except InvalidPropertyError as error:
            raise InvalidPropertyError(f"{error.message}; in {scope.caller()}") from None
        if lowered is None:
            msg = f"{self!r}: {name} is assigned None, expected a value or an output; leave out the field if there is none"
            raise DeclarationError(msg)
        if field.shape is not None:
            field.shape.check(lowered, f"{self!r}: {name}")
        value = Output(lift(make_secret(lowered) if field.spec.secret else lowered))
    object.__setattr__(self, name, value)


def raise_unassigned(self: Any, name: str, known: ClassFacts) -> Any:
    """Explain why an attribute is not there."""
    if name in known.fields:
        msg = f"{self!r}: {name} is read before it is assigned, expected build() to assign it first; assign self.{name}"
        raise DeclarationError(msg)
    msg = f"{type(self).__name__!r} object has no attribute {name!r}"
    raise AttributeError(msg)


def check_assigned(self: Any, where: str, location: Location) -> None:
    """Check that ``build()`` has assigned every computed field.

    Raises:
        DeclarationError: It hasn't.
    """
    missing = [
        name for name, item in type(self)._iac_class.fields.items() if item.spec.computed and name not in self.__dict__
    ]
    if missing:
        msg = f"{where}: computed {', '.join(missing)} not assigned, expected build() to assign every computed field; add self.{missing[0]} = ... (declared in {location})"
        raise DeclarationError(msg)
