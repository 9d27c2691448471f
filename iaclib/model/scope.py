"""The declaration scope: the one piece of ambient state that iaclib has.

A context variable says which stack is being declared, and where in it. A
thread sees none unless it runs in ``contextvars.copy_context()``.
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from iaclib.errors import DeclarationError, DuplicateAddressError
from iaclib.model.tokens import TokenTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from iaclib.model.addresses import StackRef

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100,PTH120 - pathlib is slow to import


class Location:
    """A line of the user's program."""

    __slots__ = ("_code", "_instruction", "_line")

    def __init__(self, code: CodeType, instruction: int) -> None:
        self._code = code
        self._instruction = instruction  # finding the line is slow, and wanted for errors only
        self._line = 0

    @property
    def file(self) -> str:
        """The file, as Python names it."""
        return self._code.co_filename

    @property
    def line(self) -> int:
        """The line, counted from 1."""
        if not self._line:
            for start, end, line in self._code.co_lines():
                if line is not None and start <= self._instruction < end:
                    self._line = line
                    break
            else:
                self._line = self._code.co_firstlineno
        return self._line

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"  # noqa: PTH119 - pathlib is slow to import

    def __repr__(self) -> str:
        return f"Location({self.file!r}, {self.line})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Location):
            return NotImplemented
        return (self.file, self.line) == (other.file, other.line)

    def __hash__(self) -> int:
        return hash((self.file, self.line))


def caller() -> Location:
    """Find the innermost line of the program that is not iaclib's own."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    return Location(frame.f_code, frame.f_lasti)


class Collection:
    """What one collect has gathered so far.

    Args:
        ref: The stack.
        salt: See ``TokenTable``.
        known: Gives the value that a field of a resource has already, where
            that can be told while declaring.
    """

    __slots__ = ("components", "known", "locations", "outputs", "ref", "resources", "sources", "tokens", "waits")

    def __init__(self, ref: StackRef, salt: str = "", known: Callable[[str, str], Any] | None = None) -> None:
        self.ref = ref
        self.known = known
        self.tokens = TokenTable(ref, salt)
        self.locations: dict[str, Location] = {}
        self.resources: dict[str, Any] = {}
        self.components: dict[str, Location] = {}
        self.outputs: dict[str, Any] = {}
        self.sources: dict[Any, None] = {}  # lookups and other stacks' outputs, in order of declaration
        self.waits: dict[str, Any] = {}  # component -> what all within it depend on

    def claim(self, address: str, location: Location) -> None:
        """Take an address.

        Raises:
            DuplicateAddressError: Something else is declared there.
        """
        first = self.locations.setdefault(address, location)
        if first is not location:
            msg = f"{address}: declared at {first} and again at {location}, expected one declaration an address; rename one of them"
            raise DuplicateAddressError(msg, address=address, first=first, second=location)


class Scope:
    """Where in which stack declarations happen now.

    Args:
        collection: What they are gathered in.
        prefix: What addresses begin with: "" or ``net/``.
        inherited: The options that children take over, or None.
        former: What addresses here began with before, by the aliases of components.
    """

    __slots__ = ("collection", "former", "inherited", "prefix")

    def __init__(
        self, collection: Collection, prefix: str = "", inherited: Any = None, former: tuple[str, ...] = ()
    ) -> None:
        self.collection = collection
        self.prefix = prefix
        self.inherited = inherited
        self.former = former


current: ContextVar[Scope | None] = ContextVar("iaclib_scope", default=None)


def require(what: str) -> Scope:
    """Give the scope.

    Raises:
        DeclarationError: There is none.
    """
    scope = current.get()
    if scope is None:
        msg = (
            f"{what}: outside of a declaration scope at {caller()}, expected a stack's or component's build(), or a "
            "`with iac.Stack(...)` block; in a thread of your own, start it by contextvars.copy_context().run(...)"
        )
        raise DeclarationError(msg)
    return scope


def tokens() -> TokenTable | None:
    """Give the token table of the stack being declared, if any."""
    scope = current.get()
    return None if scope is None else scope.collection.tokens
