"""The AWS wing: declarations by service, the provider, and their handlers.

``from iaclib.aws import ec2, s3`` gives declarations; ``aws.Provider`` is
configured access. Importing any of these loads no SDK: boto3 comes in with the
first call.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iaclib.aws import dynamodb, ec2, iam, logs, s3, sns, sqs
    from iaclib.aws.provider import Provider

__all__ = ["Provider", "dynamodb", "ec2", "iam", "logs", "s3", "sns", "sqs"]


def __getattr__(name: str) -> Any:
    if name == "Provider":
        from iaclib.aws.provider import Provider

        globals()[name] = Provider
        return Provider
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
