"""Sending one HTTP request: what may go wrong, and what an answer holds.

Knows no resource. Certificates are checked, other hosts are never followed to,
and no error tells a secret.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from iaclib.errors import (
    ConflictError,
    CredentialsError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OperationTimeoutError,
    ProviderError,
    ThrottledError,
)
from iaclib.local.handlers.base import SecretTexts, foreign

if TYPE_CHECKING:
    from iaclib.local.handlers.base import LocalContext

_LIMIT = 4 * 1024 * 1024  # bytes of an answer
_CHUNK = 64 * 1024
_PATIENCE = 60.0  # seconds without a byte
_SHOWN = 200  # characters of an answer that an error repeats
_GONE = {404, 410}
_AGAIN = {408, 425, 429}
_DENIED = {401, 403}
_CONFLICT, _TOO_MANY, _SERVER_ERROR, _OK, _REDIRECT = 409, 429, 500, 200, 300
_INT_BITS = 64


class Request(Struct, frozen=True):
    """One request, ready to send.

    Args:
        action: What it does for the resource: "create", "read", "find", "update" or "delete".
        body: JSON; None sends no body.
        expect: Statuses that count as success; none means all from 200 to 299.
        again: Whether it does no harm to send it twice.
        secret_body: Whether the body holds a secret; then errors don't repeat the answer.
    """

    action: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    expect: Collection[int] = ()
    again: bool = True
    secret_body: bool = False


class Answer(Struct, frozen=True):
    """What came back: ``data`` is JSON, or text where it isn't; None where it is empty."""

    status: int
    headers: Mapping[str, str]  # lower-case names
    data: Any

    @property
    def gone(self) -> bool:
        """Whether there is no such object."""
        return self.status in _GONE


def send(ctx: LocalContext, request: Request) -> Answer:
    """Send a request and read its answer.

    Returns:
        The answer, if it is a success, or says of a read or delete that there is no such object.

    Raises:
        ProviderError: And its kinds; retryable where sending it again can help and does no harm.
    """
    where = _Where(ctx, request)
    if not ctx.remaining or ctx.aborted:
        msg = f"{where}: no time is left to ask, expected some; raise timeouts, or run again"
        raise OperationTimeoutError(msg)
    status, headers, text = _exchange(ctx, request, where)
    answer = Answer(status, headers, foreign(_data(text)))
    if status in request.expect or (not request.expect and _OK <= status < _REDIRECT):
        return answer
    if answer.gone and request.action in {"read", "delete"}:
        return answer
    raise _refused(request, answer, text, where)


class _Where:
    """Names a request in errors: method and path, without the query and without secrets."""

    def __init__(self, ctx: LocalContext, request: Request) -> None:
        self.texts = SecretTexts(ctx.inputs)
        url = urlsplit(request.url)
        self.shown = self.texts.mask(
            f"{ctx.address}: {request.method} {url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
        )

    def __str__(self) -> str:
        return self.shown


def _exchange(ctx: LocalContext, request: Request, where: _Where) -> tuple[int, dict[str, str], str]:
    """Send and read; whatever the library raises becomes ours."""
    import http.client
    import socket
    import ssl
    import urllib.error
    import urllib.request

    data = None if request.body is None else json.dumps(request.body).encode()
    headers = {"Accept": "application/json", "User-Agent": "iaclib", **request.headers}
    if data is not None:
        headers.setdefault("Content-Type", "application/json")
    try:
        asked = urllib.request.Request(request.url, data, headers, method=request.method)  # noqa: S310 - http and https are all that the opener knows
        try:
            response = _opener().open(asked, timeout=min(_PATIENCE, ctx.remaining))
        except urllib.error.HTTPError as error:
            response = error
        with response:
            raw = _read(ctx, response, where)
            found = {name.lower(): value for name, value in response.headers.items()}
            return int(response.status), found, raw.decode(errors="replace")
    except ProviderError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(where, error.verify_message) from None
    except (ValueError, http.client.InvalidURL):  # it quotes values
        msg = f"{where}: the URL or a header can't be sent, expected text without line ends and control characters; correct it"
        raise InvalidRequestError(msg) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise _untrusted(where, reason.verify_message) from None
        if isinstance(reason, ConnectionRefusedError | socket.gaierror):  # surely nothing was sent
            msg = f"{where}: the server can't be reached ({type(reason).__name__}), expected it to listen; check base_url and the network"
            raise NotReadyError(msg) from None
        msg = f"{where}: no answer ({type(reason).__name__}), expected one; check the server and the network"
        raise ProviderError(msg, retryable=request.again) from None


def _untrusted(where: _Where, why: str) -> CredentialsError:
    return CredentialsError(
        f"{where}: the server's certificate can't be trusted ({why}), expected a valid one; have it mended, or trust its authority on this machine"
    )


def _opener() -> Any:
    """Make an opener that knows HTTP and HTTPS, and follows reads within one origin only."""
    import urllib.request as lib

    class SameOrigin(lib.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            here, there = urlsplit(req.full_url), urlsplit(newurl)
            if req.get_method() != "GET" or (here.scheme, here.netloc) != (there.scheme, there.netloc):
                return None  # then the redirection itself is the answer
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = lib.OpenerDirector()
    for handler in (
        lib.ProxyHandler(),
        lib.HTTPHandler(),
        lib.HTTPSHandler(),
        SameOrigin(),
        lib.HTTPErrorProcessor(),
        lib.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _read(ctx: LocalContext, response: Any, where: _Where) -> bytes:
    data = bytearray()
    while chunk := response.read1(_CHUNK):
        data += chunk
        if len(data) > _LIMIT:
            msg = f"{where}: the answer has more than {_LIMIT:,} bytes, expected less; ask for less"
            raise InvalidRequestError(msg)
        if not ctx.remaining or ctx.aborted:
            msg = (
                f"{where}: the answer took too long, expected it in time; raise timeouts, or see why the server is slow"
            )
            raise OperationTimeoutError(msg)
    return bytes(data)


def _data(text: str) -> Any:
    """Read JSON; text that is none stays text. Numbers that state can't hold become text."""
    if not text.strip():
        return None
    try:
        return json.loads(text, parse_int=_whole, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def _whole(digits: str) -> int | str:
    number = int(digits)
    return number if number.bit_length() < _INT_BITS else digits


def _refused(request: Request, answer: Answer, text: str, where: _Where) -> ProviderError:
    """Choose the error for a status."""
    status = answer.status
    said = " ".join(text.split())
    if request.secret_body and said:
        said = "its text is left out, the request's body holds a secret"
    elif len(said) > _SHOWN:
        said = f"{said[:_SHOWN]}…"
    shown = f"{where}: status {status}{f' ({where.texts.mask(said)})' if said else ''}"
    facts: dict[str, Any] = {"status": status}
    if status == _TOO_MANY:
        msg = f"{shown}, expected to be let through; it is tried again more slowly"
        return ThrottledError(msg, retry_after=_seconds(answer.headers.get("retry-after")), **facts)
    if status in _AGAIN:
        return NotReadyError(f"{shown}, expected an answer; it is tried again", **facts)
    if status >= _SERVER_ERROR:
        return ProviderError(
            f"{shown}, expected success; the server failed, look into its log", retryable=request.again, **facts
        )
    if status in _DENIED:
        return CredentialsError(f"{shown}, expected to be allowed; check the headers that hold credentials", **facts)
    if status == _CONFLICT and request.action == "delete":
        return DependencyViolationError(f"{shown}, expected it to be free; remove what uses it first", **facts)
    if status == _CONFLICT:
        return ConflictError(f"{shown}, expected no such object; choose another name, import it or adopt it", **facts)
    if answer.gone:
        return NotFoundError(f"{shown}, expected it to exist; check the URL and what it refers to", **facts)
    if _REDIRECT <= status < _TOO_MANY and status < 400:  # noqa: PLR2004 - redirections end there
        return InvalidRequestError(
            f"{shown}, expected an answer and no redirection; put the final address into base_url", **facts
        )
    return InvalidRequestError(f"{shown}, expected success; correct the request", **facts)


def _seconds(value: str | None) -> float | None:
    """Read the seconds that a server asks to wait; a date is left to the engine's own patience."""
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None
