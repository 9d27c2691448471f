"""Large values, which are kept apart from the records that have them: written once, whatever changes beside them.

Knows when a property's value is large, what it is called and what stands for
it in a record; knows nothing of keys. A name is a digest of the value and of
the address that it belongs to, so that what is sealed stays bound to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, structs

from iaclib.model.values import Secret
from iaclib.state.journal import Began, Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iaclib.state.journal import Entry
    from iaclib.state.record import Record

#: A property whose value has more characters than this, all its texts and keys together, is kept apart.
LARGE: Final = 64 * 1024
_LEAF: Final = 8  # characters, about, of what is no text
#: What is given for a value that is lost.
LOST: Final = object()
_PARTS: Final = ("inputs", "baseline", "observed", "outputs")


class Blob(Struct, frozen=True):
    """What stands in a record for a value that is kept under a name."""

    name: str


def part_entry(entry: Entry, keep: Callable[[str, Any], Blob]) -> Entry:
    """Put blobs in the place of the large values in an entry's records; one without any is returned as it is.

    Args:
        entry: What is to be written.
        keep: Is given the address and the value, and sees to it that the value is kept.
    """
    match entry:
        case Ended() if entry.put is not None or entry.put_superseded is not None:
            put, old = (None if one is None else part(one, keep) for one in (entry.put, entry.put_superseded))
            same = put is entry.put and old is entry.put_superseded
            return entry if same else structs.replace(entry, put=put, put_superseded=old)
        case Began():
            intent = entry.intent
            record = part(intent.record, keep)
            before = None if intent.before is None else part(intent.before, keep)
            if record is intent.record and before is intent.before:
                return entry
            return Began(structs.replace(intent, record=record, before=before))
        case _:
            return entry


def part(record: Record, keep: Callable[[str, Any], Blob]) -> Record:
    """Put blobs in the place of a record's large values."""
    return _changed(record, is_large, lambda _, value: keep(record.address, value))


def join(record: Record, fetch: Callable[[str, str, Blob], Any]) -> Record:
    """Put values in the place of a record's blobs; one without any is returned as it is.

    Args:
        record: As it was read, its secrets opened.
        fetch: Gives the value of a blob at an address and property; ``LOST``
            leaves the property out.
    """
    return _changed(record, _is_blob, lambda name, value: fetch(record.address, name, value))


def _changed(record: Record, test: Callable[[Any], bool], change: Callable[[str, Any], Any]) -> Record:
    changes: dict[str, Any] = {}
    for where in _PARTS:
        values: Mapping[str, Any] | None = getattr(record, where)
        if where == "baseline" and values is record.inputs:
            if "inputs" in changes:  # they stay one object, which is written once
                changes["baseline"] = changes["inputs"]
        elif values and any(map(test, values.values())):
            new = {name: change(name, value) if test(value) else value for name, value in values.items()}
            changes[where] = {name: value for name, value in new.items() if value is not LOST}
    return structs.replace(record, **changes) if changes else record


def _is_blob(value: Any) -> bool:
    return type(value) is Blob


def is_large(value: Any) -> bool:
    """Tell whether a property's value is to be kept apart."""
    return _look(value)[0]


def is_plain(value: Any) -> bool:
    """Tell, at one look, that a value is neither large nor has a secret in it."""
    return _look(value) == (False, False)


def _look(value: Any) -> tuple[bool, bool]:
    """Tell whether a value is large, and whether a secret was seen in it until that was known."""
    total, secret = 0, False
    waiting = [value]
    while waiting and total <= LARGE:
        item = waiting.pop()
        kind = type(item)
        if kind is str:
            total += len(item)
        elif kind is dict:
            total += sum(map(len, item))
            waiting += item.values()
        elif kind is list or kind is tuple:
            waiting.extend(item)
        elif kind is Secret:
            secret = True
            waiting.append(item.reveal())
        else:
            total += _LEAF
    return total > LARGE, secret
