"""Whether the files that a plan was made from still hold what they held then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import StalePlanError
from iaclib.model.assets import assets_in
from iaclib.plan.changes import Action

if TYPE_CHECKING:
    from iaclib.plan.plan import Plan


def check_assets(plan: Plan) -> None:
    """Read the assets of what changes again, before any call.

    Raises:
        StalePlanError: The content of some has changed; all are named.
    """
    lines: list[str] = []
    paths: dict[str, None] = {}
    for node in plan._nodes.values():
        if node.declared is None or node.action is Action.SAME:
            continue
        for name, value in node.declared.inputs.items():
            if isinstance(value, str | int | float):
                continue
            for asset in assets_in(value):
                if asset.changed:
                    paths[str(asset.path)] = None
                    lines.append(
                        f"{node.address}: {name}: {asset.path} has changed since the plan was made, expected the "
                        "content that was planned; plan again"
                    )
    if lines:
        raise StalePlanError("\n".join(lines), ref=str(plan.ref), paths=tuple(paths))
