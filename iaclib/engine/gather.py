"""What the planner must be told of providers and handlers, gathered beforehand.

The planner is pure; whatever asks a provider who it is happens here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.errors import DeclarationError, UnknownProviderError
from iaclib.execute.handlers import Access, plain_inputs, prefix
from iaclib.model.values import has_unknown
from iaclib.plan.facts import Facts
from iaclib.plan.targets import EVERYTHING, Selection

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from iaclib.declare.desired import Declared, Desired
    from iaclib.provider.base import Provider
    from iaclib.state.record import ProviderRecord, Record, Snapshot


def gather(
    desired: Desired,
    snapshot: Snapshot,
    lineage: str,
    access: Access,
    observed: Mapping[str, Record | None] | None = None,
    *,
    selection: Selection = EVERYTHING,
) -> Facts:
    """Find out through which provider each resource is reached.

    Providers of what is not operated on are left alone.

    Raises:
        UnknownProviderError: A type, declared or recorded, is not known here.
    """
    providers: dict[str, ProviderRecord | None] = {}
    tags: dict[str, Mapping[str, Any]] = {}
    handlers: dict[str, Any] = {}
    by_type: dict[tuple[str, int], ProviderRecord | None] = {}
    for address, declared in desired.resources.items():
        if address not in selection:
            continue
        key = (declared.type, id(declared.provider))
        if key in by_type:
            record = by_type[key]
        else:
            record = by_type[key] = _provider(declared.type, declared.provider, address, access)
            handlers.setdefault(declared.type, access.serve(declared.type, record, address, declared.defined_by)[0])
        if record is not None:
            providers[address] = record
            provider = declared.provider or access.instance(record)
            if provider.default_tags:
                tags[address] = provider.default_tags
    retyped = frozenset(
        address
        for address, declared in desired.resources.items()
        if declared.former and address in selection and _renamed(snapshot.records.get(address), declared, access)
    )
    known: set[tuple[str, int]] = set()
    for held in (*snapshot.records.values(), *snapshot.superseded):
        if held.address in retyped:
            continue
        at = (held.type, id(held.provider))
        if at not in known and held.address in selection:
            known.add(at)
            handlers.setdefault(held.type, access.of_record(held)[0])
    normalisers = {
        name: found for name, handler in handlers.items() if (found := getattr(handler, "normalise", None)) is not None
    }
    identities = {
        name: found
        for name, handler in handlers.items()
        if (found := getattr(handler, "identity", None)) is not None and getattr(handler, "find", None) is None
    }
    deciders = {
        name: found for name, handler in handlers.items() if (found := getattr(handler, "replaces", None)) is not None
    }

    def normalise(type_name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        function = normalisers.get(type_name)
        return inputs if function is None else _checked(function(plain_inputs(inputs)), type_name)

    def identity(type_name: str, inputs: Mapping[str, Any]) -> str | None:
        function = identities.get(type_name)
        if function is None or has_unknown(dict(inputs)):
            return None
        found: str | None = function(plain_inputs(inputs))
        return found

    def replaces(type_name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Collection[str]:
        function = deciders.get(type_name)
        return () if function is None else function(plain_inputs(before), plain_inputs(after))

    return Facts(
        lineage=lineage,
        providers=providers,
        default_tags=tags,
        normalise=normalise if normalisers else None,
        identity=identity if identities else None,
        replaces=replaces if deciders else None,
        observed=observed,
        retyped=retyped,
    )


def _renamed(record: Record | None, declared: Declared, access: Access) -> bool:
    """Tell whether what an alias leads to is of the declared type under the name that it had before.

    So it is if nobody serves the old name any more, or classes with the same
    handler declare both. A provider tells its types apart by their names.
    """
    if record is None or record.type == declared.type:
        return False
    mine, other = access.source.own(declared.type), access.source.own(record.type)
    if mine is not None and other is not None:
        return type(mine) is type(other)
    try:
        access.of_record(record)
    except UnknownProviderError:
        return True
    return False


def provider_of(declared: Declared, access: Access) -> ProviderRecord | None:
    """Give the provider through which a declared resource is reached, None for types without one."""
    return _provider(declared.type, declared.provider, declared.address, access)


def _provider(type_name: str, given: Provider | None, address: str, access: Access) -> ProviderRecord | None:
    if given is not None and given.name != prefix(type_name) and access.source.own(type_name) is None:
        given = None
    provider = given or access.default(type_name, address)
    return None if provider is None else access.bind(provider)


def _checked(inputs: Any, type_name: str) -> Mapping[str, Any]:
    if not hasattr(inputs, "items"):
        msg = f"{type_name}: normalise returned {type(inputs).__name__}, expected a mapping; fix the handler"
        raise DeclarationError(msg)
    return inputs  # type: ignore[no-any-return]
