"""The engine's way to read what a program is to be shaped by, before any planning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from iaclib.declare.lookup import Lookup
    from iaclib.declare.resource import Resource
    from iaclib.engine.lookups import Values
    from iaclib.engine.settings import Settings
    from iaclib.model.outputs import Output

T = TypeVar("T")


class Asking:
    """Reads lookups and other stacks' outputs."""

    _settings: Settings

    @overload
    def read(self, what: Output[T]) -> T: ...
    @overload
    def read(self, what: Lookup | Resource) -> Values: ...
    def read(self, what: Any) -> Any:
        """Read a lookup, or an output made of lookups and other stacks' outputs, to shape a program by it.

        Args:
            what: ``SomeType.get(...)`` or a Lookup, made outside of any stack,
                ``stack_output(...)``, or an output made of these.

        Returns:
            For a lookup, its properties by attribute or key, secrets as
            Secret; for an output the plain value, also of a secret.

        Raises:
            PlanError: There is no such object, stack or output.
            OperationError: It could not be read.
        """
        from iaclib.engine.lookups import read  # not every program looks something up

        return read(self._settings, what)
