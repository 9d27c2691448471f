"""A plan file: the body of a plan with what shows that nobody altered it.

The file is one JSON document. A plain digest finds accidents when it is read;
the seal, an HMAC under the stack's data key (or under a key of its own, wrapped
by the keyring into the file), finds intent when it is applied. Secrets are
encrypted leaf by leaf, so that a plan can be read and shown without the key:
until it is applied, each Secret guards what is still sealed.

Knows files and seals; what a body holds is ``body``'s subject.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from msgspec import Struct

from iaclib.errors import DeclarationError, SealError, StateCorruptError, StateError, StateVersionError
from iaclib.model.bulk import collector_paused
from iaclib.model.values import Secret, reveal
from iaclib.plan.body import Planned, write_plan
from iaclib.plan.body_reading import read_plan
from iaclib.plan.program import program_digest
from iaclib.state.seal import Sealed, Sealer

#: The format that this version writes; another one is refused.
FORMAT: Final = 1
_KIND: Final = "iaclib plan"
_OF_STACK: Final = "stack"  # stands for the stack's own data key, where that is what seals


class Sealing(Protocol):
    """What a plan must be given to be sealed, and to count secrets in its digest."""

    @property
    def digest(self) -> Callable[[Any], str] | None:
        """The keyed digest of the stack's data key, if it has one."""
        ...

    def for_plan(self, lineage: str) -> tuple[Sealer, Mapping[str, Any] | None] | None:
        """Give what seals a plan, with its wrapped key; None for the key where it is the stack's own.

        None altogether where there is no keyring.
        """
        ...


class SavedPlan(Struct, frozen=True):
    """A plan file, read and found whole; its seal is not checked yet.

    Args:
        path: Where it was read from, for messages.
        data: The bytes.
        body: What they say of the plan.
        checksum: The digest of all but the seal.
        key: ``"stack"``, a wrapped key, or None for a plan without a seal.
        seal: The HMAC, "" for none.
        secrets: Whether secrets are in it.
    """

    path: str
    data: bytes
    body: Mapping[str, Any]
    checksum: str
    key: str | Mapping[str, Any] | None
    seal: str
    secrets: bool

    def __repr__(self) -> str:
        return f"<SavedPlan {self.path}>"

    @property
    def wrapped(self) -> Mapping[str, Any] | None:
        """The key that seals it, as the keyring wrapped it; None where that is the stack's own, or there is none."""
        return None if self.key is None or isinstance(self.key, str) else self.key

    def verify(self, sealer: Sealer) -> None:
        """Check the seal.

        Raises:
            SealError: Somebody without the key wrote the file.
        """
        if not hmac.compare_digest(sealer.sign(self.checksum.encode(), _KIND), self.seal):
            msg = (
                f"{self.path}: the seal does not fit, expected a plan of this stack as plan.save wrote it; "
                "plan again, and find out who altered the file"
            )
            raise SealError(msg, path=self.path)

    def parts(self, sealer: Sealer | None = None) -> dict[str, Any]:
        """Give the arguments that make the Plan; with a sealer its secrets are opened.

        Raises:
            StateCorruptError: The body does not hold together.
            UnknownProviderError: A type is not known here.
            SealError: A secret can't be opened.
        """

        def secret(subject: str, sealed: Any) -> Secret[Any]:
            if type(sealed) is not str:
                raise TypeError("a secret that is not sealed")
            held = Sealed(sealed)
            return Secret(held if sealer is None else sealer.open(held, _bound(subject), where=self.path))

        try:
            with collector_paused():
                return read_plan(self.body, secret)
        except (AttributeError, DeclarationError, LookupError, StateCorruptError, TypeError, ValueError) as error:
            raise _damaged(self.path, f"it does not read: {type(error).__name__}") from None

    @property
    def program(self) -> str:
        """The digest of the program that it was made from."""
        found: str = self.body["program"]
        return found


def save(plan: Planned, path: str | os.PathLike[str], sealing: Sealing | None) -> None:
    """Write a plan to a file, whole or not at all, which only its owner may read.

    Raises:
        SealError: It holds a secret and there is no key.
        StateError: The file can't be written.
    """
    _write(Path(path), dump(plan, sealing))


def dump(plan: Planned, sealing: Sealing | None) -> bytes:
    """Give the bytes of a plan file.

    Equal plans give equal bytes, but for what sealing a secret draws: the
    nonce, and the key where the stack has none yet.
    """
    given = sealing.for_plan(plan.lineage) if sealing is not None else None
    sealer, wrapped = given or (None, None)
    sealed: dict[tuple[str, str], str] = {}

    def keyed(value: Any) -> str:
        if sealer is None:
            msg = (
                f"{plan._desired.ref}: the plan holds a secret and there is no key to seal it with, expected a keyring; "
                "pass keyring= to the Engine, or apply the plan without saving it"
            )
            raise SealError(msg)
        return sealer.digest(value)

    def secret(subject: str, value: Secret[Any]) -> str:
        # At one address equal secrets stay equal: a plan must still show what changes once it is read.
        place = (subject, keyed(value))
        if place not in sealed and sealer is not None:
            sealed[place] = sealer.seal(reveal(value), _bound(subject)).text
        return sealed[place]

    with collector_paused():
        body = write_plan(plan, secret)
        body["program"] = program_digest(plan._desired, keyed)
        key: Any = None if sealer is None else _OF_STACK if wrapped is None else dict(wrapped)
        document: dict[str, Any] = {"kind": _KIND, "format": FORMAT, "key": key, "secrets": bool(sealed), "body": body}
        checksum = _checksum(document)
        document["checksum"] = checksum
        document["seal"] = sealer.sign(checksum.encode(), _KIND) if sealer is not None else ""
        return orjson.dumps(document)


def load(path: str | os.PathLike[str]) -> SavedPlan:
    """Read a plan file and check that it is whole.

    Raises:
        StateError: It can't be read.
        StateVersionError: A newer iaclib wrote it.
        StateCorruptError: It is no plan file, or was damaged or altered.
    """
    where = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        msg = (
            f"{where}: the plan can't be read ({error.strerror}), expected a file that plan.save wrote; check the path"
        )
        raise StateError(msg, path=where) from None
    try:
        with collector_paused():
            document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _damaged(where, "it is no JSON") from None
    if not isinstance(document, dict) or document.get("kind") != _KIND:
        raise _damaged(where, "it is no plan")
    number = document.get("format")
    if type(number) is not int or number < 1:
        raise _damaged(where, "it has no format number")
    if number > FORMAT:
        msg = (
            f"{where}: the plan was written by a newer iaclib, as format {number}, expected at most {FORMAT}; "
            "use that iaclib, or plan again with this one"
        )
        raise StateVersionError(msg, path=where)
    seal, checksum = document.pop("seal", None), document.pop("checksum", None)
    key, secrets, body = document.get("key"), document.get("secrets"), document.get("body")
    if (
        checksum != _checksum(document)
        or not isinstance(seal, str)
        or not isinstance(body, dict)
        or not isinstance(body.get("program"), str)
        or not isinstance(secrets, bool)
        or not (key is None or key == _OF_STACK or isinstance(key, dict))
    ):
        raise _damaged(where, "its digest does not fit what it says")
    return SavedPlan(where, data, body, checksum, key, seal, secrets)


def write_again(saved: SavedPlan, path: str | os.PathLike[str]) -> None:
    """Write a plan that was loaded: the same bytes."""
    _write(Path(path), saved.data)


def _bound(subject: str) -> str:
    """Say what a secret of a plan is sealed for; no address holds a colon."""
    return f":plan:{subject}"


def _checksum(document: Mapping[str, Any]) -> str:
    try:
        return hashlib.sha256(orjson.dumps(document)).hexdigest()
    except TypeError:  # nested too deeply to be written: nothing that was written here
        return ""


def _damaged(where: str, what: str) -> StateCorruptError:
    msg = f"{where}: the plan file is damaged ({what}), expected what plan.save wrote; plan again"
    return StateCorruptError(msg, path=where)


def _write(path: Path, data: bytes) -> None:
    temporary = path.parent / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        msg = f"{path}: the plan can't be written ({error.strerror}), expected a path in a folder that this user may write to; check the path"
        raise StateError(msg, path=str(path)) from None
