"""Classes made from a pack when they are first used.

For the engine they are what a class written by hand is. A service's module
consists of ``__getattr__``, ``__dir__`` and ``__all__`` from here.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from iaclib.declare.resource import Resource, class_of
from iaclib.errors import DeclarationError
from iaclib.model.addresses import near
from iaclib.schema.names import module_name

if TYPE_CHECKING:
    from iaclib.schema.facts import TypeFacts
    from iaclib.schema.pack import Pack

_lock = threading.RLock()


def service(module: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Give ``__getattr__`` and ``__dir__`` of the module of a service.

    What the module defines itself goes first: Python asks these for the rest.

    Args:
        module: The module's name, such as ``iaclib.aws.sqs``.
    """
    _, cloud, last = module.split(".")
    name = last.removesuffix("_")

    def get(attribute: str) -> Any:
        if attribute.startswith("__"):
            if attribute == "__all__":  # for `import *`
                return [one for one in listed() if not one.startswith("_")]
            raise AttributeError(_absent(module, attribute))
        return _class(_pack(cloud), name, attribute, module)

    def listed() -> list[str]:
        own = vars(sys.modules[module])
        return sorted({*own, *_pack(cloud).names(name)})

    return get, listed


def _pack(cloud: str) -> Pack:
    from iaclib.schema.pack import pack  # with the first class: modules are imported by programs that need none

    return pack(cloud)


def _class(found: Pack, service: str, name: str, module: str) -> type[Resource]:
    vendor = found.vendor_type(service, name)
    if vendor is None:
        hint = near(name, found.names(service))
        raise AttributeError(_absent(module, name) + (f" ({hint})" if hint else ""))
    if vendor in found.lacking:
        what = ", ".join(found.lacking[vendor])
        msg = f"{module}.{name}: {vendor} has no {what} handler in the cloud, expected create, read and delete; choose another type"
        raise DeclarationError(msg)
    space = vars(sys.modules[module])
    with _lock:
        made: type[Resource] | None = space.get(name)
        if made is None:
            facts = found.facts(service, name)
            link = "" if facts.cloud is None else facts.cloud.docs
            doc = f"{vendor}.\n\nSource: {link}\n"
            made = class_of(facts, name, module, doc, upgrade=_renaming(facts), upgrade_outputs=_renaming(facts))
            space[name] = made
    return made


def _renaming(facts: TypeFacts) -> Callable[[Mapping[str, Any], int], Mapping[str, Any]]:
    """Make what brings a record up to date that was written before the type had a class: by the vendor's names."""

    def upgrade(values: Mapping[str, Any], from_version: int) -> Mapping[str, Any]:
        if from_version >= facts.version:
            return values
        from iaclib.schema.wire import from_vendor  # for old records only

        return from_vendor(facts, values)

    return upgrade


def _absent(module: str, name: str) -> str:
    return f"module {module!r} has no attribute {name!r}"


def service_module(package: str, name: str) -> ModuleType:
    """Import the module of a service.

    Raises:
        AttributeError: The package has none of this name.
    """
    try:
        return importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{package}.{name}":
            raise
    hint = near(name, service_modules(package))
    raise AttributeError(_absent(package, name) + (f" ({hint})" if hint else ""))


def service_modules(package: str) -> list[str]:
    """Name the modules of a cloud's services, such as ``iaclib.aws``'s; those without a class have none."""
    found = _pack(package.rpartition(".")[2])
    return [module_name(service) for service in found.services if found.names(service)]
