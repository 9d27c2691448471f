"""What the planner must be told: gathered beforehand, so that it stays pure.

Also the digest of a type's facts that plans need at every resource.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from msgspec import Struct, field

from iaclib.provider.handler import Live
from iaclib.schema.facts import TypeFacts
from iaclib.state.record import ProviderRecord, Record


class Found(Struct, frozen=True):
    """What was read before planning.

    Args:
        type: Of a lookup, which shows as a change; "" for outputs of another stack.
        values: By field; None where there is nothing.
    """

    type: str
    values: Mapping[str, Any]


class Facts(Struct, frozen=True):
    """What is known of the world besides program and state.

    Args:
        lineage: The stack's lineage, drawn before for a stack that has none.
        providers: address -> through which provider it will be reached; None
            or missing for types without one.
        default_tags: address -> its provider's default tags, where there are any.
        normalise: ``(type, inputs) -> inputs`` in the form in which they are
            compared; only ever gets known fields.
        identity: ``(type, inputs) -> id`` that these inputs lead to, for
            objects whose inputs are their identity; else None.
        replaces: ``(type, before, after) -> fields`` that make a new object
            beside those that always do.
        observed: address -> its record as a refresh saw it, None if it is
            gone; None altogether without a refresh.
        imports: address -> what a read showed of the object that its
            ``import_id`` names, None if there is none.
        looked_up: What was read beforehand: lookups by address, outputs of
            other stacks by ``project/stack:``.
        retyped: Addresses at which an alias meets a record whose type only
            has another name now.
        described: type -> what the cloud told of it, where no class knows it.
    """

    lineage: str = ""
    providers: Mapping[str, ProviderRecord | None] = field(default_factory=dict)
    default_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    normalise: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None
    identity: Callable[[str, Mapping[str, Any]], str | None] | None = None
    replaces: Callable[[str, Mapping[str, Any], Mapping[str, Any]], Collection[str]] | None = None
    observed: Mapping[str, Record | None] | None = None
    imports: Mapping[str, Live | None] | None = None
    looked_up: Mapping[str, Found] = field(default_factory=dict)
    retyped: frozenset[str] = frozenset()
    described: Mapping[str, TypeFacts] = field(default_factory=dict)


#: The facts that handlers bring: no file holds them, they are gathered again.
OF_HANDLERS: Final = ("normalise", "identity", "replaces", "described")


class PlanOptions(Struct, frozen=True):
    """What was asked for.

    Args:
        destroy: Delete all that is recorded, whatever is declared.
        replace: Addresses to replace whatever their inputs are; a component's
            means all in it, here and below.
        targets: Operate on these alone; empty for all.
        exclude: Leave these as they are.
        dependents: Whether what stands on the targets is a target too.
        adopt: Whether creates that find their object existing take it over.
        only: Operate on exactly these, which are declared or recorded; in a
            session. None: see ``targets``.
        superseded: The uids of the old halves to delete; None for those of all
            addresses that are operated on.
        session: Whether the old half of a replacement waits for dependents
            that are not operated on.
    """

    destroy: bool = False
    replace: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()
    dependents: bool = False
    adopt: bool = False
    only: frozenset[str] | None = None
    superseded: frozenset[str] | None = None
    session: bool = False


class View:
    """The parts of a type's facts that matter to a plan, ready for use."""

    __slots__ = (
        "facts", "fills", "generated", "hiding", "loose", "replaces", "secret", "secrets", "stable", "unordered", "write_only",
    )  # fmt: skip

    def __init__(self, facts: TypeFacts) -> None:
        properties = facts.properties
        self.facts = facts
        self.generated = tuple(name for name, one in properties.items() if one.generated)
        self.secret = tuple(name for name, one in properties.items() if one.secret and not one.computed)
        self.secrets = frozenset(name for name, one in properties.items() if one.secret)  # computed ones too
        # With something within that may be secret.
        self.hiding = tuple(
            (name, one.shape)
            for name, one in properties.items()
            if one.shape.hides and not one.secret and not one.computed
        )
        self.write_only = frozenset(name for name, one in properties.items() if one.write_only)
        self.fills = bool(self.generated or self.secret or self.hiding)  # whether inputs have to be looked at
        self.stable = frozenset(name for name, one in properties.items() if one.stable)
        self.unordered = frozenset(name for name, one in properties.items() if one.unordered)
        self.replaces = frozenset(name for name, one in properties.items() if one.replaces is True)
        # Where Python's 1 == True could hide a change. Elsewhere the shape tells the two apart.
        self.loose = tuple(
            name
            for name, one in properties.items()
            if not one.computed and one.shape.kind not in {"str", "int", "float", "bool"}
        )


_views: dict[int, View] = {}
_MANY = 20_000


def view(facts: TypeFacts) -> View:
    """Give the view of a type's facts; made once for each facts object."""
    found = _views.get(id(facts))
    if found is None or found.facts is not facts:
        if len(_views) > _MANY:
            _views.clear()
        found = _views[id(facts)] = View(facts)
    return found
