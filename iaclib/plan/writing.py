"""Values and expressions as JSON, and back: what plan files and digests are written in.

A lowered value stays JSON where it is JSON. What JSON can't say becomes a
mapping with one marked key: ``{"$iac:secret": ...}``, ``{"$iac:expr": ...}``,
``{"$iac:unknown": 0}``; users' own keys that begin with the mark carry it twice.
Expressions are graphs whose parts may be shared, so each is written once and
then referred to. How a secret is written, and what refers to an expression, is
the caller's choice: a file seals and counts, a digest hashes.

Knows nothing of resources, plans or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from iaclib.errors import PlanError
from iaclib.model.addresses import StackRef
from iaclib.model.assets import Asset
from iaclib.model.expressions import (
    DictOf,
    Expr,
    Interpolation,
    Item,
    JsonText,
    ListOf,
    Literal,
    Looked,
    Map,
    Ref,
    Secretive,
    function_key,
)
from iaclib.model.values import MAX_DEPTH, UNKNOWN, Secret

_MARK: Final = "$iac:"
_SECRET: Final = "$iac:secret"  # noqa: S105 - a mark
_EXPR: Final = "$iac:expr"
_UNKNOWN: Final = "$iac:unknown"
_ASSET: Final = "$iac:asset"
_TOO_DEEP: Final = MAX_DEPTH + 8  # a few more than values may have: a secret's mark is a level, too
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class AbsentFunction:
    """Stands for a function of the program, which no file holds.

    Args:
        module: The module that it was defined in.
        qualname: Its name there.
        digest: The hex digest of its code; "" for an opaque one.
    """

    __slots__ = ("__name__", "digest", "module", "qualname")

    def __init__(self, module: str, qualname: str, digest: str) -> None:
        self.module = module
        self.qualname = qualname
        self.digest = digest
        self.__name__ = qualname.rpartition(".")[2]

    def __call__(self, _value: Any) -> Any:
        """Refuse: the function itself is in the program."""
        msg = (
            f"{self}: a function of the program, expected the program beside a plan that was loaded; "
            "call engine.apply(plan, program=stack)"
        )
        raise PlanError(msg, function=str(self))

    def __str__(self) -> str:
        return f"{self.module}.{self.qualname}"

    def __repr__(self) -> str:
        return f"<AbsentFunction {self}>"


class ReadSource(Struct, frozen=True):
    """Stands for what was read before planning: the plan has the values."""

    address: str
    shown: str

    def describe(self, field: str) -> str:
        """Name it in the words of the program."""
        return self.shown


def function_parts(function: Any) -> list[str]:
    """Name a function: module, name in it, digest; the digest is "" where nothing tells it from another."""
    if isinstance(function, AbsentFunction):
        return [function.module, function.qualname, function.digest]
    digest = function_key(function)
    named = function if hasattr(function, "__qualname__") else type(function)
    return [
        str(getattr(named, "__module__", "")),
        str(named.__qualname__),
        digest.hex() if digest is not None else "",
    ]


class Writer:
    """Turns lowered and resolved values into JSON.

    Args:
        secret: Takes the subject and a Secret in what is written of it, gives
            the JSON that stands for the Secret.
        refer: Takes the parts of an expression, gives what refers to it.

        places: Whether assets are written with where they are, or by what
            they hold alone.

    Attributes:
        subject: What is being written of: an address, or "" for the stack's
            own. Expressions belong to the stack, as several may share a part.
    """

    def __init__(
        self,
        secret: Callable[[str, Secret[Any]], Any],
        refer: Callable[[list[Any]], Any],
        *,
        places: bool = True,
    ) -> None:
        self.subject = ""
        self.places = places
        self._secret = secret
        self._refer = refer
        self._known: dict[int, tuple[Expr, Any]] = {}  # keeps the expression, so that its id stays its own

    def value(self, value: Any) -> Any:
        """Write a value.

        Raises:
            PlanError: It holds what has no written form.
        """
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is dict:
            return {
                (_MARK + key if key.startswith(_MARK) else key): item if type(item) in _SCALARS else self.value(item)
                for key, item in value.items()
            }
        if kind is list or kind is tuple:
            return [self.value(item) for item in value]
        if value is UNKNOWN:
            return {_UNKNOWN: 0}
        if isinstance(value, Secret):
            return {_SECRET: self._secret(self.subject, value)}
        if isinstance(value, Expr):
            return {_EXPR: self._expression(value)}
        if isinstance(value, Asset):
            return {_ASSET: list(value.parts) if self.places else [value.hash]}
        if isinstance(value, Mapping):
            return self.value(dict(value))
        msg = f"a plan: a value of type {kind.__name__} has no written form, expected JSON; apply the plan without saving it"
        raise PlanError(msg)

    def _expression(self, expr: Expr) -> Any:
        known = self._known.get(id(expr))
        if known is None:
            subject, self.subject = self.subject, ""
            known = self._known[id(expr)] = (expr, self._refer(self._parts(expr)))
            self.subject = subject
        return known[1]

    def _parts(self, expr: Expr) -> list[Any]:
        """Give the kind of an expression and what it is made of; its depth is bounded."""
        match expr:
            case Ref() if type(expr) is Ref:
                return ["ref", expr.address, expr.field, *([True] if expr.secret else ())]
            case Looked():
                return ["looked", expr.address, expr.field, expr.describe(), *([True] if expr.secret else ())]
            case Literal():
                return ["value", self.value(expr.value)]
            case Item():
                return ["item", self._expression(expr.base), expr.item]
            case Map():
                return ["map", self._expression(expr.base), *function_parts(expr.function)]
            case ListOf():
                return ["list", *map(self.value, expr.items)]
            case DictOf():
                return ["dict", *([self.value(key), self.value(item)] for key, item in expr.pairs)]
            case Interpolation():
                return ["text", *(p if isinstance(p, str) else [self._expression(p[0]), p[1]] for p in expr.parts)]
            case JsonText():
                return ["json", self.value(expr.value)]
            case Secretive():
                return ["secret", self._expression(expr.base)]
            case _:
                msg = f"{expr.describe()}: an expression that has no written form, expected a known kind; apply the plan without saving it"
                raise PlanError(msg)


class Reader:
    """Undoes what a Writer wrote whose ``refer`` counted the expressions from 0.

    What it is given is not trusted: anything else than that raises a
    TypeError, ValueError, KeyError or IndexError, or an error of the
    expression's own checks.

    Args:
        ref: The stack that references are to.
        secret: Undoes the Writer's ``secret``.
        table: The parts of all expressions, what is used before what uses it.

    Attributes:
        subject: What is being read of; as the Writer's.
    """

    def __init__(self, ref: StackRef, secret: Callable[[str, Any], Secret[Any]], table: list[Any]) -> None:
        self.subject = ""
        self._ref = ref
        self._secret = secret
        self._expressions: list[Expr] = []
        for parts in rows(table):
            self._expressions.append(self._make(*parts))

    def value(self, value: Any, depth: int = 0) -> Any:
        """Read a value."""
        kind = type(value)
        if kind in _SCALARS:
            return value
        if depth > _TOO_DEEP:
            raise ValueError("too deep")
        if kind is list:
            return [self.value(item, depth + 1) for item in value]
        if kind is not dict:
            raise TypeError(kind.__name__)
        if len(value) == 1:
            (key,) = value
            if key.startswith(_MARK) and not key.startswith(_MARK, len(_MARK)):
                return self._marked(key, value[key])
        return {
            self._plain(key) if key.startswith(_MARK) else key: item
            if type(item) in _SCALARS
            else self.value(item, depth + 1)
            for key, item in value.items()
        }

    @staticmethod
    def _plain(key: str) -> str:
        if not key.startswith(_MARK, len(_MARK)):
            raise ValueError("a mark in the wrong place")
        return key[len(_MARK) :]

    def _marked(self, mark: str, inner: Any) -> Any:
        if mark == _UNKNOWN:
            return UNKNOWN
        if mark == _SECRET:
            return self._secret(self.subject, inner)
        if mark == _EXPR:
            return self._at(inner)
        if mark == _ASSET:
            known, place, zipped = inner
            return Asset.known(text(known), None if place is None else text(place), zip=flag(zipped))
        raise ValueError("an unknown mark")

    def _at(self, index: Any) -> Expr:
        if type(index) is not int or index < 0:
            raise TypeError("no place in the table of expressions")
        return self._expressions[index]

    def _make(self, kind: Any, *parts: Any) -> Expr:
        made: Expr
        match kind:
            case "ref":
                address, field, *rest = parts
                made = Ref(self._ref, text(address), text(field), secret=bool(rest and flag(rest[0])))
            case "looked":
                address, field, shown, *rest = parts
                source = ReadSource(text(address), text(shown))
                made = Looked(source, text(field), secret=bool(rest and flag(rest[0])))
            case "value":
                (value,) = parts
                made = Literal(self.value(value))
            case "item":
                base, item = parts
                if type(item) is not int:
                    text(item)
                made = Item(self._at(base), item)
            case "map":
                base, *names = parts
                module, qualname, digest = map(text, names)
                made = Map(self._at(base), AbsentFunction(module, qualname, digest))
            case "list":
                made = ListOf(tuple(map(self.value, parts)))
            case "dict":
                made = DictOf(tuple((self._key(key), self.value(item)) for key, item in parts))
            case "text":
                made = Interpolation(tuple(self._piece(part) for part in parts))
            case "json":
                (value,) = parts
                made = JsonText(self.value(value))
            case "secret":
                (base,) = parts
                made = Secretive(self._at(base))
            case _:
                raise ValueError("an unknown kind of expression")
        return made

    def _key(self, key: Any) -> str | Expr:
        found = self.value(key)
        return found if isinstance(found, Expr) else text(found)

    def _piece(self, part: Any) -> str | tuple[Expr, int]:
        if isinstance(part, str):
            return part
        at, escapes = part
        if not 0 <= count(escapes) <= MAX_DEPTH:
            raise ValueError("escaped too often")
        return (self._at(at), escapes)


# ------------------------------------------------------------------------------------------- leaves of a known type


def text(value: Any) -> str:
    """Check that something read is text."""
    if type(value) is not str:
        raise TypeError(f"{type(value).__name__} instead of text")
    return value


def flag(value: Any) -> bool:
    """Check that something read is true or false."""
    if type(value) is not bool:
        raise TypeError(f"{type(value).__name__} instead of true or false")
    return value


def count(value: Any) -> int:
    """Check that something read is a whole number."""
    if type(value) is not int:
        raise TypeError(f"{type(value).__name__} instead of a whole number")
    return value


def rows(value: Any) -> list[Any]:
    """Check that something read is a list."""
    if type(value) is not list:
        raise TypeError(f"{type(value).__name__} instead of a list")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Check that something read is a list of texts."""
    return tuple(map(text, rows(value)))


def mapping(value: Any) -> dict[str, Any]:
    """Check that something read is a mapping."""
    if type(value) is not dict:
        raise TypeError(f"{type(value).__name__} instead of a mapping")
    return value


def functions_in(value: Any) -> list[Any]:
    """List the functions that a lowered value calls, each expression looked at once."""
    found: list[Any] = []
    seen: set[int] = set()
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Expr):
            if id(item) in seen:
                continue
            seen.add(id(item))
            if isinstance(item, Map):
                found.append(item.function)
            pending.extend(item.children())
        elif isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return found
