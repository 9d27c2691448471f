"""Takes apart the texts that name an object store: ``scheme://bucket/prefix?option=value``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from iaclib.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection


class Place(Struct, frozen=True):
    """A bucket, a path under it (without slashes at its ends), and options."""

    bucket: str
    path: str
    options: dict[str, str]


def parse(url: str, scheme: str, example: str, options: Collection[str] = ()) -> Place:
    """Read a URL.

    Args:
        url: The text.
        scheme: What it must begin with.
        example: A right one, for the message.
        options: What may stand after ``?``.

    Raises:
        ConfigError: The text is not of that form. The message shows none of it
            but its beginning, as it may hold a password.
    """
    try:
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise _wrong(scheme, example, "it does not read") from None
    if parts.scheme != scheme or not parts.netloc:
        raise _wrong(scheme, example, "it names no bucket")
    if "@" in parts.netloc or parts.fragment:
        raise _wrong(scheme, example, "credentials don't belong into it")
    if unknown := sorted(set(given) - set(options)):
        raise _wrong(scheme, example, f"it has the unknown option {unknown[0]!r}")
    path = "/".join(part for part in unquote(parts.path).split("/") if part)
    return Place(parts.netloc, path, given)


def _wrong(scheme: str, example: str, what: str) -> ConfigError:
    return ConfigError(f"{scheme}://…: not a URL of an object store ({what}), expected {example}; correct state=")
