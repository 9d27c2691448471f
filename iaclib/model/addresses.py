"""Names: logical names, addresses, stack references and urns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from iaclib.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: One part of an address, a stack's or a project's name.
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_. @=+-]{0,126}[A-Za-z0-9_.@=+-])?")
_KEBAB = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class StackRef(NamedTuple):
    """Which stack: its project and its name."""

    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"

    @classmethod
    def parse(cls, ref: str | StackRef) -> StackRef:
        """Read ``"project/stack"``.

        Raises:
            DeclarationError: The text is not of that form.
        """
        if isinstance(ref, StackRef):
            return ref
        project, slash, name = ref.partition("/")
        if not slash:
            msg = f"{ref!r}: not a stack reference, expected 'project/stack'; add the project"
            raise DeclarationError(msg)
        return cls(check_name(project, "project"), check_name(name, "stack"))

    def urn(self, address: str) -> str:
        """Give the name of an address that is unique across all stacks."""
        return f"{self.project}/{self.name}:{address}"


def check_name(name: Any, what: str) -> str:
    """Check one part of an address.

    Raises:
        DeclarationError: It is empty, too long, or has a character that
            addresses, urns and file names can't carry.
    """
    if not isinstance(name, str):
        msg = f"a {what} name is {type(name).__name__}, expected str known when declaring; use a plain name"
        raise DeclarationError(msg)
    if _NAME.fullmatch(name) is None:
        msg = f"{name[:80]!r}: not a {what} name, expected 1 to 128 letters, digits, '_', '-', '.', '@', '=', '+' or inner blanks, not beginning with a sign; rename it"
        raise DeclarationError(msg)
    return str(name)


def kebab(name: str) -> str:
    """Turn a class name into a project name: ``ShopFront`` to ``shop-front``."""
    return _KEBAB.sub("-", name).lower().strip("_").replace("_", "-")


def is_within(address: str, ancestor: str) -> bool:
    """Tell whether an address is, or lies under, another."""
    return address == ancestor or address.startswith(ancestor + "/")


def near(name: str, known: Iterable[str]) -> str:
    """Give a hint such as ``did you mean 'cidr_block'?``, or an empty string."""
    from difflib import get_close_matches

    names = list(known)
    longer = [one for one in names if one.startswith(f"{name}_")]
    matches = list(dict.fromkeys([*longer, *get_close_matches(name, names, n=3, cutoff=0.6)]))[:3]
    return f"did you mean {' or '.join(map(repr, matches))}?" if matches else ""
