"""The one serializer: journal entries, records, intents and runs to bytes and back.

Knows the shape of state as JSON; knows nothing of where bytes are kept, and
nothing of keys: secrets must arrive sealed, ``packing`` refuses an open one, so
that none can reach a disk. Fields that have their default are left out, and
keys are short: state of 10,000 records is read at each plan.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import structs

from iaclib.errors import StateError
from iaclib.model.bulk import collector_paused
from iaclib.state.journal import Began, Ended, Entry, Exported, Keyed, Noted, Ran, Stored
from iaclib.state.packing import MARK, check_format, corrupt, dumps, loads
from iaclib.state.record import FORMAT, Intent, KeptToken, ProviderRecord, Record, RunSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


# ----------------------------------------------------------------------------------------------------------- records


class Providers:
    """Shares equal providers, of which thousands of records have the same few."""

    def __init__(self) -> None:
        self._known: dict[str, ProviderRecord] = {}

    def get(self, text: str) -> ProviderRecord:
        """Give the provider that a text describes."""
        found = self._known.get(text)
        if found is None:
            name, account, region, *config = loads(text.encode(), "provider")
            found = self._known[text] = ProviderRecord(name, account, region, *config)
        return found


def _provider_to(provider: ProviderRecord) -> str:
    """Turn a provider into JSON in a text: read faster than an object, and equal providers are equal texts."""
    data: list[Any] = [provider.name, provider.account, provider.region]
    if provider.config:
        data.append(provider.config)
    return dumps(data, f"provider {provider.name}").decode()


def record_to(record: Record) -> dict[str, Any]:  # noqa: C901 - one line a field, of each record twice a step
    """Turn a record into a dict that ``dumps`` takes."""
    data: dict[str, Any] = {"a": record.address, "t": record.type, "i": record.id}
    if record.uid:
        data["u"] = record.uid
    if record.inputs:
        data["n"] = record.inputs
    if record.baseline:
        # Where nothing else was read, both are one object: 0 says "as inputs", and they are one again when read.
        data["b"] = 0 if record.baseline is record.inputs else record.baseline
    if record.observed is not None:
        data["o"] = record.observed
    if record.outputs:
        data["x"] = record.outputs
    if record.dependencies:
        data["d"] = list(record.dependencies)
    if record.parent:
        data["p"] = record.parent
    if record.repairable:
        data["r"] = True
    if record.options:
        data["O"] = record.options
    if record.provider is not None:
        data["P"] = _provider_to(record.provider)
    if record.status != "ok":
        data["s"] = record.status
    if record.generation != 1:
        data["g"] = record.generation
    if record.version != 1:
        data["v"] = record.version
    if record.defined_by:
        data["m"] = record.defined_by
    if record.created:
        data["c"] = record.created
    return data


def record_from(data: dict[str, Any], providers: Providers) -> Record:
    """Undo ``record_to``; KeyError, TypeError or AttributeError if the data isn't that."""
    get = data.get
    provider = get("P")
    inputs = get("n") or {}
    baseline = get("b", None)
    return Record(
        data["a"],
        intern(data["t"]),
        data["i"],
        get("u", ""),
        inputs,
        inputs if baseline == 0 and baseline is not None else baseline or {},
        get("o"),
        get("x") or {},
        tuple(get("d", ())),
        intern(get("p", "")),
        get("s", "ok"),
        get("r", False),
        get("O") or {},
        None if provider is None else providers.get(provider),
        get("g", 1),
        get("v", 1),
        get("m", ""),
        get("c", 0.0),
    )


def dump_record(record: Record) -> bytes:
    """Write a record."""
    return dumps(record_to(record), record.address)


def load_record(data: bytes, where: str, providers: Providers) -> Record:
    """Undo ``dump_record``.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    try:
        return record_from(loads(data, where), providers)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise corrupt(where, f"a record does not read: {type(error).__name__}") from None


def load_records(rows: Sequence[bytes], where: str, providers: Providers) -> list[Record]:
    """Read many records at once; those with sealed values come last.

    Raises:
        StateCorruptError: One of them is no record.
    """
    easy = rows
    marked: list[bytes] = []
    data = b"[%b]" % b",".join(rows)
    if MARK in data:
        easy = [row for row in rows if MARK not in row]
        marked = [row for row in rows if MARK in row]
        data = b"[%b]" % b",".join(easy)
    try:
        with collector_paused():
            parsed = orjson.loads(data)
            if len(parsed) == len(easy):
                found = [record_from(item, providers) for item in parsed]
                return [*found, *(load_record(row, where, providers) for row in marked)]
    except (KeyError, TypeError, ValueError, AttributeError):
        pass  # one by one, then, to tell what is wrong
    return [load_record(row, where, providers) for row in rows]


# ----------------------------------------------------------------------------------------------------------- intents


def intent_to(intent: Intent) -> dict[str, Any]:
    """Turn an intent into a dict that ``dumps`` takes."""
    data: dict[str, Any] = {"s": intent.step, "c": intent.action, "t": intent.token, "r": record_to(intent.record)}
    if intent.before is not None:
        data["b"] = record_to(intent.before)
    if intent.replacing:
        data["p"] = True
    if intent.supersedes:
        data["u"] = True
    if intent.absent:
        data["a"] = True
    if intent.begun:
        data["w"] = intent.begun
    if intent.id is not None:
        data["i"] = intent.id
    if intent.data is not None:
        data["d"] = intent.data
    return data


def intent_from(data: dict[str, Any], providers: Providers) -> Intent:
    """Undo ``intent_to``."""
    get = data.get
    before = get("b")
    return Intent(
        data["s"],
        data["c"],
        data["t"],
        record_from(data["r"], providers),
        None if before is None else record_from(before, providers),
        get("p", False),
        get("u", False),
        get("a", False),
        get("w", 0.0),
        get("i"),
        get("d"),
    )


def dump_intent(intent: Intent) -> bytes:
    """Write an intent."""
    return dumps(intent_to(intent), intent.record.address)


def load_intent(data: bytes, where: str, providers: Providers) -> Intent:
    """Undo ``dump_intent``.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    try:
        return intent_from(loads(data, where), providers)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise corrupt(where, f"an intent does not read: {type(error).__name__}") from None


def token_to(kept: KeptToken) -> list[Any]:
    """Turn a kept token into a list."""
    return [kept.token, kept.digest, kept.begun]


def token_from(data: list[Any]) -> KeptToken:
    """Undo ``token_to``."""
    token, digest, begun = data
    return KeptToken(token, digest, begun)


# ----------------------------------------------------------------------------------------------------------- entries


def _entry_to(entry: Entry) -> list[Any]:
    match entry:
        case Ended():
            return ["e", _ended_to(entry)]
        case Began():
            return ["b", intent_to(entry.intent)]
        case Noted():
            return ["n", [entry.step, entry.id, entry.data]]
        case Exported():
            return ["x", entry.outputs]
        case Keyed():
            return ["k", entry.key]
        case Stored():
            return ["s", [entry.name, entry.value]]
        case Ran():
            return ["r", run_to(entry.run)]


def _ended_to(entry: Ended) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if entry.step:
        data["s"] = entry.step
    if entry.put is not None:
        data["p"] = record_to(entry.put)
    if entry.supersede is not None:
        data["u"] = entry.supersede
    if entry.drop is not None:
        data["d"] = entry.drop
    if entry.drop_superseded is not None:
        data["x"] = entry.drop_superseded
    if entry.keep_token is not None:
        data["k"] = [entry.keep_token[0], token_to(entry.keep_token[1])]
    if entry.put_superseded is not None:
        data["y"] = record_to(entry.put_superseded)
    return data


def _ended_from(data: dict[str, Any], providers: Providers) -> Ended:
    get = data.get
    put, keep, old = get("p"), get("k"), get("y")
    return Ended(
        get("s", ""),
        None if put is None else record_from(put, providers),
        get("u"),
        get("d"),
        get("x"),
        None if keep is None else (keep[0], token_from(keep[1])),
        None if old is None else record_from(old, providers),
    )


_READERS: Final[dict[str, Callable[[Any, Providers], Entry]]] = {
    "e": _ended_from,
    "b": lambda data, providers: Began(intent_from(data, providers)),
    "n": lambda data, _: Noted(*data),
    "x": lambda data, _: Exported(data),
    "k": lambda data, _: Keyed(data),
    "s": lambda data, _: Stored(*data),
    "r": lambda data, _: Ran(run_from(data)),
}


def _subject(entry: Entry) -> str:
    match entry:
        case Ended() if entry.put is not None:
            return entry.put.address
        case Ended() if entry.put_superseded is not None:
            return entry.put_superseded.address
        case Began():
            return entry.intent.record.address
        case Noted():
            return f"step {entry.step}"
        case Exported():
            return "stack outputs"
        case _:
            return "state"


def dump_entries(entries: Sequence[Entry]) -> bytes:
    """Write what one append carries.

    Raises:
        SealError: One holds an unsealed secret.
        StateError: One holds what is no JSON.
    """
    packed = [_entry_to(entry) for entry in entries]
    try:
        return dumps([FORMAT, packed], "state")
    except StateError:
        for entry, item in zip(entries, packed, strict=True):
            dumps(item, _subject(entry))  # raises again, naming whose entry it is
        raise


def load_entries(data: bytes, where: str, providers: Providers) -> list[Entry]:
    """Undo ``dump_entries``.

    Raises:
        StateVersionError: A newer iaclib wrote it.
        StateCorruptError: The bytes are not that.
    """
    return _entries_from(_items(data, where), where, providers)


def load_journal(appends: Iterable[tuple[bytes, str]], providers: Providers) -> list[Entry]:
    """Read what follows one another, but for beginnings of steps that end later in it: they leave nothing behind.

    Args:
        appends: What ``dump_entries`` made, each with its place for messages.
        providers: Those known so far.

    Raises:
        StateVersionError: A newer iaclib wrote some of it.
        StateCorruptError: The bytes are not that.
    """
    ended: set[str] = set()
    found: list[list[Entry]] = []
    for items, where in reversed([(_items(data, where), where) for data, where in appends]):
        left = [item for item in reversed(items) if not _is_over(item, ended)]
        found.append(_entries_from(left[::-1], where, providers))
    return [entry for entries in reversed(found) for entry in entries]


def _is_over(item: tuple[str, Any], ended: set[str]) -> bool:
    """Tell whether an entry, not yet read, is of a step that ends later, if those that come after it were asked about."""
    match item:
        case "e", {"s": str(step)}:
            ended.add(step)
        case ("b", {"s": str(step)}) | ("n", [str(step), *_]):
            return step in ended
    return False


def _items(data: bytes, where: str) -> list[tuple[str, Any]]:
    try:
        number, *rest = loads(data, where)
        check_format(number, where)
        (items,) = rest
        return [(kind, item) for kind, item in items]
    except (TypeError, ValueError) as error:
        raise corrupt(where, f"a journal entry does not read: {type(error).__name__}") from None


def _entries_from(items: Iterable[tuple[str, Any]], where: str, providers: Providers) -> list[Entry]:
    try:
        return [_READERS[kind](item, providers) for kind, item in items]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise corrupt(where, f"a journal entry does not read: {type(error).__name__}") from None


def run_to(run: RunSummary) -> dict[str, Any]:
    """Turn a run's line of history into a dict."""
    return structs.asdict(run)


def run_from(data: dict[str, Any]) -> RunSummary:
    """Undo ``run_to``."""
    return RunSummary(**data)


def dump_run(run: RunSummary) -> bytes:
    """Write a run's line of history."""
    return dumps(run_to(run), f"run {run.id}")


def load_run(data: bytes, where: str) -> RunSummary:
    """Undo ``dump_run``.

    Raises:
        StateCorruptError: The bytes are not that.
    """
    try:
        return run_from(loads(data, where))
    except TypeError as error:
        raise corrupt(where, f"a run does not read: {type(error).__name__}") from None
