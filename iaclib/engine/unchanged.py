"""Whether the files that a plan was made from still hold what they held then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import StalePlanError
from iaclib.model.assets import assets_in
from iaclib.plan.changes import Action

if TYPE_CHECKING:
    from iaclib.plan.plan import Plan
    from iaclib.schema.shapes import Shape


def check_assets(plan: Plan) -> None:
    """Read the assets of what changes again, before any call.

    Raises:
        StalePlanError: The content of some has changed; all are named.
    """
    lines: list[str] = []
    paths: dict[str, None] = {}
    taking: dict[int, list[str]] = {}  # of each type, the properties that can hold an asset
    for node in plan._nodes.values():
        declared = node.declared
        if declared is None or node.action is Action.SAME:
            continue
        names = taking.get(id(declared.facts))
        if names is None:
            names = [name for name, one in declared.facts.properties.items() if _takes_assets(one.shape)]
            taking[id(declared.facts)] = names
        for name in names:
            for asset in assets_in(declared.inputs.get(name)):
                if asset.changed:
                    paths[str(asset.path)] = None
                    lines.append(
                        f"{node.address}: {name}: {asset.path} has changed since the plan was made, expected the "
                        "content that was planned; plan again"
                    )
    if lines:
        raise StalePlanError("\n".join(lines), ref=str(plan.ref), paths=tuple(paths))


def _takes_assets(shape: Shape) -> bool:
    seen: set[int] = set()
    pending = [shape]
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue  # an object's shape may hold itself
        seen.add(id(item))
        if item.kind in {"asset", "any"}:
            return True
        if item.kind in {"list", "map"} and item.items is None:
            return True
        pending += [*item.options, *(item.properties or {}).values(), *([item.items] if item.items is not None else [])]
    return False
