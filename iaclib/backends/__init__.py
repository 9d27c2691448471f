"""Where state can live; each backend is imported when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iaclib.backends.memory import Memory
    from iaclib.backends.sqlite import Sqlite

__all__ = ["Memory", "Sqlite"]

_HOMES = {"Memory": "iaclib.backends.memory", "Sqlite": "iaclib.backends.sqlite"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
