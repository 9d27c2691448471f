"""The file format of packs: entries that are found and read one by one.

A pack is a magic word, the format's number, the length and the sum of its
index, the index, a dictionary for the compressor, and the entries. The index
is read once; an entry when it is asked for. Imports what is quick to import.
Knows nothing of what entries mean.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from typing import TYPE_CHECKING, Any, Final

from iaclib.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAGIC: Final = b"iacpack\n"
FORMAT: Final = 1  # raise it when an older reader would misunderstand a pack
_HEAD: Final = struct.Struct(">8sHIIII")  # magic, format, lengths and sums of index and dictionary
_LEVEL: Final = 9


class Archive:
    """A pack that is open; threads may share it.

    Args:
        path: The file.

    Raises:
        PackError: It can't be read, is damaged, or newer than this reader.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
                head = file.read(_HEAD.size)
                if len(head) < _HEAD.size or head[:8] != MAGIC:
                    raise self._damaged("its beginning is not a pack's")
                _magic, number, length, check, words, words_check = _HEAD.unpack(head)
                if number > FORMAT:
                    msg = f"{path}: a pack of format {number}, expected at most {FORMAT}; install a newer iaclib"
                    raise PackError(msg)
                index, dictionary = file.read(length), file.read(words)
        except OSError as error:
            msg = f"{path}: the pack can't be read ({error.strerror}), expected the file that is installed with iaclib; install it again"
            raise PackError(msg) from None
        if zlib.crc32(index) != check or zlib.crc32(dictionary) != words_check:
            raise self._damaged("its index does not have the sum that was written")
        self._dictionary = dictionary
        self._start = _HEAD.size + length + words
        found = json.loads(zlib.decompress(index))
        self.about: Mapping[str, Any] = found["about"]
        self._places: dict[str, list[int]] = found["entries"]  # name -> offset, length, sum

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def text(self, name: str) -> bytes:
        """Give an entry as it was written, JSON.

        Raises:
            KeyError: There is none of this name.
            PackError: It is damaged.
        """
        offset, length, check = self._places[name]
        try:
            with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
                file.seek(self._start + offset)
                packed = file.read(length)
        except OSError as error:
            msg = f"{self.path}: the pack can't be read ({error.strerror}), expected the file that is installed with iaclib; install it again"
            raise PackError(msg) from None
        if len(packed) != length or zlib.crc32(packed) != check:
            raise self._damaged(f"{name} does not have the sum that was written")
        return zlib.decompressobj(zdict=self._dictionary).decompress(packed)

    def entry(self, name: str) -> dict[str, Any]:
        """Give an entry.

        Raises:
            KeyError: There is none of this name.
            PackError: It is damaged.
        """
        found: dict[str, Any] = json.loads(self.text(name))
        return found

    def _damaged(self, what: str) -> PackError:
        return PackError(
            f"{self.path}: the pack is damaged: {what}, expected the file that is installed with iaclib; install it again"
        )


def canonical(value: Any) -> bytes:
    """Write JSON so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def write(
    path: str | os.PathLike[str], entries: Mapping[str, Any], about: Mapping[str, Any], dictionary: bytes = b""
) -> None:
    """Write a pack; the same entries give the same bytes.

    Args:
        path: Where to.
        entries: Values by name.
        about: What is said of the pack as a whole.
        dictionary: Text that many entries share, which makes them smaller.
    """
    body = bytearray()
    places = {}
    for name in sorted(entries):
        squeeze = zlib.compressobj(
            _LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_DEFAULT_STRATEGY, dictionary
        )
        packed = squeeze.compress(canonical(entries[name])) + squeeze.flush()
        places[name] = [len(body), len(packed), zlib.crc32(packed)]
        body += packed
    index = zlib.compress(canonical({"about": about, "entries": places}), _LEVEL)
    head = _HEAD.pack(MAGIC, FORMAT, len(index), zlib.crc32(index), len(dictionary), zlib.crc32(dictionary))
    beside = f"{os.fspath(path)}.new"
    with open(beside, "wb") as file:  # noqa: PTH123
        file.write(head + index + dictionary + body)
    os.replace(beside, path)  # noqa: PTH105
