"""Where state is kept: one module a place, loaded when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iaclib.backends.azblob import AzureBlob
    from iaclib.backends.gcs import Gcs
    from iaclib.backends.memory import Memory
    from iaclib.backends.postgres import Postgres
    from iaclib.backends.s3 import S3
    from iaclib.backends.sqlite import Sqlite

__all__ = ["S3", "AzureBlob", "Gcs", "Memory", "Postgres", "Sqlite"]

_HOMES = {
    "AzureBlob": "iaclib.backends.azblob",
    "Gcs": "iaclib.backends.gcs",
    "Memory": "iaclib.backends.memory",
    "Postgres": "iaclib.backends.postgres",
    "S3": "iaclib.backends.s3",
    "Sqlite": "iaclib.backends.sqlite",
}


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
