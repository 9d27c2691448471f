"""Whether what a plan leaves in state will have secrets, so that a key for them is looked after before any call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.model.values import has_secret
from iaclib.plan.changes import Action
from iaclib.plan.facts import view
from iaclib.plan.recorded import recorded_options
from iaclib.schema.hiding import could_hide

if TYPE_CHECKING:
    from iaclib.plan.node import Node
    from iaclib.plan.plan import Plan


def keeps_secrets(plan: Plan) -> bool:
    """Tell whether carrying out a plan will want to keep secrets."""
    return (
        any(_keeps_secret(node) for node in plan._nodes.values())
        or any(map(has_secret, plan._desired.outputs.values()))
        or any(has_secret(found.values) for found in plan.looked_up.values())
    )


def _keeps_secret(node: Node) -> bool:
    """Tell whether a resource has secrets, or is going to have some by its type or options."""
    declared = node.declared
    if declared is None:
        return False
    if declared.has_secret or (node.provider is not None and any(map(has_secret, node.provider.config.values()))):
        return True
    if node.action is Action.SAME:
        return False
    seen = view(declared.facts)
    return bool(
        declared.options.secret_outputs
        or seen.secrets.difference(seen.secret)
        or any(name in declared.expressions and could_hide(shape, declared.inputs[name]) for name, shape in seen.hiding)
        or (declared.options.on_delete and has_secret(recorded_options(declared)))  # the only option that may hold one
    )
