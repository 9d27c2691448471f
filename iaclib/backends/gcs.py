"""State in Google Cloud Storage.

Knows the SDK's calls and errors; knows nothing of state. Credentials are the
application default ones; ``STORAGE_EMULATOR_HOST`` is honoured, without
credentials. Needs ``storage.objects.get``, ``create``, ``delete`` and ``list``.

Source: https://cloud.google.com/storage/docs/request-preconditions
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from iaclib.backends import object_answers, object_url
from iaclib.backends.object_answers import Answer, Means, Missing, Service
from iaclib.backends.object_store import Found, Listed
from iaclib.backends.objects import Objects
from iaclib.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EXAMPLE: Final = "gs://bucket/prefix"
_NO_BUCKET: Final = "no such bucket"  # the service has no word of its own for it, and tells it in a sentence
_GCS: Final = Service(
    "Google Cloud Storage",
    login="run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    needs={
        "read": "storage.objects.get (and storage.objects.list: without it the same is said of an object that is not there)",
        "make": "storage.objects.create",
        "overwrite": "storage.objects.create and storage.objects.delete",
        "delete": "storage.objects.delete",
        "list": "storage.objects.list",
    },
    codes={
        _NO_BUCKET: Means.NO_BUCKET,
        **dict.fromkeys(("rateLimitExceeded", "userRateLimitExceeded"), Means.LATER),
        **dict.fromkeys(("quotaExceeded", "dailyLimitExceeded"), Means.FULL),
        **dict.fromkeys(("retentionPolicyNotMet", "objectUnderActiveHold"), Means.KEPT),
        "accountDisabled": Means.REFUSED,
    },
)
_TIMEOUT: Final = (10, 30)  # seconds to connect, and to wait for bytes
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"


class Gcs(Objects):
    """State under a prefix of a bucket.

    Args:
        bucket: The bucket, which must exist.
        prefix: What the names of all objects begin with; several states may share a bucket.
        **options: As for ``Objects``.
    """

    def __init__(self, bucket: str, prefix: str = "", **options: Any) -> None:
        super().__init__(GcsObjects(bucket, prefix), **options)

    @classmethod
    def from_url(cls, url: str) -> Gcs:
        """Make the backend of ``gs://bucket/prefix``.

        Raises:
            ConfigError: The text is not of that form.
        """
        place = object_url.parse(url, "gs", _EXAMPLE)
        return cls(place.bucket, place.path)


class GcsObjects:
    """An ``ObjectStore`` in Google Cloud Storage; see ``Gcs``."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self._name = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self.place = f"gs://{bucket}/{self._prefix}"
        self._made: Any = None
        self._client: Any = None
        self._lock = threading.Lock()
        self._seen = threading.local()  # what the newest answer to this thread said of times

    def get(self, name: str) -> Found | None:
        """Read an object; see ``ObjectStore.get``."""

        def read(bucket: Any) -> Found:
            blob = bucket.blob(self._prefix + name)
            data = blob.download_as_bytes(retry=None, timeout=_TIMEOUT, raw_download=True)
            return Found(data, str(blob.generation), getattr(self._seen, "age", None))

        try:
            return self._call("read", name, read)  # type: ignore[no-any-return]
        except Missing:
            return None

    def put_if_absent(self, name: str, data: bytes) -> str:
        """Make an object; see ``ObjectStore.put_if_absent``."""
        return self._put("make", name, data, 0)

    def put_if(self, name: str, version: str, data: bytes) -> str:
        """Overwrite an object; see ``ObjectStore.put_if``."""
        return self._put("overwrite", name, data, int(version))

    def _put(self, tried: str, name: str, data: bytes, generation: int) -> str:
        def write(bucket: Any) -> str:
            blob = bucket.blob(self._prefix + name)
            blob.upload_from_string(
                data,
                content_type="application/octet-stream",
                if_generation_match=generation,
                retry=None,
                timeout=_TIMEOUT,
            )
            return str(blob.generation)

        return self._call(tried, name, write)  # type: ignore[no-any-return]

    def delete(self, name: str) -> None:
        """Delete an object; see ``ObjectStore.delete``."""
        try:
            self._call(
                "delete", name, lambda bucket: bucket.blob(self._prefix + name).delete(retry=None, timeout=_TIMEOUT)
            )
        except Missing:
            return

    def list(self, prefix: str) -> Sequence[Listed]:
        """List objects; see ``ObjectStore.list``."""

        def read(bucket: Any) -> list[Listed]:
            blobs = bucket.client.list_blobs(
                bucket,
                prefix=self._prefix + prefix,
                fields="items(name,size,updated),nextPageToken",
                retry=None,
                timeout=_TIMEOUT,
            )
            return [Listed(one.name.removeprefix(self._prefix), one.size, one.updated.timestamp()) for one in blobs]

        return self._call("list", prefix, read)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close connections."""
        with self._lock:
            client, self._client, self._made = self._client, None, None
        if client is not None:
            client.close()

    def _bucket(self) -> Any:
        with self._lock:
            if self._made is None:
                self._client = self._connect()
                self._made = self._client.bucket(self._name)
            return self._made

    def _connect(self) -> Any:
        try:
            from google.auth import default
            from google.auth.credentials import AnonymousCredentials
            from google.auth.exceptions import GoogleAuthError
            from google.auth.transport.requests import AuthorizedSession
            from google.cloud.storage import Client
        except ImportError:
            raise ConfigError(
                f"{self.place}: the Google SDK is not installed, expected google-cloud-storage; install iaclib[gcp]"
            ) from None
        try:
            emulated = "STORAGE_EMULATOR_HOST" in os.environ
            credentials = AnonymousCredentials() if emulated else default(scopes=[_SCOPE])[0]
        except GoogleAuthError as error:
            raise object_answers.not_logged_in(_GCS, self.place, error) from None
        from requests.adapters import HTTPAdapter

        session = AuthorizedSession(credentials, refresh_timeout=_TIMEOUT[1], max_refresh_attempts=1)
        session.mount("https://", HTTPAdapter(pool_maxsize=32))
        session.mount("http://", HTTPAdapter(pool_maxsize=32))
        session.hooks["response"].append(self._note_age)
        return Client(project="", credentials=credentials, _http=session)

    def _note_age(self, response: Any, *args: Any, **kwargs: Any) -> None:
        """Keep what the SDK does not pass on: how old the object is, by the service's clock."""
        date, modified = response.headers.get("Date"), response.headers.get("Last-Modified")
        self._seen.age = None
        if date and modified:
            # Both have whole seconds: the age may be less by one, and too young is the safe side.
            age = (parsedate_to_datetime(date) - parsedate_to_datetime(modified)).total_seconds()
            self._seen.age = max(age - 1, 0.0)

    def _call(self, tried: str, name: str, call: Callable[[Any], Any]) -> Any:
        bucket = self._bucket()
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
        from requests.exceptions import RequestException

        where = f"{self.place}{name}"
        try:
            return call(bucket)
        except GoogleAPICallError as error:
            raise object_answers.failure(_GCS, where, tried, _answer(error.code or 0, error.response)) from None
        except InvalidResponse as error:
            answer = _answer(error.response.status_code, error.response)
            raise object_answers.failure(_GCS, where, tried, answer) from None
        except GoogleAuthError as error:
            if error.retryable or isinstance(error, TransportError):  # who gives out credentials could not be asked
                raise object_answers.unreached(_GCS, where, error) from None
            raise object_answers.not_logged_in(_GCS, where, error) from None
        except (RequestException, DataCorruption) as error:
            raise object_answers.unreached(_GCS, where, error) from None


def _answer(status: int, said: Any) -> Answer:
    text = getattr(said, "text", "")
    code = _NO_BUCKET if status == 404 and "bucket does not exist" in text else ""  # noqa: PLR2004 - not found
    with contextlib.suppress(ValueError, KeyError, IndexError, TypeError):
        code = code or str(json.loads(text)["error"]["errors"][0]["reason"])
    return Answer(status, code, getattr(said, "headers", {}).get("Retry-After", ""))
