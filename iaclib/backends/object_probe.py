"""Finds out whether a store does what conditional writes are for, before state is trusted to it.

Some look-alikes of S3 take the headers and ignore them, and some credentials
allow only part of what is needed. A store that passed has
a marker under its prefix, which names the store, so that one process in many
has to probe, and a copy of the objects elsewhere is probed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from iaclib.backends import object_layout as layout
from iaclib.backends.object_store import Changed
from iaclib.errors import StateCorruptError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.backends.object_store import ObjectStore


def probe(store: ObjectStore) -> None:
    """Check that a store refuses writes whose condition does not hold; made certain once for all.

    Raises:
        StateError: It takes them, or can't be used at all.
    """
    found = store.get(layout.MARKER)
    try:
        if found is not None and layout.marks(found.data, store.place, f"{layout.MARKER} in {store.place}"):
            return
    except StateCorruptError:
        pass  # it says nothing that probing doesn't find out again
    name = f"probe/{uuid4().hex}"
    store.list(name)  # what may not be done is found out while there is nothing yet that could be left behind
    store.delete(name)
    first = store.put_if_absent(name, b"1")
    try:
        _must_refuse(store, "If-None-Match", lambda: store.put_if_absent(name, b"2"))
        second = store.put_if(name, first, b"3")
        _must_refuse(store, "If-Match", lambda: store.put_if(name, first, b"4"))
        read = store.get(name)
        if read is None or (read.data, read.version) != (b"3", second):
            raise StateError(
                f"{store.place}: what was written last is not what is read, expected a store that is strongly "
                "consistent; keep state elsewhere",
            )
    finally:
        store.delete(name)
    try:
        if found is None:
            store.put_if_absent(layout.MARKER, layout.marker(store.place))
        else:
            store.put_if(layout.MARKER, found.version, layout.marker(store.place))
    except Changed:
        pass  # somebody else probed it too


def _must_refuse(store: ObjectStore, condition: str, write: Callable[[], str]) -> None:
    try:
        write()
    except Changed:
        return
    raise StateError(
        f"{store.place}: it takes a write whose condition ({condition}) does not hold, expected a store with "
        "conditional writes; keep state elsewhere, as two runs here could overwrite each other"
    )
