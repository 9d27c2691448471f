"""What tests of programs, backends and providers are made with.

``Simulator`` is an engine whose clouds are simulated, and ``SimulatedObject``
what there is in them; ``check`` asserts that policies have nothing against a
plan; ``contracts`` has suites for backends, handlers and components;
``strategies`` has hypothesis strategies. Importing this package loads nothing; ``contracts`` needs pytest,
and ``strategies`` hypothesis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iaclib.testing import contracts as contracts
    from iaclib.testing import strategies as strategies
    from iaclib.testing.checks import check as check
    from iaclib.testing.objects import SimulatedObject as SimulatedObject
    from iaclib.testing.simulator import Simulator as Simulator

__all__ = ["SimulatedObject", "Simulator", "check", "contracts", "strategies"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "Simulator":
        found: Any = import_module("iaclib.testing.simulator").Simulator
    elif name == "SimulatedObject":
        found = import_module("iaclib.testing.objects").SimulatedObject
    elif name == "check":
        found = import_module("iaclib.testing.checks").check
    elif name in __all__:
        found = import_module(f"iaclib.testing.{name}")
    else:
        msg = f"module 'iaclib.testing' has no attribute {name!r}"
        raise AttributeError(msg)
    globals()[name] = found
    return found
