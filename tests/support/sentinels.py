"""Secrets that can be told from one another, and every form in which one might show in bytes.

The forms are made here on purpose, not by the library: a form that it forgets
must still be found.
"""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

MARK = "S3ntin3l"


def sentinel(place: str) -> str:
    """Make the secret of a place; long, and with characters that each encoding changes."""
    return f"{MARK}-{place}-\"q'<&>\\ü/+ %{place[::-1]}"


def _core(shift: int, data: bytes) -> bytes:
    """Give what is sure of base64 in the middle of a longer text."""
    text = base64.b64encode(b"\0" * shift + data).rstrip(b"=")
    return text[(0, 2, 3)[shift] : len(text) - 1]


def encodings(secret: str) -> dict[str, bytes]:
    """Give the forms in which a secret might show, by name."""
    data = secret.encode()
    found = {
        "raw": data,
        "latin-1": secret.encode("latin-1"),
        "utf-16": secret.encode("utf-16-le"),
        "json": json.dumps(secret)[1:-1].encode(),
        "json, not ASCII": json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        "json in json": json.dumps(json.dumps(secret)[1:-1])[1:-1].encode(),
        "repr": repr(secret)[1:-1].encode(),
        "unicode_escape": secret.encode("unicode_escape"),
        "repr of bytes": repr(data)[2:-1].encode(),
        "URL": quote(secret, safe="").encode(),
        "URL, slashes kept": quote(secret).encode(),
        "URL, plus": quote_plus(secret).encode(),
        "HTML": html.escape(secret).encode(),
        "HTML, quotes kept": html.escape(secret, quote=False).encode(),
        "hex": data.hex().encode(),
    }
    for shift in range(3):
        core = _core(shift, data)
        found[f"base64 {shift}"] = core
        found[f"base64 {shift}, URL-safe"] = core.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def leaks(data: bytes, secrets: dict[str, str]) -> list[str]:
    """Name the places and forms of secrets that show in bytes."""
    found = [
        f"{place} as {form}"
        for place, secret in secrets.items()
        for form, text in encodings(secret).items()
        if text in data
    ]
    if not found and MARK.encode() in data:  # a part of one
        at = data.index(MARK.encode())
        found.append(f"a part of one: {data[at : at + 12]!r}")
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Read all files under a folder but key files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".key"
    }
