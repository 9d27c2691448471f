"""Finding secrets in text that leaves, in whatever form a library wrote them, and copies of errors without them.

A secret is looked for as it is and as JSON, ``repr``, URLs, HTML, hex and
base64 write it, also where lines were wrapped or quoting was nested. Secrets
shorter than 4 characters are masked where they stand alone: anywhere else
they would blot out half of every text.

Knows texts and errors; knows nothing of where secrets come from.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

from iaclib.errors import IaclibError, PartialFailure
from iaclib.model.values import MASK, Secret, reveal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_SHORT: Final = 4  # characters; shorter ones count only where they stand alone
_PART: Final = 8  # characters; shorter words of a secret don't count alone, nor where lines were wrapped
_LEAST: Final = 4  # characters of an encoded form that can't be a coincidence
_EDGE: Final = 3  # characters of base64 that a secret may share with its neighbours
_FEW: Final = 200  # beginnings of forms
_WORD = re.compile(r"\S+")
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")
#: What wrapping and quoting put between the characters of a text, or take away.
_LOOSE = re.compile(r"(?:\\+(?:n|r|t|x27|u0022|u0027)|=\r?\n|[\s\\\"'])+")


def secret_texts(*values: Any) -> list[str]:
    """List the texts that secrets in these values guard, and their telling parts, longest first.

    Parts are the words of a secret of several, such as the lines of a private
    key, and the password in a URL: a server may repeat these alone.
    """
    found: set[str] = set()
    for secret in _secrets(values):
        for text in _texts(secret.reveal()):
            found.add(text)
            found.update(_parts(text))
    found.discard("")
    return sorted(found, key=lambda text: (-len(text), text))


def _secrets(values: Iterable[Any]) -> Iterator[Secret[Any]]:
    todo = list(values)
    while todo:
        item = todo.pop()
        kind = type(item)
        if kind is str or kind is int or kind is bool or item is None:
            continue
        if kind is dict:
            todo.extend(item.values())
        elif isinstance(item, Secret):
            yield item
        elif hasattr(item, "items"):
            todo.extend(value for _, value in item.items())
        elif isinstance(item, list | tuple):
            todo.extend(item)


def _texts(value: Any) -> Iterator[str]:
    """Walk the texts of what a secret guards; keys of mappings are texts too."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, Secret):
            todo.append(item.reveal())
        elif hasattr(item, "items"):
            for key, inner in item.items():
                todo.extend((key, inner))
        elif isinstance(item, list | tuple):
            todo.extend(item)
        elif item is not None and not isinstance(item, bool):
            yield str(item)


def _parts(text: str) -> Iterator[str]:
    words = _WORD.findall(text)
    if len(words) > 1:
        yield from (word for word in words if len(word) >= _PART)
    _, separator, rest = text.partition("://")
    if separator and "@" in rest:
        password = rest.rpartition("@")[0].partition(":")[2]
        if len(password) >= _SHORT:
            yield password


class Redactor:
    """Finds what must not show in a text, in every form that ``forms`` lists.

    The time grows with the length of the text, not with the number of secrets:
    each place of it is looked up among the beginnings of all forms. These are
    made when the first text is looked at, since most runs tell none.

    Args:
        texts: What must not show; see ``secret_texts``.
    """

    __slots__ = ("_alone", "_beginnings", "_forms", "_known", "_lock", "_new", "_tight")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._new: list[Iterable[str]] = [texts]
        self._known: set[str] = set()
        self._alone: set[str] = set()  # forms of short secrets
        self._forms: dict[str, tuple[bool, bool]] = {}  # form -> whether it is base64, whether it tells alone
        self._beginnings: dict[str, list[str]] = {}  # first characters -> forms
        self._tight: dict[str, list[str]] = {}

    def __repr__(self) -> str:
        return "Redactor(...)"

    def learn(self, values: Iterable[Any]) -> None:
        """Let the secrets in values show no more either; they are looked into with the next text."""
        self._new.append(text for value in values for text in secret_texts(value))

    def text(self, text: str) -> str:
        """Replace what must not show in a text by the mask."""
        if not text:
            return text
        with self._lock:
            self._catch_up()
            spans = [span for span, _ in self._found(text)]
            if self._tight and _LOOSE.search(text):
                tight, places = _squeeze(text)
                spans.extend(
                    (places[at], places[at + len(form) - 1] + 1) for at, form in _scanned(tight, self._tight, _PART)
                )
        return _masked(text, spans) if spans else text

    def shows(self, value: Any) -> bool:
        """Tell whether a secret of some length shows anywhere in a value."""
        with self._lock:
            self._catch_up()
            return bool(self._tight) and any(telling for text in _texts(value) for _, telling in self._found(text))

    def _found(self, text: str) -> Iterator[tuple[tuple[int, int], bool]]:
        for form in self._alone:
            if form in text:
                alone = rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])"
                yield from ((found.span(), False) for found in re.finditer(alone, text))
        for at, form in _scanned(text, self._beginnings, _LEAST):
            encoded, telling = self._forms[form]
            span = (at, at + len(form))
            yield (_widened(text, span) if encoded else span), telling

    def _catch_up(self) -> None:
        while self._new:
            for secret in self._new.pop():
                if secret not in self._known:
                    self._known.add(secret)
                    self._index(secret)

    def _index(self, secret: str) -> None:
        if len(secret) < _SHORT:
            self._alone.update((secret, repr(secret)[1:-1]))
            return
        telling = len(secret) >= _PART
        for some, encoded in zip(forms(secret), (False, True), strict=True):
            for form in some:
                if form not in self._forms:
                    self._beginnings.setdefault(form[:_LEAST], []).append(form)
                _, told = self._forms.get(form, (False, False))
                self._forms[form] = (encoded, told or telling)
        for form in _tight_forms(secret) if telling else ():
            self._tight.setdefault(form[:_PART], []).append(form)


def _scanned(text: str, known: Mapping[str, Sequence[str]], length: int) -> Iterator[tuple[int, str]]:
    """Find forms, listed by their first characters, in a text: where each begins, and which it is."""
    if len(known) < _FEW:  # looking for each is quicker than looking at each place
        places = ((at, first) for first in known for at in _places(text, first))
    else:
        places = ((at, text[at : at + length]) for at in range(len(text) - length + 1))
    for at, first in places:
        for form in known.get(first, ()):
            if text.startswith(form, at):
                yield at, form


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def guard_repeats(outputs: Mapping[str, Any], *beside: Any) -> Mapping[str, Any]:
    """Make secret what repeats, in whatever form, a secret that stands beside it or among it."""
    texts = secret_texts(outputs, *beside)
    if not texts or all(isinstance(value, Secret) for value in outputs.values()):
        return outputs
    known = Redactor(texts)
    return {name: _guarded(value, known) for name, value in outputs.items()}


def _guarded(value: Any, known: Redactor) -> Any:
    if isinstance(value, dict) and not any(map(known.shows, value)):
        return {name: _guarded(item, known) for name, item in value.items()}
    if isinstance(value, list):
        return [_guarded(item, known) for item in value]
    return Secret(reveal(value)) if not isinstance(value, Secret) and known.shows(value) else value


@lru_cache(maxsize=512)
def forms(secret: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the forms in which a secret may stand in a text: those of quoting, and those of base64.

    The latter are what is sure in the middle of a longer text, at each of its
    three alignments.
    """
    import html  # slow: it knows all names of characters

    plain = {secret, repr(secret)[1:-1], html.escape(secret), html.escape(secret, quote=False)}
    plain.add(
        secret.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&#34;")
        .replace("'", "&#39;")
    )
    plain.add(secret.encode("unicode_escape").decode())
    once = secret
    for _ in range(2):
        for ascii_only in (True, False):
            plain.add(json.dumps(once, ensure_ascii=ascii_only)[1:-1])
        once = json.dumps(once)[1:-1]
    data = secret.encode("utf-8", "surrogatepass")
    for url in (quote(data), quote(data, safe=""), quote_plus(data), quote(quote(data, safe=""), safe="")):
        plain.update((url, re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), url)))
    plain.update((data.hex(), data.hex().upper(), repr(data)[2:-1]))
    bodies = {
        data,
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass"),
    }
    encoded: set[str] = set()
    for body in bodies:
        for shift in range(3):
            text = base64.b64encode(bytes(shift) + body).decode().rstrip("=")
            inner = text[(0, 2, 3)[shift] : len(text) - 1]
            encoded.update((inner, inner.translate(str.maketrans("+/", "-_"))))
    return _usable(plain), _usable(encoded)


@lru_cache(maxsize=512)
def _tight_forms(secret: str) -> tuple[str, ...]:
    plain, encoded = forms(secret)
    return _usable({_squeeze(form)[0] for form in (*plain, *encoded)}, _PART)


def _usable(found: set[str], least: int = _LEAST) -> tuple[str, ...]:
    return tuple(sorted(form for form in found if len(form) >= least))


def _squeeze(text: str) -> tuple[str, list[int]]:
    """Give a text without what wrapping and quoting put into it, and where its characters were."""
    kept: list[str] = []
    places: list[int] = []
    at = 0
    for found in _LOOSE.finditer(text):
        kept.append(text[at : found.start()])
        places.extend(range(at, found.start()))
        at = found.end()
    kept.append(text[at:])
    places.extend(range(at, len(text)))
    return "".join(kept), places


def _widened(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Take in what a secret shares with its neighbours in base64."""
    start, end = span
    while start > 0 and span[0] - start < _EDGE and text[start - 1] in _BASE64:
        start -= 1
    while end < len(text) and end - span[1] < _EDGE and text[end] in _BASE64:
        end += 1
    return start, end


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if start >= at:
            parts.extend((text[at:start], MASK))
        at = max(at, end)
    return "".join([*parts, text[at:]])


# ------------------------------------------------------------------------------------------------------------- errors


def redacted(error: BaseException, secrets: Redactor) -> Exception:
    """Copy an error without its chain, frames and secrets.

    The copy has the same type where that can be rebuilt, and a note saying
    where in the handler it was raised (files and lines, no values).
    """
    if isinstance(error, PartialFailure):
        error = error.cause if isinstance(error.cause, Exception) else RuntimeError(str(error.cause))
    copy: Exception
    message = secrets.text(str(error))
    if isinstance(error, IaclibError) and type(error).__reduce__ is IaclibError.__reduce__:
        facts = {key: secrets.text(fact) if isinstance(fact, str) else fact for key, fact in error.facts.items()}
        facts = {key: fact for key, fact in facts.items() if isinstance(fact, str | int | float | bool | None)}
        copy = type(error)(message, **facts)
    else:
        copy = _foreign(error, message, secrets)
    import traceback  # slow, and needed here alone

    frames = traceback.extract_tb(error.__traceback__)
    if frames and not isinstance(error, IaclibError):
        copy.add_note(
            "raised at " + ", ".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-3:])
        )
    return copy


def _foreign(error: BaseException, message: str, secrets: Redactor) -> Exception:
    cls = type(error)
    if cls.__module__ == "builtins" and issubclass(cls, Exception) and not issubclass(cls, BaseExceptionGroup):
        args = tuple(
            secrets.text(arg) if isinstance(arg, str) else arg
            for arg in error.args
            if isinstance(arg, str | int | float | None)
        )
        try:
            copy = cls(*args)
        except TypeError:
            return RuntimeError(f"{cls.__name__}: {message}")
        return copy if str(copy) == message else RuntimeError(f"{cls.__name__}: {message}")
    return RuntimeError(f"{cls.__module__}.{cls.__qualname__}: {message}")
