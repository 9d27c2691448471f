"""Expressions: what an output stands for before its value is known.

Pure, immutable nodes that know their depth, their digest and how to describe
themselves. A *lowered value* is JSON whose leaves may be Secrets and nodes of
this module. Knows nothing of scopes or of how values are found.
"""

from __future__ import annotations

import os
import types
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Protocol

from iaclib.errors import DeclarationError
from iaclib.model.assets import Asset
from iaclib.model.values import MAX_DEPTH, MAX_TEXT, UNKNOWN, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iaclib.model.addresses import StackRef

#: Digests of secrets are keyed by the process, so that they can't be searched for the value.
_SECRET_KEY: Final = os.urandom(32)


class Expr:
    """The base of all nodes.

    ``key`` is a digest: equal expressions of one stack have equal keys.
    ``depth`` counts nesting, containers included; beyond 100 is refused.
    """

    __slots__ = ("_key", "_secret", "depth")

    depth: int
    _key: bytes | None
    _secret: bool | None

    def __init__(self, depth: int = 1) -> None:
        if depth > MAX_DEPTH:
            msg = f"an expression nested deeper than {MAX_DEPTH} levels, expected a flatter one; build it in one .map or f-string"
            raise DeclarationError(msg)
        self.depth = depth
        self._key = None
        self._secret = None

    @property
    def key(self) -> bytes:
        """Digest of the stack and the expression."""
        found = self._key
        if found is None:
            hasher = blake2b(type(self).__name__.encode(), digest_size=24)
            for part in self._parts():
                hasher.update(b"\0" + part)
            found = self._key = hasher.digest()
        return found

    def _parts(self) -> Iterator[bytes]:
        raise NotImplementedError

    def children(self) -> tuple[Any, ...]:
        """Give the lowered values that this is made of."""
        return ()

    def describe(self) -> str:
        """Say what this is, in the words of the program; never a value."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{self.describe()}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        msg = "an expression can't be pickled: it belongs to the program that declared it; pass resolved values"
        raise TypeError(msg)


class Ref(Expr):
    """A property of a declared resource."""

    __slots__ = ("address", "field", "secret", "stack")

    def __init__(self, stack: StackRef, address: str, field: str, *, secret: bool = False) -> None:
        self.depth = 1
        self._key = None
        self._secret = secret
        self.stack = stack
        self.address = address
        self.field = field
        self.secret = secret

    def _parts(self) -> Iterator[bytes]:
        yield f"{self.stack.project}\0{self.stack.name}\0{self.address}\0{self.field}".encode()

    def describe(self) -> str:
        return f"{self.address}.{self.field}"


class Source(Protocol):
    """What is read before planning: a lookup, or an output of another stack."""

    @property
    def address(self) -> str:
        """Under what its values are found, beside the addresses of resources."""
        ...

    def describe(self, field: str) -> str:
        """Name a field in the words of the program."""
        ...


class Looked(Expr):
    """A field of what is read before planning.

    A leaf that refers to no resource: it makes no edge and no dependency.
    """

    __slots__ = ("address", "field", "secret", "source")

    def __init__(self, source: Source, field: str, *, secret: bool = False) -> None:
        super().__init__()
        self._secret = secret
        self.source = source
        self.address = source.address
        self.field = field
        self.secret = secret

    def _parts(self) -> Iterator[bytes]:
        yield f"{self.address}\0{self.field}".encode()

    def describe(self) -> str:
        return self.source.describe(self.field)


class Literal(Expr):
    """A lowered value as an expression: containers, secrets, plain values."""

    __slots__ = ("value",)

    def __init__(self, value: Any, *, depth: int | None = None) -> None:
        super().__init__(depth_of(value) if depth is None else depth)
        self.value = value

    def _parts(self) -> Iterator[bytes]:
        yield value_key(self.value)

    def children(self) -> tuple[Any, ...]:
        return (self.value,)

    def describe(self) -> str:
        return f"a {type(self.value).__name__}"


class Item(Expr):
    """One element of a list or mapping."""

    __slots__ = ("base", "item")

    def __init__(self, base: Expr, item: str | int) -> None:
        super().__init__(base.depth + 1)
        self.base = base
        self.item = item

    def _parts(self) -> Iterator[bytes]:
        yield self.base.key
        yield repr(self.item).encode("utf-8", "surrogatepass")

    def children(self) -> tuple[Any, ...]:
        return (self.base,)

    def describe(self) -> str:
        return f"{self.base.describe()}[{self.item!r}]"


class Map(Expr):
    """A function of a value. ``tokens`` is the table of the collect, to check results."""

    __slots__ = ("base", "function", "tokens")

    def __init__(self, base: Expr, function: Callable[[Any], Any], tokens: Any = None) -> None:
        super().__init__(base.depth + 1)
        self.base = base
        self.function = function
        self.tokens = tokens

    def _parts(self) -> Iterator[bytes]:
        yield self.base.key
        digest = function_key(self.function)
        yield digest or f"object {id(self.function)}".encode()

    def children(self) -> tuple[Any, ...]:
        return (self.base,)

    def describe(self) -> str:
        return f"{self.base.describe()}.map({getattr(self.function, '__name__', type(self.function).__name__)})"


class ListOf(Expr):
    """Several values gathered; a function over it gets a tuple."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Any, ...]) -> None:
        super().__init__(1 + max((depth_of(item) for item in items), default=0))
        self.items = items

    def _parts(self) -> Iterator[bytes]:
        for item in self.items:
            yield value_key(item)

    def children(self) -> tuple[Any, ...]:
        return self.items

    def describe(self) -> str:
        return f"gather of {len(self.items)} values"


class DictOf(Expr):
    """A mapping in which keys are expressions too; unknown until those are known."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: tuple[tuple[str | Expr, Any], ...]) -> None:
        super().__init__(1 + max((max(depth_of(key), depth_of(value)) for key, value in pairs), default=0))
        self.pairs = pairs

    def _parts(self) -> Iterator[bytes]:
        for key, value in self.pairs:
            yield value_key(key)
            yield value_key(value)

    def children(self) -> tuple[Any, ...]:
        return tuple(part for pair in self.pairs for part in pair)

    def describe(self) -> str:
        return "a mapping whose keys are outputs"


class Interpolation(Expr):
    """Text with values in it.

    Args:
        parts: Text, and pairs of an expression and how many times its value
            is escaped as within a JSON string.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[str | tuple[Expr, int], ...]) -> None:
        super().__init__(1 + max(part[0].depth for part in parts if not isinstance(part, str)))
        self.parts = parts

    def _parts(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, str):
                yield b"t" + part.encode("utf-8", "surrogatepass")
            else:
                yield b"x%d" % part[1] + part[0].key

    def children(self) -> tuple[Any, ...]:
        return tuple(part[0] for part in self.parts if not isinstance(part, str))

    def describe(self) -> str:
        return "text with " + ", ".join(child.describe() for child in self.children())


class JsonText(Expr):
    """A value as JSON text."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        super().__init__(depth_of(value) + 1)
        self.value = value

    def _parts(self) -> Iterator[bytes]:
        yield value_key(self.value)

    def children(self) -> tuple[Any, ...]:
        return (self.value,)

    def describe(self) -> str:
        return "JSON text"


class Secretive(Expr):
    """A value that is secret whatever it is made of."""

    __slots__ = ("base",)

    def __init__(self, base: Expr) -> None:
        super().__init__(base.depth + 1)
        self._secret = True
        self.base = base

    def _parts(self) -> Iterator[bytes]:
        yield self.base.key

    def children(self) -> tuple[Any, ...]:
        return (self.base,)

    def describe(self) -> str:
        return f"secret {self.base.describe()}"


def depth_of(value: Any) -> int:
    """Tell how deep a lowered value is, expressions in it included."""
    kind = type(value)
    if kind is dict:
        return 1 + max(map(depth_of, value.values()), default=0)
    if kind is list:
        return 1 + max(map(depth_of, value), default=0)
    return value.depth if isinstance(value, Expr) else 0


def lift(value: Any) -> Expr:
    """Make an expression of a lowered value."""
    return value if isinstance(value, Expr) else Literal(value)


def value_key(value: Any) -> bytes:
    """Give the digest of a lowered value; secrets by a key of this process."""
    if isinstance(value, Expr):
        return b"e" + value.key
    hasher = blake2b(digest_size=24)
    if isinstance(value, dict):
        hasher.update(b"d")
        for key, item in value.items():
            hasher.update(value_key(key))
            hasher.update(value_key(item))
    elif isinstance(value, list | tuple):
        hasher.update(b"l")
        for item in value:
            hasher.update(value_key(item))
    elif isinstance(value, Secret):
        inner = value_key(value.reveal())
        hasher.update(b"s" + blake2b(inner, key=_SECRET_KEY, digest_size=24).digest())
    elif value is UNKNOWN:
        hasher.update(b"u")
    elif isinstance(value, Asset):
        hasher.update(b"a" + value.hash.encode())
    else:
        hasher.update(f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass"))
    return hasher.digest()


def function_key(function: Any) -> bytes | None:
    """Digest a function by module, name, code, defaults and closure; None if it is opaque."""
    code = getattr(function, "__code__", None)
    if code is None or not isinstance(function, types.FunctionType):
        return None
    cells: list[Any] = [function.__defaults__ or (), function.__kwdefaults__ or {}]
    try:
        cells += [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # a cell that is still empty
        return None
    if not all(_is_plain(cell, 0) for cell in cells):
        return None
    hasher = blake2b(f"{function.__module__}\0{function.__qualname__}".encode(), digest_size=24)
    _hash_code(hasher, code)
    for cell in cells:
        hasher.update(value_key(cell))
    return hasher.digest()


def _hash_code(hasher: blake2b, code: Any) -> None:
    hasher.update(code.co_code + repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _hash_code(hasher, constant)
        else:  # a frozenset prints in an order that differs between processes
            shown = sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
            hasher.update(repr(shown).encode("utf-8", "surrogatepass"))


def _is_plain(value: Any, depth: int) -> bool:
    if value is None or type(value) in (bool, int, float):
        return True
    if type(value) is str:
        return len(value) <= MAX_TEXT
    if depth > MAX_DEPTH:
        return False
    if type(value) in (list, tuple):
        return all(_is_plain(item, depth + 1) for item in value)
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item, depth + 1) for key, item in value.items())
    return False
