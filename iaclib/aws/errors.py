"""What boto raises, as errors of iaclib's tree.

The only place that knows AWS's error codes. Texts that may quote what was sent
are left out where the request held a secret, and always for the SDK's own
parameter check, which prints values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

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
    from collections.abc import Mapping

_THROTTLED = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "OptInRequired",
    "UnauthorizedOperation",
    "403",
}
_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
}
_NOT_FOUND = {
    "404",
    "AWS.SimpleQueueService.NonExistentQueue",
    "Gateway.NotAttached",
    "NotFound",
    "OwnershipControlsNotFoundError",
    "QueueDoesNotExist",
    "ReplicationConfigurationNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
}
_CONFLICT = {
    "BucketAlreadyExists",
    "BucketAlreadyOwnedByYou",
    "EntityAlreadyExists",
    "InvalidSubnet.Conflict",
    "InvalidVpc.Range.Conflict",
    "QueueAlreadyExists",
    "QueueNameExists",
    "Resource.AlreadyAssociated",
    "ResourceConflictException",
    "RouteAlreadyExists",
}
_IN_USE = {"BucketNotEmpty", "DeleteConflict", "DependencyViolation", "ResourceInUse", "VolumeInUse"}
_QUOTA = {"LimitExceeded", "LimitExceededException", "ServiceQuotaExceededException", "TooManyBuckets"}
_NOT_READY = {
    "ConcurrentModification",
    "ConcurrentModificationException",
    "EntityTemporarilyUnmodifiable",
    "EntityTemporarilyUnmodifiableException",
    "IncorrectInstanceState",
    "IncorrectState",
    "OperationAborted",
    "OperationAbortedException",
    "AWS.SimpleQueueService.QueueDeletedRecently",
    "QueueDeletedRecently",
}
#: Reasons that AWS gives as a wrong request although waiting is all they need:
#: IAM spreads slowly to other services.
_SETTLING = (
    re.compile(r"iam ?instance ?profile", re.IGNORECASE),
    re.compile(r"invalid principal in policy", re.IGNORECASE),
    re.compile(
        r"role .{0,200}cannot be assumed|assume (?:the )?role|not authorized to perform.{0,20}AssumeRole", re.IGNORECASE
    ),
)
_SETTLING_CODES = {
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "InvalidParameterException",
    "MalformedPolicy",
    "MalformedPolicyDocument",
    "MalformedPolicyDocumentException",
}
_CAPACITY = {"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientVolumeCapacity"}

_MAX_TEXT = 600
_SERVER_ERROR = 500
_TOO_MANY = 429

_BAD_PARAMETER = (
    (re.compile(r"Missing required parameter in (\S+): \"([^\"]+)\""), "{1} is missing in {0}"),
    (re.compile(r"Unknown parameter in (\S+): \"([^\"]+)\""), "{1} is unknown in {0}"),
    (re.compile(r"Invalid type for parameter ([^\s,]+),"), "{0} has the wrong type"),
    (re.compile(r"Invalid length for parameter ([^\s,]+),"), "{0} has a length that is not allowed"),
    (re.compile(r"Value .*? for parameter ([^\s,]+) is invalid", re.DOTALL), "{0} has a value that is not allowed"),
)


def translate(error: BaseException, service: str, operation: str, *, secret: bool = False) -> ProviderError:
    """Give the error of iaclib's tree that says what an SDK error means.

    Raise the result ``from None``: the original may quote values.

    Args:
        error: What boto raised.
        service: The service called, such as ``ec2``.
        operation: The boto method called, such as ``create_vpc``.
        secret: Whether the request held a secret; then AWS's text is left out.

    Returns:
        The error, with the facts ``code``, ``service``, ``operation``,
        ``request_id`` and ``status`` (None where AWS never answered).

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    """
    if isinstance(error, ProviderError):
        return error
    from botocore import exceptions as boto  # type: ignore[import-untyped,unused-ignore]
    from botocore.parsers import ResponseParserError

    where = f"aws {service} {operation}"
    facts: dict[str, Any] = {
        "code": type(error).__name__,
        "service": service,
        "operation": operation,
        "request_id": None,
        "status": None,
    }
    if isinstance(error, boto.ClientError):
        return _answered(error.response, error.operation_name, where, facts, secret=secret)
    if isinstance(error, boto.ParamValidationError):
        msg = (
            f"{where}: {_bad_parameters(str(error))}, expected what the operation's reference says; "
            "correct the resource's fields"
        )
        return InvalidRequestError(msg, **facts)
    missing = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.NoAuthTokenError)
    if isinstance(error, missing):
        msg = (
            f"{where}: found no complete credentials, expected those of an AWS account; "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or Provider(profile=...)"
        )
        return CredentialsError(msg, **facts)
    if isinstance(error, (boto.NoRegionError,)):
        return CredentialsError(f"{where}: no region, {REGION_ADVICE}", **facts)
    unusable = (
        boto.ProfileNotFound,
        boto.ConfigParseError,
        boto.CredentialRetrievalError,
        boto.MetadataRetrievalError,
        boto.InvalidConfigError,
        boto.SSOError,
        boto.TokenRetrievalError,
    )
    if isinstance(error, unusable):
        msg = (
            f"{where}: the credentials cannot be loaded ({_cut(str(error))}), "
            "expected a usable profile or session; check the AWS configuration or log in again"
        )
        return CredentialsError(msg, **facts)
    unreachable = (boto.EndpointConnectionError, boto.ConnectionError, boto.HTTPClientError, boto.ConnectionClosedError)
    if isinstance(error, unreachable):
        endpoint = error.kwargs.get("endpoint_url") or "the endpoint"
        msg = (
            f"{where}: no answer from {endpoint} ({type(error).__name__}), "
            "expected AWS or what endpoint_url names; check the network and the endpoint"
        )
        return ProviderError(msg, retryable=True, endpoint=endpoint, **facts)
    if isinstance(error, ResponseParserError):  # a proxy's page, or an answer that broke off
        msg = f"{where}: the answer makes no sense, expected {service}'s format; check the endpoint; it is tried again"
        return ProviderError(msg, retryable=True, **facts)
    reason = "" if secret else f" ({_cut(str(error))})"
    return ProviderError(f"{where}: the SDK failed with {type(error).__name__}{reason}", **facts)


REGION_ADVICE = "expected one such as eu-west-1; set Provider(region=...), AWS_REGION or the profile's region"


def _answered(
    response: Mapping[str, Any], called: str, where: str, facts: dict[str, Any], *, secret: bool
) -> ProviderError:
    """Translate what AWS answered."""
    body, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, text = str(body.get("Code", "")), str(body.get("Message", ""))
    status = meta.get("HTTPStatusCode")
    facts |= {"code": code, "request_id": meta.get("RequestId"), "status": status}
    shown = "AWS's text is left out because the request holds a secret" if secret else _cut(text)
    said = f"{where}: {code or status}: {shown}"
    if called == "AssumeRole" and code not in _THROTTLED and (status or 0) < _SERVER_ERROR:
        return CredentialsError(f"{said}; check Provider(role=...) and the role's trust policy", **facts)
    kind, advice = _kind(code, text, status)
    if kind is ThrottledError:
        return ThrottledError(f"{said}; {advice}", retry_after=_retry_after(meta), **facts)
    if kind is ProviderError:
        return ProviderError(f"{said}; {advice}", retryable=code not in _CAPACITY, **facts)
    return kind(f"{said}; {advice}", **facts)


def _kind(code: str, text: str, status: int | None) -> tuple[type[ProviderError], str]:  # noqa: PLR0911 - one table
    """Choose the class, and what to advise."""
    if code in _THROTTLED or status == _TOO_MANY or (code == "LimitExceededException" and "simultaneous" in text):
        return ThrottledError, "it is tried again more slowly; Provider(limits=...) caps the calls at once"
    if code in _DENIED:
        return CredentialsError, "allow the action for these credentials"
    if code in _CREDENTIALS:
        return CredentialsError, "check or renew the credentials"
    if code in _NOT_FOUND or code.startswith("NoSuch") or re.search(r"NotFound(Exception|Fault)?$", code):
        return NotFoundError, "check that it exists in this account and region"
    if code in _NOT_READY or (code in _SETTLING_CODES and any(pattern.search(text) for pattern in _SETTLING)):
        return NotReadyError, "it is tried again while AWS settles"
    if code == "ResourceInUseException":  # DynamoDB says so of a table that exists and of one that changes
        exists = re.search(r"already exists|already owned", text, re.IGNORECASE)
        return (ConflictError, "choose another name, import it or adopt it") if exists else (NotReadyError, "wait")
    if code in _CONFLICT or re.search(r"AlreadyExists(Exception|Fault)?$|Duplicate$|DuplicateName$", code):
        return ConflictError, "choose another name or range, import it or adopt it"
    if code in _IN_USE or code.endswith(".InUse"):
        return DependencyViolationError, "remove what uses it first"
    if code in _QUOTA or code.endswith("LimitExceeded"):
        return QuotaError, "remove something or ask AWS for a higher quota"
    if code in _CAPACITY:
        return ProviderError, "choose another type or zone, or try later"
    if (status or 0) >= _SERVER_ERROR or code in {
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "Unavailable",
    }:
        return ProviderError, "AWS failed; it is tried again"
    return InvalidRequestError, "correct the resource's fields"


def _bad_parameters(text: str) -> str:
    """Name the parameters that the SDK refused, without their values."""
    found = [form.format(*match.groups()) for pattern, form in _BAD_PARAMETER for match in pattern.finditer(text)]
    return "the request is malformed: " + (", ".join(dict.fromkeys(found)) or "a parameter was refused")


def _retry_after(meta: Mapping[str, Any]) -> float | None:
    """Read the seconds that the server asks to wait, if it does."""
    value = meta.get("HTTPHeaders", {}).get("retry-after")
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:  # an HTTP date; AWS does not send one, proxies may
        return None


def _cut(text: str) -> str:
    """Keep a text to one line of bearable length."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}…"
