"""JSON documents inside requests: policies and the like, as mappings or as text.

AWS takes them as text and users write either; both compare equal here.
"""

from __future__ import annotations

import json
from typing import Any

from iaclib.model.values import Secret, has_secret, reveal


def parsed(value: Any) -> Any:
    """Read JSON text that holds an object or a list; give anything else back as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:  # AWS will say what is wrong with it
            return value
    return value


def opened(value: Any) -> Any:
    """Give a document for comparing: parsed, with secrets revealed."""
    return parsed(reveal(value))


def text(value: Any) -> str | Secret[str]:
    """Give a document as the text that AWS takes; still secret if any of it is."""
    plain = reveal(value)
    written = plain if isinstance(plain, str) else json.dumps(plain, separators=(",", ":"))
    return Secret(written) if has_secret(value) else written
