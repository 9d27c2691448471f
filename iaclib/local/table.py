"""Which handler class serves which local type; each is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.provider.registry import load

if TYPE_CHECKING:
    from iaclib.provider.handler import Handler

_HERE = "iaclib.local.handlers"

#: type -> "module:Class".
HANDLERS: dict[str, str] = {
    "local:Command": f"{_HERE}.command:CommandHandler",
    "local:Directory": f"{_HERE}.directory:DirectoryHandler",
    "local:File": f"{_HERE}.file:FileHandler",
    "local:HttpResource": f"{_HERE}.http:HttpHandler",
    "local:RandomId": f"{_HERE}.random:RandomIdHandler",
    "local:RandomPassword": f"{_HERE}.random:RandomPasswordHandler",
}


def handler(type: str, root: str | None) -> Handler[Any]:
    """Make the handler of a type.

    Args:
        type: Such as ``local:File``.
        root: Where relative paths begin; None is the working directory.

    Raises:
        KeyError: The wing has no such type.
    """
    found: Handler[Any] = load(HANDLERS[type])(root)
    return found
