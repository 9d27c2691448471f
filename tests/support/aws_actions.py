"""Which IAM actions the calls of handlers come to, as botocore names operations; and a record of who makes which."""

from __future__ import annotations

import functools
import inspect
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name

from iaclib.aws import table
from iaclib.aws.client import Client
from iaclib.provider.registry import load

SERVICES = ("dynamodb", "ec2", "iam", "logs", "s3", "sns", "sqs")
#: Where an action is not called like the operation.
OTHERWISE = {
    "s3:delete_bucket_encryption": {"s3:PutEncryptionConfiguration"},
    "s3:delete_bucket_lifecycle": {"s3:PutLifecycleConfiguration"},
    "s3:delete_bucket_tagging": {"s3:PutBucketTagging"},
    "s3:delete_objects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "s3:get_bucket_encryption": {"s3:GetEncryptionConfiguration"},
    "s3:get_bucket_lifecycle_configuration": {"s3:GetLifecycleConfiguration"},
    "s3:get_public_access_block": {"s3:GetBucketPublicAccessBlock"},
    "s3:head_bucket": {"s3:ListBucket"},
    "s3:list_object_versions": {"s3:ListBucketVersions"},
    "s3:put_bucket_encryption": {"s3:PutEncryptionConfiguration"},
    "s3:put_bucket_lifecycle_configuration": {"s3:PutLifecycleConfiguration"},
    "s3:put_public_access_block": {"s3:PutBucketPublicAccessBlock"},
    "sts:get_caller_identity": set(),  # nobody can be denied it
}
#: What AWS asks for besides: for what a call holds, not for the call.
BESIDES = {
    "dynamodb:TagResource", "ec2:CreateTags", "iam:PassRole", "iam:TagInstanceProfile", "iam:TagPolicy", "iam:TagRole",
    "logs:TagResource", "s3:TagResource", "sns:TagResource", "sqs:TagQueue",
}  # fmt: skip
_METHODS = {
    "create": "create", "find": "create", "resume": "create", "read": "read", "read_many": "read", "list": "read",
    "update": "update", "delete": "delete",
}  # fmt: skip


@cache
def operations() -> dict[str, dict[str, str]]:
    """Give the operations of each service, by boto's names."""
    session = botocore.session.get_session()
    return {
        service: {xform_name(one): one for one in session.get_service_model(service).operation_names}
        for service in SERVICES
    }


def actions_of(call: str) -> set[str]:
    """Give the actions that a call, ``service:operation``, needs."""
    service, _, operation = call.partition(":")
    return OTHERWISE[call] if call in OTHERWISE else {f"{service}:{operations()[service][operation]}"}


@contextmanager
def recorded() -> Iterator[dict[tuple[str, str], set[str]]]:
    """Note which calls handlers make in the block: (type, operation) -> calls. Nested operations count to the outer one."""
    seen: dict[tuple[str, str], set[str]] = {}
    here = threading.local()
    undo: list[tuple[type, str, Any]] = []

    def replace(owner: type, name: str, value: Any) -> None:
        undo.append((owner, name, owner.__dict__.get(name)))
        setattr(owner, name, value)

    def watched(inner: Any, at: tuple[str, str]) -> Any:
        @functools.wraps(inner)
        def method(*args: Any, **kwargs: Any) -> Any:
            outer = getattr(here, "at", None)
            here.at = outer or at
            try:
                return inner(*args, **kwargs)
            finally:
                here.at = outer

        return method

    def noted(inner: Any) -> Any:
        def call(self: Client, operation: str, /, *args: Any, **params: Any) -> Any:
            if (at := getattr(here, "at", None)) is not None:
                seen.setdefault(at, set()).add(f"{self.service}:{operation}")
            return inner(self, operation, *args, **params)

        return call

    for type, target in table.HANDLERS.items():
        handler = load(target)
        for name, operation in _METHODS.items():
            if hasattr(handler, name):
                replace(handler, name, watched(getattr(handler, name), (type, operation)))
    for name in ("call", "items"):
        replace(Client, name, noted(getattr(Client, name)))
    try:
        yield seen
    finally:
        for owner, name, before in reversed(undo):
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


def written() -> dict[str, set[str]]:
    """Give the calls that the sources of each service's handlers spell out."""
    found: dict[str, set[str]] = {}
    for target in {*table.HANDLERS.values(), *table.LOOKUPS.values()}:
        handler = load(target)
        for one in handler.__mro__:
            if not one.__module__.startswith("iaclib.aws.handlers"):
                continue
            modules = [
                inspect.getmodule(one),
                *(inspect.getmodule(item) for item in vars(inspect.getmodule(one)).values()),
            ]
            for module in modules:
                if module is not None and module.__name__.startswith(f"{table.__name__.rpartition('.')[0]}.handlers"):
                    names = re.findall(r'"([a-z_]+)"', inspect.getsource(module))
                    known = operations()[handler.service]
                    found.setdefault(handler.service, set()).update(name for name in names if name in known)
    return found
