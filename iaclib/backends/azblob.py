"""State in Azure Blob Storage.

Knows the SDK's calls and errors; knows nothing of state. Credentials are in
``AZURE_STORAGE_CONNECTION_STRING``, if that is set for the account, else those
that ``DefaultAzureCredential`` finds, which need the role Storage Blob Data Contributor. Blobs
are not leased: the conditions on each write guard as well.

Source: https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
"""

from __future__ import annotations

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

_EXAMPLE: Final = "azblob://account/container/prefix"
_ROLE: Final = "of the role Storage Blob Data Contributor, from where the account's network rules allow it"
_BLOB: Final = Service(
    "Azure Blob Storage",
    bucket="container",
    login="run `az login`, or set AZURE_STORAGE_CONNECTION_STRING",
    needs=dict.fromkeys(("read", "make", "overwrite", "delete", "list"), _ROLE),
    codes={
        **dict.fromkeys(("BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"), Means.CHANGED),
        "ContainerNotFound": Means.NO_BUCKET,
        **dict.fromkeys(
            (
                "AuthenticationFailed",
                "InvalidAuthenticationInfo",
                "KeyBasedAuthenticationNotPermitted",
                "NoAuthenticationInformation",
            ),
            Means.LOGIN,
        ),
        **dict.fromkeys(("BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy"), Means.KEPT),
        **dict.fromkeys(("AccountIsDisabled", "LeaseIdMissing", "PublicAccessNotPermitted"), Means.REFUSED),
    },
)
_WHOLE: Final = 256 * 1024 * 1024  # bytes that one request may write; more would be several, and not atomic


class AzureBlob(Objects):
    """State under a prefix of a container.

    Args:
        account: The storage account.
        container: The container, which must exist.
        prefix: What the names of all blobs begin with; several states may share a container.
        endpoint_url: Another address of the account than Azure's public one.
        **options: As for ``Objects``.
    """

    def __init__(
        self, account: str, container: str, prefix: str = "", *, endpoint_url: str | None = None, **options: Any
    ) -> None:
        super().__init__(BlobObjects(account, container, prefix, endpoint_url=endpoint_url), **options)

    @classmethod
    def from_url(cls, url: str) -> AzureBlob:
        """Make the backend of ``azblob://account/container/prefix?endpoint_url=...``.

        Raises:
            ConfigError: The text is not of that form.
        """
        place = object_url.parse(url, "azblob", _EXAMPLE, ("endpoint_url",))
        container, _, prefix = place.path.partition("/")
        if not container:
            raise ConfigError(f"azblob://{place.bucket}: names no container, expected {_EXAMPLE}; correct state=")
        return cls(place.bucket, container, prefix, endpoint_url=place.options.get("endpoint_url"))


class BlobObjects:
    """An ``ObjectStore`` in Azure Blob Storage; see ``AzureBlob``."""

    def __init__(self, account: str, container: str, prefix: str = "", *, endpoint_url: str | None = None) -> None:
        self._account = account
        self._container = container
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint_url
        self.place = self._where("")
        self._made: Any = None
        self._lock = threading.Lock()

    def get(self, name: str) -> Found | None:
        """Read an object; see ``ObjectStore.get``."""

        def read(client: Any) -> Found:
            dates: list[str] = []
            blob = client.download_blob(
                self._prefix + name,
                raw_response_hook=lambda answer: dates.append(answer.http_response.headers.get("Date", "")),
            )
            data = blob.readall()
            modified = blob.properties.last_modified
            age = None
            if dates and dates[0] and modified is not None:
                # Both have whole seconds: the age may be less by one, and too young is the safe side.
                age = max((parsedate_to_datetime(dates[0]) - modified).total_seconds() - 1, 0.0)
            return Found(data, blob.properties.etag, age)

        try:
            return self._call("read", name, read)  # type: ignore[no-any-return]
        except Missing:
            return None

    def put_if_absent(self, name: str, data: bytes) -> str:
        """Make an object; see ``ObjectStore.put_if_absent``."""
        return self._put("make", name, data, overwrite=False)

    def put_if(self, name: str, version: str, data: bytes) -> str:
        """Overwrite an object; see ``ObjectStore.put_if``."""
        from azure.core import MatchConditions

        condition = {"etag": version, "match_condition": MatchConditions.IfNotModified}
        return self._put("overwrite", name, data, overwrite=True, **condition)

    def _put(self, tried: str, name: str, data: bytes, **condition: Any) -> str:
        def write(client: Any) -> str:
            return str(client.get_blob_client(self._prefix + name).upload_blob(data, **condition)["etag"])

        return self._call(tried, name, write)  # type: ignore[no-any-return]

    def delete(self, name: str) -> None:
        """Delete an object; see ``ObjectStore.delete``."""
        try:
            self._call("delete", name, lambda client: client.delete_blob(self._prefix + name))
        except Missing:
            return

    def list(self, prefix: str) -> Sequence[Listed]:
        """List objects; see ``ObjectStore.list``."""

        def read(client: Any) -> list[Listed]:
            blobs = client.list_blobs(name_starts_with=self._prefix + prefix)
            return [
                Listed(one.name.removeprefix(self._prefix), one.size, one.last_modified.timestamp()) for one in blobs
            ]

        return self._call("list", prefix, read)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close connections."""
        with self._lock:
            client, self._made = self._made, None
        if client is not None:
            client.close()

    def _where(self, name: str) -> str:
        at = f" at {self._endpoint}" if self._endpoint else ""
        return f"azblob://{self._account}/{self._container}/{self._prefix}{name}{at}"

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._connect()
            return self._made

    def _connect(self) -> Any:
        try:
            from azure.storage.blob import ContainerClient
        except ImportError:
            raise ConfigError(
                f"{self.place}: the Azure SDK is not installed, expected azure-storage-blob; install iaclib[azure]"
            ) from None
        settings = {
            # Retries are `Patient`'s: only it can tell a write that was done from one that lost.
            "retry_total": 0,
            "connection_timeout": 10,
            "read_timeout": 30,
            "max_single_put_size": _WHOLE,
            "max_single_get_size": _WHOLE,
        }
        given = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
        if given:
            try:
                client = ContainerClient.from_connection_string(given, self._container, **settings)
            except ValueError:
                raise ConfigError(
                    f"{self.place}: AZURE_STORAGE_CONNECTION_STRING does not read, expected a connection string; "
                    "correct it, or unset it to use the credentials of DefaultAzureCredential"
                ) from None
            if client.account_name == self._account:
                return client
            client.close()
        try:
            from azure.identity import DefaultAzureCredential
        except ImportError:
            raise ConfigError(
                f"{self.place}: no connection string for this account and no azure-identity, expected one of them; set "
                "AZURE_STORAGE_CONNECTION_STRING, or install iaclib[azure]"
            ) from None
        endpoint = self._endpoint or f"https://{self._account}.blob.core.windows.net"
        return ContainerClient(endpoint, self._container, credential=DefaultAzureCredential(), **settings)

    def _call(self, tried: str, name: str, call: Callable[[Any], Any]) -> Any:
        client = self._client()
        from azure.core.exceptions import AzureError, ClientAuthenticationError, DecodeError, HttpResponseError

        where = self._where(name)
        try:
            return call(client)
        except (DecodeError, ValueError) as error:  # what answered is no Blob Storage
            raise object_answers.unreached(_BLOB, where, error) from None
        except HttpResponseError as error:
            if error.status_code == 200:  # noqa: PLR2004 - as above, where the SDK wanted another success
                raise object_answers.unreached(_BLOB, where, error) from None
            if isinstance(error, ClientAuthenticationError) and error.status_code is None:
                raise object_answers.not_logged_in(_BLOB, where, error) from None  # nobody to ask the service as
            raise object_answers.failure(_BLOB, where, tried, _answer(error)) from None
        except AzureError as error:
            raise object_answers.unreached(_BLOB, where, error) from None


def _answer(error: Any) -> Answer:
    code = getattr(error, "error_code", None)  # a word of the SDK's own list, or a text
    headers = error.response.headers if error.response is not None else {}
    return Answer(error.status_code or 0, str(getattr(code, "value", code) or ""), headers.get("Retry-After", ""))
