"""A keyring whose key is in Google Cloud KMS; it never leaves the service.

The stack's lineage and name are the additional authenticated data. Both
directions carry checksums, which tell a damaged answer from a right one.

Source: https://cloud.google.com/kms/docs/additional-authenticated-data
"""

from __future__ import annotations

import base64
import re
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from iaclib.errors import ConfigError, SealError
from iaclib.state.wrapping import altered, another_key, check_kind, decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEME: Final = "gcpkms:"
_NAME: Final = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_PATIENCE: Final = 30.0  # seconds that a call may take, retries included


class GcpKms:
    """A keyring by a key of Google Cloud KMS.

    Args:
        key: ``projects/P/locations/L/keyRings/R/cryptoKeys/K``.
        client: A ``KeyManagementServiceClient``; default: one with the SDK's
            own credentials.
    """

    name: Final = "gcpkms"

    def __init__(self, key: str, *, client: Any = None) -> None:
        if not _NAME.fullmatch(key):
            msg = (
                f"keyring gcpkms: {key!r} is no name of a key, expected projects/P/locations/L/keyRings/R/cryptoKeys/K; "
                "correct keyring="
            )
            raise ConfigError(msg)
        self.key = key
        self._client = client
        self._lock = threading.Lock()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make one from ``gcpkms:NAME``.

        Raises:
            ConfigError: The text is not of that form.
        """
        return cls(text.removeprefix(_SCHEME))

    def __repr__(self) -> str:
        return f"GcpKms({self.key!r})"

    def wrap(self, key: bytes, context: str, stack: str = "") -> Mapping[str, Any]:
        """Encrypt a data key; see ``Keyring.wrap``."""
        bound = _authenticated(context, stack)
        answer = self._call(
            "encrypt",
            plaintext=key,
            plaintext_crc32c=_checksum(key),
            additional_authenticated_data=bound,
            additional_authenticated_data_crc32c=_checksum(bound),
        )
        if (
            not answer.verified_plaintext_crc32c
            or not answer.verified_additional_authenticated_data_crc32c
            or answer.ciphertext_crc32c != _checksum(answer.ciphertext)
        ):
            raise self._damaged()
        data = base64.b64encode(answer.ciphertext).decode()
        return {"keyring": self.name, "id": self.key, "stack": stack, "data": data}

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key; see ``Keyring.unwrap``."""
        where = f"gcpkms:{self.key}"
        check_kind(where, self.name, wrapped)
        needed, stack = wrapped.get("id"), wrapped.get("stack")
        if needed != self.key:
            raise another_key(where, needed)
        data = decoded(where, wrapped, "data")
        if not isinstance(stack, str):
            raise altered(where)
        bound = _authenticated(context, stack)
        answer = self._call(
            "decrypt",
            ciphertext=data,
            ciphertext_crc32c=_checksum(data),
            additional_authenticated_data=bound,
            additional_authenticated_data_crc32c=_checksum(bound),
        )
        opened: bytes = answer.plaintext
        if answer.plaintext_crc32c != _checksum(opened):
            raise self._damaged()
        return opened

    def _call(self, operation: str, **request: Any) -> Any:
        try:
            with self._lock:
                if self._client is None:
                    self._client = _default_client()
            return getattr(self._client, operation)(request={"name": self.key, **request}, timeout=_PATIENCE)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises is translated
            why = f"{type(error).__name__}: {getattr(error, 'message', '') or 'no answer'}"
        msg = (
            f"gcpkms:{self.key}: the key can't be used to {operation} the state's key ({why}), expected KMS to answer "
            f"and to allow cloudkms.cryptoKeyVersions.useTo{operation.capitalize()}; nothing was changed, mend the "
            "cause and run again"
        )
        raise SealError(msg, key=self.key)

    def _damaged(self) -> SealError:
        msg = f"gcpkms:{self.key}: the answer was damaged on its way, expected its checksum to fit; run again"
        return SealError(msg, key=self.key)


def _default_client() -> Any:
    from google.cloud.kms import KeyManagementServiceClient

    return KeyManagementServiceClient()


def _authenticated(lineage: str, stack: str) -> bytes:
    return f"iaclib:1\0{lineage}\0{stack}".encode()


def _checksum(data: bytes) -> int:
    import google_crc32c

    return int(google_crc32c.value(data))
