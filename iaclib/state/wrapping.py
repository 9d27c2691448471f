"""How keyrings of this machine wrap a stack's data key by a key that they have at hand.

Knows AES-GCM and what stands beside a wrapped key; knows nothing of where the
wrapping key comes from.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from typing import TYPE_CHECKING, Any, Final

from iaclib.errors import SealError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of a data key and of a wrapping key.
KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


def wrap_with(name: str, wrapping: bytes, key: bytes, context: str) -> dict[str, Any]:
    """Encrypt a data key.

    Args:
        name: The kind of keyring.
        wrapping: The wrapping key, 32 bytes.
        key: The data key.
        context: The lineage; with the name it is bound to the result.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    data = nonce + AESGCM(wrapping).encrypt(nonce, key, _bound_to(name, context))
    return {"keyring": name, "id": fingerprint(wrapping), "data": base64.b64encode(data).decode()}


def unwrap_with(where: str, name: str, wrapping: bytes, wrapped: Mapping[str, Any], context: str) -> bytes:
    """Undo ``wrap_with``.

    Args:
        where: What holds the wrapping key, for messages.
        name: The kind of keyring.
        wrapping: The wrapping key.
        wrapped: What ``wrap_with`` gave.
        context: The lineage.

    Raises:
        SealError: It was wrapped by another key or for another stack, or altered.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    check_kind(where, name, wrapped)
    if wrapped.get("id") != fingerprint(wrapping):
        raise SealError(
            f"{where}: another key than the one that wrapped the state's key, expected the one with id "
            f"{wrapped.get('id')}; use the keyring that wrote the state"
        )
    try:
        data = base64.b64decode(wrapped["data"], validate=True)
        return AESGCM(wrapping).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound_to(name, context))
    except (InvalidTag, binascii.Error, KeyError, TypeError, ValueError):
        raise altered(where) from None


def check_kind(where: str, name: str, wrapped: Mapping[str, Any]) -> None:
    """Refuse a key that a keyring of another kind wrapped.

    Raises:
        SealError: It did.
    """
    if (kind := wrapped.get("keyring")) != name:
        raise SealError(
            f"{where}: the state's key was wrapped by a keyring of kind {kind!r}, expected {name!r}; "
            "pass that keyring with Engine(keyring=...)"
        )


def another_key(where: str, needed: Any) -> SealError:
    """Make the error for a key of a service that is not the one which wrapped the state's key."""
    msg = (
        f"{where}: another key than the one that wrapped the state's key, expected {needed}; use that one, "
        "or name it beside the new one: keyring=[new, old]"
    )
    return SealError(msg, key=needed)


def decoded(where: str, wrapped: Mapping[str, Any], name: str) -> bytes:
    """Give the bytes that stand in a field of a wrapped key as base64.

    Raises:
        SealError: They don't read.
    """
    try:
        return base64.b64decode(wrapped[name], validate=True)
    except (binascii.Error, KeyError, TypeError, ValueError):
        raise altered(where) from None


def altered(where: str) -> SealError:
    """Make the error for a wrapped key that its own key doesn't open."""
    return SealError(
        f"{where}: the state's wrapped key was altered or belongs to another stack, expected the one written with "
        "it; restore a backup of the state"
    )


def fingerprint(key: bytes) -> str:
    """Tell keys apart without telling them."""
    return hmac.digest(key, b"iaclib:fingerprint:1", "sha256")[:8].hex()


def _bound_to(name: str, context: str) -> bytes:
    return f"iaclib:1\0{name}\0{context}".encode()
