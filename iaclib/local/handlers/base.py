"""What the local handlers share: paths, the system's errors, and keeping secrets secret."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iaclib.errors import ConflictError, CredentialsError, InvalidRequestError, NotFoundError, ProviderError
from iaclib.model.redact import Redactor, secret_texts
from iaclib.model.values import MASK, Secret
from iaclib.provider.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: A step of the local wing; its provider only matters to paths, which handlers know already.
LocalContext = Context[Any]

_SHORTEST = 4  # characters; a shorter word of a secret would blot out half of every text


class LocalHandler:
    """A handler of this machine.

    Args:
        root: Where relative paths begin; None is the working directory.
    """

    def __init__(self, root: str | None = None) -> None:
        self.root = root

    def path(self, path: str) -> Path:
        """Make a path absolute, without following links."""
        return Path(os.path.abspath(Path(self.root or "", path)))  # noqa: PTH100 - pathlib keeps `..`, or follows links

    def new_path(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Path:
        """Give where a file or folder is to be made; noted if only this working directory tells."""
        path = self.path(inputs["path"])
        if self.root is None and not Path(inputs["path"]).is_absolute():
            ctx.checkpoint(id=str(path))
        return path

    def at(self, ctx: LocalContext, path: Path, **seen: Any) -> dict[str, Any]:
        """Give what a file or folder shows; its path as declared, if the declared one leads there."""
        declared = ctx.inputs.get("path")
        if ctx.record is None and not (isinstance(declared, str) and self.path(declared) == path):
            seen["path"] = str(path)
        return taken_over(ctx, **seen)


class SecretTexts:
    """The texts that must not show in what a step prints, records or raises.

    Besides each secret as a whole these are its words: a server or program may
    repeat the password of ``Bearer …`` alone.
    """

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        whole = secret_texts(inputs)
        words = {word for text in whole for word in text.split() if len(word) >= _SHORTEST}
        self.texts = sorted({*whole, *words}, key=len, reverse=True)
        self._redactor = Redactor(self.texts)

    def mask(self, text: str) -> str:
        """Put the mask in the place of each secret."""
        return self._redactor.text(text)

    def guard(self, value: Any) -> Any:
        """Make a value secret if a secret shows in it."""
        if isinstance(value, dict):
            return {key: self.guard(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.guard(item) for item in value]
        text = str(value)
        return Secret(value) if any(secret in text for secret in self.texts) else value


def taken_over(ctx: LocalContext, **seen: Any) -> dict[str, Any]:
    """Give what an object shows of its inputs.

    Much that is declared here is no property of the object but says how to
    treat it, such as the requests of an API. Nothing shows that, so when an
    object without a record is read, to import or adopt it, it counts as
    declared. Otherwise the engine keeps what is recorded.
    """
    return {**(ctx.inputs if ctx.record is None else {}), **seen}


def foreign(value: Any) -> Any:
    """Change what looks like our own mask in a value from outside: state takes a mask for a mistake."""
    if isinstance(value, str):
        return value.replace(MASK, "(masked)")
    if isinstance(value, dict):
        return {foreign(key): foreign(item) for key, item in value.items()}
    return [foreign(item) for item in value] if isinstance(value, list) else value


@contextmanager
def translated(where: Path, what: str) -> Iterator[None]:
    """Turn the system's errors within the block into iaclib's.

    Args:
        where: The path that is worked on.
        what: What is done, such as "write".
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        kind, advice = _KINDS.get(error.errno or 0, (ProviderError, "look at the path and the disk"))
        raise kind(f"{where}: {what} failed: {reason}, expected it to work; {advice}", errno=error.errno) from None


_KINDS: dict[int, tuple[type[ProviderError], str]] = {
    errno.EACCES: (CredentialsError, "give this user the right to it"),
    errno.EPERM: (CredentialsError, "give this user the right to it"),
    errno.EROFS: (CredentialsError, "choose a path that can be written"),
    errno.ENOENT: (NotFoundError, "its folder has to exist: declare a local.Directory, and use its id in the path"),
    errno.ENOTDIR: (InvalidRequestError, "a part of the path is no folder; choose another path"),
    errno.EEXIST: (ConflictError, "something is there already; remove it or choose another path"),
    errno.EISDIR: (ConflictError, "a folder is there; remove it or choose another path"),
    errno.ENAMETOOLONG: (InvalidRequestError, "choose a shorter path"),
    errno.ELOOP: (InvalidRequestError, "the path's symbolic links lead nowhere; choose another path"),
}


def mode_of(status: os.stat_result) -> str:
    """Give a mode as it is declared: four octal digits."""
    return f"{stat.S_IMODE(status.st_mode):04o}"


def sync(folder: Path) -> None:
    """Make what was named, renamed or removed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
