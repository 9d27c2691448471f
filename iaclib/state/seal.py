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

import attrs
import orjson

from iaclib.errors import SealError
from iaclib.model.assets import hash_of
from iaclib.model.values import Secret, reveal
from iaclib.state.journal import Began, Ended, Entry, Exported, Noted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iaclib.state.record import Intent, Record, Snapshot

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@attrs.frozen(repr=False)
class Sealed:
    """A secret as state holds it: the base64 text of nonce, ciphertext and tag."""

    text: str

    def __repr__(self) -> str:
        return "Sealed(...)"


@runtime_checkable
class Keyring(Protocol):
    """Wraps a stack's data key with a key that is kept elsewhere."""

    @property
    def name(self) -> str:
        """What kind of keyring it is, as recorded beside the wrapped key."""
        ...

    def wrap(self, key: bytes, context: str) -> Mapping[str, Any]:
        """Encrypt a data key.

        Args:
            key: The stack's data key, 32 bytes.
            context: The lineage; ``unwrap`` must be given the same.

        Returns:
            What ``unwrap`` needs, as JSON; it is stored with the state.
        """
        ...

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key.

        Raises:
            SealError: The key that wrapped it is missing, or another one.
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
    """

    __slots__ = ("_aead", "_digest_key", "_key", "_lineage", "_sign_key")

    def __init__(self, lineage: str, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise SealError(
                f"{lineage}: the data key has {len(key)} bytes, expected {_KEY_BYTES}; use the keyring that made it"
            )
        self._lineage = lineage.encode()
        self._key = key
        self._digest_key = hmac.digest(key, b"iaclib:digest:1", "sha256")
        self._sign_key = hmac.digest(key, b"iaclib:sign:1", "sha256")
        self._aead: Any = None

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
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(base64.b64encode(nonce + self._cipher().encrypt(nonce, text, self._bound_to(address))).decode())

    def open(self, sealed: Sealed, address: str, *, where: str | None = None) -> Any:
        """Decrypt what was sealed for an address.

        Args:
            sealed: What ``seal`` gave.
            address: The address that it was sealed for.
            where: How to name the place in a message, if not by the address.

        Raises:
            SealError: The key is another one, or the value was altered or moved.
        """
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(sealed.text, validate=True)
            text = self._cipher().decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], self._bound_to(address))
            return orjson.loads(text)
        except (InvalidTag, binascii.Error, ValueError, OverflowError):
            raise SealError(
                f"{where or address or 'stack outputs'}: a sealed value can't be opened, expected one sealed here with "
                "this stack's key; use the keyring that wrote the state, or, if the state was altered, restore a backup"
            ) from None

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


def seal_entry(entry: Entry, sealer: Sealer | None) -> Entry:
    """Seal the secrets of a journal entry; an entry without any is returned as it is.

    Raises:
        SealError: There is a secret and no sealer.
    """
    match entry:
        case Ended() if entry.put is not None:
            put = seal_record(entry.put, sealer)
            return entry if put is entry.put else attrs.evolve(entry, put=put)
        case Began():
            intent = _seal_intent(entry.intent, sealer)
            return entry if intent is entry.intent else Began(intent)
        case Noted() if _holds(entry.data, Secret):
            bound = f":{entry.step}"
            return attrs.evolve(entry, data=_seal(entry.data, sealer, bound, f"step {entry.step}"))
        case Exported() if _holds(entry.outputs, Secret):
            return Exported(_seal(entry.outputs, sealer, "", "stack outputs"))
        case _:
            return entry


def open_snapshot(snapshot: Snapshot, sealer: Sealer | None) -> Snapshot:
    """Open all secrets of a snapshot; one without any is returned as it is.

    Raises:
        SealError: There is a sealed value and no sealer, another key, or an
            altered value.
    """
    changes: dict[str, Any] = {}
    records = {a: new for a, old in snapshot.records.items() if (new := open_record(old, sealer)) is not old}
    if records:
        changes["records"] = {**snapshot.records, **records}
    superseded = tuple(open_record(record, sealer) for record in snapshot.superseded)
    if any(new is not old for new, old in zip(superseded, snapshot.superseded, strict=True)):
        changes["superseded"] = superseded
    intents = {s: now for s, was in snapshot.intents.items() if (now := _open_intent(was, sealer)) is not was}
    if intents:
        changes["intents"] = {**snapshot.intents, **intents}
    if _holds(snapshot.outputs, Sealed):
        changes["outputs"] = _open(snapshot.outputs, sealer, "", "stack outputs")
    return attrs.evolve(snapshot, **changes) if changes else snapshot


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
    return attrs.evolve(record, **changes) if changes else record


def _intent(
    intent: Intent, kind: type, on_record: Callable[[Record], Record], on_data: Callable[[Any, str, str], Any]
) -> Intent:
    changes: dict[str, Any] = {}
    if (record := on_record(intent.record)) is not intent.record:
        changes["record"] = record
    if intent.before is not None and (before := on_record(intent.before)) is not intent.before:
        changes["before"] = before
    if _holds(intent.data, kind):
        changes["data"] = on_data(intent.data, f":{intent.step}", intent.record.address)
    return attrs.evolve(intent, **changes) if changes else intent


def _seal_intent(intent: Intent, sealer: Sealer | None) -> Intent:
    return _intent(
        intent,
        Secret,
        lambda record: seal_record(record, sealer),
        lambda data, bound, where: _seal(data, sealer, bound, where),
    )


def _open_intent(intent: Intent, sealer: Sealer | None) -> Intent:
    return _intent(
        intent,
        Sealed,
        lambda record: open_record(record, sealer),
        lambda data, bound, where: _open(data, sealer, bound, where),
    )


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
        raise SealError(
            f"{where}: holds a sealed value, but there is no key to open it with, expected the keyring that wrote the "
            "state; pass Engine(keyring=...)"
        )
    return _replaced(value, Sealed, lambda sealed: Secret(sealer.open(sealed, bound, where=where)))
