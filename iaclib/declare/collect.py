"""From a stack to its desired state: run the program, keep what it declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.declare.component import check_assigned, note
from iaclib.declare.desired import Declared, Desired
from iaclib.declare.resource import Resource
from iaclib.declare.sources import take
from iaclib.declare.stack import Stack
from iaclib.errors import DeclarationError, DependencyCycleError
from iaclib.model import scope
from iaclib.model.addresses import near
from iaclib.model.bulk import collector_paused
from iaclib.model.expressions import Looked, Ref
from iaclib.model.outputs import has_expr, leaf_nodes, lower

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from iaclib.model.scope import Collection
    from iaclib.provider.base import Provider


def collect(stack: Stack, *, salt: str = "") -> Desired:
    """Run a stack's program and give what it declares.

    Pure and repeatable: ``build()`` works on a shallow copy of the stack.
    What the program raises goes through, with a note of where it was.

    Args:
        stack: A Stack, or the stack of a ``with`` block that has ended.
        salt: Gives f-string tokens another text and length, to find programs
            that depend on it.

    Raises:
        DeclarationError: The program declares something wrong.
    """
    given: Any = stack
    if not isinstance(given, Stack):
        what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        msg = f"{what} is given, expected a Stack; pass an instance such as Shop('prod')"
        raise DeclarationError(msg)
    own = stack.__dict__
    if own["_iac_block"]:
        return _of_block(stack)
    if type(stack).build is Stack.build:
        msg = f"{stack.ref}: an empty stack, expected a class with build() or a `with` block; write `with stack:`"
        raise DeclarationError(msg)
    if scope.current.get() is not None:
        msg = f"{stack.ref}: collected while another stack is being declared, expected one at a time; plan it outside, at {scope.caller()}"
        raise DeclarationError(msg)
    copy = object.__new__(type(stack))
    collection = scope.Collection(stack.ref, salt)
    object.__setattr__(copy, "__dict__", {**own, "_iac_collection": collection})
    token = scope.current.set(scope.Scope(collection))
    try:
        copy.build()
        check_assigned(copy, str(stack.ref), own["_iac_location"])
    except BaseException as error:
        note(error, f"while declaring stack {stack.ref}")
        raise
    finally:
        scope.current.reset(token)
    return _finish(collection)


def _of_block(stack: Stack) -> Desired:
    state = stack.__dict__["_iac_block"]
    if state == "open":
        msg = (
            f"{stack.ref}: planned within its own `with` block, expected after its end; move the call out of the block"
        )
        raise DeclarationError(msg)
    if state == "raised":
        msg = f"{stack.ref}: its `with` block raised, expected a block that ran to its end; declare it again in a new Stack"
        raise DeclarationError(msg)
    return _finish(stack.__dict__["_iac_collection"])


def _finish(collection: Collection) -> Desired:
    resources: dict[str, Declared] = collection.resources
    with collector_paused():
        link(resources.values(), collection)
    _check_refs(leaf_nodes(collection.outputs), str(collection.ref), collection)
    return Desired(
        collection.ref,
        dict(resources),
        dict(collection.outputs),
        dict(collection.components),
        sources=tuple(collection.sources),
        tokens=len(collection.tokens),
    )


def link(declarations: Iterable[Declared], collection: Collection) -> None:
    """Turn what declarations say of each other into addresses; take the lookups that they use.

    Raises:
        DeclarationError: One names something that is not declared.
    """
    members: dict[str, list[str]] | None = None
    access: set[int] = set()
    resources = collection.resources
    for declared in declarations:
        if declared.provider is not None and id(declared.provider) not in access:
            access.add(id(declared.provider))
            _check_access(declared, declared.provider, collection)
        for made_of in declared.expressions.values():
            if not all(type(node) is Ref and node.address in resources for node in made_of):
                _check_refs(made_of, declared.address, collection)
        options = declared.options
        if options.replace_with or options.deleted_with is not None or declared.trigger is not None:
            members = members if members is not None else _members(collection.resources)
            _follow(declared, collection, members)
        waits = list(options.depends_on)
        if collection.waits:
            parent = declared.parent
            while parent:
                waits += collection.waits.get(parent, ())
                parent = parent.rpartition("/")[0]
        if waits:
            if members is None:
                members = _members(collection.resources)
            declared.depends_on = _targets(waits, declared, collection, members, "depends_on")


def _check_access(declared: Declared, provider: Provider, collection: Collection) -> None:
    """Refuse outputs in what a provider is made of: it is needed before anything exists."""
    where = f"{declared.address}: provider {provider.name!r}"
    made_of = {"config": dict(provider.config()), "default_tags": dict(provider.default_tags)}
    if has_expr(lower(made_of, where, collection.tokens)):
        msg = f"{where} is made of an output, expected access that is known while planning; put what makes the value into another stack and read it with iac.stack_output, at {declared.location}"
        raise DeclarationError(msg)


def _members(resources: Mapping[str, Declared]) -> dict[str, list[str]]:
    """List the resources under each component, also indirectly."""
    found: dict[str, list[str]] = {}
    for address, declared in resources.items():
        parent = declared.parent
        while parent:
            found.setdefault(parent, []).append(address)
            parent = parent.rpartition("/")[0]
    return found


def _follow(declared: Declared, collection: Collection, members: Mapping[str, list[str]]) -> None:
    """Note whose replacement or delete concerns a resource too."""
    options = declared.options
    declared.replace_with = _targets(list(options.replace_with), declared, collection, members, "replace_with")
    if options.deleted_with is not None:
        (declared.deleted_with,) = _targets([options.deleted_with], declared, collection, members, "deleted_with")
    _check_refs(leaf_nodes(declared.trigger), f"{declared.address}: replacement_trigger", collection)


def _targets(
    waits: list[Any], declared: Declared, collection: Collection, members: Mapping[str, list[str]], option: str
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for item in waits:
        own = item.__dict__
        if "_iac_query" in own:
            msg = f"{declared.address}: {option} names the lookup {item!r}, which is read before anything is done, expected resources or components; drop it, in {declared.location}"
            raise DeclarationError(msg)
        if own.get("_iac_recorded") and own["_iac_ref"] == collection.ref:  # a session's view of what is recorded
            found[own["_iac_address"]] = None
            continue
        address = own["_iac"].address if isinstance(item, Resource) else own["_iac_address"]
        known = address in collection.resources or address in collection.components
        if own["_iac_ref"] != collection.ref or not known:
            msg = f"{declared.address}: {option} names {own['_iac_ref']}:{address}, expected something declared in this stack; drop it, in {declared.location}"
            raise DeclarationError(msg)
        found.update(dict.fromkeys([address] if isinstance(item, Resource) else members.get(address, ())))
    if declared.address in found:
        msg = f"{declared.address}: depends on itself by {option}, expected no circle; drop it in {declared.location}"
        raise DependencyCycleError(msg)
    return tuple(found)


def _check_refs(made_of: Iterable[Ref | Looked], where: str, collection: Collection) -> None:
    """Refuse outputs of resources that this collect doesn't have, such as those of an earlier one; take lookups."""
    for node in made_of:
        if isinstance(node, Looked):
            take(node, where, collection)
        elif node.address not in collection.resources and not (
            collection.known and collection.known(node.address, "id")
        ):
            hint = near(node.address, collection.resources)
            msg = f"{where}: uses {node.describe()}, which this stack does not declare (an output of an earlier collect?), expected a declared resource{f' ({hint})' if hint else ''}; declare it in build()"
            raise DeclarationError(msg)
