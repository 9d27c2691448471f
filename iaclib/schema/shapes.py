"""Shapes: which values a property takes, and what is wrong with one that it doesn't.

A shape sees lowered values: expressions are accepted as they are (their values
are checked once known), Secrets by what they guard. Knows nothing of
annotations or classes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from iaclib.errors import InvalidPropertyError
from iaclib.model.addresses import near
from iaclib.model.assets import Asset
from iaclib.model.expressions import Expr, Interpolation, JsonText
from iaclib.model.values import MASK, UNKNOWN, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 60  # characters of a wrong value that a message repeats
_WORDS = {"asset": "an iac.Asset", "map": "a mapping", "object": "a mapping", "list": "a list", "any": "any JSON value"}
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "asset": (Asset,),
}


class Fault(NamedTuple):
    """What is wrong with a value, and where in it."""

    path: str  # such as `.rules[0].port`, "" for the value itself
    problem: str


class Shape:
    """Which values a property takes.

    Args:
        kind: "str", "int", "float", "bool", "asset", "any", "list", "map", "object" or "union".
        enum: The values allowed, if not all.
        pattern: A regular expression that text must match somewhere.
        range: Least and most of a number; None is no limit.
        items: The shape of a list's or mapping's elements.
        properties: An object's keys.
        required: The keys that an object must have.
        options: The members of a union.
        nullable: Whether None is a value.
        length: Least and most characters of text, or elements of a list; None is no limit.
        folded: Whether the case of an enum's values is ignored.
        unordered: Whether the order of a list means nothing.
        wire: The cloud's own name of each of an object's keys, where a handler needs them.
        refers: What a text is or refers to, such as ``AWS::EC2::Subnet.Id``.
        secret: Whether it is never shown, within a value that otherwise is.
    """

    __slots__ = (
        "_regex",
        "enum",
        "folded",
        "hides",
        "items",
        "kind",
        "length",
        "nullable",
        "options",
        "pattern",
        "plain_int",
        "plain_text",
        "plain_texts",
        "properties",
        "range",
        "refers",
        "required",
        "secret",
        "unordered",
        "wire",
    )

    def __init__(  # noqa: PLR0913 - keyword-only, and as many as there are constraints
        self,
        kind: str,
        *,
        enum: tuple[Any, ...] | None = None,
        pattern: str | None = None,
        range: tuple[float | None, float | None] | None = None,
        length: tuple[int | None, int | None] | None = None,
        items: Shape | None = None,
        properties: Mapping[str, Shape] | None = None,
        required: frozenset[str] = frozenset(),
        options: tuple[Shape, ...] = (),
        nullable: bool = False,
        folded: bool = False,
        unordered: bool = False,
        wire: Mapping[str, str] | None = None,
        refers: tuple[str, ...] = (),
        secret: bool = False,
    ) -> None:
        self.kind = kind
        self.enum = enum
        self.pattern = pattern
        self.range = range
        self.length = length
        self.items = items
        self.properties = properties
        self.required = required
        self.options = options
        self.nullable = nullable
        self.folded = folded
        self.unordered = unordered
        self.wire = wire
        self.refers = refers
        self.secret = secret
        # Of keys that are made when one is asked for it isn't known: whoever has a value looks.
        self.hides: bool = (
            secret
            or (kind == "object" and wire is not None)
            or (items is not None and items.hides)
            or any(option.hides for option in options)
        )
        self._regex: re.Pattern[str] | None = None  # compiled when first needed: a type may have hundreds
        self.plain_text = kind == "str" and self._unconstrained  # any text will do, and shows
        self.plain_int = kind == "int" and self._unconstrained
        self.plain_texts = kind == "map" and items is not None and items.plain_text  # tags, mostly

    @property
    def _unconstrained(self) -> bool:
        limits = (self.enum, self.pattern, self.length, self.range)
        return not self.secret and all(limit is None for limit in limits)

    def check(self, value: Any, path: str) -> None:
        """Check a lowered or resolved value.

        Raises:
            InvalidPropertyError: It doesn't fit; the message begins with the path.
        """
        fault = self.fault(value)
        if fault is not None:
            msg = f"{path}{fault.path}: {fault.problem}; correct it"
            raise InvalidPropertyError(msg)

    def fault(self, value: Any, *, hide: bool = False) -> Fault | None:
        """Find what is wrong with a value; ``hide`` keeps it out of the text."""
        hide = hide or self.secret
        if isinstance(value, Expr):
            return self._expression_fault(value)
        if isinstance(value, Secret):
            return self.fault(value.reveal(), hide=True)
        if value is UNKNOWN:
            return None
        if value is None:
            return None if self.nullable or self.kind == "any" else Fault("", f"None is given, expected {self.words()}")
        kind = self.kind
        if kind == "any":
            return None
        if kind == "union":
            return self._union_fault(value, hide)
        if kind == "list":
            return self._list_fault(value, hide)
        if kind in ("map", "object"):
            return self._mapping_fault(value, hide)
        return self._scalar_fault(value, hide)

    def words(self) -> str:
        """Say what is expected."""
        if self.kind == "union":
            return " or ".join(dict.fromkeys(option.words() for option in self.options))
        if self.enum is not None:
            return ("one of " if len(self.enum) > 1 else "") + ", ".join(map(repr, self.enum))
        return _WORDS.get(self.kind, self.kind)

    def _scalar_fault(self, value: Any, hide: bool) -> Fault | None:
        kinds: Any = _TYPES[self.kind]
        if not isinstance(value, kinds) or (isinstance(value, bool) and self.kind != "bool"):
            return Fault("", f"expected {self.words()}, got {_shown(value, hide)}")
        if self.enum is not None and value not in self.enum and not (self.folded and self._folds(value)):
            hint = (
                near(value, [item for item in self.enum if isinstance(item, str)])
                if isinstance(value, str) and not hide
                else ""
            )
            return Fault("", f"expected {self.words()}, got {_shown(value, hide)}" + (f" ({hint})" if hint else ""))
        if self.pattern is not None and not self._matches(value):
            return Fault("", f"expected text matching {self.pattern}, got {_shown(value, hide)}")
        if self.length is not None:
            return _span_fault(len(value), self.length, " characters", value, hide)
        return None if self.range is None else _span_fault(value, self.range, "", value, hide)

    def _matches(self, value: str) -> bool:
        if self._regex is None:
            self._regex = re.compile(self.pattern or "")
        return self._regex.search(value) is not None

    def _folds(self, value: Any) -> bool:
        return isinstance(value, str) and value.casefold() in {str(item).casefold() for item in self.enum or ()}

    def _list_fault(self, value: Any, hide: bool) -> Fault | None:
        if not isinstance(value, list):
            return Fault("", f"expected {self.words()}, got {_shown(value, hide)}")
        if self.items is not None and self.items.kind != "any":
            for at, item in enumerate(value):
                fault = self.items.fault(item, hide=hide)
                if fault is not None:
                    return Fault(f"[{at}]{fault.path}", fault.problem)
        return None if self.length is None else _span_fault(len(value), self.length, " elements", value, hide)

    def _mapping_fault(self, value: Any, hide: bool) -> Fault | None:
        if not isinstance(value, dict):
            return Fault("", f"expected {self.words()}, got {_shown(value, hide)}")
        if self.properties is None:
            if self.items is None or self.items.kind == "any":
                return None
            for key, item in value.items():
                fault = self.items.fault(item, hide=hide)
                if fault is not None:
                    return Fault(f".{key}{fault.path}", fault.problem)
            return None
        for key, item in value.items():
            shape = self.properties.get(key)
            if shape is None:
                hint = near(key, self.properties) or f"it has {', '.join(self.properties) or 'none'}"
                return Fault(f".{key}", f"no such key, expected one that is declared ({hint})")
            fault = shape.fault(item, hide=hide)
            if fault is not None:
                return Fault(f".{key}{fault.path}", fault.problem)
        missing = [key for key in self.properties if key in self.required and key not in value]
        if missing:
            return Fault(
                "", f"{', '.join(missing)} missing, expected {'it' if len(missing) == 1 else 'them'} in the mapping"
            )
        return None

    def _union_fault(self, value: Any, hide: bool) -> Fault | None:
        faults = [fault for option in self.options if (fault := option.fault(value, hide=hide)) is None or fault.path]
        if None in faults:
            return None
        if faults:  # of an option that is right on the outside: the more telling one
            return faults[0]
        return Fault("", f"expected {self.words()}, got {_shown(value, hide)}")

    def _expression_fault(self, value: Expr) -> Fault | None:
        if not isinstance(value, Interpolation | JsonText):
            return None
        if any(option.kind in ("str", "any") for option in self.options) or self.kind in ("str", "any"):
            return None
        return Fault(
            "", f"expected {self.words()}, got text made of outputs (an f-string gives str; pass the output itself)"
        )


def _span_fault(
    measured: float, limits: tuple[float | None, float | None], unit: str, value: Any, hide: bool
) -> Fault | None:
    least, most = limits
    if (least is None or measured >= least) and (most is None or measured <= most):
        return None
    span = f"at least {least}" if most is None else f"at most {most}" if least is None else f"{least} to {most}"
    shown = str(measured) if isinstance(value, list) else _shown(value, hide)
    return Fault("", f"expected {span}{unit}, got {shown}")


def _shown(value: Any, hide: bool) -> str:
    if hide:
        return f"{type(value).__name__} {MASK}"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    text = repr(value)
    if len(text) > _SHOWN:
        text = text[: _SHOWN - 1] + "…"
    return f"{type(value).__name__} {text}"
