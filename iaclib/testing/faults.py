"""What a test lets go wrong, and how types behave that do more than their facts tell."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import attrs

from iaclib.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iaclib.testing.objects import SimulatedObject

#: What can be let fail.
OPERATIONS = ("create", "read", "update", "delete", "find", "lookup")

Error = BaseException | type[BaseException]


@attrs.frozen
class Behaviour:
    """How a type behaves beyond its facts; see ``Simulator.behaviour``."""

    check: Callable[[str, SimulatedObject], object] | None = None
    outputs: Callable[[SimulatedObject], Mapping[str, Any]] | None = None
    ready_after: float = 0.0
    normalise: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    replaces: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None


@attrs.define
class _Fault:
    operation: str
    address: str
    times: int
    error: Error
    after: bool


class Faults:
    """The faults that are still to happen, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, operation: str, address: str, times: int, error: Error | None, *, after: bool) -> None:
        """Let calls fail.

        Raises:
            ValueError: There is no such operation.
        """
        if operation not in OPERATIONS:
            msg = f"{operation!r} is no operation, expected one of {', '.join(OPERATIONS)}; correct it"
            raise ValueError(msg)
        if error is None:
            error = InvalidRequestError(f"{operation} is refused, as the test asked")
        self._faults.append(_Fault(operation, address, times, error, after))

    def take(self, operation: str, address: str, urn: str) -> Error | None:
        """Raise what is to go wrong before a call has an effect; give what is to go wrong after it."""
        for fault in self._faults:
            if fault.operation == operation and (fnmatchcase(address, fault.address) or urn == fault.address):
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                if fault.after:
                    return fault.error
                raise fault.error
        return None
