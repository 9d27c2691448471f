"""What a test lets go wrong, and how types behave that do more than their facts tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from iaclib.errors import InvalidRequestError
from iaclib.testing.objects import SimulatedObject

#: What can be let fail.
OPERATIONS = ("create", "read", "update", "delete", "find", "lookup")

Error = BaseException | type[BaseException]


class Behaviour(Struct, frozen=True):
    """How a type behaves beyond its facts; each part is left out where the facts say it all.

    Args:
        check: Called before a create, update or delete with the operation's
            name and the object: for a create and an update as it would become,
            with ``before`` what it is now. What it raises is what the cloud
            answers, an ``InvalidRequestError`` for what is refused for good.
        outputs: Called after a create or update with the object as it became;
            gives properties by name, which take the place of those made up.
        ready_after: Seconds until a new object is ready; what depends on it waits.
        normalise: As a handler's ``normalise``.
        replaces: As a handler's ``replaces``.
    """

    check: Callable[[str, SimulatedObject], object] | None = None
    outputs: Callable[[SimulatedObject], Mapping[str, Any]] | None = None
    ready_after: float = 0.0
    normalise: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    replaces: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None


class _Fault(Struct):
    asked: str  # how the test asked for it
    operation: str
    address: str
    times: int
    error: Error
    after: bool
    must: bool  # whether a test is wrong that ends without it
    met: bool = False


class Faults:
    """The faults that are still to happen, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, by: str, operation: str, address: str, times: int, error: Any, *, after: bool, must: bool) -> None:
        """Let calls fail.

        Raises:
            ValueError: There is no such operation, or it is to fail less than once.
            TypeError: What is given is no error.
        """
        if operation not in OPERATIONS:
            msg = f"{operation!r} is no operation, expected one of {', '.join(OPERATIONS)}; correct it"
            raise ValueError(msg)
        if times < 1:
            msg = f"sim.{by}({operation!r}, {address!r}): times={times} is no number of calls, expected 1 or more; correct it"
            raise ValueError(msg)
        if not (error is None or isinstance(error, BaseException)) and not (
            isinstance(error, type) and issubclass(error, BaseException)
        ):
            msg = f"sim.{by}({operation!r}, {address!r}): error={error!r} can't be raised, expected an exception or its class; pass that"
            raise TypeError(msg)
        if error is None:
            error = InvalidRequestError(f"{operation} is refused, as the test asked")
        asked = f"sim.{by}({operation!r}, {address!r})"
        self._faults.append(_Fault(asked, operation, address, times, error, after, must))

    def unmet(self) -> list[str]:
        """List the faults that no call has met, as the test asked for them."""
        return [fault.asked for fault in self._faults if fault.must and not fault.met]

    def take(self, operation: str, address: str, urn: str) -> Error | None:
        """Raise what is to go wrong before a call has an effect; give what is to go wrong after it."""
        for fault in self._faults:
            if fault.operation == operation and (fnmatchcase(address, fault.address) or urn == fault.address):
                fault.met = True
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                if fault.after:
                    return fault.error
                raise fault.error
        return None
