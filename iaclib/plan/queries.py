"""Questions that tests and programs ask of a plan: what is made, changed, replaced and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.declare.registry import require_type
from iaclib.errors import DeclarationError
from iaclib.plan.changes import Action

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from iaclib.plan.changes import Change


def type_name(of: Any, present: Collection[str] = ()) -> str:
    """Give the name of a type that is given by its class or by name.

    Args:
        of: A resource class, or a type's name.
        present: Types that are known to exist, whether their classes are imported or not.

    Raises:
        DeclarationError: It is neither.
        UnknownProviderError: There is no type of that name.
    """
    if isinstance(of, str):
        if of not in present:
            require_type(of, "resources of a type")
        return of
    facts = getattr(getattr(of, "_iac_class", None), "type", None)
    name = getattr(facts, "type", None)
    if not isinstance(name, str):
        msg = f"{of!r} is no resource class, expected one, or the name of its type; pass that"
        raise DeclarationError(msg)
    return name


class Queries:
    """Asks for addresses by what happens to them, in the order of the plan."""

    if TYPE_CHECKING:

        @property
        def changes(self) -> Sequence[Change]:
            """All changes."""
            ...

    def _addresses(self, action: Action, of: Any) -> list[str]:
        changes = self.changes
        name = None if of is None else type_name(of, {change.type for change in changes})
        return [
            change.address for change in changes if change.action is action and (name is None or change.type == name)
        ]

    def creates(self, of: Any = None) -> list[str]:
        """List the addresses at which something is created.

        Args:
            of: A resource class or a type's name; None for all types.
        """
        return self._addresses(Action.CREATE, of)

    def updates(self, of: Any = None) -> list[str]:
        """List the addresses whose objects are changed in place; see ``creates``."""
        return self._addresses(Action.UPDATE, of)

    def replaces(self, of: Any = None) -> list[str]:
        """List the addresses whose objects are replaced, or may be; see ``creates``."""
        return self._addresses(Action.REPLACE, of)

    def deletes(self, of: Any = None) -> list[str]:
        """List the addresses whose objects are deleted for good, superseded ones too; see ``creates``."""
        return self._addresses(Action.DELETE, of)
