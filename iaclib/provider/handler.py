"""The contract between the engine and what performs operations.

A handler knows one resource type and nothing of plans or state: it gets plain
values with Python names and makes blocking calls. The engine owns retries,
deadlines, readiness and recovery.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct, field

if TYPE_CHECKING:
    from iaclib.provider.context import Context

P = TypeVar("P")  # the provider that a handler works with


class Live(Struct, frozen=True):
    """What the cloud shows of one object.

    Args:
        id: The physical id.
        outputs: Computed properties by Python name.
        inputs: Declared properties as the cloud shows them, by Python name. A
            missing key means "not readable, keep what is recorded"; None means
            "observed unset". Left out altogether after create or update, the
            inputs sent count as what the cloud shows.
        ready: False makes the engine poll ``read`` until it is True, before
            dependents start.
    """

    id: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] | None = None
    ready: bool = True


class Handler(Protocol[P]):
    """Create, read, update and delete objects of one type.

    Optional methods, looked up by name: ``find(ctx, inputs) -> Live | None``
    (only what ``ctx.token`` made), ``resume(ctx, checkpoint) -> Live | None``
    (None: absent), ``identity(inputs) -> str | None`` (the id that these
    inputs lead to, for objects that can carry no token), ``list(ctx)``,
    ``read_many(ctx, ids)``, ``lookup(ctx, query)``, ``normalise(inputs)``,
    ``replaces(before, after)`` (which of the fields declared with
    ``replaces="maybe"`` make a new object if they change, going by what else
    the inputs hold; both may hold unknown values).
    """

    def create(self, ctx: Context[P], inputs: Mapping[str, Any]) -> Live:
        """Create the object; raise ``PartialFailure`` if it exists all the same."""
        ...

    def read(self, ctx: Context[P], id: str) -> Live | None:
        """Show the object, or None if it is not there."""
        ...

    def update(self, ctx: Context[P], id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Change the object in place from ``before`` to ``after``."""
        ...

    def delete(self, ctx: Context[P], id: str) -> None:
        """Delete the object; already gone is success."""
        ...
