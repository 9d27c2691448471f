"""What a ``Live`` means for a record: baseline, outputs, drift.

Pure functions over values. A record's baseline is what the cloud showed of the
declared inputs right after the last write; drift is what it shows now against
that, projected onto the declared shape, so that normalisation and server
defaults never read as drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.errors import ProviderError
from iaclib.model.redact import guard_repeats
from iaclib.model.values import Secret, has_unknown, plain, reveal
from iaclib.plan.compare import drifted
from iaclib.schema.hiding import hide

if TYPE_CHECKING:
    from iaclib.provider.handler import Live
    from iaclib.schema.facts import TypeFacts
    from iaclib.state.record import Record


def checked(live: Any, where: str) -> Live:
    """Check that what a handler gave is a Live of JSON values.

    Raises:
        ProviderError: It is not; the handler is at fault.
    """
    from iaclib.provider.handler import Live as LiveType

    if not isinstance(live, LiveType):
        msg = f"{where}: the handler returned {type(live).__name__}, expected a Live; fix the handler"
        raise ProviderError(msg)
    if not isinstance(live.id, str) or not live.id:
        msg = f"{where}: the handler returned the id {live.id!r}, expected text that is not empty; fix the handler"
        raise ProviderError(msg)
    outputs = plain(live.outputs, f"{where} outputs")
    inputs = None if live.inputs is None else plain(live.inputs, f"{where} inputs")
    if has_unknown(outputs) or has_unknown(inputs):
        msg = f"{where}: the handler returned an unknown value, expected what the cloud shows; fix the handler"
        raise ProviderError(msg)
    return LiveType(live.id, outputs, inputs, live.ready)


def _guard(name: str, value: Any, facts: TypeFacts | None, like: Any = None) -> Any:
    """Keep secrets secret: what is one by type, by declaration or by option comes back as one."""
    if isinstance(value, Secret) or value is None:
        return value
    known = facts.properties.get(name) if facts is not None else None
    if isinstance(like, Secret) or (known is not None and known.secret):
        return Secret(value)
    if known is not None and not known.computed:  # what the cloud makes up is secret as a whole or not at all
        value = hide(known.shape, value, Secret)
    if isinstance(like, dict) and isinstance(value, dict):
        return {key: _guard("", item, None, like.get(key)) for key, item in value.items()}
    if isinstance(like, list) and isinstance(value, list) and len(like) == len(value):
        return [_guard("", item, None, mine) for item, mine in zip(value, like, strict=True)]
    if isinstance(like, list) and isinstance(value, list) and any(isinstance(item, Secret) for item in like):
        return Secret(value)
    return value


def _hidden(name: str, value: Any, record: Record, facts: TypeFacts | None) -> Any:
    """Guard an output, which may be secret by option too."""
    if name in record.options.get("secret_outputs", ()) and value is not None and not isinstance(value, Secret):
        return Secret(reveal(value))
    return _guard(name, value, facts)


def guarded(record: Record, facts: TypeFacts | None) -> Record:
    """Give a record with everything secret in it that its type and options say is."""
    outputs = {name: _hidden(name, value, record, facts) for name, value in record.outputs.items()}
    return record if outputs == record.outputs else structs.replace(record, outputs=outputs)


def written(record: Record, live: Live, facts: TypeFacts | None) -> Record:
    """Record an object as the cloud showed it right after a write.

    Args:
        record: With the inputs that were sent.
        live: What the handler returned.
        facts: Of its type, if it is known here.
    """
    outputs = {name: _hidden(name, value, record, facts) for name, value in live.outputs.items()}
    seen: dict[str, Any] = {}
    for name, value in (live.inputs or {}).items():
        if name in record.inputs:
            seen[name] = _guard(name, value, facts, record.inputs[name])
        elif value is not None:
            outputs.setdefault(name, _hidden(name, value, record, facts))
    baseline = {**record.inputs, **seen} if seen else record.inputs  # one object is kept once
    guarded_outputs = guard_repeats(outputs, record.inputs, seen)
    return structs.replace(
        record, id=live.id, outputs=guarded_outputs, baseline=baseline, observed=None, status="ok", repairable=False
    )


def refreshed(record: Record, live: Live, facts: TypeFacts | None) -> Record:
    """Record an object as a later read saw it: same inputs and baseline, observed if it drifted."""
    outputs = dict(record.outputs)
    outputs.update((name, _hidden(name, value, record, facts)) for name, value in live.outputs.items())
    observed = dict(record.baseline)
    differs = False
    for name, seen in (live.inputs or {}).items():
        if name not in record.inputs:
            if seen is not None:
                outputs[name] = _hidden(name, seen, record, facts)
            continue
        known = facts.properties.get(name) if facts is not None else None
        if known is not None and known.write_only:
            continue
        if drifted(
            record.inputs, record.baseline, {name: seen}, (name,) if known is not None and known.unordered else ()
        ):
            observed[name] = _guard(name, seen, facts, record.inputs[name])
            differs = True
    return structs.replace(
        record,
        id=live.id,
        outputs=guard_repeats(outputs, record.inputs, observed),
        observed=observed if differs else None,
    )


def before_update(record: Record) -> dict[str, Any]:
    """Give what an update starts from: recorded inputs overlaid with what was observed."""
    before = dict(record.inputs)
    if record.observed is not None:
        for name, value in record.observed.items():
            if value == record.baseline.get(name):
                continue
            if value is None:
                before.pop(name, None)
            else:
                before[name] = value
    return before
