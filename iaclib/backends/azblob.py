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

from iaclib.backends import object_url
from iaclib.backends.object_store import Changed, Found, Listed
from iaclib.backends.objects import Objects
from iaclib.errors import ConfigError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PASSING: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
_EXAMPLE: Final = "azblob://account/container/prefix"
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
            return self._call(name, read)  # type: ignore[no-any-return]
        except _MissingError:
            return None

    def put_if_absent(self, name: str, data: bytes) -> str:
        """Make an object; see ``ObjectStore.put_if_absent``."""
        return self._put(name, data, overwrite=False)

    def put_if(self, name: str, version: str, data: bytes) -> str:
        """Overwrite an object; see ``ObjectStore.put_if``."""
        from azure.core import MatchConditions

        return self._put(name, data, overwrite=True, etag=version, match_condition=MatchConditions.IfNotModified)

    def _put(self, name: str, data: bytes, **condition: Any) -> str:
        def write(client: Any) -> str:
            return str(client.get_blob_client(self._prefix + name).upload_blob(data, **condition)["etag"])

        try:
            return self._call(name, write)  # type: ignore[no-any-return]
        except _MissingError:
            raise self._changed(name) from None

    def delete(self, name: str) -> None:
        """Delete an object; see ``ObjectStore.delete``."""
        try:
            self._call(name, lambda client: client.delete_blob(self._prefix + name))
        except _MissingError:
            return

    def list(self, prefix: str) -> Sequence[Listed]:
        """List objects; see ``ObjectStore.list``."""

        def read(client: Any) -> list[Listed]:
            blobs = client.list_blobs(name_starts_with=self._prefix + prefix)
            return [
                Listed(one.name.removeprefix(self._prefix), one.size, one.last_modified.timestamp()) for one in blobs
            ]

        return self._call(prefix, read)  # type: ignore[no-any-return]

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

    def _call(self, name: str, call: Callable[[Any], Any]) -> Any:
        client = self._client()
        from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

        try:
            return call(client)
        except ClientAuthenticationError as error:
            if error.status_code is None:  # no answer of the service, but no credentials to ask it with
                raise StateError(
                    f"{self._where(name)}: no usable Azure credentials, expected a connection string or what "
                    "DefaultAzureCredential takes; run `az login`, or set AZURE_STORAGE_CONNECTION_STRING"
                ) from None
            raise self._translated(name, error) from None
        except HttpResponseError as error:
            raise self._translated(name, error) from None
        except AzureError as error:
            raise StateError(
                f"{self._where(name)}: Azure Blob Storage could not be reached ({type(error).__name__}), expected an "
                "answer; try again",
                retryable=True,
            ) from None

    def _translated(self, name: str, error: Any) -> Exception:
        where, status = self._where(name), error.status_code or 0
        code = str(getattr(error.error_code, "value", error.error_code) or "")
        if code in ("BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"):
            return self._changed(name)
        if code == "ContainerNotFound":
            return StateError(f"{where}: there is no such container, expected it to exist; make it, or correct state=")
        if status == 404:  # noqa: PLR2004 - not found
            return _MissingError()
        if status in _PASSING:
            after = error.response.headers.get("Retry-After", "") if error.response is not None else ""
            return StateError(
                f"{where}: Azure Blob Storage can't do it now ({code or status}), expected it to; try again later",
                retryable=True,
                retry_after=float(after) if after.isdigit() else None,
            )
        return StateError(
            f"{where}: Azure Blob Storage refused ({code or status}), expected the right to read and write here; see "
            "the account's roles, and the credentials in use"
        )

    def _changed(self, name: str) -> Changed:
        return Changed(f"{self._where(name)}: the object changed meanwhile, expected it as it was read; run again")


class _MissingError(Exception):
    """There is no such object."""
