"""Outputs: values that a program can pass on before they are known.

An ``Output`` wraps an expression; it is no future and never blocks. Here too
is ``lower``, through which every value enters a field: it becomes JSON whose
leaves may be Secrets and expressions.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Never, TypeAlias, TypeVar, Union, overload

from iaclib.errors import InvalidPropertyError, UnknownValueError
from iaclib.model import scope, values
from iaclib.model.addresses import StackRef
from iaclib.model.assets import Asset, assets_in
from iaclib.model.evaluate import expressions_in, has_expr, is_secret, leaf_nodes, ref_nodes, refs, resolve
from iaclib.model.expressions import (
    DictOf,
    Expr,
    Item,
    JsonText,
    ListOf,
    Literal,
    Map,
    Ref,
    Secretive,
    lift,
)
from iaclib.model.tokens import PREFIX, TokenTable
from iaclib.model.values import MAX_DEPTH, UNKNOWN, Secret, check_number, check_text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Input",
    "Output",
    "expressions_in",
    "gather",
    "has_expr",
    "is_secret",
    "json",
    "leaf_nodes",
    "lower",
    "output",
    "ref_nodes",
    "refs",
    "resolve",
    "secret",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")
V = TypeVar("V")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class Output(Generic[T_co]):
    """A value that may be known only after an apply.

    Pass it into fields, put it into f-strings, take items with ``[key]``, and
    compute with ``.map``.
    """

    __slots__ = ("_expr",)

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    def map(self, function: Callable[[T_co], U]) -> Output[U]:
        """Compute from the value once it is known.

        Args:
            function: Takes the plain value, gives a plain JSON value. It is
                pure: it may be called several times, or never.
        """
        given: Any = function
        if not callable(given):
            msg = f"{self._expr.describe()}.map: {type(given).__name__} is given, expected a function of the value; pass a lambda"
            raise TypeError(msg)
        return Output(Map(self._expr, function, scope.tokens()))

    @property
    def value(self) -> T_co:
        """The value, plain also if it is secret, where it is known now.

        Raises:
            UnknownValueError: It depends on what is not known yet.
        """
        now = scope.current.get()
        known = now.collection.known if now is not None else None
        found = resolve(self._expr, known or (lambda _address, _field: UNKNOWN))
        if found is UNKNOWN or values.has_unknown(found):
            msg = f"{self._expr.describe()}: the value is not known while declaring, expected a known one; use .map(...), run.value(output) after the apply, or ensure its resource in a session"
            raise UnknownValueError(msg)
        return values.reveal(found)  # type: ignore[no-any-return]

    @overload
    def __getitem__(self: Output[Sequence[V]], key: int) -> Output[V]: ...
    @overload
    def __getitem__(self: Output[dict[str, V]], key: str) -> Output[V]: ...
    @overload
    def __getitem__(self, key: str | int) -> Output[Any]: ...
    def __getitem__(self, key: Any) -> Output[Any]:
        if isinstance(key, bool) or not isinstance(key, str | int):
            msg = f"{self._expr.describe()}[...]: a key is {type(key).__name__}, expected str or int; use .map(lambda value: ...) for anything else"
            raise TypeError(msg)
        return Output(Item(self._expr, key))

    def __str__(self) -> str:
        return scope.require(f"text of {self._expr.describe()}").collection.tokens.token(self._expr)

    def __format__(self, spec: str) -> str:
        if spec:
            msg = f"{self._expr.describe()}: a format spec {spec!r} needs the value, expected none; use .map(lambda value: format(value, {spec!r}))"
            raise TypeError(msg)
        return str(self)

    def __repr__(self) -> str:
        return f"<Output {self._expr.describe()}>"

    def __hash__(self) -> int:
        return id(self) >> 4

    def _refuse(self, what: str, instead: str) -> Never:
        msg = f"{self._expr.describe()}: {what} needs the value, which is not known yet; use {instead}"
        raise TypeError(msg)

    def __bool__(self) -> bool:
        self._refuse("its truth", ".map(lambda value: ... if value else ...)")

    def __eq__(self, other: object) -> bool:
        self._refuse("a comparison", ".map(lambda value: value == ...)")

    def __ne__(self, other: object) -> bool:
        self._refuse("a comparison", ".map(lambda value: value != ...)")

    def __len__(self) -> int:
        self._refuse("its length", ".map(len)")

    def __reduce__(self) -> Never:
        msg = f"{self._expr.describe()}: an Output can't be pickled, it belongs to the program that declared it; pass run.outputs"
        raise TypeError(msg)

    def __copy__(self) -> Output[T_co]:
        return self

    def __deepcopy__(self, _memo: object) -> Output[T_co]:
        return self

    if TYPE_CHECKING:
        __iter__: None  # rejects `for item in output`, which __getitem__ alone would allow
    else:

        def __iter__(self):
            self._refuse("iteration", "[0], [1] for known places, or .map(lambda value: [... for item in value])")

        def __contains__(self, item):
            self._refuse("`in`", ".map(lambda value: ... in value)")

        def _order(self, other):
            self._refuse("a comparison", ".map(lambda value: ...)")

        __lt__ = __le__ = __gt__ = __ge__ = _order

        def _add(self, other):
            self._refuse("`+`", 'an f-string, f"{a}-{b}", for text, and .map or iac.gather(a, b).map for numbers')

        __add__ = __radd__ = _add

        def _arithmetic(self, *other):
            self._refuse("arithmetic", ".map(lambda value: ...), or iac.gather(a, b).map(...)")

        __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _arithmetic
        __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __neg__ = __and__ = __or__ = _arithmetic
        __int__ = __float__ = __index__ = _arithmetic

        def __call__(self, *args, **kwargs):
            self._refuse("a call", ".map(lambda value: value.method())")


#: What a field takes: a plain value or an output of one.
Input: TypeAlias = Union[T, Output[T]]  # noqa: UP007 - `|` can't be subscripted at run time


@overload
def gather(a: Output[A], /) -> Output[tuple[A]]: ...
@overload
def gather(a: Output[A], b: Output[B], /) -> Output[tuple[A, B]]: ...
@overload
def gather(a: Output[A], b: Output[B], c: Output[C], /) -> Output[tuple[A, B, C]]: ...
@overload
def gather(a: Output[A], b: Output[B], c: Output[C], d: Output[D], /) -> Output[tuple[A, B, C, D]]: ...
@overload
def gather(a: Output[A], b: Output[B], c: Output[C], d: Output[D], e: Output[E], /) -> Output[tuple[A, B, C, D, E]]: ...
@overload
def gather(*outputs: Output[T]) -> Output[tuple[T, ...]]: ...
@overload
def gather(*outputs: Any) -> Output[tuple[Any, ...]]: ...
def gather(*outputs: Any) -> Output[Any]:
    """Make one output of several values; a function over it gets a tuple.

    ``iac.gather(a.id, b.id).map(lambda ids: ids[0] + ids[1])``
    """
    return Output(ListOf(tuple(lower(item, f"gather[{at}]") for at, item in enumerate(outputs))))


@overload
def output(value: Output[T], /) -> Output[T]: ...
@overload
def output(value: Mapping[str, Output[T]], /) -> Output[dict[str, T]]: ...
@overload
def output(value: list[Output[T]], /) -> Output[list[T]]: ...
@overload
def output(value: T, /) -> Output[T]: ...
def output(value: Any, /) -> Output[Any]:
    """Make an output of any value: plain, or a list or mapping with outputs within."""
    return Output(lift(lower(value, "iac.output")))


def json(value: Any, /) -> Output[str]:
    """Give a value, with outputs within, as JSON text: numbers stay numbers, quotes are escaped."""
    return Output(JsonText(lower(value, "iac.json")))


@overload
def secret(value: Output[T], /) -> Output[T]: ...
@overload
def secret(value: Secret[T], /) -> Output[T]: ...
@overload
def secret(value: T, /) -> Output[T]: ...
def secret(value: Any, /) -> Output[Any]:
    """Mark a value as secret: sealed in state, masked wherever it is shown, and so is all made of it."""
    return Output(lift(make_secret(lower(value, "iac.secret"))))


def make_secret(lowered: Any) -> Any:
    """Make a lowered value secret as a whole."""
    if isinstance(lowered, Secret):
        return lowered
    for asset in assets_in(lowered):
        msg = f"{asset!r}: an Asset can't be secret, since plan and state show its hash, expected a plain value; pass the content as text"
        raise InvalidPropertyError(msg)
    if has_expr(lowered):
        return Secretive(lift(lowered))
    return Secret(values.reveal(lowered))


def lower(value: Any, where: str, table: TokenTable | None = None, depth: int = 0) -> Any:
    """Turn what a program passed into JSON whose leaves may be Secrets and expressions.

    Args:
        value: Anything.
        where: For messages: address and field.
        table: The tokens of this collect; that of the scope if left out.
        depth: How deep in the whole this value lies.

    Raises:
        InvalidPropertyError: It is no JSON, holds NaN or a lone surrogate, is
            too deep or too long, holds an altered token, a mask, or an output
            of another stack.
    """
    if table is None:
        table = scope.tokens()
    return _lower(value, where, _NO_TOKENS if table is None else table, depth)


def _lower(value: Any, where: str, table: TokenTable, depth: int) -> Any:  # noqa: PLR0911 - one branch a kind
    kind = type(value)
    if kind is str:
        return table.find(check_text(value, where), where)
    if value is None or kind is bool:
        return value
    if kind is int or kind is float:
        return check_number(value, where)
    if isinstance(value, Output):
        return _own(value._expr, where, table, depth)
    if depth >= MAX_DEPTH:
        msg = f"{where}: nested deeper than {MAX_DEPTH} levels, expected flatter data; split it"
        raise InvalidPropertyError(msg)
    if isinstance(value, Mapping):
        return _lower_mapping(value, where, table, depth)
    if isinstance(value, list | tuple):
        return [_lower(item, f"{where[:300]}[{at}]", table, depth + 1) for at, item in enumerate(value)]
    if isinstance(value, Secret):
        inner = _lower(value.reveal(), where, table, depth)
        return make_secret(inner)
    if isinstance(value, Asset):
        return _measured(value, where)
    if isinstance(value, enum.Enum):
        return _lower(value.value, where, table, depth)
    if isinstance(value, str):
        return table.find(check_text(str.__str__(value), where), where)
    if isinstance(value, int):
        return check_number(int(value), where)
    if isinstance(value, float):
        return check_number(float(value), where)
    hint = "pass one of its properties, such as .id" if hasattr(value, "logical_name") else "convert it first"
    msg = f"{where}: {kind.__name__} is not a JSON value, expected str, int, float, bool, None, list, mapping or an output; {hint}"
    raise InvalidPropertyError(msg)


def _measured(value: Asset, where: str) -> Asset:
    try:
        return value.measured()
    except InvalidPropertyError as error:
        raise InvalidPropertyError(f"{where}: {error.message}") from None


def _lower_mapping(value: Mapping[Any, Any], where: str, table: TokenTable, depth: int) -> Any:
    found: dict[str, Any] = {}
    pairs: list[tuple[str | Expr, Any]] | None = None
    for key, item in value.items():
        if not isinstance(key, str):
            what = (
                "an output, expected text (an f-string of it will do)"
                if isinstance(key, Output)
                else f"{type(key).__name__}, expected str"
            )
            msg = f"{where}: a mapping key is {what}; convert it first"
            raise InvalidPropertyError(msg)
        name = table.find(check_text(str(key), where), f"key in {where}")
        lowered = _lower(item, f"{where[:300]}.{key[:80]}" if isinstance(name, str) else where, table, depth + 1)
        if isinstance(name, Expr) and pairs is None:
            pairs = list(found.items())
        if pairs is not None:
            pairs.append((name, lowered))
        else:
            found[name] = lowered  # type: ignore[index]  # an expression would have made pairs
    return found if pairs is None else DictOf(tuple(pairs))


def _own(expr: Expr, where: str, table: TokenTable, depth: int) -> Expr:
    """Refuse outputs of other stacks and what gets too deep."""
    if depth + expr.depth > MAX_DEPTH:
        msg = f"{where}: nested deeper than {MAX_DEPTH} levels, outputs included, expected flatter data; split it"
        raise InvalidPropertyError(msg)
    if table is not _NO_TOKENS:
        for node in (expr,) if isinstance(expr, Ref) else ref_nodes(expr):
            if node.stack != table.stack:
                msg = f"{where}: {node.describe()} is an output of stack {node.stack}, expected one of {table.stack}; export the value there and pass it in"
                raise InvalidPropertyError(msg)
    return expr


_NO_TOKENS = TokenTable(StackRef("", ""))  # outside of a scope: no token of it is ever given out


def _secret_text(value: Secret[Any]) -> str:
    table = scope.tokens()
    if table is None:
        return values.MASK
    inner = _lower(value.reveal(), "secret", _NO_TOKENS, 0) if not isinstance(value.reveal(), str) else value.reveal()
    holds_token = isinstance(inner, str) and PREFIX in inner
    lowered = make_secret(table.find(inner, "secret")) if holds_token else Secret(inner)
    return table.token(lift(lowered) if isinstance(lowered, Expr) else Literal(lowered))


values.set_secret_text_hook(_secret_text)
