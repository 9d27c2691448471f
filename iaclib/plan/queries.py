"""Questions that tests and programs ask of a plan: what is made, changed, replaced and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.errors import DeclarationError
from iaclib.plan.changes import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iaclib.plan.changes import Change


def type_name(of: Any) -> str:
    """Give the name of a type that is given by its class or by name.

    Raises:
        DeclarationError: It is neither.
    """
    if isinstance(of, str):
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
        name = None if of is None else type_name(of)
        return [
            change.address
            for change in self.changes
            if change.action is action and (name is None or change.type == name)
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
