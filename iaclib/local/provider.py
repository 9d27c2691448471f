"""Access to this machine: where relative paths begin, and the handlers.

Needs no credentials and makes no call. Not to be told apart from another
machine: state of local types belongs to one machine, and says nothing of which.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from iaclib.errors import InvalidPropertyError
from iaclib.local import table
from iaclib.provider.base import Identity
from iaclib.provider.base import Provider as Base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.provider.handler import Handler


class Provider(Base):
    """This machine.

    The host is no part of its identity: random values, HTTP objects and most
    commands belong to no machine, and where an engine runs in containers every
    run has a host of its own. ``root`` is: another root makes files and
    directories anew there and deletes those under the old one.

    Args:
        root: Where relative paths begin, recorded as an absolute path; None is
            the working directory at the time when something is created.
    """

    name: ClassVar[str] = "local"

    def __init__(self, *, root: str | os.PathLike[str] | None = None) -> None:
        given: Any = root
        if given is not None and not isinstance(given, str | os.PathLike):
            msg = (
                f"local.Provider: root is a {type(given).__name__}, expected a path that is known while planning; "
                "put what makes the path into another stack and read it with iac.stack_output"
            )
            raise InvalidPropertyError(msg)
        self.root = None if root is None else os.path.abspath(root)  # noqa: PTH100 - pathlib keeps `..`, or follows links
        self._handlers: dict[str, Handler[Any]] = {}

    def config(self) -> Mapping[str, Any]:
        """Give the settings as JSON for ``from_config``."""
        return {} if self.root is None else {"root": self.root}

    def identity(self) -> Identity:
        """Tell the root, which stands for the region; there is no account."""
        return Identity("", self.root or "")

    def handler(self, type: str) -> Handler[Any]:
        """Give the handler of a type; KeyError if the wing does not have it."""
        found = self._handlers.get(type)
        if found is None:
            found = self._handlers.setdefault(type, table.handler(type, self.root))
        return found

    @classmethod
    def declared_in(cls, type: str) -> str:
        """Name the module that declares a type of this wing."""
        return "iaclib.local" if type in table.HANDLERS else ""

    def service(self, type: str) -> str:
        """Name what calls of a type are limited with: only HTTP APIs ever ask to slow down."""
        return type.partition(":")[2]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Provider) and self.root == other.root

    def __hash__(self) -> int:
        return hash(self.root)

    def __repr__(self) -> str:
        return f"local.Provider({'' if self.root is None else f'root={self.root!r}'})"
