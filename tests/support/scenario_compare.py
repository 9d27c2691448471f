"""What has to come of a scenario's step, compared with what came.

Knows plans, runs, records and calls as values; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from msgspec import structs

from iaclib.model.values import reveal
from scenario_file import check_calls, check_order, read_calls


@attrs.frozen
class Happened:
    """What a step led to."""

    before: Any
    after: Any
    calls: Sequence[str]
    reads: Sequence[str]
    plan: Any
    result: Any
    error: BaseException | None
    run: Any
    cloud: Any
    last_run: Any


def compare(step: Mapping[str, Any], now: Happened) -> None:
    """Check all that a step expects; nothing is left over unless it says so."""
    for name, expected in {"superseded": [], "intents": [], **step}.items():
        if name in _COMPARE:
            _COMPARE[name](now, expected)


def compare_error(step: Mapping[str, Any], error: BaseException | None) -> None:
    """Check how a step failed, or raise what it was not expected to."""
    expected = step.get("fails")
    if expected is None:
        if error is not None:
            raise error
        return
    wanted = {"error": expected} if isinstance(expected, str) else expected
    assert error is not None, f"expected {wanted['error']}, but it succeeded"
    if type(error).__name__ != wanted["error"]:
        raise error
    text = "\n".join([str(error), *getattr(error, "__notes__", ())])
    for part in _list(wanted.get("text")):
        assert part in text, f"{part!r} is not in {text!r}"
    for part in _list(wanted.get("hides")):
        assert part not in text, f"{part!r} is in {text!r}"
    if "causes" in wanted:
        causes = sorted(_cause(one) for one in getattr(error, "exceptions", ()))
        assert causes == sorted(wanted["causes"]), causes


def _compare_planned(now: Happened, expected: Mapping[str, Any]) -> None:
    found: dict[str, list[str]] = {}
    for change in now.plan.changes:
        words = [change.action.value]
        words += ["maybe"] if change.maybe else []
        words += ["delete_first"] if change.delete_first else []
        words += ["superseded"] if change.reason == "superseded" else []
        found.setdefault(change.address, []).append(" ".join(words))
    wanted = {address: _list(words) for address, words in expected.items()}
    quiet = {address: words for address, words in found.items() if words != ["same"] or address in wanted}
    assert quiet == wanted, f"{quiet}\n{now.plan}"


def _compare_reasons(now: Happened, expected: Mapping[str, Any]) -> None:
    for address, parts in expected.items():
        reason = now.plan.change(address).reason
        for part in _list(parts):
            assert part in reason, f"{address}: {reason!r}"


def _compare_steps(now: Happened, expected: Sequence[str]) -> None:
    found = []
    for step in now.run.steps:
        words = [step.action, step.address]
        words += ["replacing"] if step.replacing else []
        words += ["skipped"] if step.skipped else []
        words += ["failed"] if step.error is not None else []
        found.append(" ".join(words))
    assert sorted(found) == sorted(expected), found


def _compare_records(now: Happened, expected: Any) -> None:
    assert set(now.after.records) == set(expected), sorted(now.after.records)
    if not isinstance(expected, Mapping):
        return
    for address, wanted in expected.items():
        facts = wanted
        if isinstance(wanted, str):
            facts = {"id": wanted} if wanted in {"kept", "new"} else {"status": wanted}
        record, old = now.after.records[address], now.before.records.get(address)
        for name, value in (facts or {}).items():
            match name:
                case "id" if value == "kept":
                    assert old is not None, address
                    assert record.id == old.id, address
                case "id" if value == "new":
                    assert record.id, address
                    assert old is None or record.id != old.id, address
                case "options" | "outputs":
                    have = reveal(dict(getattr(record, name)))
                    assert {key: have.get(key) for key in value} == value, f"{address}: {have}"
                case "dependencies":
                    assert list(record.dependencies) == list(value), f"{address}: {record.dependencies}"
                case "provider":
                    have = {key: item for key, item in structs.asdict(record.provider).items() if key in value}
                    assert have == value, f"{address}: {record.provider}"
                case _:
                    have = getattr(record, name)
                    have = reveal(dict(have)) if isinstance(have, Mapping) else have
                    assert have == value, f"{address}: {name} is {have}"


def _compare_drift(now: Happened, expected: Mapping[str, str]) -> None:
    drift = now.result if hasattr(now.result, "changes") else getattr(now.error, "drift", None)
    found = {change.address: change.action.value for change in drift.changes}
    assert found == expected, found
    assert bool(drift) == bool(expected)


def _compare_objects(now: Happened, expected: Mapping[str, int]) -> None:
    found: dict[str, int] = {}
    for held in now.cloud.objects.values():
        found[held["address"]] = found.get(held["address"], 0) + 1
    _same(found, expected)


_COMPARE: dict[str, Callable[[Happened, Any], None]] = {
    "calls": lambda now, text: check_calls(now.calls, read_calls(text)),
    "order": lambda now, texts: [check_order(now.calls, read_calls(text)) for text in _list(texts)],
    "never": lambda now, names: _same([name for name in _list(names) if name in now.calls], []),
    "reads": lambda now, names: _same(now.reads, sorted(names)),
    "planned": _compare_planned,
    "counts": lambda now, counts: _same(now.plan.counts, counts),
    "reasons": _compare_reasons,
    "steps": _compare_steps,
    "records": _compare_records,
    "superseded": lambda now, names: _same(sorted(old.address for old in now.after.superseded), sorted(names)),
    "intents": lambda now, names: _same(
        sorted(f"{one.action} {one.record.address}" for one in now.after.intents.values()), sorted(names)
    ),
    "objects": _compare_objects,
    "on_delete": lambda now, wanted: _same({one: now.cloud.parameters[one] for one in wanted}, wanted),
    "history": lambda now, wanted: _same(f"{now.last_run.operation} {now.last_run.status}", wanted),
    "outputs": lambda now, wanted: _same(reveal(dict(now.after.outputs)), wanted),
    "drifted": _compare_drift,
    "ok": lambda now, wanted: _same(now.run.ok, wanted),
}


def _same(found: Any, wanted: Any) -> None:
    assert found == wanted, f"expected {wanted}, found {found}"


def check_within(plan: Any, run: Any) -> None:
    """Check that a run did no more than its plan said."""
    allowed: dict[str, set[str]] = {}
    for change in plan.changes:
        allowed.setdefault(change.address, set()).update(_STEPS[change.action.value])
    for step in run.steps:
        if step.action == "adopt":  # where the program lets a create take over what it meets
            allowed.setdefault(step.address, set()).update(
                {"adopt", "update"} if "create" in allowed[step.address] else ()
            )
    for step in run.steps:
        if step.action in {"read", "move"} or step.skipped:
            continue
        assert step.action in allowed.get(step.address, ()), f"{step} is not in the plan:\n{plan}"


_STEPS = {
    "create": {"create"},
    "update": {"update"},
    "replace": {"create", "update", "delete", "forget"},
    "delete": {"delete", "forget"},
    "same": set(),
    "read": {"read"},
    "import": {"import", "update"},
    "forget": {"forget"},
    "move": {"move"},
}


def _cause(error: BaseException) -> str:
    return type(getattr(error, "cause", None) or error).__name__


def _list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
