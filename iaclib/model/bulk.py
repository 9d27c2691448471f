"""Making many values at once.

Python's cycle collector searches what was made again and again while more is
made. Most of what a plan or a run makes stays, so it would find nothing.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_RELAXED: Final = 50_000  # new objects between two looks; Python's own choice is 700 to 2,000
_lock = threading.Lock()
_relaxed = 0  # how many want it so
_usual: tuple[int, ...] = ()  # what it was before the first of them


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the cycle collector away for a moment in which nothing but our own values are made."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # else somebody else's would come back with ours
            gc.freeze()
            gc.unfreeze()  # all that was made is old from now on, without being searched once more
        gc.enable()


@contextmanager
def collector_relaxed() -> Iterator[None]:
    """Let the cycle collector look less often, for a time that may be long, and in which others make values too."""
    global _relaxed, _usual  # noqa: PLW0603 - the collector is one for the whole process
    with _lock:
        _relaxed += 1
        if _relaxed == 1:
            _usual = gc.get_threshold()
            if 0 < _usual[0] < _RELAXED:
                gc.set_threshold(_RELAXED, *_usual[1:])
    try:
        yield
    finally:
        with _lock:
            _relaxed -= 1
            if not _relaxed:
                gc.set_threshold(*_usual)
