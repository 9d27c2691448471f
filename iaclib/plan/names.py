"""Names made for objects whose user gave none: stable while the object lives.

Pure: the same lineage, address and generation give the same name.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator

from iaclib.errors import InvalidPropertyError

#: The longest name where the field does not say otherwise: a DNS label.
MAX_NAME = 63
_MARK = 7
_RUNS = re.compile(r"-{2,}")


def generated_name(stack: str, address: str, lineage: str, generation: int, fits: Callable[[str], bool]) -> str:
    """Make the name ``<stack>-<name>-<7 chars>``, fitted to what the field takes.

    Args:
        stack: The stack's name.
        address: The resource's address; its last part goes into the name.
        lineage: The stack's lineage, so that equal stacks elsewhere differ.
        generation: The how manieth object at the address; a new one gets a new name.
        fits: Tells whether a name matches the field's length, pattern and case.

    Raises:
        InvalidPropertyError: No fitting name was found.
    """
    digest = hashlib.sha256(f"{lineage}\0{address}\0{generation}".encode()).digest()
    mark = base64.b32encode(digest).decode().lower()[:_MARK]
    for candidate in _candidates(f"{stack}-{address.rpartition('/')[2]}", mark):
        if fits(candidate):
            return candidate
    msg = f"{address}: no generated name fits the field's pattern, expected one made of stack and name; give a name"
    raise InvalidPropertyError(msg, address=address)


def _candidates(stem: str, mark: str) -> Iterator[str]:
    """Give ever shorter names, of one length ever plainer ones: fewer kinds of characters, then one case."""
    stems = dict.fromkeys(
        (
            _tidy(re.sub(r"[^A-Za-z0-9_.-]+", "-", stem)),
            _tidy(re.sub(r"[^A-Za-z0-9-]+", "-", stem)),
            re.sub(r"[^A-Za-z0-9_]+", "_", stem),
            re.sub(r"[^A-Za-z0-9]+", "", stem),
        )
    )
    forms = [
        (case(text), case(mark), "-" if "-" in text else "_" if "_" in text else "")
        for text in stems
        for case in (str, str.lower, str.upper)
    ]
    for length in range(MAX_NAME - _MARK - 1, 0, -1):
        for text, tail, joint in forms:
            head = text[:length].rstrip("-_.")
            if head:
                yield head + joint + tail
    for _text, tail, _joint in forms:
        yield tail


def _tidy(text: str) -> str:
    return _RUNS.sub("-", text).strip("-")
