"""Files: each write puts a whole new file in the place of the old one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from iaclib.errors import ConflictError, InvalidRequestError
from iaclib.local.handlers.base import LocalContext, LocalHandler, mode_of, sync, translated
from iaclib.model.assets import Asset
from iaclib.model.values import MASK, MAX_TEXT, Secret
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class FileHandler(LocalHandler):
    """Regular files.

    A file can carry no token. Its path is its identity: the engine sees that
    nothing is there, writes that down, and so knows after a kill whose it is.
    """

    def identity(self, inputs: Mapping[str, Any]) -> str:
        """Give the absolute path."""
        return str(self.path(inputs["path"]))

    def find(self, _ctx: LocalContext, inputs: Mapping[str, Any]) -> None:
        """Clear away what a killed write left beside the file; its token made nothing else."""
        path = self.path(inputs["path"])
        with translated(path, "clearing up"):
            _beside(path).unlink(missing_ok=True)

    def create(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Live:
        path = self.new_path(ctx, inputs)
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            msg = f"{path}: a link, a folder or a device is there, expected nothing; remove it or choose another path"
            raise ConflictError(msg)
        return self._written(ctx, path, inputs)

    def read(self, ctx: LocalContext, id: str) -> Live | None:
        path = self.path(id)
        with translated(path, "reading"):
            try:
                status = path.lstat()
                if not stat.S_ISREG(status.st_mode):
                    return None
                return self._live(ctx, path, status)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def update(self, ctx: LocalContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        return self._written(ctx, self.path(id), after)

    def delete(self, ctx: LocalContext, id: str) -> None:
        path = self.path(id)
        with translated(path, "deleting"), suppress(FileNotFoundError, NotADirectoryError):
            _beside(path).unlink(missing_ok=True)
            if stat.S_ISREG(path.lstat().st_mode):  # what else is there by now is not ours
                path.unlink()
                sync(path.parent)

    def _written(self, ctx: LocalContext, path: Path, inputs: Mapping[str, Any]) -> Live:
        """Write the whole file, durably, or leave what was there."""
        new = _beside(path)
        with _opened(path, inputs) as content, translated(path, "writing"):
            new.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(new, flags, 0o600), "wb") as file:  # noqa: PTH123 - made for this user only, from the start
                shutil.copyfileobj(content, file)
                file.flush()
                os.fchmod(file.fileno(), int(inputs["mode"], 8))
                os.fsync(file.fileno())
            new.replace(path)
            sync(path.parent)
            return self._live(ctx, path, path.lstat())

    def _live(self, ctx: LocalContext, path: Path, status: os.stat_result) -> Live:
        """Show a file in the way in which it was declared."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        field = next((field for field in ("content_base64", "source") if field in ctx.inputs), "content")
        secret = isinstance(ctx.inputs.get(field), Secret)
        outputs = {"size": status.st_size, "sha256": Secret(digest) if secret else digest}
        seen = Asset.known(digest) if field == "source" else _shown(field, path, status)
        return Live(str(path), outputs, self.at(ctx, path, **{field: seen, "mode": mode_of(status)}))


def _beside(path: Path) -> Path:
    """Name the file that a write makes first: always the same, so that what a kill leaves is found again."""
    return path.with_name(f".{path.name}.iaclib-new")


def _opened(path: Path, inputs: Mapping[str, Any]) -> BinaryIO:
    """Give what is to be written."""
    source: Asset | None = inputs.get("source")
    if source is not None:
        if source.zipped:
            msg = f"{path}: source is a folder or a zip file, expected one file, whose hash is its content's; declare a File for each"
            raise InvalidRequestError(msg)
        return source.open()
    encoded = inputs.get("content_base64")
    if encoded is None:
        return io.BytesIO(str(inputs["content"]).encode())
    try:
        return io.BytesIO(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        msg = f"{path}: content_base64 is no base64, expected the standard alphabet with padding; encode it again"
        raise InvalidRequestError(msg) from None


def _shown(field: str, path: Path, status: os.stat_result) -> str | None:
    """Give content as state can hold it; None, which is drift as well, for what it can't."""
    if status.st_size > MAX_TEXT:
        return None
    data = path.read_bytes()
    text = base64.b64encode(data).decode() if field == "content_base64" else data.decode(errors="replace")
    return None if len(text) > MAX_TEXT or MASK in text else text
