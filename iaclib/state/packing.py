"""JSON bytes that hold users' values: exactly, with sealed leaves, and never an open secret.

Knows JSON and the marks for what JSON can't say; knows nothing of records or
entries.

Sealed leaves are written as ``{"$iac:sealed": text}``, what is encrypted as a
whole as ``{"$iac:veiled": text}``, what is kept apart as ``{"$iac:blob":
name}``, assets as ``{"$iac:asset": hash}``: where their content lay is not
kept. Users' own mapping keys that begin with ``$iac:`` are written with that
mark twice and come back as they were.
"""

from __future__ import annotations

import math
from typing import Any, Final

import orjson

from iaclib.errors import SealError, StateCorruptError, StateError, StateVersionError
from iaclib.model.assets import Asset
from iaclib.model.values import UNKNOWN, Secret
from iaclib.state.blobs import Blob
from iaclib.state.record import FORMAT
from iaclib.state.seal import Sealed, Veiled

MARK: Final = b"$iac:"
_MARK: Final = "$iac:"
_SEALED: Final = "$iac:sealed"
_VEILED: Final = "$iac:veiled"
_BLOB: Final = "$iac:blob"
_ASSET: Final = "$iac:asset"
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_ADVICE: Final = "expected JSON; report it as a defect of the provider that gave the value"


def dumps(value: Any, where: str) -> bytes:
    """Write a structure of dicts, lists and leaves, with users' values anywhere in it.

    Raises:
        SealError: It holds an unsealed secret.
        StateError: It holds an unknown, or what is no JSON.
    """
    marked = 0

    def default(item: Any) -> Any:
        nonlocal marked
        if isinstance(item, Sealed):
            marked += 1
            return {_SEALED: item.text}
        if isinstance(item, Veiled):
            marked += 1
            return {_VEILED: item.text}
        if isinstance(item, Blob):
            marked += 1
            return {_BLOB: item.name}
        if isinstance(item, Asset):
            marked += 1
            return {_ASSET: item.hash}
        if isinstance(item, Secret):
            raise SealError(f"{where}: an unsealed secret, expected a sealed one; pass it through iaclib.state.seal")
        if hasattr(item, "items"):
            return dict(item)
        raise StateError(f"{where}: {type(item).__name__} can't be written to state, {_ADVICE}")

    try:
        data = orjson.dumps(value, default, _OPTIONS)
    except TypeError as error:
        if isinstance(error.__cause__, StateError):
            raise error.__cause__ from None
        raise StateError(f"{where}: a value can't be written to state ({error}), {_ADVICE}") from None
    # orjson writes a non-finite float as null, and the unknown, an enum, as its value: look again where that can be.
    if b"null" in data or b'"unknown"' in data:
        _check(value, where)
    # More marks than marked leaves: a user's key (to be escaped), or a user's text (which escaping leaves alone).
    if MARK in data and data.count(MARK) != marked:
        data = orjson.dumps(_escape(value), default, _OPTIONS)
    return data


def loads(data: bytes, where: str) -> Any:
    """Read what ``dumps`` wrote.

    Raises:
        StateCorruptError: It is not that.
    """
    try:
        value = orjson.loads(data)
        return _unescape(value, where) if MARK in data else value
    except orjson.JSONDecodeError:
        raise corrupt(where, "the bytes are no JSON") from None


def corrupt(where: str, what: str) -> StateCorruptError:
    """Make the error for state that does not hold together."""
    return StateCorruptError(
        f"{where}: state is damaged ({what}), expected what iaclib wrote; see what `engine.repair` says, or restore it from "
        "a backup"
    )


def check_format(number: Any, where: str) -> None:
    """Refuse a format that this version does not know.

    Raises:
        StateVersionError: It is newer.
        StateCorruptError: It is no format at all.
    """
    if not isinstance(number, int) or number < 1:
        raise corrupt(where, "it has no format number")
    if number > FORMAT:
        raise StateVersionError(
            f"{where}: state has format {number}, expected at most {FORMAT}; use the newer iaclib that wrote it"
        )


def _check(value: Any, where: str) -> None:
    if value is UNKNOWN:
        raise StateError(f"{where}: an unknown value can't be written to state, {_ADVICE}")
    if isinstance(value, float) and not math.isfinite(value):
        raise StateError(f"{where}: {value} can't be written to state, {_ADVICE}")
    if hasattr(value, "items"):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        _check(item, where)


def _escape(value: Any) -> Any:
    if hasattr(value, "items"):
        return {(_MARK + key if key.startswith(_MARK) else key): _escape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escape(item) for item in value]
    return value


def _unescape(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_unescape(item, where) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(text := value.get(_SEALED), str):
        return Sealed(text)
    if len(value) == 1 and isinstance(text := value.get(_VEILED), str):
        return Veiled(text)
    if len(value) == 1 and isinstance(text := value.get(_BLOB), str):
        return Blob(text)
    if len(value) == 1 and isinstance(text := value.get(_ASSET), str):
        return Asset.known(text)
    found = {}
    for key, item in value.items():
        if key.startswith(_MARK):
            if not key.startswith(_MARK, len(_MARK)):
                raise corrupt(where, "a mark of the serializer in the wrong place")
            key = key[len(_MARK) :]  # noqa: PLW2901 - the key that the user wrote
        found[key] = _unescape(item, where)
    return found
