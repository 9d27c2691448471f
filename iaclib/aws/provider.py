"""Configured access to AWS: credentials, region, clients and handlers.

boto3 is imported with the first call. One session serves a provider; its
clients are made once a service and shared by all threads.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from iaclib.aws import table
from iaclib.aws.client import Client
from iaclib.aws.errors import REGION_ADVICE, translate
from iaclib.errors import CredentialsError, InvalidPropertyError
from iaclib.provider.base import Identity
from iaclib.provider.base import Provider as Base
from iaclib.schema.names import module_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.provider.handler import Handler
    from iaclib.provider.permissions import Need

VENDOR = "::"  # in the name of a type that has no class: it is the vendor's own
_FIELDS = ("region", "profile", "role", "account", "endpoint_url")
_CONNECT_TIMEOUT = 10  # seconds
_READ_TIMEOUT = 70  # seconds; the slowest plain AWS calls stay below
_POOL = 64  # connections a client; above the engine's default parallelism


class Provider(Base):
    """Access to one AWS account and region.

    A plain value: two with equal settings are equal and need be made only
    once. Credentials come from the SDK's own chain (environment, profile,
    container, instance) and are kept nowhere.

    Args:
        region: The region; default: AWS_REGION, AWS_DEFAULT_REGION, or the
            profile's.
        profile: A profile of the AWS configuration files.
        role: The ARN of a role to assume, by these credentials.
        account: The 12 digits of the account to work on; any other is refused.
        endpoint_url: Where all services are reached instead of AWS, for
            emulators.
        default_tags: Tags for every resource whose type has tags; a
            resource's own win.
        limits: The most calls at once by service, such as ``{"iam": 2}``;
            "cloudcontrol" is that of the types without a handler of their own.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
    """

    name: ClassVar[str] = "aws"

    def __init__(
        self,
        *,
        region: str | None = None,
        profile: str | None = None,
        role: str | None = None,
        account: str | None = None,
        endpoint_url: str | None = None,
        default_tags: Mapping[str, str] = MappingProxyType({}),
        limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        given = {"region": region, "profile": profile, "role": role, "account": account, "endpoint_url": endpoint_url}
        for field, value in given.items():
            _text(field, value)
        for key, value in default_tags.items():
            _text(f"default_tags[{key!r}]", value)
        # The environment is read once, here: a value must not change while it is in use.
        self.region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
        self.profile = profile
        self.role = role
        self.account = account
        self.endpoint_url = endpoint_url
        self.default_tags = MappingProxyType(dict(default_tags))
        self.limits = MappingProxyType(dict(limits))
        self._lock = threading.RLock()
        self._session: Any = None
        self._clients: dict[str, Client] = {}
        self._identity: Identity | None = None
        self._profile_region: str | None = None

    def config(self) -> Mapping[str, Any]:
        """Give the settings without credentials, as JSON for ``from_config``.

        A region that comes from the profile is spelled out, so that a record
        means the same region on another machine.
        """
        config = self._given()
        if "region" not in config:
            with suppress(CredentialsError):
                config["region"] = self._region()
        return config

    def identity(self) -> Identity:
        """Tell which account and region this reaches, by one STS call in its life.

        Raises:
            CredentialsError: There are none, they are refused, there is no
                region, or they belong to another account than ``account``.
        """
        with self._lock:
            if self._identity is None:
                region = self._region()
                account = str(self.client("sts").call("get_caller_identity")["Account"])
                if self.account is not None and account != self.account:
                    msg = (
                        f"aws provider: the credentials belong to account {account}, "
                        f"expected {self.account}; "
                        f"use other credentials, or Provider(profile=...) or Provider(role=...) for {self.account}"
                    )
                    raise CredentialsError(msg, account=account, expected=self.account)
                self._identity = Identity(account, region)
            return self._identity

    def client(self, service: str) -> Client:
        """Give the client of a service, made on first use and shared by all threads."""
        found = self._clients.get(service)
        if found is not None:
            return found
        with self._lock:  # boto3 sessions are not safe to share while they make clients
            if service not in self._clients:
                self._clients[service] = self._connect(service)
            return self._clients[service]

    def handler(self, type: str) -> Handler[Any]:
        """Give the handler of a type; KeyError if the wing does not have it.

        Of a type that has no class here, AWS is asked for the schema, once.

        Raises:
            ProviderError: AWS does not tell, or has no such type.
        """
        if VENDOR in type:
            return table.described(self, type)
        return table.handler(type)

    @classmethod
    def declared_in(cls, type: str) -> str:
        """Name the class that declares a type of this wing, as ``module:Class``."""
        from iaclib.schema.pack import pack

        if VENDOR in type:
            return f"iaclib.aws.untyped:{type.partition(':')[2]}"
        found = pack("aws").located(type)
        return "" if found is None else f"iaclib.aws.{module_name(found[0])}:{found[1]}"

    @classmethod
    def actions(cls, need: Need) -> frozenset[str] | None:
        """Give the IAM actions that a need comes to; None if that is not known."""
        from iaclib.aws.permissions import actions  # few plans are asked

        return actions(need)

    @classmethod
    def present_type(cls, type: str) -> str:
        """Give the name of a type that has got a class since it was recorded without one."""
        if VENDOR not in type:
            return type
        from iaclib.schema.pack import pack, type_name

        aws, vendor = pack("aws"), type.partition(":")[2]
        return type_name("aws", vendor) if vendor in aws.archive and vendor not in aws.lacking else type

    def service(self, type: str) -> str:
        """Name the service whose rate limit a type's calls share."""
        return table.service(type)

    def _connect(self, service: str) -> Client:
        try:
            boto = self._boto_session().client(
                service, region_name=self._region(), endpoint_url=self.endpoint_url, config=self._boto_config()
            )
        except CredentialsError:
            raise
        except Exception as error:  # noqa: BLE001 - everything the SDK raises is translated
            raise translate(error, service, "connect") from None
        return Client(boto, service)

    def _boto_config(self) -> Any:
        from botocore.config import Config

        return Config(
            retries={"total_max_attempts": 1},  # the executor owns retries
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=_READ_TIMEOUT,
            max_pool_connections=_POOL,
            user_agent_extra="iaclib",
            # An emulator has no DNS entry per bucket.
            s3={"addressing_style": "path"} if self.endpoint_url else None,
        )

    def _given(self) -> dict[str, Any]:
        return {field: value for field in _FIELDS if (value := getattr(self, field)) is not None}

    def _region(self) -> str:
        if self.region:
            return self.region
        if self._profile_region is None:
            self._profile_region = self._plain_session().region_name or ""
        if not self._profile_region:
            msg = f"aws provider: no region, {REGION_ADVICE}"
            raise CredentialsError(msg)
        return self._profile_region

    def _plain_session(self) -> Any:
        """Make a session of the profile's or environment's own credentials."""
        import boto3

        try:
            return boto3.Session(profile_name=self.profile, region_name=self.region)
        except Exception as error:  # noqa: BLE001 - everything the SDK raises is translated
            raise translate(error, "session", "load_profile") from None

    def _boto_session(self) -> Any:
        if self._session is None:
            plain = self._plain_session()
            self._session = plain if self.role is None else self._assumed(plain)
        return self._session

    def _assumed(self, plain: Any) -> Any:
        """Make a session whose credentials are the role's, renewed as they expire.

        Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        """
        import boto3
        from botocore import credentials, session

        source = plain.get_credentials()
        if source is None:
            msg = (
                "aws provider: found no credentials to assume the role with, "
                "expected those of an AWS account; "
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or Provider(profile=...)"
            )
            raise CredentialsError(msg)
        region, config = self._region(), self._boto_config()

        def make_client(service: str, **keys: Any) -> Any:
            return plain.client(service, region_name=region, endpoint_url=self.endpoint_url, config=config, **keys)

        fetcher = credentials.AssumeRoleCredentialFetcher(
            client_creator=make_client,
            source_credentials=source,
            role_arn=str(self.role),
            extra_args={"RoleSessionName": "iaclib"},
        )
        inner: Any = session.Session()
        # botocore has no public door for renewed credentials; its own assume-role provider does the same.
        inner._credentials = credentials.DeferredRefreshableCredentials(
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )
        return boto3.Session(botocore_session=inner, region_name=region)

    def _key(self) -> tuple[Any, ...]:
        return (
            *(getattr(self, field) for field in _FIELDS),
            tuple(sorted(self.default_tags.items())),
            tuple(sorted(self.limits.items())),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Provider) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"aws.Provider({', '.join(f'{key}={value!r}' for key, value in self._given().items())})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        settings = {**self._given(), "default_tags": dict(self.default_tags), "limits": dict(self.limits)}
        return _rebuild, (settings,)


def _rebuild(settings: Mapping[str, Any]) -> Provider:
    """Make an equal provider in another process; it connects anew."""
    return Provider(**settings)


def _text(field: str, value: object) -> None:
    """Refuse what is not known while planning, such as an Output."""
    if value is not None and not isinstance(value, str):
        msg = (
            f"aws.Provider: {field} is a {type(value).__name__}, "
            "expected text that is known while planning; "
            "put what makes the value into another stack and read it with iac.stack_output"
        )
        raise InvalidPropertyError(msg)
