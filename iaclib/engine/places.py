"""What a backend can do beyond the least, and whether state may be worked on or waits for a spill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iaclib.errors import StateError
from iaclib.state.backend import Steward

if TYPE_CHECKING:
    from iaclib.engine.settings import Settings
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Backend


def refuse_spilled(settings: Settings, ref: StackRef) -> None:
    """Refuse to work on state that lacks what an earlier run of this machine did.

    Raises:
        StateError: A file waits to be replayed; it is named.
    """
    from iaclib.state import spill  # with the serializer, which is loaded with the first state

    path = spill.pending(spill.folders(settings.backend), ref)
    if path is not None:
        msg = (
            f"{ref}: state lacks what an earlier run did, which is kept in {path}, expected it to be replayed first; "
            f"call engine.replay({str(path)!r})"
        )
        raise StateError(msg, ref=str(ref), spill=str(path))


def steward(backend: Backend) -> Steward:
    """Give a backend as one that can look back, make room and evict.

    Raises:
        StateError: It is one that can't.
    """
    if not isinstance(backend, Steward):
        msg = (
            f"{type(backend).__name__}: this backend can't do that, expected one with evict, load_at and remove; "
            "add them (see iaclib.state.backend.Steward)"
        )
        raise StateError(msg)
    return backend
