"""Spills: journal entries that their backend did not take, kept in a file of this machine until they are replayed.

Knows the file's form, where it lies and how it is found; knows nothing of
runs. A line is one JSON object with a checksum. The first one says which state
the entries belong to, each other one is what one append was to carry, sealed
as every backend gets it. The file is written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct

from iaclib.errors import StateError
from iaclib.model.addresses import StackRef
from iaclib.state import codec
from iaclib.state.journal import Entry
from iaclib.state.packing import check_format, corrupt
from iaclib.state.record import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator


FOLDER: Final = Path(".iaclib/spill")
_SUFFIX: Final = ".jsonl"
_PART: Final = 64  # characters of a name that a file name takes


class Spill(Struct, frozen=True):
    """What a file holds.

    Args:
        path: The file.
        ref: Which stack it belongs to.
        lineage: Which state of that name.
        serial: What the entries were to be appended to.
        run: The id of the run that made them.
        batches: The entries, one sequence for each append.
        digest: Tells this file's content from any other.
    """

    path: Path
    ref: StackRef
    lineage: str
    serial: int
    run: str
    batches: Sequence[Sequence[Entry]]
    digest: str


def folders(backend: Any) -> list[Path]:
    """Say where spills of a backend's state go: beside it, or in the working folder; else in the user's own."""
    first = Path(getattr(backend, "spill_folder", None) or FOLDER).absolute()
    found = [first]
    try:
        found.append(Path.home() / FOLDER)
    except RuntimeError:  # a user without a home
        return found
    return list(dict.fromkeys(found))


def write(
    places: Sequence[Path],
    ref: StackRef,
    lineage: str,
    serial: int,
    run: str,
    batches: Sequence[Sequence[Entry]],
    before: Path | None = None,
) -> Path | None:
    """Write a spill, durably, in the first folder that takes it; give its file, or None if no folder does.

    Args:
        places: Folders; made for the user alone if they aren't there.
        ref: Which stack.
        lineage: Which state of that name.
        serial: What the entries were to be appended to.
        run: The run's id.
        batches: The entries, sealed; one sequence for each append.
        before: The file of the same run so far, which this one replaces.
    """
    head = {"kind": "iaclib spill", "format": FORMAT, "project": ref.project, "stack": ref.name}
    head |= {"lineage": lineage, "serial": serial, "run": run}
    lines = [_line(orjson.dumps(head)), *(_line(codec.dump_entries(batch)) for batch in batches)]
    name = f"{ref.project[:_PART]}-{ref.name[:_PART]}-{lineage}-{serial}"
    for folder in places:
        path = folder / f"{name}{_SUFFIX}"
        if path != before and path.exists():  # another run's, which stays
            path = folder / f"{name}-{run}{_SUFFIX}"
        try:
            put_file(path, b"".join(lines))
        except OSError:
            continue
        if before is not None and before != path:
            before.unlink(missing_ok=True)
        return path
    return before


def put_file(path: Path, data: bytes) -> None:
    """Write a file for its owner alone, whole or not at all; durable when this returns."""
    folder = path.parent
    if not folder.is_dir():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    temporary = folder / f".{path.name[:_PART]}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make durable which files a folder has."""
    if os.name == "nt":  # folders can't be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str | os.PathLike[str]) -> Spill:
    """Read a spill.

    Raises:
        StateError: There is no such file.
        StateVersionError: A newer iaclib wrote it.
        StateCorruptError: It is damaged, or something else.
    """
    path = Path(path).absolute()
    try:
        content = path.read_bytes()
    except OSError as error:
        text = error.strerror or type(error).__name__
        msg = f"{path}: can't be read ({text}), expected a spill file; check the path, or whether it was replayed"
        raise StateError(msg, path=str(path)) from None
    where = str(path)
    lines = list(_lines(content, where))
    if not lines:
        raise corrupt(where, "it is empty")
    head = _head(lines[0], where)
    providers = codec.Providers()
    batches = [codec.load_entries(line, where, providers) for line in lines[1:]]
    ref = StackRef(head["project"], head["stack"])
    return Spill(path, ref, head["lineage"], head["serial"], head["run"], batches, sha256(content).hexdigest()[:32])


def pending(places: Sequence[Path], ref: StackRef) -> Path | None:
    """Give a file that waits for a stack's replay, or None."""
    for folder in places:
        try:
            files = sorted(folder.iterdir())
        except OSError:
            continue
        for path in files:
            if path.suffix != _SUFFIX or not path.name.startswith(f"{ref.project[:_PART]}-{ref.name[:_PART]}-"):
                continue
            with path.open("rb") as file:
                head = _head(next(_lines(file.readline(), str(path)), b""), str(path))
            if (head["project"], head["stack"]) == ref:
                return path
    return None


def _line(data: bytes) -> bytes:
    return b'{"sha256":"%b","data":%b}\n' % (sha256(data).hexdigest().encode(), data)


def _lines(content: bytes, where: str) -> Iterator[bytes]:
    start = len(b'{"sha256":"') + sha256().digest_size * 2
    for number, line in enumerate(content.splitlines(), 1):
        data = line[start + len(b'","data":') : -1]
        if line != _line(data)[:-1]:
            raise corrupt(where, f"line {number} is torn or was altered")
        yield data


def _head(data: bytes, where: str) -> dict[str, Any]:
    try:
        head = orjson.loads(data)
        if head["kind"] == "iaclib spill":
            check_format(head["format"], where)
            kinds = {"project": str, "stack": str, "lineage": str, "serial": int, "run": str}
            if all(type(head[name]) is kind for name, kind in kinds.items()):
                return head  # type: ignore[no-any-return]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass  # something else, then
    raise corrupt(where, "it is no spill file")
