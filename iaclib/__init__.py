"""iaclib: an embedded Infrastructure-as-Code library.

``import iaclib as iac``: the public names, each loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iaclib import errors as errors
    from iaclib.declare import Asset as Asset
    from iaclib.declare import Component as Component
    from iaclib.declare import Hooks as Hooks
    from iaclib.declare import Input as Input
    from iaclib.declare import Lookup as Lookup
    from iaclib.declare import Options as Options
    from iaclib.declare import Output as Output
    from iaclib.declare import Pattern as Pattern
    from iaclib.declare import Range as Range
    from iaclib.declare import Resource as Resource
    from iaclib.declare import Secret as Secret
    from iaclib.declare import Stack as Stack
    from iaclib.declare import Timeouts as Timeouts
    from iaclib.declare import computed as computed
    from iaclib.declare import field as field
    from iaclib.declare import gather as gather
    from iaclib.declare import json as json
    from iaclib.declare import output as output
    from iaclib.declare import secret as secret
    from iaclib.declare import stack_output as stack_output
    from iaclib.engine.engine import Engine as Engine
    from iaclib.errors import PartialFailure as PartialFailure
    from iaclib.execute.run import Run as Run
    from iaclib.plan.changes import Action as Action
    from iaclib.plan.plan import Plan as Plan
    from iaclib.plan.policy import policy as policy
    from iaclib.provider.base import Provider as Provider
    from iaclib.provider.context import Context as Context
    from iaclib.provider.handler import Handler as Handler
    from iaclib.provider.handler import Live as Live

_HOMES = {
    "Action": "plan.changes",
    "Asset": "declare",
    "Component": "declare",
    "Context": "provider.context",
    "Engine": "engine.engine",
    "Handler": "provider.handler",
    "Hooks": "declare",
    "Input": "declare",
    "Live": "provider.handler",
    "Lookup": "declare",
    "Options": "declare",
    "Output": "declare",
    "PartialFailure": "errors",
    "Pattern": "declare",
    "Plan": "plan.plan",
    "Provider": "provider.base",
    "Range": "declare",
    "Resource": "declare",
    "Run": "execute.run",
    "Secret": "declare",
    "Stack": "declare",
    "Timeouts": "declare",
    "computed": "declare",
    "field": "declare",
    "gather": "declare",
    "json": "declare",
    "output": "declare",
    "policy": "plan.policy",
    "secret": "declare",
    "stack_output": "declare",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a sorted list of the table above
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("iaclib.errors")
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'iaclib' has no attribute {name!r}"
        raise AttributeError(msg)
    from iaclib.model.bulk import collector_paused

    with collector_paused():
        value = getattr(importlib.import_module(f"iaclib.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "errors"})
