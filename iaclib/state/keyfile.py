"""Two keyrings of this machine: a key in a file, and a key that lives as long as the process.

Knows how a stack's data key is wrapped by another key; knows nothing of
secrets in records, nor of backends.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from iaclib.errors import ConfigError, SealError
from iaclib.state.wrapping import KEY_BYTES, unwrap_with, wrap_with

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEME: Final = "file:"


class Ephemeral:
    """A keyring for state that isn't kept: its key is drawn here and dies with the object."""

    name: Final = "ephemeral"

    def __init__(self) -> None:
        self._key = os.urandom(KEY_BYTES)

    def wrap(self, key: bytes, context: str, stack: str = "") -> Mapping[str, Any]:
        """Encrypt a data key; see ``Keyring.wrap``."""
        return wrap_with(self.name, self._key, key, context)

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key; see ``Keyring.unwrap``."""
        return unwrap_with("memory", self.name, self._key, wrapped, context)


class KeyFile:
    """A keyring whose key is 32 random bytes, as base64, in a file that only its owner may read.

    The file is made when the first key is wrapped. Processes that do so at
    once end up with the same key.

    Args:
        path: Where the file is, or is made.
    """

    name: Final = "file"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._key: bytes | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make one from ``file:PATH``; a ``~`` is the user's home.

        Raises:
            ConfigError: The text is not of that form.
        """
        path = text.removeprefix(_SCHEME)
        if path == text or not path or path.endswith("/"):
            raise ConfigError(f"keyring {text!r}: not a key file, expected file:PATH; correct keyring=")
        return cls(Path(path).expanduser().absolute())

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r})"

    def wrap(self, key: bytes, context: str, stack: str = "") -> Mapping[str, Any]:
        """Encrypt a data key, with a new file if there is none yet; see ``Keyring.wrap``."""
        with self._lock:
            if self._key is None:
                self._key = self._read() or self._make()
            return wrap_with(self.name, self._key, key, context)

    def unwrap(self, wrapped: Mapping[str, Any], context: str) -> bytes:
        """Decrypt a data key; see ``Keyring.unwrap``."""
        with self._lock:
            if self._key is None:
                self._key = self._read()
            if self._key is None:
                raise SealError(
                    f"{self.path}: the key file is missing, expected the one that this state's secrets were sealed "
                    "with; restore it from where it was made"
                )
            return unwrap_with(str(self.path), self.name, self._key, wrapped, context)

    def _read(self) -> bytes | None:
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(4096)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SealError(
                f"{self.path}: the key file can't be read ({error.strerror}), expected a file of this user; "
                "check the path and its owner"
            ) from None
        if os.name != "nt" and stat.S_IMODE(mode) & 0o077:
            raise SealError(
                f"{self.path}: the key file has mode {stat.S_IMODE(mode):04o}, expected 0600, as others may have read "
                f"it; run `chmod 600 {self.path}`, and change the secrets if somebody did"
            )
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise SealError(
                f"{self.path}: not a key file, expected {KEY_BYTES} bytes as base64; restore it from a backup"
            )
        return key

    def _make(self) -> bytes:
        """Make the file whole or not at all: written under another name, then linked to the final one."""
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            if not self.path.parent.exists():
                self.path.parent.mkdir(mode=0o700)
            _write_new(temporary)
            try:
                os.link(temporary, self.path)
            except FileExistsError:
                pass  # another process was quicker: its key counts
            except OSError:  # a file system without links
                with contextlib.suppress(FileExistsError):
                    _write_new(self.path)
            finally:
                temporary.unlink()
            _sync_folder(self.path.parent)
        except OSError as error:
            raise SealError(
                f"{self.path}: the key file can't be made ({error.strerror}), expected a folder that this user may "
                "write to; make it, or pass Engine(keyring=...)"
            ) from None
        key = self._read()
        if key is None:
            raise SealError(f"{self.path}: the key file vanished, expected it to stay; run again")
        return key


def _write_new(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders can't be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
