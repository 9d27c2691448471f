"""Text that matches a regular expression: a short one, drawn from a given source of chance."""

from __future__ import annotations

import re._constants as codes  # type: ignore[import-not-found]  # the parser that `re` itself uses; no types
import re._parser as parser  # type: ignore[import-not-found]
import string
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

_LETTERS = string.ascii_lowercase + string.digits
_PRINTABLE = string.ascii_letters + string.digits + "-_./:"
_CLASSES = {
    codes.CATEGORY_DIGIT: string.digits,
    codes.CATEGORY_WORD: _LETTERS,
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_DIGIT: string.ascii_lowercase,
    codes.CATEGORY_NOT_SPACE: _LETTERS,
    codes.CATEGORY_NOT_WORD: "-",
}
_MORE = 3  # repetitions beyond the least


def sample(pattern: str, chance: Random) -> str:
    """Draw text for a pattern; look-arounds aren't heeded, so the caller checks what comes out."""
    return _text(parser.parse(pattern), chance, {})


def _text(parts: Any, chance: Random, groups: dict[int, str]) -> str:
    return "".join(_part(code, value, chance, groups) for code, value in parts)


def _part(code: Any, value: Any, chance: Random, groups: dict[int, str]) -> str:
    if code is codes.LITERAL:
        return chr(value)
    if code is codes.NOT_LITERAL:
        return next(letter for letter in _LETTERS if letter != chr(value))
    if code is codes.ANY:
        return chance.choice(_LETTERS)
    if code is codes.IN:
        return _one_of(value, chance)
    if code is codes.BRANCH:
        return _text(chance.choice(value[1]), chance, groups)
    if code is codes.SUBPATTERN:
        number, _add, _drop, inner = value
        groups[number] = _text(inner, chance, groups)
        return groups[number]
    if code is codes.ATOMIC_GROUP:
        return _text(value, chance, groups)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, most, inner = value
        return "".join(_text(inner, chance, groups) for _ in range(chance.randint(least, min(most, least + _MORE))))
    if code is codes.GROUPREF:
        return groups.get(value, "")
    return ""  # anchors and look-arounds take no room


def _one_of(choices: Any, chance: Random) -> str:
    allowed: list[str] = []
    refused = choices[0][0] is codes.NEGATE
    for code, value in choices[1:] if refused else choices:
        if code is codes.LITERAL:
            allowed.append(chr(value))
        elif code is codes.RANGE:
            allowed += [chr(number) for number in range(value[0], min(value[1], value[0] + 255) + 1)]
        elif code is codes.CATEGORY:
            allowed += _CLASSES[value]
    if refused:
        allowed = [letter for letter in _PRINTABLE if letter not in allowed] or ["\x7f"]
    plain = [letter for letter in allowed if letter in _LETTERS]
    return chance.choice(plain or allowed)
