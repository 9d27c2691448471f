"""What pytest shows of an error that the library raised on purpose: where the test and its program stood, and the message.

The library's own frames say nothing to who wrote a test. They stay with
``--full-trace``, and for what was not raised on purpose.
"""

from __future__ import annotations

import linecache
import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIBRARY = str(Path(__file__).parents[1]) + os.sep


def shown(error: BaseException) -> tuple[BaseException, TracebackType] | None:
    """Give an error and a traceback to be shown in place of its own; None if it is best as it is."""
    links = list(_links(error.__traceback__))
    own = [link for link in links if not _of_library(link)]
    if not own or not _on_purpose(links[-1]):
        return None
    if isinstance(error, BaseExceptionGroup):
        if any(not _of_library(link) for part in error.exceptions for link in _links(part.__traceback__)):
            return None  # a function of the program raised: where tells more
        error = _single(error)
    short: TracebackType | None = None
    for link in reversed(own):
        short = TracebackType(short, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return None if short is None else (error, short)


def _links(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _of_library(link: TracebackType) -> bool:
    return link.tb_frame.f_code.co_filename.startswith(_LIBRARY)


def _on_purpose(link: TracebackType) -> bool:
    """Tell whether the library raised here itself, with a message that is meant to be read."""
    line = linecache.getline(link.tb_frame.f_code.co_filename, link.tb_lineno)
    return _of_library(link) and line.strip().startswith("raise ")


def _single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give an error that reads as a group does, in one piece: the group's text lists what is in it."""
    kind = type(group)
    name = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    error: BaseException = type(kind.__name__, (Exception,), name)(str(group))
    for note in getattr(group, "__notes__", ()):
        error.add_note(note)
    return error
