"""A keyring whose key is in Azure Key Vault; it never leaves the service.

Key Vault's keys authenticate nothing beside what they wrap, so the vault wraps
a key of its own, and that one wraps the stack's data key with the lineage and
the stack's name bound to it.

Source: https://learn.microsoft.com/azure/key-vault/keys/about-keys-details
"""

from __future__ import annotations

import base64
import os
import re
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from iaclib.errors import ConfigError, SealError
from iaclib.state.wrapping import KEY_BYTES, altered, another_key, check_kind, decoded, unwrap_with, wrap_with

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEME: Final = "azkv:"
_KEY: Final = re.compile(r"https://[^/?#]+/keys/[^/?#]+(?:/[^/?#]+)?")
_ALGORITHM: Final = "RSA-OAEP-256"


class AzureKeyVault:
    """A keyring by an RSA key of Azure Key Vault.

    Args:
        url: ``https://VAULT.vault.azure.net/keys/NAME``, with or without a
            version; without, new keys are wrapped by the newest one.
        credential: A credential of ``azure-identity``; default: the SDK's own chain.
        options: Further arguments for the SDK's ``CryptographyClient``.
    """

    name: Final = "azkv"

    def __init__(self, url: str, *, credential: Any = None, **options: Any) -> None:
        if not _KEY.fullmatch(url):
            msg = f"keyring azkv: {url!r} is no URL of a key, expected https://VAULT.vault.azure.net/keys/NAME; correct keyring="
            raise ConfigError(msg)
        self.url = url
        self._credential = credential
        self._options = options
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make one from ``azkv:URL``.

        Raises:
            ConfigError: The text is not of that form.
        """
        return cls(text.removeprefix(_SCHEME))

    def __repr__(self) -> str:
        return f"AzureKeyVault({self.url!r})"

    def wrap(self, key: bytes, context: str, stack: str = "") -> Mapping[str, Any]:
        """Encrypt a data key; see ``Keyring.wrap``."""
        own = os.urandom(KEY_BYTES)
        answer = self._call("wrap_key", self.url, own)
        inner = wrap_with(self.name, own, key, _bound(context, stack))
        wrapped = base64.b64encode(answer.encrypted_key).decode()
        return {**inner, "id": answer.key_id, "inner": inner["id"], "stack": stack, "key": wrapped}

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key; see ``Keyring.unwrap``."""
        where = f"azkv:{self.url}"
        check_kind(where, self.name, wrapped)
        needed, stack = wrapped.get("id"), wrapped.get("stack")
        if not isinstance(needed, str) or not isinstance(stack, str):
            raise altered(where)
        if needed != self.url and not needed.startswith(f"{self.url}/"):
            raise another_key(where, needed)
        data = decoded(where, wrapped, "key")
        own = self._call("unwrap_key", needed, data).key
        return unwrap_with(where, self.name, own, {**wrapped, "id": wrapped.get("inner")}, _bound(context, stack))

    def _call(self, operation: str, key: str, data: bytes) -> Any:
        try:
            return getattr(self._client(key), operation)(_ALGORITHM, data)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises is translated
            why = f"{type(error).__name__}: {getattr(error, 'message', '') or 'no answer'}"
        verb = operation.removesuffix("_key")
        msg = (
            f"azkv:{key}: the key can't be used to {verb} the state's key ({why}), expected Key Vault to answer and "
            f"to allow keys/{verb}; nothing was changed, mend the cause and run again"
        )
        raise SealError(msg, key=key)

    def _client(self, key: str) -> Any:
        from azure.keyvault.keys.crypto import CryptographyClient

        with self._lock:
            if self._credential is None:
                from azure.identity import DefaultAzureCredential

                self._credential = DefaultAzureCredential()
            if key not in self._clients:
                self._clients[key] = CryptographyClient(key, self._credential, **self._options)
            return self._clients[key]


def _bound(lineage: str, stack: str) -> str:
    return f"{lineage}\0{stack}"
