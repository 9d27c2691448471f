"""The local wing: files, random values, commands and plain HTTP APIs.

Useful beside any cloud and without one. Importing it loads declarations only;
handlers, ``subprocess`` and ``urllib`` come in with the first call. No
configuration is needed: without a ``local.Provider`` a default one serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.local.commands import Command
from iaclib.local.files import Directory, File
from iaclib.local.http import HttpResource
from iaclib.local.random import RandomId, RandomPassword

if TYPE_CHECKING:
    from iaclib.local.provider import Provider

__all__ = ["Command", "Directory", "File", "HttpResource", "Provider", "RandomId", "RandomPassword"]


def __getattr__(name: str) -> Any:
    if name == "Provider":
        from iaclib.local.provider import Provider

        globals()[name] = Provider
        return Provider
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
