"""What has to be done to one object: nothing, an update or a replacement.

One function for plan and apply. Knows recorded and desired inputs of a single
resource; knows nothing of others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from iaclib.declare.options import DEFAULT
from iaclib.plan.changes import Action
from iaclib.plan.compare import canonical, drifted, may_equal, project, same, same_kinds, unknown_in
from iaclib.plan.diff import differences
from iaclib.plan.facts import Facts, View
from iaclib.plan.paths import covers, keep_recorded

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from iaclib.declare.options import Options
    from iaclib.state.record import ProviderRecord, Record


class Verdict(Struct, frozen=True):
    """What evaluating a resource's inputs came to.

    Args:
        action: SAME, UPDATE or REPLACE.
        maybe: Whether unknown inputs may still turn this into less.
        changed: Fields that surely differ.
        unknown: Fields that may differ.
        forcing: Those of both that make the object a new one.
        rewrite: No call, yet the record changes.
    """

    action: Action
    maybe: bool = False
    changed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    forcing: tuple[str, ...] = ()
    rewrite: bool = False

    @property
    def quiet(self) -> bool:
        """Whether no call is needed."""
        return self.action is Action.SAME


SAME = Verdict(Action.SAME)
_REWRITE = Verdict(Action.SAME, rewrite=True)


def evaluate(
    record: Record, inputs: Mapping[str, Any], view: View, facts: Facts, options: Options = DEFAULT
) -> Verdict:
    """Compare desired inputs with what is recorded and what was observed.

    Args:
        record: The object, of the same type as the declaration.
        inputs: Desired, as ``final_inputs`` gives them.
        view: Of the type's facts.
        facts: For the handler's way to normalise.
        options: Of the declaration: drift in ``ignore_changes`` doesn't
            count, a change in ``replace_on_changes`` makes the object a new one.
    """
    repair = record.status == "failed"
    if record.observed is None and not repair and inputs == record.inputs and _same_kinds(inputs, record.inputs, view):
        return SAME
    changed, unknown = _compare(record, inputs, view, facts, options.ignore_changes)
    replaces: Collection[str] = view.replaces
    if facts.replaces is not None:
        replaces = {*replaces, *facts.replaces(record.type, record.inputs, inputs)}
    if options.replace_on_changes:
        replaces = {*replaces, *_by_option(record, inputs, view, changed, unknown, options.replace_on_changes)}
    forcing = tuple(name for name in (*changed, *unknown) if name in replaces)
    certain = any(name in replaces for name in changed)
    if forcing:
        return Verdict(Action.REPLACE, not certain, changed, unknown, forcing)
    if changed or unknown or repair:
        return Verdict(Action.UPDATE, not changed and not repair, changed, unknown)
    return _REWRITE


def _by_option(
    record: Record,
    inputs: Mapping[str, Any],
    view: View,
    changed: Sequence[str],
    unknown: Sequence[str],
    paths: Sequence[str],
) -> set[str]:
    """Name the fields in which a change at one of the paths is found, or possible."""
    found = {name for name in unknown if covers(paths, (name,))}
    for name in changed:
        if not covers(paths, (name,)):
            continue
        loose, wanted, was = name in view.unordered, inputs.get(name), record.inputs.get(name)
        if record.observed is not None and name in record.observed:
            was = project(record.observed[name], wanted, unordered=loose)
        differ = differences(was, wanted, unordered=loose)
        if not differ or any(covers(paths, (name, *path)) for path, _, _ in differ):
            found.add(name)
    return found


def _same_kinds(inputs: Mapping[str, Any], recorded: Mapping[str, Any], view: View) -> bool:
    """Look closer where ``==`` takes True for 1; both values are equal otherwise."""
    for name in view.loose:
        value = inputs.get(name)
        if value is not None and type(value) is not str and not same_kinds(value, recorded[name]):
            return False
    return True


def _compare(
    record: Record, inputs: Mapping[str, Any], view: View, facts: Facts, ignore: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the fields that differ, and those that may."""
    unknown = [name for name, value in inputs.items() if unknown_in(value)]
    known = {name: value for name, value in inputs.items() if name not in unknown}
    desired: Mapping[str, Any] = known
    recorded = record.inputs
    baseline, observed = record.baseline, record.observed
    if observed is not None and ignore:
        observed = keep_recorded(observed, baseline, ignore)
    if facts.normalise is not None:
        desired, recorded = facts.normalise(record.type, known), facts.normalise(record.type, recorded)
        if observed is not None:
            baseline, observed = facts.normalise(record.type, baseline), facts.normalise(record.type, observed)
    drift = frozenset(drifted(recorded, baseline, observed, view.unordered)) if observed is not None else frozenset()
    changed, maybe = [], []
    for name in [*inputs, *(name for name in record.inputs if name not in inputs)]:
        loose = name in view.unordered
        if name in unknown:
            if name in record.inputs and may_equal(inputs[name], record.inputs[name], unordered=loose):
                maybe.append(name)
            elif name not in record.inputs and may_equal(inputs[name], None):
                maybe.append(name)  # it may turn out to be unset
            else:
                changed.append(name)
            continue
        if name in desired and name in recorded and same(desired[name], recorded[name], unordered=loose):
            differs = name in drift
        else:
            differs = name in desired or name in recorded
        if differs and observed is not None and _shown(name, desired, observed, unordered=loose):
            differs = False  # the cloud has it already
        if differs:
            changed.append(name)
    return tuple(changed), tuple(maybe)


def _shown(name: str, desired: Mapping[str, Any], observed: Mapping[str, Any], *, unordered: bool) -> bool:
    """Tell whether the cloud shows just what is desired."""
    if name not in observed:
        return False
    if name not in desired:
        return observed[name] is None
    like = desired[name]
    return same(like, project(observed[name], like, unordered=unordered), unordered=unordered)


# ---------------------------------------------------------------------------------------------------- unique keys


def kept_key(record: Record, inputs: Mapping[str, Any], view: View, facts: Facts) -> tuple[str, ...] | None:
    """Name the unique fields that a replacement would keep, so that old and new can't coexist.

    Returns:
        The fields; an empty tuple if the inputs as a whole are the identity;
        None if nothing is kept. A tuple with an unset field doesn't bind.
    """
    for fields in view.facts.unique:
        if all(
            inputs.get(name) is not None
            and record.inputs.get(name) is not None
            and not unknown_in(inputs[name])
            and same(inputs[name], record.inputs[name], unordered=name in view.unordered)
            for name in fields
        ):
            return tuple(fields)
    if facts.identity is not None and not unknown_in(inputs):
        identity = facts.identity(record.type, inputs)
        if identity is not None and identity in {record.id, facts.identity(record.type, record.inputs)}:
            return ()
    return None


def unique_keys(
    type: str, provider: ProviderRecord | None, inputs: Mapping[str, Any], view: View, facts: Facts
) -> list[tuple[Any, ...]]:
    """Give hashable keys of which no two objects may share one (rule 2a)."""
    where: tuple[str, ...] = ()
    if provider is not None:
        where = (provider.name, provider.account, "" if view.facts.is_global else provider.region)
    keys: list[tuple[Any, ...]] = []
    for fields in view.facts.unique:
        values = [inputs.get(name) for name in fields]
        if not any(value is None or unknown_in(value) for value in values):
            keys.append((type, where, tuple(fields), tuple(canonical(value) for value in values)))
    if facts.identity is not None and not unknown_in(inputs):
        identity = facts.identity(type, inputs)
        if identity is not None:
            keys.append((type, where, "id", identity))
    return keys
