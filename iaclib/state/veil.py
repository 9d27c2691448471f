"""What is sealed of records, entries and snapshots on their way to a backend, and opened on their way back.

Secrets are sealed leaf by leaf (``seal``). Beyond that the configuration of a
provider is encrypted as a whole once the stack has a key, and everything that
a program or a cloud says of a resource where that was asked for
(``encrypt="all"``). Reading needs no such choice: what is there is opened.

Within what is encrypted as a whole secrets are sealed all the same, so that
they come back as secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from msgspec import structs

from iaclib.errors import SealError
from iaclib.model.bulk import collector_paused
from iaclib.model.values import has_secret, reveal
from iaclib.state import blobs, seal
from iaclib.state.journal import Began, Ended, Entry, Exported, Noted
from iaclib.state.packing import corrupt, dumps, loads
from iaclib.state.seal import Sealer, Veiled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iaclib.state.record import Intent, ProviderRecord, Record, Snapshot

_OUTPUTS = ":outputs"  # what stack outputs are encrypted for; no address holds a colon


# --------------------------------------------------------------------------------------------------------------- out


def is_plain(entry: Entry) -> bool:
    """Tell, quickly, that an entry may be written as it is: nothing in it is secret, large or of a provider's."""
    match entry:
        case Ended():
            records: Any = (entry.put, entry.put_superseded)
        case Began():
            if not _are_plain([entry.intent.data]):
                return False
            records = (entry.intent.record, entry.intent.before)
        case Noted():
            return _are_plain([entry.data])
        case Exported():
            return _are_plain(entry.outputs.values())
        case _:
            return True
    for record in records:
        if record is None:
            continue
        if record.provider is not None and record.provider.config:
            return False
        inputs, baseline = record.inputs, record.baseline
        for values in (
            inputs,
            None if baseline is inputs else baseline,
            record.observed,
            record.outputs,
            record.options,
        ):
            if values and not _are_plain(values.values()):
                return False
    return True


def _are_plain(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind is str:
            if len(value) > blobs.LARGE:
                return False
        elif kind is not bool and kind is not int and value is not None and not blobs.is_plain(value):
            return False
    return True


def seal_entry(entry: Entry, sealer: Sealer | None, *, whole: bool = False) -> Entry:
    """Seal what must not be read in a journal entry.

    Args:
        entry: The entry.
        sealer: The stack's; None if it has no key.
        whole: Whether all that programs and clouds say is sealed, not only secrets.

    Raises:
        SealError: There is a secret and no sealer.
    """
    match entry:
        case Ended() if entry.put is not None or entry.put_superseded is not None:
            put, old = (
                None if one is None else seal_record(one, sealer, whole=whole)
                for one in (entry.put, entry.put_superseded)
            )
            same = put is entry.put and old is entry.put_superseded
            return entry if same else structs.replace(entry, put=put, put_superseded=old)
        case Began():
            intent = _seal_intent(entry.intent, sealer, whole=whole)
            return entry if intent is entry.intent else Began(intent)
        case Noted() if entry.data is not None:
            data = _seal_data(entry.data, sealer, entry.step, f"step {entry.step}", whole=whole)
            return entry if data is entry.data else structs.replace(entry, data=data)
        case Exported():
            outputs = seal.seal_value(entry.outputs, sealer, "", "stack outputs")
            if whole and outputs and sealer is not None:
                outputs = _veil(outputs, sealer, _OUTPUTS, "stack outputs")
            return entry if outputs is entry.outputs else Exported(outputs)
        case _:
            return entry


def seal_record(record: Record, sealer: Sealer | None, *, whole: bool = False) -> Record:
    """Seal what must not be read in a record; see ``seal_entry``."""
    closed = seal.seal_record(record, sealer)
    if (provider := record.provider) is not None and provider.config:
        if sealer is None:
            if any(map(has_secret, provider.config.values())):
                msg = (
                    f"{record.address}: its provider's configuration holds a secret, but this state has no key to "
                    "seal it with, expected a keyring; pass Engine(keyring=...)"
                )
                raise SealError(msg)
        else:
            closed = structs.replace(closed, provider=_seal_provider(provider, sealer))
    if whole and sealer is not None:
        inputs = closed.inputs
        baseline: Any = 0 if closed.baseline is inputs else closed.baseline
        body = [inputs, baseline, closed.observed, closed.outputs, closed.options]
        veiled = _veil(body, sealer, _of_record(record.address), record.address)
        return structs.replace(closed, inputs=veiled, baseline={}, observed=None, outputs={}, options={})
    return closed


def _seal_intent(intent: Intent, sealer: Sealer | None, *, whole: bool) -> Intent:
    changes: dict[str, Any] = {"data": _seal_data(intent.data, sealer, intent.step, intent.record.address, whole=whole)}
    changes["record"] = seal_record(intent.record, sealer, whole=whole)
    changes["before"] = None if intent.before is None else seal_record(intent.before, sealer, whole=whole)
    same = all(getattr(intent, name) is value for name, value in changes.items())
    return intent if same else structs.replace(intent, **changes)


def _seal_data(data: Any, sealer: Sealer | None, step: str, where: str, *, whole: bool) -> Any:
    """Seal what a running step noted."""
    data = seal.seal_value(data, sealer, f":{step}", where)
    return _veil(data, sealer, _of_step(step), where) if whole and data is not None and sealer is not None else data


def _seal_provider(provider: ProviderRecord, sealer: Sealer) -> ProviderRecord:
    """Encrypt a provider's configuration; equal ones give one object, of which thousands of records have a few."""
    key = (provider.name, provider.account, provider.region, repr(reveal(dict(provider.config))))
    found: ProviderRecord | None = sealer.shared.get(key)
    if found is None:
        bound = _of_provider(provider)
        config = {name: seal.seal_value(value, sealer, bound, bound) for name, value in provider.config.items()}
        found = structs.replace(provider, config=_veil(config, sealer, bound, f"provider {provider.name}"))
        sealer.shared[key] = found
    return found


# ---------------------------------------------------------------------------------------------------------------- in


def open_snapshot(snapshot: Snapshot, sealer: Sealer | None) -> Snapshot:
    """Open all that is sealed in a snapshot; one without anything sealed is returned as it is.

    Raises:
        SealError: There is something sealed and no sealer, another key sealed
            it, or a value was altered or moved.
    """
    with collector_paused():
        changes: dict[str, Any] = {}
        records = {a: now for a, was in snapshot.records.items() if (now := open_record(was, sealer)) is not was}
        if records:
            changes["records"] = {**snapshot.records, **records}
        superseded = tuple(open_record(record, sealer) for record in snapshot.superseded)
        if any(new is not old for new, old in zip(superseded, snapshot.superseded, strict=True)):
            changes["superseded"] = superseded
        intents = {step: new for step, old in snapshot.intents.items() if (new := _open_intent(old, sealer)) is not old}
        if intents:
            changes["intents"] = {**snapshot.intents, **intents}
        outputs: Any = snapshot.outputs
        if isinstance(outputs, Veiled):
            outputs = _unveil(outputs, sealer, _OUTPUTS, "stack outputs")
        outputs = seal.open_value(outputs, sealer, "", "stack outputs")
        if outputs is not snapshot.outputs:
            changes["outputs"] = outputs
        return structs.replace(snapshot, **changes) if changes else snapshot


def open_record(record: Record, sealer: Sealer | None) -> Record:
    """Open what is sealed in a record; one without anything sealed is returned as it is."""
    opened = record
    if isinstance(record.inputs, Veiled):
        body = _unveil(record.inputs, sealer, _of_record(record.address), record.address)
        try:
            inputs, baseline, observed, outputs, options = body
        except (TypeError, ValueError):
            raise corrupt(record.address, "a sealed record does not read") from None
        opened = structs.replace(
            record,
            inputs=inputs,
            baseline=inputs if baseline == 0 and baseline is not None else baseline,
            observed=observed,
            outputs=outputs,
            options=options,
        )
    opened = seal.open_record(opened, sealer)
    provider = record.provider
    if provider is not None and isinstance(provider.config, Veiled):
        opened = structs.replace(opened, provider=_open_provider(provider, sealer))
    return opened


def _open_intent(intent: Intent, sealer: Sealer | None) -> Intent:
    data = intent.data
    if isinstance(data, Veiled):
        data = _unveil(data, sealer, _of_step(intent.step), intent.record.address)
    data = seal.open_value(data, sealer, f":{intent.step}", intent.record.address)
    record = open_record(intent.record, sealer)
    before = None if intent.before is None else open_record(intent.before, sealer)
    if data is intent.data and record is intent.record and before is intent.before:
        return intent
    return structs.replace(intent, data=data, record=record, before=before)


def _open_provider(provider: ProviderRecord, sealer: Sealer | None) -> ProviderRecord:
    veiled: Any = provider.config
    if sealer is None:
        raise seal.keyless(f"provider {provider.name}")
    key = (provider.name, provider.account, provider.region, veiled)
    found: ProviderRecord | None = sealer.shared.get(key)
    if found is None:
        bound, where = _of_provider(provider), f"provider {provider.name}"
        config = seal.open_value(_unveil(veiled, sealer, bound, where), sealer, bound, where)
        found = sealer.shared[key] = structs.replace(provider, config=config)
    return found


def is_whole(snapshot: Snapshot) -> bool:
    """Tell whether a snapshot, not opened yet, has anything in it that was sealed as a whole."""
    records = (*snapshot.records.values(), *snapshot.superseded)
    return isinstance(snapshot.outputs, Veiled) or any(isinstance(record.inputs, Veiled) for record in records)


# ------------------------------------------------------------------------------------------------------------- leaves


def _veil(value: Any, sealer: Sealer, bound: str, where: str) -> Any:
    return Veiled(sealer.encrypt(dumps(value, where), bound))


def _unveil(veiled: Veiled, sealer: Sealer | None, bound: str, where: str) -> Any:
    if sealer is None:
        raise seal.keyless(where)
    return loads(sealer.decrypt(veiled.text, bound, where=where), where)


def _of_record(address: str) -> str:
    return f"{address}:record"


def _of_step(step: str) -> str:
    return f":{step}:data"


def _of_provider(provider: ProviderRecord) -> str:
    return f":provider:{orjson.dumps([provider.name, provider.account, provider.region]).decode()}"
