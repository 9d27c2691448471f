"""The values that flow through the engine: JSON, Secret, Asset and Unknown.

Knows what a value may be and what hides it; knows nothing of resources.
"""

from __future__ import annotations

import enum
import hmac
import math
from typing import TYPE_CHECKING, Any, Final, Generic, Never, TypeVar

from iaclib.errors import InvalidPropertyError
from iaclib.model.assets import Asset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T_co = TypeVar("T_co", covariant=True)

#: What a secret shows of itself. Every field refuses text that holds it.
MASK: Final = "(secret)"
#: Containers nested deeper than this are refused.
MAX_DEPTH: Final = 100
#: Text longer than this (in characters) is refused: state is no file store.
MAX_TEXT: Final = 4 * 1024 * 1024
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1  # what the state's JSON can hold


class Unknown(enum.Enum):
    """The value that is known only after an apply."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "(known after apply)"

    def __bool__(self) -> bool:
        msg = "an unknown value has no truth; test `value is UNKNOWN`"
        raise TypeError(msg)

    def __getattr__(self, name: str) -> Never:
        msg = f"the value is known after an apply only, expected one with {name!r}; ask the run for it, or a plan made later"
        raise AttributeError(msg)


UNKNOWN: Final = Unknown.UNKNOWN


class Secret(Generic[T_co]):
    """A value that shows itself only when asked to.

    ``repr`` and ``str`` give a mask; ``reveal()`` gives the value. Within a
    declaration scope text made of a secret holds a token and stays secret.
    Pickling is refused: what is pickled is no longer guarded.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T_co) -> None:
        self._value: T_co = value._value if isinstance(value, Secret) else value

    def reveal(self) -> T_co:
        """Give the value itself; a deliberate act."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = self._value, other._value
        if isinstance(mine, str) and isinstance(theirs, str):
            return hmac.compare_digest(mine.encode("utf-8", "surrogatepass"), theirs.encode("utf-8", "surrogatepass"))
        return bool(type(mine) is type(theirs) and mine == theirs)

    __hash__ = None  # type: ignore[assignment]  # a hash could be searched for the value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return _secret_text(self)

    def __format__(self, spec: str) -> str:
        if spec:
            msg = "a Secret takes no format spec; format the value with iac.secret(...).map(...)"
            raise TypeError(msg)
        return _secret_text(self)

    def __reduce__(self) -> Never:
        msg = "a Secret can't be pickled or copied by pickling; pass where it comes from, not its value"
        raise TypeError(msg)

    def __copy__(self) -> Secret[T_co]:
        return self

    def __deepcopy__(self, _memo: object) -> Secret[T_co]:
        return self


def _masked(_secret: Secret[Any]) -> str:
    return MASK


_text_hook: Callable[[Secret[Any]], str] = _masked


def _secret_text(secret: Secret[Any]) -> str:
    return _text_hook(secret)


def set_secret_text_hook(hook: Callable[[Secret[Any]], str]) -> None:
    """Let ``outputs`` say what text a secret gives within a declaration scope."""
    global _text_hook  # noqa: PLW0603 - breaks an import cycle between values and outputs, set once
    _text_hook = hook


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """Check that a value is JSON (Secrets, Assets and unknowns allowed) and normalise it.

    Tuples become lists and enums their values; containers are copied.

    Args:
        value: What a handler or a function gave.
        where: Who gave it, for the message.
        depth: How deep in the whole this value lies.

    Raises:
        InvalidPropertyError: It is not JSON, not finite, too deep or too long.
    """
    kind = type(value)
    if kind is str:
        return check_text(value, where)
    if value is None or kind is bool:
        return value
    if kind is int or kind is float:
        return check_number(value, where)
    if depth > MAX_DEPTH:
        msg = f"{where}: nested deeper than {MAX_DEPTH} levels, expected flatter data; split it"
        raise InvalidPropertyError(msg)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {_key(key, where): plain(item, where, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, where, depth + 1) for item in value]
    if value is UNKNOWN:
        return value
    if isinstance(value, Secret):
        plain(value.reveal(), where, depth + 1)
        return value
    if isinstance(value, Asset):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value, where, depth)
    if isinstance(value, str):
        return check_text(str.__str__(value), where)
    msg = f"{where}: {type(value).__name__} is not a JSON value, expected str, int, float, bool, None, list or mapping; convert it first"
    raise InvalidPropertyError(msg)


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return check_text(key, where)
    msg = f"{where}: a mapping key is {type(key).__name__}, expected str; convert it first"
    raise InvalidPropertyError(msg)


def check_text(text: str, where: str) -> str:
    """Refuse text that is too long, that UTF-8 can't hold, or that is a mask."""
    if len(text) > MAX_TEXT:
        msg = f"{where}: text of {len(text):,} characters, expected at most {MAX_TEXT:,}; keep large data in a file or bucket"
        raise InvalidPropertyError(msg)
    if MASK in text:
        msg = f"{where}: text holds {MASK!r}, the mask of a secret, not its value; make such text where the stack is declared, or use .reveal()"
        raise InvalidPropertyError(msg)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            msg = f"{where}: text holds a lone surrogate, expected text that UTF-8 can encode; decode the data rightly"
            raise InvalidPropertyError(msg) from None
    return text


def check_number(number: Any, where: str) -> Any:
    """Refuse NaN, infinities, and integers that JSON parsers lose."""
    if isinstance(number, float):
        if not math.isfinite(number):
            msg = f"{where}: {number} is no JSON number, expected a finite one; leave the property out instead"
            raise InvalidPropertyError(msg)
    elif not _MIN_INT <= int(number) <= _MAX_INT:
        msg = f"{where}: an integer beyond 64 bits, expected one that JSON can hold; pass it as text"
        raise InvalidPropertyError(msg)
    return number


def leaves(value: Any) -> Iterator[Any]:
    """Walk all leaves of a value, without recursion, in no promised order."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        else:
            yield item


def holds(value: Any, kind: type) -> bool:
    """Tell whether a leaf of a kind is anywhere in a value; asked of every value, and mostly of plain ones."""
    stack = [value]
    while stack:
        item = stack.pop()
        own = type(item)
        if own is str or own is int or own is bool or item is None:
            continue
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, kind):
            return True
    return False


def has_secret(value: Any) -> bool:
    """Tell whether a Secret is anywhere in a value."""
    return holds(value, Secret)


def has_unknown(value: Any) -> bool:
    """Tell whether any part of a value is unknown."""
    return holds(value, Unknown)


def reveal(value: Any) -> Any:
    """Replace each Secret in a value by what it guards."""
    if isinstance(value, Secret):
        return reveal(value.reveal())
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def mask(value: Any) -> Any:
    """Replace each Secret in a value by its mask."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        return {key: mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    return value
