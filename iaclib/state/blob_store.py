"""The large values of a stack on their way to and from a backend: sealed where they are secret, and stored once.

Knows which of them state has already and which nothing names any more; knows
nothing of when a record has one (``blobs`` does).
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.model.values import Secret, has_secret, reveal
from iaclib.state import blobs, packing, seal
from iaclib.state.blobs import LOST, Blob
from iaclib.state.journal import Stored
from iaclib.state.seal import Veiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iaclib.state.journal import Entry
    from iaclib.state.record import Intent, Snapshot
    from iaclib.state.seal import Sealer


class BlobStore:
    """What is kept apart of one stack's state, by one run.

    Attributes:
        lost: Address and property of each value that could not be found.
    """

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._unnamed: list[str] = []
        self.lost: list[tuple[str, str]] = []

    def join(self, snapshot: Snapshot, sealer: Sealer | None, *, unsound: bool = False) -> Snapshot:
        """Put the values in the place of a snapshot's blobs.

        Args:
            snapshot: As it was read, its secrets opened.
            sealer: The stack's; None if it has no key.
            unsound: Whether values that are missing are left out, and told by ``lost``.

        Raises:
            StateCorruptError: A value is missing.
            SealError: It can't be opened.
        """
        self.lost, self._there, self._unnamed = [], set(), []
        if not snapshot.blobs and not unsound:
            return snapshot
        found: dict[tuple[str, str], Any] = {}  # by address too: what another resource opened isn't this one's

        def fetch(address: str, name: str, blob: Blob) -> Any:
            if blob.name not in snapshot.blobs:
                if not unsound:
                    raise packing.corrupt(address, f"the value of its {name}, which is kept apart, is missing")
                self.lost.append((address, name))
                return LOST
            key = (address, blob.name)
            if key not in found:
                found[key] = _opened(snapshot.blobs[blob.name], sealer, address, blob.name)
            return found[key]

        def intent(old: Intent) -> Intent:
            before = None if old.before is None else blobs.join(old.before, fetch)
            record = blobs.join(old.record, fetch)
            same = record is old.record and before is old.before
            return old if same else structs.replace(old, record=record, before=before)

        joined = structs.replace(
            snapshot,
            records={address: blobs.join(record, fetch) for address, record in snapshot.records.items()},
            superseded=tuple(blobs.join(record, fetch) for record in snapshot.superseded),
            intents={step: intent(old) for step, old in snapshot.intents.items()},
            blobs={},
        )
        self._there = {name for _, name in found}
        self._unnamed = [name for name in snapshot.blobs if name not in self._there]
        return joined

    def part(self, entries: Sequence[Entry], sealer: Sealer | None, *, whole: bool) -> list[Entry]:
        """Put blobs in the place of the large values in entries; those that aren't stored yet come before them.

        Args:
            entries: What is to be written at once, its secrets not sealed yet.
            sealer: The stack's; None if it has no key.
            whole: Whether all is sealed, not only secrets.

        Raises:
            SealError: There is a secret and no sealer.
        """
        stored: list[Entry] = []

        def keep(address: str, value: Any) -> Blob:
            name = _name(value, sealer, address, whole=whole)
            if name not in self._there:
                stored.append(Stored(name, _sealed(value, sealer, address, name, whole=whole)))
                self._there.add(name)
            return Blob(name)

        parted = [blobs.part_entry(entry, keep) for entry in entries]
        return [*stored, *parted]

    def unnamed(self) -> list[Entry]:
        """Drop what nothing named when state was read; once."""
        names, self._unnamed = self._unnamed, []
        return [Stored(name) for name in names]

    def forget(self) -> None:
        """Store everything once more: the key is another one."""
        self._there = set()


def _name(value: Any, sealer: Sealer | None, address: str, *, whole: bool) -> str:
    """Give a digest of the value, of what of it is secret, and of its address; keyed if any of it is sealed."""
    what = [address, _told(value)]
    if sealer is not None and (whole or has_secret(value)):
        return sealer.digest(what)
    return sha256(packing.dumps(what, address)).hexdigest()


def _told(value: Any) -> Any:
    """Give a value in which secrets are told from what isn't secret."""
    if isinstance(value, Secret):
        return {"secret": reveal(value)}
    if isinstance(value, dict):
        return {"of": {key: _told(item) for key, item in value.items()}}
    return [_told(item) for item in value] if isinstance(value, list | tuple) else value


def _sealed(value: Any, sealer: Sealer | None, address: str, name: str, *, whole: bool) -> Any:
    bound = _bound(address, name)
    closed = seal.seal_value(value, sealer, bound, address)
    return Veiled(sealer.encrypt(packing.dumps(closed, address), bound)) if whole and sealer is not None else closed


def _opened(kept: Any, sealer: Sealer | None, address: str, name: str) -> Any:
    bound = _bound(address, name)
    if isinstance(kept, Veiled):
        if sealer is None:
            raise seal.keyless(address)
        kept = packing.loads(sealer.decrypt(kept.text, bound, where=address), address)
    return seal.open_value(kept, sealer, bound, address)


def _bound(address: str, name: str) -> str:
    """Say what a value is sealed for: no other property of it, and no other resource."""
    return f"{address}:blob:{name}"
