"""A plan as text that is stable across runs and layouts, for snapshots that are kept beside tests.

Secrets are masked; changes are ordered by address. Needs syrupy.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syrupy.extensions.amber import AmberSnapshotExtension

from iaclib.model.assets import Asset
from iaclib.model.values import UNKNOWN, mask
from iaclib.plan.changes import Action
from iaclib.plan.plan import Plan
from iaclib.plan.text import changed_exports

if TYPE_CHECKING:
    from collections.abc import Iterator


_NEW = (Action.CREATE, Action.READ)  # of which there is no before


def canonical(value: Any) -> str:
    """Give a plan's canonical text; of anything else its own."""
    return "\n".join(_lines(value)) if isinstance(value, Plan) else str(value)


def _lines(plan: Plan) -> Iterator[str]:
    yield str(plan.ref)
    for change in sorted(plan.changes, key=lambda change: (change.address, change.action.value)):
        if change.action is Action.SAME:
            continue
        may = " (maybe)" if change.maybe else ""
        reason = f"  ({change.reason})" if change.reason and change.reason != change.action.value else ""
        yield f"{change.action.value} {change.address}  {change.type}{may}{reason}"
        for item in sorted(change.properties, key=lambda item: tuple(map(str, item.path))):
            path = ".".join(map(str, item.path))
            before = f"{_shown(item.before)} -> " if change.action not in _NEW else ""
            forced = "  (replaces)" if item.forces_replacement else ""
            yield f"    {path}: {before}{_shown(item.after)}{forced}"
    for name in sorted(changed_exports(plan.old_outputs, plan.outputs)):
        old, new = plan.old_outputs.get(name), plan.outputs.get(name)
        yield f"output {name}: {f'{_shown(old)} -> ' if old is not None else ''}{_shown(new)}"
    for violation in plan.violations:
        yield f"{violation.level} {violation.policy}  {violation.address}: {violation.message}"


def _shown(value: Any) -> str:
    return json.dumps(mask(value), default=_other, sort_keys=True, ensure_ascii=False)


def _other(value: Any) -> Any:
    if value is UNKNOWN:
        return "(known after apply)"
    if isinstance(value, Asset):
        return f"asset {value.hash}"
    return list(value) if isinstance(value, tuple) else dict(value)


class PlanExtension(AmberSnapshotExtension):  # type: ignore[misc]  # syrupy is an extra, which the check leaves out
    """Stores plans as their canonical text, and other values as syrupy does."""

    def serialize(self, data: Any, **options: Any) -> str:
        """Give the text that is stored."""
        return canonical(data) if isinstance(data, Plan) else str(super().serialize(data, **options))
