"""The AWS wing: declarations by service, the provider, and their handlers.

``from iaclib.aws import ec2, s3`` gives declarations; ``aws.resource``
declares what has no class yet; ``aws.Provider`` is configured access. Importing any of these loads no SDK: boto3 comes in with the
first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the services that are used most; naming all of them would make type checkers read all stubs
    from iaclib.aws import dynamodb as dynamodb
    from iaclib.aws import ec2 as ec2
    from iaclib.aws import iam as iam
    from iaclib.aws import lambda_ as lambda_
    from iaclib.aws import logs as logs
    from iaclib.aws import s3 as s3
    from iaclib.aws import sns as sns
    from iaclib.aws import sqs as sqs
    from iaclib.aws.provider import Provider as Provider
    from iaclib.aws.untyped import resource as resource


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        if name == "__all__":
            return __dir__()
    elif name == "Provider":
        from iaclib.aws.provider import Provider

        globals()[name] = Provider
        return Provider
    elif name == "resource":
        from iaclib.aws.untyped import resource

        globals()[name] = resource
        return resource
    else:
        from iaclib.declare.generated import service_module

        return service_module(__name__, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    from iaclib.declare.generated import service_modules

    return sorted({"Provider", "resource", *service_modules(__name__)})
