"""Which revision of its repository a program runs from, for the history.

Reads git's own files, since git may not be there and starting it takes longer
than many a run.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def revision() -> str:
    """Give the commit that is checked out where the process works, "" if there is none.

    ``IACLIB_GIT_REVISION`` says it instead, empty to leave it out.
    """
    told = os.environ.get("IACLIB_GIT_REVISION")
    if told is not None:
        return told
    try:
        here = Path.cwd()
        folder = next((found for place in (here, *here.parents) if (found := place / ".git").exists()), None)
        return _checked_out(folder) if folder is not None else ""
    except (OSError, UnicodeDecodeError):  # whatever lies there, it is no repository that can be read
        return ""


def _checked_out(git: Path) -> str:
    if git.is_file():  # a worktree, or a submodule: its folder is elsewhere
        git = git.parent / git.read_text("utf-8").removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text("utf-8").strip()
    if not head.startswith("ref:"):
        return _hash(head)
    name = head.removeprefix("ref:").strip()
    common = git / "commondir"
    shared = git / common.read_text("utf-8").strip() if common.is_file() else git
    for folder in (git, shared):
        loose = folder / name
        if loose.is_file():
            return _hash(loose.read_text("utf-8").strip())
    packed = shared / "packed-refs"
    if packed.is_file():
        for line in packed.read_text("utf-8").splitlines():
            found, _, ref = line.partition(" ")
            if ref == name:
                return _hash(found)
    return ""


def _hash(text: str) -> str:
    return text if _REVISION.fullmatch(text) else ""
