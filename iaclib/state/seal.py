"""Sealing: secrets become opaque leaves before they reach a backend, and come back when state is read.

Knows how one secret is encrypted and which parts of records and entries may
hold secrets; knows nothing of bytes on disk, nor where the stack's data key is
kept (a ``Keyring`` does).

A secret is encrypted with AES-256-GCM under the stack's data key and a fresh
nonce. What it belongs to is authenticated with it: the lineage and an address,
so that a sealed value can't be moved to another stack or resource. Stack
outputs are sealed for the address "", what a running step noted for
``:<step>`` (no address holds a colon).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import orjson
from msgspec import Struct, structs

from iaclib.errors import SealError
from iaclib.model.assets import hash_of
from iaclib.model.values import Secret, reveal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iaclib.state.record import Record

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_DIGESTS: Final = ":digests"  # what a digest key is sealed for; no address holds a colon


class Sealed(Struct, frozen=True):
    """A secret as state holds it: the base64 text of nonce, ciphertext and tag."""

    text: str

    def __repr__(self) -> str:
        return "Sealed(...)"


class Veiled(Struct, frozen=True):
    """What is encrypted as a whole, secret or not: the base64 text of nonce, ciphertext and tag."""

    text: str

    def __repr__(self) -> str:
        return "Veiled(...)"


@runtime_checkable
class Keyring(Protocol):
    """Wraps a stack's data key with a key that is kept elsewhere."""

    @property
    def name(self) -> str:
        """What kind of keyring it is, as recorded beside the wrapped key."""
        ...

    def wrap(self, key: bytes, context: str, stack: str = "") -> Mapping[str, Any]:
        """Encrypt a data key.

        Args:
            key: The stack's data key, 32 bytes.
            context: The lineage; ``unwrap`` must be given the same.
            stack: ``project/stack``, for services that log or restrict what a
                key is used for. A stack may be renamed: what ``unwrap`` needs
                of it belongs into the result.

        Returns:
            What ``unwrap`` needs, as JSON; it is stored with the state.
            ``keyring`` in it is the keyring's name, ``id`` tells its key from
            others.

        Raises:
            SealError: The key is missing, can't be reached, or may not be used.
        """
        ...

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key.

        Raises:
            SealError: The key that wrapped it is missing, or another one; says
                which is needed.
        """
        ...


def new_data_key() -> bytes:
    """Draw the data key of a stack: 32 random bytes."""
    return os.urandom(_KEY_BYTES)


class Sealer:
    """Seals and opens the secrets of one stack.

    Args:
        lineage: The stack's lineage; bound to every sealed value.
        key: The stack's data key, 32 bytes.
        digest_key: What digests are keyed with, if not with a key of the data
            key's own: digests outlive a rotation.
    """

    __slots__ = ("_aead", "_digest_key", "_key", "_lineage", "_sign_key", "shared")

    def __init__(self, lineage: str, key: bytes, digest_key: bytes | None = None) -> None:
        if len(key) != _KEY_BYTES:
            raise SealError(
                f"{lineage}: the data key has {len(key)} bytes, expected {_KEY_BYTES}; use the keyring that made it"
            )
        self._lineage = lineage.encode()
        self._key = key
        self._digest_key = digest_key or hmac.digest(key, b"iaclib:digest:1", "sha256")
        self._sign_key = hmac.digest(key, b"iaclib:sign:1", "sha256")
        self._aead: Any = None
        self.shared: dict[Any, Any] = {}  # what many records have in common, encrypted and opened once

    def __repr__(self) -> str:
        return f"Sealer({self._lineage.decode()!r})"

    def seal(self, value: Any, address: str) -> Sealed:
        """Encrypt a JSON value for an address; each call gives another text."""
        try:
            text = orjson.dumps(value)
        except TypeError:
            raise SealError(
                f"{address or 'stack outputs'}: a secret holds what is no JSON value, expected str, int, float, bool, "
                "None, list or mapping; convert it first"
            ) from None
        return Sealed(self.encrypt(text, address))

    def open(self, sealed: Sealed, address: str, *, where: str | None = None) -> Any:
        """Decrypt what was sealed for an address.

        Args:
            sealed: What ``seal`` gave.
            address: The address that it was sealed for.
            where: How to name the place in a message, if not by the address.

        Raises:
            SealError: The key is another one, or the value was altered or moved.
        """
        return orjson.loads(self.decrypt(sealed.text, address, where=where))

    def encrypt(self, data: bytes, address: str) -> str:
        """Encrypt bytes for an address; gives base64."""
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher().encrypt(nonce, data, self._bound_to(address))).decode()

    def decrypt(self, text: str, address: str, *, where: str | None = None) -> bytes:
        """Undo ``encrypt``; see ``open``."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(text, validate=True)
            opened: bytes = self._cipher().decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], self._bound_to(address))
            return opened
        except (InvalidTag, binascii.Error, ValueError, OverflowError):
            raise SealError(
                f"{where or address or 'stack outputs'}: a sealed value can't be opened, expected one sealed here with "
                "this stack's key; use the keyring that wrote the state, or, if the state was altered, restore a backup"
            ) from None

    def sealed_digest_key(self, of: Sealer) -> str:
        """Encrypt the digest key of another sealer of this stack, for this one to go on with."""
        return self.encrypt(of._digest_key, _DIGESTS)

    def with_digest_key(self, text: str) -> Sealer:
        """Give a sealer like this one that goes on with a digest key of before.

        Raises:
            SealError: The text was altered.
        """
        return Sealer(self._lineage.decode(), self._key, self.decrypt(text, _DIGESTS, where="the key of digests"))

    def digest(self, value: Any) -> str:
        """Give a keyed digest (HMAC-SHA256, base64) by which values can be compared, but not guessed.

        Secrets in the value count by what they guard; key order doesn't count.
        """
        data = orjson.dumps(reveal(value), hash_of, orjson.OPT_SORT_KEYS)
        return base64.b64encode(hmac.digest(self._digest_key, data, "sha256")).decode()

    def sign(self, data: bytes, purpose: str) -> str:
        """Authenticate bytes (HMAC-SHA256, base64): only who has the key can.

        Args:
            data: The bytes.
            purpose: What they are; with the lineage it is part of what is signed.
        """
        bound = b"\0".join([self._lineage, purpose.encode(), data])
        return base64.b64encode(hmac.digest(self._sign_key, bound, "sha256")).decode()

    def _bound_to(self, address: str) -> bytes:
        return b"iaclib:1\0" + self._lineage + b"\0" + address.encode()

    def _cipher(self) -> Any:
        if self._aead is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._aead = AESGCM(self._key)
        return self._aead


def seal_record(record: Record, sealer: Sealer | None) -> Record:
    """Seal a record's secrets; a record without any is returned as it is.

    Raises:
        SealError: There is a secret and no sealer.
    """
    return _record(record, Secret, lambda value: _seal(value, sealer, record.address, record.address))


def open_record(record: Record, sealer: Sealer | None) -> Record:
    """Open a record's secrets; a record without any is returned as it is."""
    return _record(record, Sealed, lambda value: _open(value, sealer, record.address, record.address))


def _record(record: Record, kind: type, replace: Callable[[Any], Any]) -> Record:
    changes: dict[str, Any] = {}
    if _holds(record.inputs, kind):
        changes["inputs"] = replace(record.inputs)
    if _holds(record.outputs, kind):
        changes["outputs"] = replace(record.outputs)
    if record.baseline and _holds(record.baseline, kind):
        changes["baseline"] = replace(record.baseline)
    if record.observed and _holds(record.observed, kind):
        changes["observed"] = replace(record.observed)
    if record.options and _holds(record.options, kind):
        changes["options"] = replace(record.options)
    return structs.replace(record, **changes) if changes else record


def seal_value(value: Any, sealer: Sealer | None, bound: str, where: str) -> Any:
    """Seal the secrets in a value; one without any is returned as it is.

    Raises:
        SealError: There is a secret and no sealer.
    """
    return _seal(value, sealer, bound, where) if _holds(value, Secret) else value


def open_value(value: Any, sealer: Sealer | None, bound: str, where: str) -> Any:
    """Open the secrets in a value; one without any is returned as it is.

    Raises:
        SealError: There is a sealed value and no sealer, another key, or an
            altered value.
    """
    return _open(value, sealer, bound, where) if _holds(value, Sealed) else value


def _holds(value: Any, kind: type) -> bool:
    """Tell whether a leaf of a kind is anywhere in a value; the common answer, no, is quick."""
    if isinstance(value, dict):
        items: Any = value.values()
    elif isinstance(value, list | tuple):
        items = value
    else:
        return isinstance(value, kind)
    for item in items:
        what = type(item)
        if what is str or what is int or what is bool or item is None:
            continue
        if _holds(item, kind):
            return True
    return False


def _replaced(value: Any, kind: type, replace: Callable[[Any], Any]) -> Any:
    if isinstance(value, kind):
        return replace(value)
    if isinstance(value, dict):
        return {key: _replaced(item, kind, replace) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(item, kind, replace) for item in value]
    return value


def _seal(value: Any, sealer: Sealer | None, bound: str, where: str) -> Any:
    if sealer is None:
        raise SealError(
            f"{where}: holds a secret, but this state has no key to seal it with, expected a keyring; "
            "pass Engine(keyring=...)"
        )
    return _replaced(value, Secret, lambda secret: sealer.seal(reveal(secret), bound))


def _open(value: Any, sealer: Sealer | None, bound: str, where: str) -> Any:
    if sealer is None:
        raise keyless(where)
    return _replaced(value, Sealed, lambda sealed: Secret(sealer.open(sealed, bound, where=where)))


def keyless(where: str) -> SealError:
    """Make the error for what is sealed where there is no key."""
    return SealError(
        f"{where}: holds a sealed value, but there is no key to open it with, expected the keyring that wrote the "
        "state; pass Engine(keyring=...)"
    )
