"""State as JSON with names that people read: canonical, versioned, and with secrets sealed.

Knows the text's shape; knows nothing of backends or keys. What has its default
is left out. The checksum finds a text that was cut or altered; who alters it
on purpose removes it.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct, structs

from iaclib.errors import StateCorruptError
from iaclib.state import packing
from iaclib.state.record import FORMAT, Intent, KeptToken, ProviderRecord, Record, RunSummary, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iaclib.model.addresses import StackRef

_KIND: Final = "iaclib state"


def dump(ref: StackRef, snapshot: Snapshot, runs: Sequence[RunSummary]) -> str:
    """Write a snapshot, sealed, and a history.

    Args:
        ref: The stack that it is of.
        snapshot: Its state.
        runs: Its history, oldest first.
    """
    state = {
        "lineage": snapshot.lineage,
        "serial": snapshot.serial,
        "key": snapshot.key,
        "outputs": snapshot.outputs,
        "records": {address: _record_to(record) for address, record in snapshot.records.items()},
        "superseded": [_record_to(record) for record in snapshot.superseded],
        "intents": [_intent_to(intent) for intent in snapshot.intents.values()],
        "generations": snapshot.generations,
        "tokens": {address: _told(kept) for address, kept in snapshot.tokens.items()},
    }
    if snapshot.blobs:
        state["blobs"] = snapshot.blobs
    head = {"kind": _KIND, "format": FORMAT, "project": ref.project, "stack": ref.name}
    body = packing.dumps({"state": state, "history": [_told(run) for run in runs]}, str(ref))
    whole = {**head, "sha256": sha256(body).hexdigest(), **orjson.loads(body)}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n"


def load(data: str | bytes, where: str) -> tuple[Snapshot, list[RunSummary]]:
    """Read what ``dump`` wrote.

    Raises:
        StateVersionError: A newer iaclib wrote it.
        StateCorruptError: It is not that.
    """
    try:
        whole = orjson.loads(data)
        if whole["kind"] != _KIND:
            raise _corrupt(where, "it is no export")
        packing.check_format(whole["format"], where)
        body = orjson.dumps({"state": whole["state"], "history": whole["history"]})
        if whole.get("sha256", "") not in ("", sha256(body).hexdigest()):
            raise _corrupt(where, "its checksum differs: it was cut or altered; remove sha256 if that was on purpose")
        read = packing.loads(body, where)
        state = read["state"]
        snapshot = Snapshot(
            lineage=state["lineage"],
            serial=state["serial"],
            records={address: _record_from(record) for address, record in state["records"].items()},
            superseded=tuple(map(_record_from, state["superseded"])),
            intents={one["step"]: _intent_from(one) for one in state["intents"]},
            outputs=state["outputs"],
            generations=state["generations"],
            tokens={address: KeptToken(**kept) for address, kept in state["tokens"].items()},
            key=state["key"],
            blobs=state.get("blobs", {}),
        )
        return snapshot, [RunSummary(**run) for run in read["history"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _corrupt(where, f"it does not read: {type(error).__name__}") from None


def _corrupt(where: str, what: str) -> StateCorruptError:
    return StateCorruptError(
        f"{where}: not what was exported ({what}), expected the text of export_state; export again"
    )


def _told(value: Struct) -> dict[str, Any]:
    """Give what an object has that isn't its default."""
    defaults = _defaults(type(value))
    facts = structs.asdict(value)
    return {name: found for name, found in facts.items() if name not in defaults or found != defaults[name]}


@cache
def _defaults(cls: type[Struct]) -> dict[str, Any]:
    required = len(cls.__struct_fields__) - len(cls.__struct_defaults__)
    empty = structs.asdict(cls(*[None] * required))
    return {name: empty[name] for name in cls.__struct_fields__[required:]}


def _record_to(record: Record) -> dict[str, Any]:
    told = _told(record)
    if record.provider is not None:
        told["provider"] = _told(record.provider)
    return told


def _record_from(data: dict[str, Any]) -> Record:
    provider = data.get("provider")
    return Record(
        **{
            **data,
            "dependencies": tuple(data.get("dependencies", ())),
            "provider": None if provider is None else ProviderRecord(**provider),
        }
    )


def _intent_to(intent: Intent) -> dict[str, Any]:
    told = _told(intent)
    told["record"] = _record_to(intent.record)
    if intent.before is not None:
        told["before"] = _record_to(intent.before)
    return told


def _intent_from(data: dict[str, Any]) -> Intent:
    before = data.get("before")
    changed = {"record": _record_from(data["record"]), "before": None if before is None else _record_from(before)}
    return Intent(**{**data, **changed})
