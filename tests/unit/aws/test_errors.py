"""What boto raises becomes an error of iaclib's tree."""

from __future__ import annotations

import pickle

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from iaclib import errors
from iaclib.aws.errors import translate


def answered(code, message="why", status=400, operation="CreateThing", headers=None):
    """Give what boto raises for an answer of AWS."""
    meta = {"HTTPStatusCode": status, "RequestId": "req-1", "HTTPHeaders": headers or {}}
    return boto.ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": meta}, operation)


CODES = {
    errors.NotFoundError: [
        "InvalidVpcID.NotFound",
        "InvalidRoute.NotFound",
        "Gateway.NotAttached",
        "NoSuchEntity",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NotFound",
        "404",
    ],
    errors.ConflictError: [
        "InvalidGroup.Duplicate",
        "InvalidKeyPair.Duplicate",
        "InvalidPermission.Duplicate",
        "InvalidSubnet.Conflict",
        "RouteAlreadyExists",
        "Resource.AlreadyAssociated",
        "EntityAlreadyExists",
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "ResourceAlreadyExistsException",
        "QueueAlreadyExists",
    ],
    errors.DependencyViolationError: ["DependencyViolation", "DeleteConflict", "VolumeInUse", "InvalidGroup.InUse"],
    errors.ThrottledError: ["RequestLimitExceeded", "Throttling", "ThrottlingException", "SlowDown"],
    errors.QuotaError: ["VpcLimitExceeded", "InstanceLimitExceeded", "LimitExceeded", "TooManyBuckets"],
    errors.CredentialsError: [
        "AuthFailure",
        "UnauthorizedOperation",
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
    ],
    errors.NotReadyError: ["IncorrectInstanceState", "OperationAborted", "QueueDeletedRecently"],
    errors.InvalidRequestError: ["InvalidParameterValue", "ValidationError", "MalformedPolicyDocument", "Surprise"],
}


@pytest.mark.parametrize(
    ("expected", "code"),
    [(kind, code) for kind, codes in CODES.items() for code in codes],
    ids=str,
)
def test_a_code_of_aws_has_its_class(expected, code):
    """Each code becomes the class that the engine acts upon."""
    assert type(translate(answered(code), "ec2", "create_thing")) is expected


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "InvalidParameterValue",
            "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
        ),
        ("MalformedPolicy", "Invalid principal in policy"),
        ("MalformedPolicyDocument", 'Invalid principal in policy: "AWS":"arn:aws:iam::1:role/x"'),
        ("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."),
        ("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being updated: t"),
    ],
)
def test_what_only_needs_time_is_not_ready(code, message):
    """A wrong request that IAM's slowness explains is tried again."""
    error = translate(answered(code, message), "ec2", "run_instances")
    assert type(error) is errors.NotReadyError
    assert error.retryable


def test_a_table_that_exists_is_a_conflict():
    """DynamoDB's one code for two things is told apart by its text."""
    error = translate(answered("ResourceInUseException", "Table already exists: t"), "dynamodb", "create_table")
    assert type(error) is errors.ConflictError


@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("ServiceUnavailable", 503), ("Odd", 502)])
def test_a_failure_of_aws_is_retryable(code, status):
    """What AWS itself failed at may be tried again."""
    error = translate(answered(code, status=status), "ec2", "describe_vpcs")
    assert type(error) is errors.ProviderError
    assert error.retryable


def test_missing_capacity_is_not_retried():
    """A zone without capacity is for people to decide, although AWS says 500."""
    error = translate(answered("InsufficientInstanceCapacity", status=500), "ec2", "run_instances")
    assert type(error) is errors.ProviderError
    assert not error.retryable


def test_throttling_says_when_to_come_back():
    """The server's retry-after is passed on; without one it is None."""
    throttled = translate(answered("SlowDown", status=503, headers={"retry-after": "7"}), "s3", "put_object")
    assert throttled.retry_after == 7.0
    assert translate(answered("Throttling"), "iam", "get_role").retry_after is None
    assert type(translate(answered("Whatever", status=429), "iam", "get_role")) is errors.ThrottledError


def test_facts_name_the_call_and_survive_pickling():
    """Code, service, operation, request id and status are attributes, also after pickling."""
    error = pickle.loads(pickle.dumps(translate(answered("DependencyViolation"), "ec2", "delete_vpc")))
    facts = (error.code, error.service, error.operation, error.request_id, error.status)
    assert facts == ("DependencyViolation", "ec2", "delete_vpc", "req-1", 400)
    assert str(error).startswith("aws ec2 delete_vpc: DependencyViolation: why; ")


def test_a_refused_role_is_a_matter_of_credentials():
    """AssumeRole fails within some other call; the message points at the role."""
    error = translate(answered("ValidationError", operation="AssumeRole"), "ec2", "describe_vpcs")
    assert type(error) is errors.CredentialsError
    assert "Provider(role=...)" in str(error)


def test_text_of_a_call_with_a_secret_is_left_out():
    """AWS may quote what was sent: with a secret in the request nothing of it is shown."""
    error = translate(answered("InvalidParameterValue", "hunter2 is bad"), "ec2", "import_key_pair", secret=True)
    assert "hunter2" not in str(error)
    assert "hunter2" not in repr(error.facts)
    assert "InvalidParameterValue" in str(error)


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (
            "Invalid type for parameter Name, value: hunter2, type: <class 'str'>, valid types: x",
            "Name has the wrong type",
        ),
        ('Missing required parameter in input: "VpcId"', "VpcId is missing in input"),
        ('Unknown parameter in input: "Foo", must be one of: A, B', "Foo is unknown in input"),
        ("Invalid length for parameter Token, value: 0, valid min length: 1", "Token has a length that is not allowed"),
        ("something else about hunter2", "a parameter was refused"),
    ],
)
def test_a_refused_parameter_is_named_without_its_value(report, says):
    """The SDK's own check prints values; the translation names parameters only."""
    error = translate(boto.ParamValidationError(report=report), "ec2", "create_vpc")
    assert type(error) is errors.InvalidRequestError
    assert says in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    "raised",
    [
        boto.NoCredentialsError(),
        boto.PartialCredentialsError(provider="env", cred_var="x"),
        boto.ProfileNotFound(profile="x"),
        boto.NoRegionError(),
        boto.CredentialRetrievalError(provider="x", error_msg="y"),
        boto.UnauthorizedSSOTokenError(),
        boto.TokenRetrievalError(provider="sso", error_msg="y"),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_missing_or_unusable_credentials(raised):
    """Everything that keeps the SDK from credentials is a CredentialsError that says what to do."""
    error = translate(raised, "ec2", "describe_vpcs")
    assert type(error) is errors.CredentialsError
    assert "; " in str(error)


@pytest.mark.parametrize(
    "raised",
    [
        boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:9"),
        boto.ConnectTimeoutError(endpoint_url="http://127.0.0.1:9"),
        boto.ReadTimeoutError(endpoint_url="http://127.0.0.1:9"),
        boto.ConnectionClosedError(endpoint_url="http://127.0.0.1:9"),
        boto.SSLError(endpoint_url="http://127.0.0.1:9", error="x"),
        boto.ProxyConnectionError(proxy_url="http://127.0.0.1:9"),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_no_answer_is_retryable(raised):
    """A broken connection may be tried again, and the message names the endpoint where it is known."""
    error = translate(raised, "ec2", "describe_vpcs")
    assert type(error) is errors.ProviderError
    assert error.retryable
    assert error.status is None
    assert "http://127.0.0.1:9" in str(error) or "the endpoint" in str(error)


def test_an_answer_that_cannot_be_read_is_retryable():
    """A proxy's error page in place of an answer may be tried again, and is not quoted."""
    error = translate(ResponseParserError("<html>hunter2</html>"), "ec2", "describe_vpcs")
    assert error.retryable
    assert "hunter2" not in str(error)


def test_every_other_sdk_error_is_translated():
    """Nothing of the SDK passes as it is."""
    for name in dir(boto):
        kind = getattr(boto, name)
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == boto.__name__:
            raised = kind.__new__(kind)
            Exception.__init__(raised, "text")
            raised.kwargs = {}
            if isinstance(raised, boto.ClientError):
                raised.response, raised.operation_name = {}, "X"
            assert isinstance(translate(raised, "ec2", "describe_vpcs"), errors.ProviderError)


def test_an_error_of_ours_stays_as_it_is():
    """What is translated already is passed on."""
    error = errors.QuotaError("x")
    assert translate(error, "ec2", "y") is error
