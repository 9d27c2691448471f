"""Tokens: the text that stands for an output within an f-string.

``iacTok_`` and groups of four letters or digits, joined by ``_``; the last
group is a checksum. The underscores make every run of twelve characters of a
token recognisable, whatever its case, so that a token that was cut, re-cased
or encoded is found. Only tokens that this collect gave out count; text that
merely looks like one is a value.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from iaclib.errors import InvalidPropertyError
from iaclib.model.expressions import Expr, Interpolation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iaclib.model.addresses import StackRef

PREFIX: Final = "iacTok"
#: A shorter piece of a token can't be told from chance.
CUT: Final = 12
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LETTERS: Final = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_WHOLE: Final = re.compile(r"iacTok(?:_[0-9A-Za-z]{4}){7,8}")
_GROUP: Final = re.compile(r"[_-]([0-9a-z]{4})(?=[_-])")
_BASE64: Final = re.compile(rb"[0-9A-Za-z+/]{16,}")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SHORT_GROUPS, _LONG_GROUPS = 6, 7


def _checksum(body: str) -> str:
    number, letters = zlib.crc32(body.encode()), ""
    for _ in range(4):
        number, rest = divmod(number, len(_ALPHABET))
        letters += chr(_ALPHABET[rest])
    return letters


def _length(groups: int) -> int:
    return len(PREFIX) + 5 * (groups + 1)


class TokenTable:
    """The tokens that one collect gave out.

    Args:
        stack: The stack being collected.
        salt: Tokens of another salt have other text and another length: what
            a program makes of a token's characters then shows.
    """

    __slots__ = ("_index", "_indexed", "_salt", "_texts", "stack")

    def __init__(self, stack: StackRef, salt: str = "") -> None:
        self.stack = stack
        self._salt = salt
        self._texts: dict[str, Expr] = {}
        self._index: dict[str, list[tuple[str, int]]] = {}  # a group -> lower-cased tokens and where it begins
        self._indexed = 0

    def __len__(self) -> int:
        return len(self._texts)

    def token(self, expr: Expr) -> str:
        """Give the text that stands for an expression: equal ones, equal text."""
        groups = _LONG_GROUPS if self._salt else _SHORT_GROUPS
        seed = f"{self.stack.project}\0{self.stack.name}\0{self._salt}".encode()
        digest = blake2b(seed + b"\0" + expr.key, digest_size=4 * groups, person=b"iaclib token").digest()
        letters = digest.translate(_LETTERS).decode()
        body = "_".join(letters[at : at + 4] for at in range(0, len(letters), 4))
        text = f"{PREFIX}_{body}_{_checksum(body)}"
        self._texts.setdefault(text, expr)
        return text

    def find(self, text: str, where: str) -> Expr | str:
        """Turn text as it enters a field into an interpolation, or give it back.

        A text that is one token and nothing else is an interpolation too: it
        was made as text and stays text.

        Raises:
            InvalidPropertyError: It holds an altered token, or one of another
                stack.
        """
        if PREFIX not in text:
            if self._texts:
                self.refuse_altered(text, where)
            return text
        parts: list[str | Expr] = []
        done = 0
        for start, end, expr in self._tokens(text, where):
            if start > done:
                parts.append(text[done:start])
            parts.append(expr)
            done = end
        if not parts:
            self.refuse_altered(text, where)
            return text
        if done < len(text):
            parts.append(text[done:])
        for part in parts:
            if isinstance(part, str):
                self.refuse_altered(part, where)
        escapes = iter(self._escapes(text, where))
        return Interpolation(tuple(part if isinstance(part, str) else (part, next(escapes)) for part in parts))

    def refuse_any(self, text: str, where: str) -> None:
        """Refuse text that holds a token, whole or altered."""
        if PREFIX in text:
            for _ in self._tokens(text, where):
                msg = f"{where}: text holds a token of an output, expected text known when declaring; pass outputs into fields, and into functions by iac.gather"
                raise InvalidPropertyError(msg)
        if self._texts:
            self.refuse_altered(text, where)

    def _tokens(self, text: str, where: str) -> Iterator[tuple[int, int, Expr]]:
        position = 0
        while found := _WHOLE.search(text, position):
            start = found.start()
            for groups in (_LONG_GROUPS, _SHORT_GROUPS):  # what follows a token may look like one more group
                end = start + _length(groups)
                candidate = text[start:end]
                if end > found.end():
                    continue
                expr = self._texts.get(candidate)
                if expr is not None:
                    yield start, end, expr
                    break
                if _checksum(candidate[len(PREFIX) + 1 : -5]) == candidate[-4:]:
                    msg = f"{where}: text holds an output of another stack, or of an earlier collect of this one, expected outputs of {self.stack}; export the value there and pass it in"
                    raise InvalidPropertyError(msg)
            else:
                end = start + len(PREFIX)
            position = end

    def refuse_altered(self, text: str, where: str) -> None:
        """Refuse text with a piece of a token: cut, re-cased, or in base64.

        Raises:
            InvalidPropertyError: At least twelve characters of a token that
                this table gave out are in the text.
        """
        if len(text) < CUT or not self._texts:
            return
        origin = self._piece(text.lower().replace("-", "_"))
        if origin is None and len(text) >= 16:  # noqa: PLR2004 - the least that holds twelve characters in base64
            origin = self._encoded(text)
        if origin is not None:
            msg = (
                f"{where}: text holds an altered token of {origin.describe()} (cut, re-cased or encoded), expected the text "
                "of the output unchanged; do it to the value: output.map(lambda value: ...)"
            )
            raise InvalidPropertyError(msg)

    def _piece(self, text: str) -> Expr | None:
        for match in _GROUP.finditer(text):
            for token, begins in self._groups().get(match[1], ()):
                if _common(text, match.start(1), token, begins) >= CUT:
                    return next(expr for known, expr in self._texts.items() if known.lower() == token)
        return None

    def _groups(self) -> dict[str, list[tuple[str, int]]]:
        if self._indexed < len(self._texts):
            for token in list(self._texts)[self._indexed :]:
                lowered = token.lower()
                for begins in range(len(PREFIX) + 1, len(token), 5):
                    self._index.setdefault(lowered[begins : begins + 4], []).append((lowered, begins))
            self._indexed = len(self._texts)
        return self._index

    def _encoded(self, text: str) -> Expr | None:
        data = "".join(text.split()).translate(_STANDARD).encode("ascii", "replace")
        for run in _BASE64.findall(data):
            for shift in range(4):
                piece = run[shift : shift + (len(run) - shift) // 4 * 4]
                decoded = b64decode(piece).replace(b"\0", b"").decode("latin-1").lower().replace("-", "_")
                origin = self._piece(decoded)
                if origin is not None:
                    return origin
        return None

    def _escapes(self, text: str, where: str) -> list[int]:
        """Tell for each token in a text how often its value is escaped as JSON."""
        if not _is_json(text, [(start, end) for start, end, _ in self._tokens(text, where)]):
            return [0 for _ in self._tokens(text, where)]
        levels: list[int] = []
        done = 0
        for string in _STRING.finditer(text):
            levels += [0 for _ in self._tokens(text[done : string.start()], where)]
            if PREFIX in string[0]:
                levels += [level + 1 for level in self._escapes(json.loads(string[0], strict=False), where)]
            done = string.end()
        return levels + [0 for _ in self._tokens(text[done:], where)]


_STANDARD: Final = str.maketrans("-_", "+/")


def _common(text: str, at: int, token: str, begins: int) -> int:
    """Count the characters that two texts share around two positions."""
    back = 0
    while back < at and back < begins and text[at - back - 1] == token[begins - back - 1]:
        back += 1
    ahead, limit = 0, min(len(text) - at, len(token) - begins)
    while ahead < limit and text[at + ahead] == token[begins + ahead]:
        ahead += 1
    return back + ahead


def _is_json(text: str, tokens: list[tuple[int, int]]) -> bool:
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return False
    strings = [match.span() for match in _STRING.finditer(text)]
    pieces: list[str] = []
    done = at = 0
    for start, end in tokens:  # outside of strings a token stands for a number
        while at < len(strings) and strings[at][1] <= start:
            at += 1
        if at < len(strings) and strings[at][0] < start:
            continue
        pieces += text[done:start], "0"
        done = end
    pieces.append(text[done:])
    try:
        json.loads("".join(pieces), strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def whole(text: Any) -> bool:
    """Tell whether something is text that may hold a token."""
    return isinstance(text, str) and PREFIX in text
