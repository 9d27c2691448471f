"""The one serializer: journal entries and records to bytes and back.

Secrets must arrive sealed; an open one is refused here, so that none can reach
a disk. Sealed leaves are written as ``{"$iac:sealed": text}``. Users' own
mapping keys that begin with ``$iac:`` are written with the mark twice, and so
come back as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import orjson

from iaclib.errors import SealError, StateCorruptError, StateError, StateVersionError
from iaclib.model.values import Secret
from iaclib.state.journal import Began, Ended, Entry, Exported, Keyed, Noted, Ran
from iaclib.state.record import FORMAT, Intent, KeptToken, ProviderRecord, Record, RunSummary
from iaclib.state.seal import Sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MARK: Final = "$iac:"
_MARK_BYTES: Final = b'"$iac:'
_SEALED: Final = "$iac:sealed"


class Providers:
    """Shares equal providers, of which thousands of records have the same few."""

    def __init__(self) -> None:
        self._known: dict[bytes, ProviderRecord] = {}

    def get(self, data: dict[str, Any]) -> ProviderRecord:
        """Give the provider that the data describes."""
        key = orjson.dumps(data)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = ProviderRecord(**data)
        return found


def _default(value: Any) -> Any:
    if isinstance(value, Sealed):
        return {_SEALED: value.text}
    if isinstance(value, Secret):
        msg = "a secret reached the serializer unsealed, expected it sealed before; this is a defect: report it"
        raise SealError(msg)
    if hasattr(value, "items"):
        return dict(value)
    msg = f"{type(value).__name__} reached the serializer, expected JSON; this is a defect: report it"
    raise StateError(msg)


def _pack(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_default)
    except (TypeError, ValueError) as error:
        if isinstance(error.__cause__, StateError):
            raise error.__cause__ from None
        msg = f"a value can't be written to state ({error}), expected JSON; this is a defect: report it"
        raise StateError(msg) from None


def _escape(value: Any) -> Any:
    """Double the mark of users' own keys."""
    if isinstance(value, dict):
        return {(_MARK + key if key.startswith(_MARK) else key): _escape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escape(item) for item in value]
    return value


def _unescape(value: Any) -> Any:
    """Undo ``_escape``, and turn sealed leaves back."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(text := value.get(_SEALED), str):
            return Sealed(text)
        return {
            (key.removeprefix(_MARK) if key.startswith(_MARK) else key): _unescape(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_unescape(item) for item in value]
    return value


def dumps(value: Any) -> bytes:
    """Write a structure of dicts, lists and leaves, with users' values anywhere in it."""
    data = _pack(value)
    # A mark in the bytes is a sealed leaf or, rarely, a user's own key or text: only then is it worth walking.
    return _pack(_escape(value)) if _MARK_BYTES in data else data


def loads(data: bytes, where: str) -> Any:
    """Read what ``dumps`` wrote.

    Raises:
        StateCorruptError: It is not that.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise corrupt(where, "the bytes are no JSON") from None
    return _unescape(value) if _MARK_BYTES in data else value


def corrupt(where: str, what: str) -> StateCorruptError:
    """Say that state does not hold together."""
    return StateCorruptError(
        f"{where}: state is damaged ({what}), expected what iaclib wrote; restore it from a backup"
    )


def check_format(number: Any, where: str) -> None:
    """Refuse a format that this version does not know.

    Raises:
        StateVersionError: It is newer.
        StateCorruptError: It is no format at all.
    """
    if not isinstance(number, int):
        raise corrupt(where, "it has no format number")
    if number > FORMAT:
        msg = f"{where}: state has format {number}, expected at most {FORMAT}; use the newer iaclib that wrote it"
        raise StateVersionError(msg)


def record_to(record: Record) -> dict[str, Any]:
    """Turn a record into a dict, defaults left out."""
    data: dict[str, Any] = {"address": record.address, "type": record.type, "id": record.id}
    for name, value in record.__dict__.items():
        if value and name not in data:
            data[name] = value
    if record.observed is not None:
        data["observed"] = record.observed
    if record.provider is not None:
        data["provider"] = {name: value for name, value in record.provider.__dict__.items() if value}
    if record.generation == 1:
        data.pop("generation", None)
    if record.version == 1:
        data.pop("version", None)
    if record.status == "ok":
        data.pop("status")
    return data


def record_from(data: dict[str, Any], providers: Providers) -> Record:
    """Undo ``record_to``."""
    if (provider := data.get("provider")) is not None:
        data["provider"] = providers.get(provider)
    if (dependencies := data.get("dependencies")) is not None:
        data["dependencies"] = tuple(dependencies)
    return Record(**data)


def _sparse(value: Any) -> dict[str, Any]:
    """Give an attrs value's fields that differ from their defaults."""
    return {
        field.name: item
        for field in attrs.fields(type(value))
        if (item := getattr(value, field.name)) != field.default or field.default is attrs.NOTHING
    }


def intent_to(intent: Intent) -> dict[str, Any]:
    """Turn an intent into a dict."""
    data = _sparse(intent)
    data["record"] = record_to(intent.record)
    if intent.before is not None:
        data["before"] = record_to(intent.before)
    return data


def intent_from(data: dict[str, Any], providers: Providers) -> Intent:
    """Undo ``intent_to``."""
    data["record"] = record_from(data["record"], providers)
    if data.get("before") is not None:
        data["before"] = record_from(data["before"], providers)
    return Intent(**data)


def _entry_to(entry: Entry) -> list[Any]:
    match entry:
        case Began():
            return ["began", intent_to(entry.intent)]
        case Ended():
            data = _sparse(entry)
            if entry.put is not None:
                data["put"] = record_to(entry.put)
            if entry.keep_token is not None:
                data["keep_token"] = [entry.keep_token[0], _sparse(entry.keep_token[1])]
            return ["ended", data]
        case Noted():
            return ["noted", _sparse(entry)]
        case Exported():
            return ["exported", entry.outputs]
        case Keyed():
            return ["keyed", entry.key]
        case Ran():
            return ["ran", run_to(entry.run)]


def _ended(data: dict[str, Any], providers: Providers) -> Ended:
    if data.get("put") is not None:
        data["put"] = record_from(data["put"], providers)
    if data.get("keep_token") is not None:
        address, kept = data["keep_token"]
        data["keep_token"] = (address, KeptToken(**kept))
    return Ended(**data)


_ENTRIES: Final[dict[str, Callable[[Any, Providers], Entry]]] = {
    "began": lambda data, providers: Began(intent_from(data, providers)),
    "ended": _ended,
    "noted": lambda data, _: Noted(**data),
    "exported": lambda data, _: Exported(data),
    "keyed": lambda data, _: Keyed(data),
    "ran": lambda data, _: Ran(run_from(data)),
}


def run_to(run: RunSummary) -> dict[str, Any]:
    """Turn a run's line of history into a dict."""
    return dict(run.__dict__)


def run_from(data: dict[str, Any]) -> RunSummary:
    """Undo ``run_to``."""
    return RunSummary(**data)


def dump_entries(entries: Sequence[Entry]) -> bytes:
    """Write what one append carries."""
    return dumps([_entry_to(entry) for entry in entries])


def load_entries(data: bytes, where: str, providers: Providers) -> list[Entry]:
    """Undo ``dump_entries``.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    try:
        return [_ENTRIES[kind](item, providers) for kind, item in loads(data, where)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise corrupt(where, f"a journal entry does not read: {type(error).__name__}") from None


def dump_record(record: Record) -> bytes:
    """Write a record."""
    return dumps(record_to(record))


def load_record(data: bytes, where: str, providers: Providers) -> Record:
    """Undo ``dump_record``.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    try:
        return record_from(loads(data, where), providers)
    except (TypeError, AttributeError) as error:
        raise corrupt(where, f"a record does not read: {type(error).__name__}") from None


def dump_intent(intent: Intent) -> bytes:
    """Write an intent."""
    return dumps(intent_to(intent))


def load_intent(data: bytes, where: str, providers: Providers) -> Intent:
    """Undo ``dump_intent``.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    try:
        return intent_from(loads(data, where), providers)
    except (KeyError, TypeError, AttributeError) as error:
        raise corrupt(where, f"an intent does not read: {type(error).__name__}") from None
