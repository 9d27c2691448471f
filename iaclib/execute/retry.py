"""When to try again, and for how long. Pure arithmetic over errors and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from iaclib.errors import (
    ConflictError,
    CredentialsError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    ProviderError,
    QuotaError,
    ThrottledError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds that one step may take, if neither type nor options say otherwise.
TIMEOUT: Final = 1800.0
#: Errors after which an object surely was not made.
REFUSALS: Final = (
    ConflictError,
    CredentialsError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    QuotaError,
    ThrottledError,
)
_CAP = 60.0


def quickly(spread: Callable[[float], float], start: float = 0.5, cap: float = 20.0) -> Iterator[float]:
    """Give growing waits for what passes soon, each varied by the clock's ``spread``."""
    wait = start
    while True:
        yield spread(wait)
        wait = min(cap, wait * 2)


def slowly(timeout: float) -> Iterator[float]:
    """Give waits for what passes when something else is gone (rule 33)."""
    wait = min(5.0, timeout / 10)
    while True:
        yield wait
        wait = min(_CAP, wait * 2)


def is_retryable(error: BaseException, action: str) -> bool:
    """Tell whether the same call may succeed later."""
    if not isinstance(error, ProviderError):
        return False
    return bool(error.retryable) or (action == "delete" and isinstance(error, DependencyViolationError))
