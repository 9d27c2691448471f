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

from iaclib.backends import object_url
from iaclib.backends.object_store import Changed, Found, Listed
from iaclib.backends.objects import Objects
from iaclib.errors import ConfigError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PASSING: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
_EXAMPLE: Final = "s3://bucket/prefix?region=eu-west-1"


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
            answer = self._call(name, lambda client: _read(client.get_object(**self._at(name))))
        except _MissingError:
            return None
        age = None
        if (date := answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")) is not None:
            # Both have whole seconds: the age may be less by one, and too young is the safe side.
            age = max((parsedate_to_datetime(date) - answer["LastModified"]).total_seconds() - 1, 0.0)
        return Found(answer["Body"], answer["ETag"], age)

    def put_if_absent(self, name: str, data: bytes) -> str:
        """Make an object; see ``ObjectStore.put_if_absent``."""
        return self._put(name, data, IfNoneMatch="*")

    def put_if(self, name: str, version: str, data: bytes) -> str:
        """Overwrite an object; see ``ObjectStore.put_if``."""
        return self._put(name, data, IfMatch=version)

    def _put(self, name: str, data: bytes, **condition: str) -> str:
        try:
            answer = self._call(name, lambda client: client.put_object(**self._at(name), Body=data, **condition))
        except _MissingError:
            raise self._changed(name) from None
        return str(answer["ETag"])

    def delete(self, name: str) -> None:
        """Delete an object; see ``ObjectStore.delete``."""
        self._call(name, lambda client: client.delete_object(**self._at(name)))

    def list(self, prefix: str) -> Sequence[Listed]:
        """List objects; see ``ObjectStore.list``."""
        return list(self._pages(prefix))

    def _pages(self, prefix: str) -> Iterator[Listed]:
        asked = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        while True:
            answer = self._call(prefix, partial(_list, asked))
            for one in answer.get("Contents", ()):
                yield Listed(one["Key"].removeprefix(self._prefix), one["Size"], one["LastModified"].timestamp())
            if not answer.get("IsTruncated"):
                return
            asked["ContinuationToken"] = answer["NextContinuationToken"]

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
                try:
                    from botocore.config import Config
                    from botocore.session import Session
                except ImportError:
                    raise ConfigError(
                        f"{self.place}: the AWS SDK is not installed, expected boto3; install iaclib[aws]"
                    ) from None
                # Retries are `Patient`'s: only it can tell a write that was done from one that lost.
                settings = Config(
                    retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=30, max_pool_connections=32
                )
                session = Session()
                session.register_component("data_loader", _loader())
                self._made = session.create_client(
                    "s3", region_name=self._region, endpoint_url=self._endpoint, config=settings
                )
            return self._made

    def _call(self, name: str, call: Callable[[Any], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004

        try:
            return call(self._client())
        except ClientError as error:
            raise self._translated(name, error.response) from None
        except (ConnectionError, HTTPClientError) as error:
            raise StateError(
                f"{self._where(name)}: S3 could not be reached ({type(error).__name__}), expected an answer; try again",
                retryable=True,
            ) from None
        except BotoCoreError as error:
            raise StateError(
                f"{self._where(name)}: S3 can't be asked ({type(error).__name__}), expected credentials and a region; "
                "configure them as for any AWS tool"
            ) from None

    def _translated(self, name: str, answer: Mapping[str, Any]) -> Exception:
        code = str(answer.get("Error", {}).get("Code", ""))
        metadata = answer.get("ResponseMetadata", {})
        status = metadata.get("HTTPStatusCode", 0)
        where = self._where(name)
        if status == 412:  # noqa: PLR2004 - precondition failed
            return self._changed(name)
        if code == "NoSuchBucket":
            return StateError(f"{where}: there is no such bucket, expected it to exist; make it, or correct state=")
        if status == 404:  # noqa: PLR2004 - not found
            return _MissingError()
        if status in _PASSING or code in ("SlowDown", "RequestTimeout"):
            after = metadata.get("HTTPHeaders", {}).get("retry-after", "")
            return StateError(
                f"{where}: S3 can't do it now ({code or status}), expected it to; try again later",
                retryable=True,
                retry_after=float(after) if after.isdigit() else None,
            )
        return StateError(
            f"{where}: S3 refused ({code or status}), expected the right to read and write here; see the bucket's "
            "policy, and the credentials in use"
        )

    def _changed(self, name: str) -> Changed:
        return Changed(f"{self._where(name)}: the object changed meanwhile, expected it as it was read; run again")


class _MissingError(Exception):
    """There is no such object."""


def _read(answer: dict[str, Any]) -> dict[str, Any]:
    """Read the body while errors are translated."""
    return {**answer, "Body": answer["Body"].read()}


def _list(asked: Mapping[str, str], client: Any) -> Any:
    return client.list_objects_v2(**asked)
