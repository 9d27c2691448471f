"""Which classes serve which names: built-in, third-party and users' own.

The type registry is process-wide because classes are: defining a class
registers its type. Built-in names are in one static table; entry points are
read only for names that it does not have.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from iaclib.errors import UnknownProviderError
from iaclib.provider.base import Provider, known_providers

if TYPE_CHECKING:
    from iaclib.provider.handler import Handler

#: group -> name -> "module:attribute"; the same shape as an entry point.
BUILTIN: dict[str, dict[str, str]] = {
    "iaclib.backends": {
        "memory": "iaclib.backends.memory:Memory.from_url",
        "postgres": "iaclib.backends.postgres:Postgres.from_url",
        "postgresql": "iaclib.backends.postgres:Postgres.from_url",
        "sqlite": "iaclib.backends.sqlite:Sqlite.from_url",
        "s3": "iaclib.backends.s3:S3.from_url",
        "gs": "iaclib.backends.gcs:Gcs.from_url",
        "azblob": "iaclib.backends.azblob:AzureBlob.from_url",
    },
    "iaclib.providers": {"aws": "iaclib.aws.provider:Provider", "local": "iaclib.local.provider:Provider"},
    "iaclib.keyrings": {
        "awskms": "iaclib.aws.keyring:AwsKms.from_text",
        "azkv": "iaclib.azure.keyring:AzureKeyVault.from_text",
        "file": "iaclib.state.keyfile:KeyFile.from_text",
        "gcpkms": "iaclib.gcp.keyring:GcpKms.from_text",
        "passphrase": "iaclib.state.passphrase:Passphrase.from_text",
    },
}

_CLASS = type  # `type` is what a resource is of, below
_handlers: dict[str, tuple[Any, str]] = {}  # type -> (handler class or instance, "module:qualname")


def load_named(group: str, name: str) -> Any | None:
    """Load what a name stands for in a group, or None if nobody offers it."""
    target = BUILTIN.get(group, {}).get(name)
    if target is None:
        from importlib.metadata import entry_points

        found = [entry for entry in entry_points(group=group) if entry.name == name]
        return found[0].load() if found else None
    return load(target)


def load(target: str) -> Any:
    """Import what ``module:attribute`` names."""
    module, _, attribute = target.partition(":")
    loaded: Any = importlib.import_module(module)
    for part in attribute.split("."):
        loaded = getattr(loaded, part)
    return loaded


def provider_class(name: str) -> type[Provider]:
    """Find a provider class by name, importing it if it is built in or an entry point."""
    found: type[Provider] | None = known_providers.get(name) or load_named("iaclib.providers", name)
    if found is None:
        msg = f"provider {name!r} is not known, expected a built-in name or an imported Provider subclass; import the module that defines it"
        raise UnknownProviderError(msg, provider=name)
    return found


def import_declarations(type: str) -> None:
    """Import the module in which a provider that is known or installed declares a type, if it says which."""
    name = type.partition(":")[0]
    found: Any = known_providers.get(name) or load_named("iaclib.providers", name)
    if found is not None and (module := found.declared_in(type)):
        importlib.import_module(module)


def register_handler(type: str, handler: Any, defined_by: str) -> None:
    """Note the handler of a type that a class brings itself."""
    _handlers[type] = (handler, defined_by)


def brings_handler(type: str) -> bool:
    """Tell whether a type's class brings a handler itself."""
    return type in _handlers


def own_handler(type: str) -> Handler[Any] | None:
    """Give the handler that a type's class brings itself, if it is registered."""
    found = _handlers.get(type)
    if found is None:
        return None
    handler, defined_by = found
    if isinstance(handler, _CLASS):
        handler = handler()
        _handlers[type] = (handler, defined_by)
    return handler  # type: ignore[no-any-return]
