"""What a program has read before planning: objects that it doesn't manage, and other stacks' outputs.

Only what is asked for, as values; who answers, and when, is the engine's to
know. Nothing here is a resource: it has no record, and is never a dependency.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from msgspec import Struct

from iaclib.declare.annotations import shape_of
from iaclib.declare.base import FieldFacts, lower_field
from iaclib.declare.naming import address_of
from iaclib.declare.options import DEFAULT, Options
from iaclib.errors import DeclarationError
from iaclib.model import scope
from iaclib.model.addresses import StackRef
from iaclib.model.expressions import Looked
from iaclib.model.outputs import Output, leaf_nodes, refs, resolve
from iaclib.model.scope import Location
from iaclib.model.tokens import PREFIX
from iaclib.model.values import UNKNOWN, has_unknown
from iaclib.provider.base import Provider, active
from iaclib.schema.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iaclib.model.scope import Collection

T = TypeVar("T")


class Query(Struct, frozen=True, eq=False):
    """One lookup.

    Args:
        address: Its address in its stack; its name alone outside of one.
        type: What is looked for, such as ``aws:ec2:VPC``.
        action: "read" asks by id, "lookup" by the handler's own query.
        inputs: Lowered values by Python name, unset ones left out.
        fields: What can be given and read, by Python name.
        provider: What options or scope gave, or None.
        handler: Who answers, a class or an instance; None leaves it to the type.
        defined_by: ``module:qualname`` of a class that brings its own handler.
        stack: The stack in whose scope it was made; None outside of one.
    """

    address: str
    type: str
    action: Literal["read", "lookup"]
    inputs: Mapping[str, Any]
    fields: Mapping[str, FieldFacts]
    provider: Provider | None
    handler: Any
    defined_by: str
    stack: StackRef | None
    location: Location

    @property
    def urn(self) -> str:
        """``project/stack:address``; the address alone outside of a stack."""
        return self.address if self.stack is None else self.stack.urn(self.address)

    def describe(self, field: str) -> str:
        """Name a field in the words of the program."""
        return f"{self.address}.{field}"


class StackOutput(Struct, frozen=True, eq=False):
    """One output of another stack.

    Args:
        ref: The other stack.
        name: The output.
        shape: What it has to be.
        stack: The stack in whose scope it is asked for; None outside of one.
    """

    ref: StackRef
    name: str
    shape: Shape
    stack: StackRef | None
    location: Location

    @property
    def address(self) -> str:
        """Under what its value is found: ``project/stack:``, which is no resource's address."""
        return self.ref.urn("")

    def describe(self, field: str) -> str:
        """Name it in the words of the program."""
        return f"stack_output({str(self.ref)!r}, {field!r})"


#: What is read before planning.
Source: TypeAlias = Query | StackOutput


def sought(
    logical_name: Any,
    type: str,
    action: Literal["read", "lookup"],
    given: Mapping[str, Any],
    fields: Mapping[str, FieldFacts],
    opts: Any,
    *,
    handler: Any = None,
    own_handler: bool = False,
    defined_by: str = "",
) -> Query:
    """Check a lookup's arguments, and put it into the scope if there is one.

    Raises:
        DeclarationError: The name can't be part of an address, options don't
            fit, or a value needs a resource, which lookups can't wait for.
        InvalidPropertyError: A value is not what its field takes.
    """
    now, location = scope.current.get(), scope.caller()
    address = address_of(now or _NOWHERE, logical_name, location)
    _check_options(opts, address, location)
    inputs = {
        name: _known(
            lower_field(value, fields[name], address, scope.tokens(), location), f"{address}: {name}", location
        )
        for name, value in given.items()
        if value is not None or fields[name].spec.required
    }
    provider = chosen_provider(
        opts.provider if opts is not None else None, active.get(), type, address, location, own_handler=own_handler
    )
    stack = None if now is None else now.collection.ref
    query = Query(address, type, action, inputs, fields, provider, handler, defined_by, stack, location)
    if now is not None:
        now.collection.claim(address, location)
        take_all(inputs, address, now.collection)
        now.collection.sources[query] = None
    return query


def _known(value: Any, where: str, location: Location) -> Any:
    """Replace properties of resources by their values, in a session that has them.

    Raises:
        DeclarationError: One is not known: lookups are read before anything is made.
    """
    needed = refs(value)
    if not needed:
        return value
    now = scope.current.get()
    known = now.collection.known if now is not None else None
    found = UNKNOWN if known is None else resolve(value, known)
    if found is UNKNOWN or has_unknown(found):
        names = ", ".join(f"{address}.{field}" for address, field in sorted(needed))
        how = "ensure it first" if known is not None else "look it up in a session, or in a stack of its own"
        msg = f"{where} uses {names}, which only an apply tells, expected values known when planning; {how}, in {location}"
        raise DeclarationError(msg)
    return found


def take_all(value: Any, where: str, collection: Collection) -> None:
    """Take the lookups that a lowered value uses into the stack that is being declared."""
    for node in leaf_nodes(value):
        if isinstance(node, Looked):
            take(node, where, collection)


def take(node: Looked, where: str, collection: Collection) -> None:
    """Take what was made outside of any stack into the one that uses it.

    Raises:
        DeclarationError: It was made in another stack or an earlier collect, or
            is an output of this very stack.
        DuplicateAddressError: Its name is another's address here.
    """
    source: Any = node.source
    if source in collection.sources:
        return
    if source.stack is not None:
        what = f"stack {source.stack}" if source.stack != collection.ref else "an earlier collect"
        msg = f"{where}: uses {node.describe()}, made in {what} at {source.location}, expected a lookup of this stack; make it in build()"
        raise DeclarationError(msg)
    if isinstance(source, StackOutput):
        if source.ref == collection.ref:
            msg = f"{where}: uses {node.describe()}, the output of this very stack, expected another's; use the value itself, not what {source.location} reads"
            raise DeclarationError(msg)
    else:
        collection.claim(source.address, source.location)
        take_all(source.inputs, source.address, collection)
    collection.sources[source] = None


_NOWHERE = scope.Scope(scope.Collection(StackRef("", "")))


def _check_options(opts: Any, address: str, location: Location) -> None:
    if opts is None:
        return
    if not isinstance(opts, Options):
        msg = f"{address}: opts is {type(opts).__name__}, expected iac.Options(...); pass one in {location}"
        raise DeclarationError(msg)
    for name in Options.__struct_fields__:
        if name != "provider" and getattr(opts, name) not in (None, getattr(_PLAIN, name), getattr(DEFAULT, name)):
            msg = f"{address}: the option {name} is for what this stack manages, expected provider only; drop it in {location}"
            raise DeclarationError(msg)


_PLAIN = Options()


def chosen_provider(
    chosen: Provider | None,
    in_force: Sequence[Provider],
    type: str,
    address: str,
    location: Location,
    *,
    own_handler: bool,
) -> Provider | None:
    """Give the provider that options or the scope say, or None.

    Raises:
        DeclarationError: The one chosen doesn't serve the type.
    """
    if chosen is None and not in_force:
        return None
    prefix = type.partition(":")[0]
    if chosen is not None:
        if chosen.name != prefix and not own_handler:
            msg = f"{address}: provider {chosen.name!r} does not serve type {type!r}, expected one named {prefix!r}; change it in {location}"
            raise DeclarationError(msg)
        return chosen
    return next((provider for provider in reversed(in_force) if provider.name == prefix), None)


@overload
def stack_output(ref: Any, name: str, *, type: type[T]) -> Output[T]: ...
@overload
def stack_output(ref: Any, name: str) -> Output[Any]: ...
def stack_output(ref: Any, name: str, *, type: Any = Any) -> Output[Any]:
    """Read an output of another stack; its value as of the plan is what the apply uses.

    Args:
        ref: The other stack: ``"project/stack"``, or the stack itself.
        name: The output's name there.
        type: What it has to be, such as ``str`` or ``list[str]``; anything if left out.

    Raises:
        DeclarationError: The reference or name can't be one, or it is this stack's own.
    """
    location = scope.caller()
    target, known = getattr(ref, "ref", ref), scope.tokens()
    for text in (target, name):
        if isinstance(text, Output) or (isinstance(text, str) and PREFIX in text):
            msg = f"stack_output: the stack or the name holds an output, expected text known when declaring; use plain names in {location}"
            raise DeclarationError(msg)
    if not isinstance(target, str | StackRef) or not isinstance(name, str):
        msg = f"stack_output({target!r}, {name!r}): expected the text 'project/stack' and a name; correct it in {location}"
        raise DeclarationError(msg)
    try:
        target = StackRef.parse(target)
        shape = shape_of(type, f"stack_output({str(target)!r}, {name!r}, type=...)")
    except DeclarationError as error:
        raise DeclarationError(f"{error.message} in {location}") from None
    if known is not None and target == known.stack:
        msg = f"stack_output({str(target)!r}, {name!r}): it is the output of this very stack, expected another's; use the value itself in {location}"
        raise DeclarationError(msg)
    now = scope.current.get()
    source = StackOutput(target, name, shape, None if now is None else now.collection.ref, location)
    if now is not None:
        now.collection.sources[source] = None
    return Output(Looked(source, name))
