"""Requests to Cloud Control: made, waited for, found again, and their failures as errors of iaclib's tree.

The service answers at once with a request's token and does the work later.
Knows no types and no properties.

Source: https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-operations-manage-requests.html
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from iaclib.aws.table import CLOUD_CONTROL
from iaclib.errors import (
    ConflictError,
    CredentialsError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OperationTimeoutError,
    ProviderError,
    QuotaError,
    ThrottledError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from iaclib.aws.client import Client
    from iaclib.aws.handlers.base import AwsContext

_RUNNING = {"PENDING", "IN_PROGRESS", "CANCEL_IN_PROGRESS"}
_PAUSE = 5.0  # seconds between two questions where the service names none, reached by doubling
_LONGEST = 60.0
_TRIES = 32  # requests of one step: a client token is good for one request, also for one that failed
_TOKEN_LASTS = 30 * 3600.0  # seconds; a client token leads to its request for a day and a half
_REQUESTS_LAST = 6.5 * 86400.0  # seconds; AWS knows of requests for seven days
_FIRST_TEXT = 400

_REPLACE = (
    "the cloud cannot change this in place; have it made anew with plan(replace=[its address]), "
    "or for good with Options(replace_on_changes=[its fields])"
)
#: HandlerErrorCode -> class, what to do.
_KINDS: dict[str, tuple[type[ProviderError], str]] = {
    "NotUpdatable": (InvalidRequestError, _REPLACE),
    "InvalidRequest": (InvalidRequestError, "correct the resource's fields"),
    "AccessDenied": (CredentialsError, "allow the action for these credentials"),
    "UnauthorizedTaggingOperation": (CredentialsError, "allow these credentials to tag objects of the type"),
    "InvalidCredentials": (CredentialsError, "check or renew the credentials"),
    "AlreadyExists": (ConflictError, "choose another name, import it or adopt it"),
    "NotFound": (NotFoundError, "check that it exists in this account and region"),
    "ResourceNotFound": (NotFoundError, "check that it exists in this account and region"),
    "ResourceConflict": (NotReadyError, "it is tried again when the operation before has ended"),
    "ConcurrentOperation": (NotReadyError, "it is tried again when the operation before has ended"),
    "Throttling": (ThrottledError, "it is tried again more slowly; Provider(limits=...) caps the calls at once"),
    "ServiceLimitExceeded": (QuotaError, "remove something or ask AWS for a higher quota"),
    "NotStabilized": (ProviderError, "it is tried again"),
    "ServiceInternalError": (ProviderError, "AWS failed; it is tried again"),
    "ServiceTimeout": (ProviderError, "AWS took too long; it is tried again"),
    "NetworkFailure": (ProviderError, "AWS could not reach the service; it is tried again"),
    "InternalFailure": (ProviderError, "AWS failed; it is tried again"),
    "HandlerInternalFailure": (ProviderError, "AWS failed; it is tried again"),
    "GeneralServiceException": (ProviderError, "look at what the service says"),
    "GeneralService": (ProviderError, "look at what the service says"),
    "HandlerFailure": (ProviderError, "AWS's handler of the type failed"),
    "TypeNotFound": (InvalidRequestError, "choose a type and region that Cloud Control offers"),
    "PrivateType": (InvalidRequestError, "choose a public type"),
    "UnsupportedAction": (InvalidRequestError, "choose a type that Cloud Control offers in this region"),
    "ClientTokenConflict": (InvalidRequestError, "another request had the step's token; run again"),
    "RequestTokenNotFound": (NotFoundError, "AWS keeps requests for seven days"),
    "CANCEL_COMPLETE": (ProviderError, "somebody cancelled it; run again"),
}
_OTHER = (ProviderError, "look at what AWS says")
#: What isn't tried again.
_LASTING = {"GeneralServiceException", "GeneralService", "HandlerFailure", "CANCEL_COMPLETE"}
_IN_USE = re.compile(
    r"DependencyViolation|DeleteConflict|has dependenc|dependent object|in use\b|ResourceInUse|not ?empty",
    re.IGNORECASE,
)


def error_of(code: str, said: str, *, deleting: bool, facts: Mapping[str, Any]) -> ProviderError:
    """Give the error for a code of Cloud Control; ``said`` is all that may be told of its text."""
    kind, advice = _KINDS.get(code, _OTHER)
    if deleting and _IN_USE.search(said) and kind in (InvalidRequestError, ProviderError, NotReadyError):
        kind, advice = DependencyViolationError, "remove what uses it first"
    text = f"{said}; {advice}"
    if kind is ProviderError:
        return ProviderError(text, retryable=code in _KINDS and code not in _LASTING, **facts)
    return kind(text, **facts)


class Requests:
    """The requests of one step on one type.

    Args:
        ctx: The step.
        type: The cloud's name of the type.
        secret: Whether requests hold what must not be told; then the cloud's
            text, which may quote it, is left out of errors.
    """

    def __init__(self, ctx: AwsContext, type: str, *, secret: bool = False) -> None:
        self.ctx = ctx
        self.type = type
        self.secret = secret
        self.client: Client = ctx.provider.client(CLOUD_CONTROL)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """Call an operation that is about the type."""
        with self._translated(operation):
            return self.client.call(operation, TypeName=self.type, **params)

    def run(
        self, operation: str, *, spent: Callable[[Mapping[str, Any]], bool] | None = None, **params: Any
    ) -> dict[str, Any]:
        """Make a request and wait for its end; give its last event.

        A client token is good for one request, to which it leads whenever it
        is used again. So a call that may be a repeated one joins a request
        that goes on, and takes the next token where one has failed already,
        or has succeeded and is ``spent``.

        Args:
            operation: The client's method.
            spent: Whether an earlier success no longer counts.
            params: What the operation takes.

        Raises:
            ProviderError: The request failed.
        """
        event: dict[str, Any] = {}
        for tried in range(_TRIES):
            try:
                event = self._asked(operation, tried, **params)
            except InvalidRequestError as error:
                # Of an update or delete that is computed anew for each try, and harmless to repeat.
                if error.facts.get("code") == "ClientTokenConflictException" and operation != "create_resource":
                    continue
                raise
            except NotReadyError as error:
                # Such as by a run that was killed; it may take longer than what isn't ready is tried again.
                if error.facts.get("code") == "ConcurrentOperationException" and self._others_ended(params):
                    continue
                raise
            if event.get("OperationStatus") in _RUNNING:
                return self._noted(event)
            done = event.get("OperationStatus") == "SUCCESS"
            if done and not (self.ctx.repeated and spent is not None and spent(event)):
                return event
            if not self.ctx.repeated or not self.ctx.token:
                break
        raise self.failure(event)

    def resumed(self, noted: Mapping[str, Any], **params: Any) -> dict[str, Any] | None:
        """Go on with the request of an interrupted create; give its last event, or None if nothing leads to it.

        Where a run was killed before it learned the request, the call is
        repeated with the token that it was made with: AWS gives the request
        that there is, or begins the one that never came to be.

        Raises:
            ProviderError: The request failed; or, without ``identifier``, it could not be asked.
        """
        try:
            if "request" in noted:
                return self.ended(self.status(str(noted["request"])))
            if "try" not in noted or time.time() - noted["at"] > _TOKEN_LASTS:
                return None
            event = self.call("create_resource", ClientToken=self._token("create_resource", noted["try"]), **params)
            return self._noted(event["ProgressEvent"])
        except NotFoundError as error:
            if error.facts.get("code") == "RequestTokenNotFoundException":
                return None
            raise
        except InvalidRequestError as error:
            if "identifier" in error.facts:
                raise
            return None  # refused as such: if it ever was made, it was with other content, by another version

    @staticmethod
    def forgotten(noted: Mapping[str, Any]) -> bool:
        """Tell whether what was noted is so long ago that AWS no longer lists its request."""
        return "at" in noted and time.time() - noted["at"] > _REQUESTS_LAST

    def _others_ended(self, params: Mapping[str, Any]) -> bool:
        """Wait for the requests on the same object that go on; tell whether there was one."""
        found = [
            event
            for event in self.listed(("UPDATE", "DELETE"), ("PENDING", "IN_PROGRESS"))
            if event.get("Identifier") == params.get("Identifier")
        ]
        for event in found:
            try:
                self.ended(event)
            except ProviderError as error:
                if "identifier" not in error.facts:  # it isn't that request which failed
                    raise
        return bool(found)

    def _asked(self, operation: str, tried: int, **params: Any) -> dict[str, Any]:
        """Make one request; of a create it is durable before that there may be one."""
        if operation == "create_resource":
            self.ctx.checkpoint(data={"try": tried, "at": time.time()})
        token = self._token(operation, tried)
        event: dict[str, Any] = self.call(operation, ClientToken=token or None, **params)["ProgressEvent"]
        return event

    def _token(self, operation: str, tried: int) -> str:
        """Give the client token of a try: the step's own is that of the create."""
        token = self.ctx.token
        if token and operation != "create_resource":  # what completes a create is a request of its own
            token = f"{token}-{operation.partition('_')[0]}"
        return f"{token}-{tried + 1}" if token and tried else token

    def ended(self, event: dict[str, Any]) -> dict[str, Any]:
        """Wait for the end of a request.

        Raises:
            ProviderError: It failed.
            OperationTimeoutError: The step's time is up; the request goes on.
        """
        request, pause = str(event["RequestToken"]), 1.0
        while event.get("OperationStatus") in _RUNNING:
            if self.ctx.remaining <= 0:
                msg = (
                    f"{self.ctx.address}: AWS still works on request {request}, expected an end before the timeout; "
                    "raise Options(timeouts=...) and run again"
                )
                raise OperationTimeoutError(msg, request=request)
            self.ctx.sleep(_wait(event, pause))
            pause = min(pause * 2, _PAUSE)
            event = self.status(request)
        if event.get("OperationStatus") != "SUCCESS":
            raise self.failure(event)
        return event

    def _noted(self, event: dict[str, Any]) -> dict[str, Any]:
        """Wait for the end of the step's own request, which is noted durably before.

        The identifier is not noted as the object's id: while a create goes on
        it may be that of somebody else's object of the same name.

        Raises:
            ProviderError: As ``ended``.
        """
        if event.get("OperationStatus") in _RUNNING:
            self.ctx.checkpoint(data={"request": str(event["RequestToken"]), "at": time.time()})
        return self.ended(event)

    def status(self, request: str) -> dict[str, Any]:
        """Ask how a request stands."""
        operation = "get_resource_request_status"
        with self._translated(operation):
            answer = self.client.call(operation, RequestToken=request)
        event: dict[str, Any] = answer["ProgressEvent"]
        return event

    def listed(self, operations: Sequence[str], statuses: Sequence[str]) -> Iterator[dict[str, Any]]:
        """List the requests on objects of the type that AWS still knows of, latest state each."""
        wanted = {"Operations": list(operations), "OperationStatuses": list(statuses)}
        with self._translated("list_resource_requests"):
            for event in self.client.items(
                "list_resource_requests", "ResourceRequestStatusSummaries", ResourceRequestStatusFilter=wanted
            ):
                if event.get("TypeName") == self.type:
                    yield event

    def failure(self, event: Mapping[str, Any]) -> ProviderError:
        """Give the error of a request that failed."""
        code = str(event.get("ErrorCode") or event.get("OperationStatus") or "")
        text = " ".join(str(event.get("StatusMessage", "")).split())[:_FIRST_TEXT]
        shown = "AWS's text is left out because the request holds a secret" if self.secret else text
        action = str(event.get("Operation", "request")).lower()
        facts = {
            "code": code,
            "service": CLOUD_CONTROL,
            "operation": action,
            "request": event.get("RequestToken"),
            "identifier": event.get("Identifier"),
        }
        if code == "AlreadyExists":
            facts["existing_id"] = event.get("Identifier") or None
        said = f"{self.type} {action}: {code}: {shown}"
        return error_of(code, said, deleting=action == "delete", facts=facts)

    @contextmanager
    def _translated(self, operation: str) -> Iterator[None]:
        """Read the service's own error codes by what they mean here."""
        try:
            yield
        except ProviderError as error:
            code = str(error.facts.get("code", ""))
            known = code if code in _KINDS else code.removesuffix("Exception")
            if not code.endswith("Exception") or known not in _KINDS or isinstance(error, ThrottledError):
                raise
            said = str(error).rpartition(";")[0] or str(error)
            raise error_of(known, said, deleting=operation == "delete_resource", facts=error.facts) from None


def _wait(event: Mapping[str, Any], usual: float) -> float:
    """Tell how long to wait before asking again, by the service's own clock."""
    at, after = event.get("EventTime"), event.get("RetryAfter")
    if at is None or after is None:
        return usual
    return float(min(max((after - at).total_seconds(), 0.1), _LONGEST))
