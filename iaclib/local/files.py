"""Declarations of files and directories. Knows no handler."""

from typing import TYPE_CHECKING, Annotated, TypedDict

from iaclib import declare as iac
from iaclib.errors import InvalidPropertyError

_Mode = Annotated[str, iac.Pattern(r"^[0-7]{4}$")]


class File(iac.Resource, type="local:File"):
    """A file; its id is its absolute path.

    It is written whole or not at all, and never over a file that this stack
    did not make. A relative path counts from the provider's ``root``, without
    one from the working directory at creation. The folder has to exist:
    declare a ``Directory`` for it.

    Give ``content`` (text, written as UTF-8), ``content_base64`` (any bytes) or
    ``source`` (an ``iac.Asset`` of one file, for what is large). Where the
    content is secret, ``sha256`` is secret too. ``mode`` is four octal digits;
    by default only the owner may read.
    """

    path: iac.Input[Annotated[str, iac.Range(1, None)]] = iac.field(replaces=True, unique=True)
    content: iac.Input[str] | None = iac.field(default=None)
    content_base64: iac.Input[str] | None = iac.field(default=None)
    source: iac.Input[iac.Asset] | None = iac.field(default=None)
    mode: iac.Input[_Mode] = iac.field(default="0600")
    sha256: iac.Output[str] = iac.computed()
    size: iac.Output[int] = iac.computed()

    if not TYPE_CHECKING:

        def __init__(self, logical_name, *extra, **given) -> None:  # noqa: ANN001, ANN002, ANN003 - as Resource's
            super().__init__(logical_name, *extra, **given)
            declared = self.__dict__["_iac"]
            found = [name for name in ("content", "content_base64", "source") if name in declared.inputs]
            if len(found) != 1:
                what = " and ".join(found) or "nothing"
                msg = f"{declared.address}: {what} given as content, expected one of content, content_base64 and source; correct it in {declared.location}"
                raise InvalidPropertyError(msg, address=declared.address)


class DirectoryDelete(TypedDict, total=False):
    """How a directory is deleted."""

    recursive: bool


class Directory(iac.Resource, type="local:Directory", on_delete=DirectoryDelete):
    """A directory; its id is its absolute path.

    What is in it is not its business: a directory that holds anything is
    deleted only with ``Options(on_delete={"recursive": True})``, which takes
    all of it along. ``parents=True`` makes missing ancestors too; they stay
    when it is deleted, since others may use them by then.
    """

    path: iac.Input[Annotated[str, iac.Range(1, None)]] = iac.field(replaces=True, unique=True)
    mode: iac.Input[_Mode] = iac.field(default="0755")
    parents: iac.Input[bool] = iac.field(default=False)
