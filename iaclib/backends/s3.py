"""State in Amazon S3, or in what speaks like it and honours conditional writes.

Knows the SDK's calls and errors; knows nothing of state. Credentials come from
the SDK's own chain. Needs ``s3:GetObject``, ``s3:PutObject``,
``s3:DeleteObject`` and ``s3:ListBucket``; without the last S3 says of a missing object
that it is forbidden.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import threading
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from iaclib.backends import object_answers, object_url
from iaclib.backends.object_answers import Answer, Means, Missing, Service
from iaclib.backends.object_store import Found, Listed
from iaclib.backends.objects import Objects
from iaclib.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_EXAMPLE: Final = "s3://bucket/prefix?region=eu-west-1"
_S3: Final = Service(
    "S3",
    login="sign in again or renew them as for any AWS tool (`aws sso login`, AWS_PROFILE, AWS_ACCESS_KEY_ID)",
    needs={
        "read": "s3:GetObject (and s3:ListBucket: without it the same is said of an object that is not there)",
        "make": "s3:PutObject",
        "overwrite": "s3:PutObject",
        "delete": "s3:DeleteObject",
        "list": "s3:ListBucket",
    },
    codes={
        "NoSuchBucket": Means.NO_BUCKET,
        **dict.fromkeys(
            (
                "PermanentRedirect",
                "TemporaryRedirect",
                "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
            ),
            Means.ELSEWHERE,
        ),
        **dict.fromkeys(("SlowDown", "RequestTimeout"), Means.LATER),
        **dict.fromkeys(
            ("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired"),
            Means.LOGIN,
        ),
        "RequestTimeTooSkewed": Means.CLOCK,
        # Amazon's has no end; look-alikes do: Ceph and others, MinIO twice.
        **dict.fromkeys(("QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"), Means.FULL),
    },
)


class S3(Objects):
    """State under a prefix of a bucket.

    Args:
        bucket: The bucket, which must exist.
        prefix: What the names of all objects begin with; several states may share a bucket.
        region: The bucket's region; None asks the SDK's configuration.
        endpoint_url: Another address than Amazon's.
        **options: As for ``Objects``.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(S3Objects(bucket, prefix, region=region, endpoint_url=endpoint_url), **options)

    @classmethod
    def from_url(cls, url: str) -> S3:
        """Make the backend of ``s3://bucket/prefix?region=...&endpoint_url=...``.

        Raises:
            ConfigError: The text is not of that form.
        """
        place = object_url.parse(url, "s3", _EXAMPLE, ("region", "endpoint_url"))
        return cls(place.bucket, place.path, **place.options)


@cache
def _loader() -> Any:
    """Give what reads the SDK's description of S3, which takes long and is the same for all clients of a process."""
    from botocore.loaders import create_loader

    return create_loader()


class S3Objects:
    """An ``ObjectStore`` in S3; see ``S3``."""

    def __init__(
        self, bucket: str, prefix: str = "", *, region: str | None = None, endpoint_url: str | None = None
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._region = region
        self._endpoint = endpoint_url
        self.place = self._where("")
        self._made: Any = None
        self._lock = threading.Lock()

    def get(self, name: str) -> Found | None:
        """Read an object; see ``ObjectStore.get``."""
        try:
            answer = self._call("read", name, lambda client: _read(client.get_object(**self._at(name))))
        except Missing:
            return None
        age = None
        if (date := answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")) is not None:
            # Both have whole seconds: the age may be less by one, and too young is the safe side.
            age = max((parsedate_to_datetime(date) - answer["LastModified"]).total_seconds() - 1, 0.0)
        return Found(answer["Body"], answer["ETag"], age)

    def put_if_absent(self, name: str, data: bytes) -> str:
        """Make an object; see ``ObjectStore.put_if_absent``."""
        return self._put("make", name, data, IfNoneMatch="*")

    def put_if(self, name: str, version: str, data: bytes) -> str:
        """Overwrite an object; see ``ObjectStore.put_if``."""
        return self._put("overwrite", name, data, IfMatch=version)

    def _put(self, tried: str, name: str, data: bytes, **condition: str) -> str:
        return str(
            self._call(tried, name, lambda client: client.put_object(**self._at(name), Body=data, **condition)["ETag"])
        )

    def delete(self, name: str) -> None:
        """Delete an object; see ``ObjectStore.delete``."""
        try:
            self._call("delete", name, lambda client: client.delete_object(**self._at(name)))
        except Missing:
            return

    def list(self, prefix: str) -> Sequence[Listed]:
        """List objects; see ``ObjectStore.list``."""
        return list(self._pages(prefix))

    def _pages(self, prefix: str) -> Iterator[Listed]:
        asked = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        while True:
            page, more = self._call("list", prefix, partial(_list, asked))
            for one in page:
                yield Listed(one["Key"].removeprefix(self._prefix), one["Size"], one["LastModified"].timestamp())
            if not more:
                return
            asked["ContinuationToken"] = more

    def close(self) -> None:
        """Close connections."""
        with self._lock:
            client, self._made = self._made, None
        if client is not None:
            client.close()

    def _where(self, name: str) -> str:
        at = f" at {self._endpoint}" if self._endpoint else ""
        return f"s3://{self._bucket}/{self._prefix}{name}{at}"

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                from botocore.config import Config
                from botocore.session import Session

                # Retries are `Patient`'s: only it can tell a write that was done from one that lost.
                settings = Config(
                    retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=30, max_pool_connections=32
                )
                session = Session()
                session.register_component("data_loader", _loader())
                try:
                    self._made = session.create_client(
                        "s3", region_name=self._region, endpoint_url=self._endpoint, config=settings
                    )
                except ValueError:
                    raise ConfigError(
                        f"{self.place}: its endpoint_url is no address, expected one such as https://host; correct state="
                    ) from None
                self._made.meta.events.register("before-call.s3.HeadBucket", _no_second_way)
            return self._made

    def _call(self, tried: str, name: str, call: Callable[[Any], Any]) -> Any:
        where = self._where(name)
        try:
            from botocore import exceptions as aws
            from botocore.parsers import ResponseParserError
        except ImportError:
            raise ConfigError(f"{where}: the AWS SDK is not installed, expected boto3; install iaclib[aws]") from None
        try:
            return call(self._client())
        except aws.ClientError as error:
            raise object_answers.failure(_S3, where, tried, _answer(error.response)) from None
        except (  # a KeyError: what answered is no S3
            aws.ConnectionError,
            aws.HTTPClientError,
            aws.IncompleteReadError,
            ResponseParserError,
            KeyError,
        ) as error:
            raise object_answers.unreached(_S3, where, error) from None
        except aws.ParamValidationError:
            raise ConfigError(
                f"{where}: not a name that S3 takes, expected one as in {_EXAMPLE}; correct state="
            ) from None
        except aws.BotoCoreError as error:
            raise object_answers.not_logged_in(_S3, where, error) from None


def _no_second_way(**_facts: Any) -> None:
    """Keep the SDK from asking for a bucket's region where an answer sends elsewhere and doesn't tell it.

    Its question is answered likewise, it asks again because of that answer, and so on without end.
    """
    from botocore.exceptions import ClientError

    said: Any = {"ResponseMetadata": {"HTTPHeaders": {}}}
    raise ClientError(said, "HeadBucket")


def _answer(said: Mapping[str, Any]) -> Answer:
    error, metadata = said.get("Error", {}), said.get("ResponseMetadata", {})
    status, headers = metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {})
    code = str(error.get("Code", ""))
    region = error.get("Region") or headers.get("x-amz-bucket-region", "")
    return Answer(status, "" if code == str(status) else code, headers.get("retry-after", ""), region)


def _read(answer: dict[str, Any]) -> dict[str, Any]:
    """Read the body, and what else is needed, while errors are translated."""
    return {name: answer[name] for name in ("ETag", "LastModified", "ResponseMetadata")} | {
        "Body": answer["Body"].read()
    }


def _list(asked: Mapping[str, str], client: Any) -> tuple[Sequence[Any], str]:
    """Give a page, and where the next one begins; "" after the last."""
    answer = client.list_objects_v2(**asked)
    return answer.get("Contents", ()), answer["NextContinuationToken"] if answer["IsTruncated"] else ""
