"""What the services that keep objects answer when they don't do what was asked, as errors.

Knows which status and which code of an answer mean what, in one table for all
and one of codes a service; knows nothing of the SDKs, which give the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from iaclib.backends.object_store import Changed
from iaclib.errors import StateError


class Means(Enum):
    """What an answer comes down to."""

    CHANGED = auto()
    MISSING = auto()
    NO_BUCKET = auto()
    ELSEWHERE = auto()
    LATER = auto()
    FULL = auto()
    KEPT = auto()
    LOGIN = auto()
    CLOCK = auto()
    FORBIDDEN = auto()
    REFUSED = auto()


class Missing(Exception):
    """There is no such object."""


class Service(Struct, frozen=True):
    """A service, as far as its answers differ from the others'.

    Args:
        name: What it is called.
        login: What to do about credentials.
        needs: The permission that reading, making, overwriting, deleting and listing need.
        codes: What its own codes mean, where the status alone would say something else.
        bucket: What it calls that in which objects are.
    """

    name: str
    login: str
    needs: Mapping[str, str]
    codes: Mapping[str, Means]
    bucket: str = "bucket"


class Answer(Struct, frozen=True):
    """An answer.

    Args:
        status: Of HTTP.
        code: The service's own word for what is wrong; "" if there is none, as in an answer without a body.
        wait: What its header Retry-After says.
        region: Where the bucket is, if it says so.
    """

    status: int
    code: str = ""
    wait: str = ""
    region: str = ""


_STATUS: Final = {
    301: Means.ELSEWHERE,
    307: Means.ELSEWHERE,
    401: Means.LOGIN,
    403: Means.FORBIDDEN,
    404: Means.MISSING,
    412: Means.CHANGED,
    507: Means.FULL,
    **dict.fromkeys((408, 409, 429, 500, 502, 503, 504), Means.LATER),
}

#: What a 404 means where the object that it speaks of need not be there, or must.
_MISSING: Final = {"make": Means.NO_BUCKET, "list": Means.NO_BUCKET, "overwrite": Means.CHANGED}

_TEXTS: Final = {
    Means.CHANGED: "the object changed meanwhile, expected it as it was read; run again",
    Means.NO_BUCKET: "there is no such {bucket}, expected it to exist; make it, or correct state=",
    Means.ELSEWHERE: (
        "the {bucket} is {region}, expected the region that was asked to {tried} this ({code}); name the right one, "
        "such as ?region=eu-west-1, in state="
    ),
    Means.LATER: "{name} can't {tried} it now ({code}), expected it to; try again later",
    Means.FULL: (
        "{name} has no room left to {tried} it ({code}), expected the {bucket} to be within its quota; make room or "
        "raise the quota, and run again"
    ),
    Means.KEPT: (
        "{name} may not {tried} it as the {bucket} keeps objects from being changed ({code}), expected one that lets "
        "them be overwritten and deleted; take its retention or hold off, or keep state elsewhere"
    ),
    Means.LOGIN: "{name} does not take the credentials that were to {tried} it ({code}), expected valid ones; {login}",
    Means.CLOCK: "{name} refused to {tried} it ({code}), expected a clock that is right; set this machine's clock",
    Means.FORBIDDEN: (
        "{name} refused to {tried} it ({code}), expected credentials with the permission {needs}; grant it to them, or "
        "use others"
    ),
    Means.REFUSED: "{name} refused to {tried} it ({code}), expected it to; look up what that says of the {bucket}",
}


def failure(service: Service, where: str, tried: str, answer: Answer) -> Exception:
    """Give the error that an answer means.

    Args:
        service: Who answered.
        where: The object, and its place.
        tried: What was asked for: "read", "make", "overwrite", "delete" or "list".
        answer: What was answered.

    Returns:
        ``Missing`` (of what was to be read or deleted), ``Changed`` (of what was to be made or overwritten), or a
        ``StateError`` for people, ``retryable`` where time may help.
    """
    means = service.codes.get(answer.code) or _STATUS.get(answer.status, Means.REFUSED)
    if means is Means.MISSING:
        means = _MISSING.get(tried, means)
    if means is Means.MISSING:
        return Missing()
    text = _TEXTS[means].format(
        name=service.name,
        bucket=service.bucket,
        login=service.login,
        needs=service.needs[tried],
        tried=tried,
        code=answer.code or answer.status,
        region=f"in {answer.region}" if answer.region else "in another region",
    )
    if means is Means.CHANGED:
        return Changed(f"{where}: {text}")
    if means is not Means.LATER:
        return StateError(f"{where}: {text}")
    return StateError(
        f"{where}: {text}", retryable=True, retry_after=float(answer.wait) if answer.wait.isdigit() else None
    )


def unreached(service: Service, where: str, error: Exception) -> StateError:
    """Give the error for a request that got no answer, half of one, or one that is not the service's."""
    return StateError(
        f"{where}: {service.name} could not be reached ({type(error).__name__}), expected an answer of it; see the "
        "network and the address, and try again",
        retryable=True,
    )


def not_logged_in(service: Service, where: str, error: Exception) -> StateError:
    """Give the error for a request that could not be made for want of credentials."""
    return StateError(
        f"{where}: no usable credentials for {service.name} ({type(error).__name__}), expected some; {service.login}"
    )
