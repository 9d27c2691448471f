"""What a collect gives: the desired state of a stack.

Plain data for the planner; ``Declared`` is slotted and not frozen because a
stack has tens of thousands of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from iaclib.declare.sources import Source
from iaclib.model.addresses import StackRef
from iaclib.model.scope import Location

if TYPE_CHECKING:
    from iaclib.declare.options import Options
    from iaclib.model.expressions import Looked, Ref
    from iaclib.provider.base import Provider
    from iaclib.schema.facts import TypeFacts


class Declared:
    """One resource as a collect found it.

    ``inputs`` are lowered values by Python name, unset ones left out, and
    ``expressions`` names those that are, or hold, an expression, with the
    outputs that each is made of;
    ``options`` have what the component hands down merged in; ``parent`` is
    the component's address or ""; ``provider`` is what options or scope gave,
    or None; ``depends_on`` and ``replace_with`` have resources' addresses,
    components expanded; ``deleted_with`` is one or ""; ``former`` has the
    addresses that its aliases stand for; ``trigger`` is the lowered
    replacement trigger.
    """

    __slots__ = (
        "address",
        "cls",
        "defined_by",
        "deleted_with",
        "depends_on",
        "expressions",
        "facts",
        "former",
        "has_secret",
        "inputs",
        "location",
        "options",
        "parent",
        "provider",
        "replace_with",
        "trigger",
        "type",
    )

    address: str
    type: str
    facts: TypeFacts
    inputs: dict[str, Any]
    options: Options
    parent: str
    provider: Provider | None
    location: Location
    cls: Any  # the class; `type` is a field here
    depends_on: tuple[str, ...]
    deleted_with: str
    replace_with: tuple[str, ...]
    former: tuple[str, ...]
    trigger: Any
    defined_by: str
    expressions: Mapping[str, Sequence[Ref | Looked]]
    has_secret: bool

    @property
    def follows(self) -> tuple[str, ...]:
        """The addresses whose replacement replaces this one too."""
        return (*self.replace_with, self.deleted_with) if self.deleted_with else self.replace_with

    @property
    def linked(self) -> bool:
        """Whether anything but its properties ties it to others."""
        return bool(self.depends_on or self.replace_with or self.deleted_with or self.trigger is not None)

    def __repr__(self) -> str:
        return f"<Declared {self.address} {self.type}>"


class Desired(Struct, frozen=True):
    """What a stack wants to be.

    Args:
        ref: The stack.
        resources: By address, in order of declaration.
        outputs: Exports, as lowered values.
        components: Where each was declared, by address.
        raised: Whether the program raised before its end.
        sources: Lookups and other stacks' outputs, in order of declaration.
        remedies: Which policy set which field, by address.
        tokens: How many outputs were written as text.
    """

    ref: StackRef
    resources: Mapping[str, Declared] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    components: Mapping[str, Location] = field(default_factory=dict)
    raised: bool = False
    sources: Sequence[Source] = ()
    remedies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tokens: int = 0
