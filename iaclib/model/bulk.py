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

#: New objects between two looks, and how many looks at the young are one at the older: Python's own choice is 700 to
#: 2,000, and 10. So no more than 500,000 dead objects of others wait for being found.
_RELAXED: Final = (20_000, 5, 5)
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
        gc.enable()


@contextmanager
def collector_relaxed() -> Iterator[None]:
    """Let the cycle collector look less often, for a time that may be long, and in which others make values too."""
    global _relaxed, _usual  # noqa: PLW0603 - the collector is one for the whole process
    with _lock:
        _relaxed += 1
        if _relaxed == 1:
            _usual = gc.get_threshold()
            if 0 < _usual[0] < _RELAXED[0]:
                gc.set_threshold(*_RELAXED)
    try:
        yield
    finally:
        with _lock:
            _relaxed -= 1
            if not _relaxed:
                gc.set_threshold(*_usual)
