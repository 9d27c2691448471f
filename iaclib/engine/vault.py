"""Secrets on their way to and from a backend.

Owns a stack's data key: unwraps it when state is read, draws it with the first
secret that is written. Knows nothing of runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from iaclib.errors import SealError
from iaclib.model.values import has_secret
from iaclib.state.blob_store import BlobStore
from iaclib.state.journal import Began, Ended, Entry, Exported, Keyed, Noted
from iaclib.state.seal import Sealer, new_data_key
from iaclib.state.veil import is_plain, is_whole, open_snapshot, seal_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iaclib.model.addresses import StackRef
    from iaclib.state.record import Record, Snapshot
    from iaclib.state.seal import Keyring

_DIGESTS: Final = "digests"  # beside a wrapped key: the key of digests, sealed by it


class Vault:
    """Seals and opens the secrets of one stack.

    Args:
        ref: Which stack.
        keyring: Wraps its data key; None where there is none.
        encrypt: "all" seals whatever programs and clouds say, "secrets" only
            secrets; None goes on as the stack's state has it.
    """

    def __init__(self, ref: StackRef, keyring: Keyring | None, encrypt: str | None = None) -> None:
        self.ref = ref
        self._keyring = keyring
        self._encrypt = encrypt
        self._whole = encrypt == "all"
        self._sealer: Sealer | None = None
        self._drawn: Keyed | None = None  # the key, wrapped, but not yet written
        self._blobs = BlobStore()
        self._of_plan: tuple[Sealer, Mapping[str, Any]] | None = None

    def follow(self, other: Vault) -> None:
        """Seal as another stack's state has it, which comes here; where nothing was asked for, that must not loosen."""
        self._whole = self._whole or (self._encrypt is None and other._whole)

    def open(self, snapshot: Snapshot, *, unsound: bool = False) -> Snapshot:
        """Give a snapshot with its secrets opened and its large values in their places.

        Args:
            snapshot: As the backend gave it.
            unsound: Whether large values that are missing are left out; ``lost`` tells of them.

        Raises:
            SealError: The keyring is missing, or not the one that sealed.
            StateCorruptError: A large value is missing.
        """
        opened = snapshot
        if snapshot.key is not None:
            if self._encrypt is None:
                self._whole = self._whole or is_whole(snapshot)
            self._sealer = self._unwrapped(snapshot.key, snapshot.lineage)
            opened = open_snapshot(snapshot, self._sealer)
        return self._blobs.join(opened, self._sealer, unsound=unsound)

    @property
    def lost(self) -> Sequence[tuple[str, str]]:
        """Address and property of each large value that was missing."""
        return self._blobs.lost

    def seal(self, entries: Sequence[Entry], lineage: str) -> list[Entry]:
        """Seal the secrets in entries; the first ones come with their key.

        Raises:
            SealError: There is no keyring to wrap a key with.
        """
        special = list(entries) if self._whole else [entry for entry in entries if not is_plain(entry)]
        if not special:
            return [*self._blobs.unnamed(), *entries]
        secretive = self._whole or any(map(_secretive, special))
        if secretive and self._sealer is None:
            self._draw(lineage)
        key, sealer = None, self._sealer
        if secretive:
            key, self._drawn = self._drawn, None
        elif self._drawn is not None:
            sealer = None  # nothing secret yet: the key can wait
        try:
            parted = self._blobs.part(entries, sealer, whole=self._whole)
            sealed = [seal_entry(entry, sealer, whole=self._whole) for entry in parted]
        except BaseException:  # these won't be written, and what they brought along is to come with others
            self._blobs.forget()
            self._drawn = key or self._drawn
            raise
        first: list[Entry] = [] if key is None else [key]
        return [*first, *self._blobs.unnamed(), *sealed]

    def check(self, lineage: str, *, secretive: bool) -> None:
        """Make sure, before any call, that what a run will keep can be sealed: its key is drawn and wrapped now.

        Args:
            lineage: The stack's.
            secretive: Whether it will want to keep secrets.

        Raises:
            SealError: It can't: there is no keyring, or its key can't be used.
        """
        if self._sealer is None and (secretive or self._whole):
            self._draw(lineage)

    def rotate(self, lineage: str) -> Keyed | None:
        """Draw another data key, wrapped by the keyring that writes; what is sealed from now on is sealed with it.

        Returns:
            The entry to write with everything sealed anew; None where there
            is no key, and nothing that wants one.

        Raises:
            SealError: The keyring can't wrap a key; all stays as it was.
        """
        self._blobs.forget()
        before = self._sealer
        if before is None:
            if self._whole:
                self._draw(lineage)
            drawn, self._drawn = self._drawn, None
            return drawn
        key = new_data_key()
        sealer = Sealer(lineage, key)
        kept = sealer.sealed_digest_key(before)
        wrapped = {**self._ring().wrap(key, lineage, str(self.ref)), _DIGESTS: kept}
        self._sealer, self._drawn = sealer.with_digest_key(kept), None
        return Keyed(wrapped)

    def _draw(self, lineage: str) -> None:
        key = new_data_key()
        self._drawn = Keyed(self._ring().wrap(key, lineage, str(self.ref)))
        self._sealer = Sealer(lineage, key)

    def _unwrapped(self, wrapped: Mapping[str, Any], lineage: str) -> Sealer:
        sealer = Sealer(lineage, self._ring().unwrap(wrapped, lineage))
        kept = wrapped.get(_DIGESTS)
        return sealer if kept is None else sealer.with_digest_key(kept)

    @property
    def digest(self) -> Callable[[Any], str] | None:
        """The sealer's keyed digest, if there is a key yet."""
        return self._sealer.digest if self._sealer is not None else None

    def for_plan(self, lineage: str) -> tuple[Sealer, Mapping[str, Any] | None] | None:
        """Give what seals a plan: the stack's own key, else one that is drawn here and wrapped for the plan's file.

        Returns:
            The sealer, and the wrapped key or None for the stack's own; None
            where there is no keyring.

        Raises:
            SealError: The keyring can't wrap a key.
        """
        if self._sealer is not None and self._drawn is None:
            return self._sealer, None
        if self._keyring is None:
            return None
        if self._of_plan is None:
            key = new_data_key()
            self._of_plan = (Sealer(lineage, key), self._keyring.wrap(key, lineage, str(self.ref)))
        return self._of_plan

    def open_key(self, wrapped: Mapping[str, Any], lineage: str) -> Sealer:
        """Give the sealer of a wrapped key.

        Raises:
            SealError: There is no keyring, or not the one that wrapped it.
        """
        if self._keyring is None:
            msg = (
                f"{self.ref}: the plan is sealed and there is no key to check it with, expected the keyring that "
                "sealed it; pass keyring= to the Engine"
            )
            raise SealError(msg)
        return self._unwrapped(wrapped, lineage)

    def _ring(self) -> Keyring:
        if self._keyring is None:
            msg = (
                f"{self.ref}: there is a secret and no key to seal it with, expected a keyring; "
                "pass keyring= to the Engine"
            )
            raise SealError(msg)
        return self._keyring


def _secretive(entry: Entry) -> bool:
    match entry:
        case Began():
            intent = entry.intent
            return _of(intent.record) or (intent.before is not None and _of(intent.before)) or has_secret(intent.data)
        case Ended():
            return any(one is not None and _of(one) for one in (entry.put, entry.put_superseded))
        case Noted():
            return has_secret(entry.data)
        case Exported():
            return _in(entry.outputs)
        case _:
            return False


def _in(values: Mapping[str, Any] | None) -> bool:
    return values is not None and any(has_secret(value) for value in values.values())


def _of(record: Record) -> bool:
    config = None if record.provider is None else record.provider.config
    return any(map(_in, (record.inputs, record.outputs, record.baseline, record.observed, record.options, config)))
