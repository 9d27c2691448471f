"""Assets: files and folders whose content is a property's value.

A value knows the content's hash, and equals any other with that hash; where
the content lies is for reading it only. Knows the file system; knows nothing
of resources.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from iaclib.errors import InvalidPropertyError, StalePlanError, UnknownValueError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from zipfile import ZipFile

_CHUNK: Final = 1 << 20
_IN_MEMORY: Final = 16 << 20  # bytes of opened content that are held without a temporary file
_MARK: Final = b"iaclib:zip:1"  # what the hash of a folder begins with: no file hashes like one
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can name


class Asset:
    """The content of a file, or a folder as a zip file.

    The content is hashed when a stack is collected. Plan and state hold the
    hash, so the same content elsewhere is the same value. Handlers get an
    Asset with ``path``, ``hash`` and ``open()``.

    A folder's hash covers names, content and whether a file is executable;
    times, owners and empty folders don't count. Its zip file is made when it
    is opened: names are sorted, times fixed. Symbolic links in it are refused.

    Args:
        path: A file or folder; relative to the working directory.
        zip: Make a zip file of a single file too; folders always are.
    """

    __slots__ = ("_hash", "_path", "_zip")

    def __init__(self, path: str | os.PathLike[str], *, zip: bool = False) -> None:
        text = os.fspath(path)
        if not isinstance(text, str) or not text:
            msg = f"Asset: the path is {path!r}, expected the path of a file or folder as text; correct it"
            raise InvalidPropertyError(msg)
        self._path: str | None = os.path.abspath(text)  # noqa: PTH100 - pathlib is slow to import
        self._zip = zip
        self._hash = ""

    @classmethod
    def known(cls, hash: str, path: str | None = None, *, zip: bool = False) -> Asset:
        """Make an asset of which the hash is known, as state and plans do."""
        found = object.__new__(cls)
        found._path, found._zip, found._hash = path, zip, hash
        return found

    def measured(self) -> Asset:
        """Give it with the hash that its content has now.

        Raises:
            InvalidPropertyError: It can't be read, or the folder holds what is no file.
        """
        return self if self._path is None else Asset.known(self._digest(self._path), self._path, zip=self._zip)

    @property
    def hash(self) -> str:
        """SHA-256 in hex: of the file's bytes, or of a folder's names and content."""
        return self._hash or self.measured()._hash

    @property
    def path(self) -> Path:
        """Where the content is, as an absolute path.

        Raises:
            UnknownValueError: Of what state holds, only the hash is known.
        """
        from pathlib import Path

        return Path(self._known_path())

    @property
    def parts(self) -> tuple[str, str | None, bool]:
        """What it is made of: hash, path (None where only the hash is known), and whether a zip file was asked for."""
        return self.hash, self._path, self._zip

    @property
    def zipped(self) -> bool:
        """Whether ``open`` gives a zip file."""
        return self._zip or (self._path is not None and os.path.isdir(self._path))  # noqa: PTH112 - as above

    @property
    def changed(self) -> bool:
        """Whether the content is another than when it was hashed, or gone."""
        try:
            return self._path is not None and self.measured()._hash != self._hash
        except InvalidPropertyError:
            return True

    def open(self) -> BinaryIO:
        """Give the content, read from the start; close it after use.

        What comes is what was hashed, whatever happens to the file meanwhile.

        Raises:
            StalePlanError: The content has changed since it was hashed.
            UnknownValueError: Of what state holds, only the hash is known.
        """
        from tempfile import SpooledTemporaryFile

        path = self._known_path()
        spool = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            found = self._digest(path, spool)
        except BaseException:
            spool.close()
            raise
        if self._hash and found != self._hash:
            spool.close()
            msg = f"{path}: the content has changed since the plan was made, expected what was planned; plan again"
            raise StalePlanError(msg, path=path)
        spool.seek(0)
        return spool  # type: ignore[return-value]  # a SpooledTemporaryFile has all that BinaryIO has

    def _known_path(self) -> str:
        if self._path is None:
            msg = f"{self!r}: its content is not kept, expected nothing but its hash to be asked for; compare .hash"
            raise UnknownValueError(msg)
        return self._path

    def _digest(self, path: str, into: Any = None) -> str:
        """Hash the content, and write it on the way if asked to."""
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - as above
            if not self._zip and stat.S_ISREG(mode):
                return _hash_file(path, into)
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                msg = f"{path}: neither a file nor a folder, expected one of them; correct the Asset"
                raise InvalidPropertyError(msg)
            entries = _walk(path) if stat.S_ISDIR(mode) else iter([(os.path.basename(path), path, mode)])  # noqa: PTH119
            return _hash_entries(entries, into)
        except OSError as error:
            msg = f"{path}: it can't be read ({error.strerror}), expected a file or folder; correct the Asset"
            raise InvalidPropertyError(msg) from None

    def __eq__(self, other: object) -> bool:
        return self.hash == other.hash if isinstance(other, Asset) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        where = "" if self._path is None else f" {os.path.basename(self._path)!r}"  # noqa: PTH119 - as above
        return f"<Asset{where}{f' sha256:{self._hash[:12]}' if self._hash else ''}>"

    def __format__(self, spec: str) -> str:
        msg = f"{self!r}: an Asset in text, expected it to be passed by itself; use its .path or .hash for text"
        raise TypeError(msg)


def assets_in(value: Any) -> Iterator[Asset]:
    """Walk the assets in a lowered value, also those within expressions."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Asset):
            yield item
        elif isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
        elif hasattr(item, "children"):
            pending.extend(item.children())


def hash_of(item: Any) -> str:
    """Stand for an asset in JSON that is digested only; for ``default=``."""
    if isinstance(item, Asset):
        return f"asset:{item.hash}"
    raise TypeError(type(item).__name__)


def _hash_file(path: str, into: Any = None) -> str:
    hasher = hashlib.sha256()
    with open(path, "rb") as source:  # noqa: PTH123 - as above
        while chunk := source.read(_CHUNK):
            hasher.update(chunk)
            if into is not None:
                into.write(chunk)
    return hasher.hexdigest()


def _walk(folder: str) -> Iterator[tuple[str, str, int]]:
    """Walk the files under a folder, sorted by their names in it: (name, path, mode)."""
    found: list[tuple[str, str, int]] = []
    pending = [(folder, "")]
    while pending:
        here, prefix = pending.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_symlink():
                    msg = (
                        f"{entry.path}: a symbolic link, expected files and folders; put what it points to in its place"
                    )
                    raise InvalidPropertyError(msg)
                if not name.isprintable() or not _encodes(name):
                    msg = f"{folder}: holds {name!r}, expected printable names; rename it"
                    raise InvalidPropertyError(msg)
                if entry.is_dir():
                    pending.append((entry.path, f"{name}/"))
                elif entry.is_file():
                    found.append((name, entry.path, entry.stat().st_mode))
                else:
                    msg = f"{entry.path}: neither a file nor a folder, expected one of them; take it out"
                    raise InvalidPropertyError(msg)
    yield from sorted(found)


def _encodes(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _hash_entries(entries: Iterator[tuple[str, str, int]], into: Any) -> str:
    hasher = hashlib.sha256(_MARK)
    archive: ZipFile | None = None
    if into is not None:
        from zipfile import ZIP_DEFLATED, ZipFile

        archive = ZipFile(into, "w", ZIP_DEFLATED)
    for name, path, mode in entries:
        executable = bool(mode & stat.S_IXUSR)
        digest = _hash_file(path) if archive is None else _store(archive, name, path, executable=executable)
        hasher.update(f"\0{name}\0{'x' if executable else '-'}\0{digest}".encode())
    if archive is not None:
        archive.close()
    return hasher.hexdigest()


def _store(archive: ZipFile, name: str, path: str, *, executable: bool) -> str:
    """Put a file into a zip file; give the hash of what was put."""
    from zipfile import ZIP_DEFLATED, ZipInfo

    info = ZipInfo(name, _LONG_AGO)
    info.compress_type = ZIP_DEFLATED
    info.create_system = 3  # Unix, on whatever this runs
    info.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
    with archive.open(info, "w", force_zip64=os.path.getsize(path) >= 1 << 31) as into:  # noqa: PTH202 - as above
        return _hash_file(path, into)
