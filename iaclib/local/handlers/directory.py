"""Directories, without what is in them."""

from __future__ import annotations

import os
import shutil
import stat
from itertools import islice
from typing import TYPE_CHECKING, Any

from iaclib.errors import InvalidRequestError
from iaclib.local.handlers.base import LocalContext, LocalHandler, mode_of, sync, translated
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAMED = 3  # entries that the refusal to delete names


class DirectoryHandler(LocalHandler):
    """Directories; as with files, the path is the identity."""

    def identity(self, inputs: Mapping[str, Any]) -> str:
        """Give the absolute path."""
        return str(self.path(inputs["path"]))

    def create(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Live:
        path = self.new_path(ctx, inputs)
        with translated(path, "making the folder"):
            if inputs["parents"]:
                path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
            return self._changed(ctx, path, inputs["mode"])

    def read(self, ctx: LocalContext, id: str) -> Live | None:
        path = self.path(id)
        with translated(path, "reading"):
            try:
                status = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return self._live(ctx, path, status) if stat.S_ISDIR(status.st_mode) else None

    def update(self, ctx: LocalContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        path = self.path(id)
        with translated(path, "changing the mode"):
            return self._changed(ctx, path, after["mode"])

    def delete(self, ctx: LocalContext, id: str) -> None:
        path = self.path(id)
        with translated(path, "deleting"):
            if self.read(ctx, id) is None:  # gone, or something else by now, which is not ours
                return
            if ctx.on_delete.get("recursive"):
                shutil.rmtree(path)
            else:
                _refuse_full(path)
                path.rmdir()
            sync(path.parent)

    def _changed(self, ctx: LocalContext, path: Path, mode: str) -> Live:
        path.chmod(int(mode, 8))
        sync(path.parent)
        return self._live(ctx, path, path.lstat())

    def _live(self, ctx: LocalContext, path: Path, status: os.stat_result) -> Live:
        return Live(str(path), {}, self.at(ctx, path, mode=mode_of(status)))


def _refuse_full(path: Path) -> None:
    with os.scandir(path) as entries:
        names = [entry.name for entry in islice(entries, _NAMED + 1)]
    if names:
        shown = ", ".join(sorted(names[:_NAMED])) + (", …" if len(names) > _NAMED else "")
        msg = (
            f"{path}: the folder is not empty ({shown}), expected nothing in it; "
            'empty it, or apply Options(on_delete={"recursive": True}) first'
        )
        raise InvalidRequestError(msg)
