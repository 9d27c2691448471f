"""Secrets on their way to and from a backend.

Owns a stack's data key: unwraps it when state is read, draws it with the first
secret that is written. Knows nothing of runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.errors import SealError
from iaclib.model.values import has_secret
from iaclib.state.journal import Began, Ended, Entry, Exported, Keyed, Noted
from iaclib.state.seal import Sealer, new_data_key, open_snapshot, seal_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from iaclib.model.addresses import StackRef
    from iaclib.state.record import Record, Snapshot
    from iaclib.state.seal import Keyring


class Vault:
    """Seals and opens the secrets of one stack.

    Args:
        ref: Which stack.
        keyring: Wraps its data key; None where there is none.
    """

    def __init__(self, ref: StackRef, keyring: Keyring | None) -> None:
        self.ref = ref
        self._keyring = keyring
        self._sealer: Sealer | None = None
        self._of_plan: tuple[Sealer, Mapping[str, Any]] | None = None

    def open(self, snapshot: Snapshot) -> Snapshot:
        """Give a snapshot with its secrets opened.

        Raises:
            SealError: The keyring is missing, or not the one that sealed.
        """
        if snapshot.key is None:
            return snapshot
        self._sealer = Sealer(snapshot.lineage, self._ring().unwrap(snapshot.key, snapshot.lineage))
        opened: Snapshot = open_snapshot(snapshot, self._sealer)
        return opened

    def seal(self, entries: Sequence[Entry], lineage: str) -> list[Entry]:
        """Seal the secrets in entries; the first ones come with their key.

        Raises:
            SealError: There is no keyring to wrap a key with.
        """
        sealed: list[Entry] = []
        if self._sealer is None:
            if not any(_secretive(entry) for entry in entries):
                return list(entries)
            key = new_data_key()
            sealed.append(Keyed(self._ring().wrap(key, lineage)))
            self._sealer = Sealer(lineage, key)
        sealed.extend(seal_entry(entry, self._sealer) for entry in entries)
        return sealed

    def check(self) -> None:
        """Check that secrets can be kept, before any call.

        Raises:
            SealError: They can't.
        """
        if self._sealer is None:
            self._ring()

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
        if self._sealer is not None:
            return self._sealer, None
        if self._keyring is None:
            return None
        if self._of_plan is None:
            key = new_data_key()
            self._of_plan = (Sealer(lineage, key), self._keyring.wrap(key, lineage))
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
        return Sealer(lineage, self._keyring.unwrap(wrapped, lineage))

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
            return entry.put is not None and _of(entry.put)
        case Noted():
            return has_secret(entry.data)
        case Exported():
            return _in(entry.outputs)
        case _:
            return False


def _in(values: Mapping[str, Any] | None) -> bool:
    return values is not None and any(has_secret(value) for value in values.values())


def _of(record: Record) -> bool:
    return any(map(_in, (record.inputs, record.outputs, record.baseline, record.observed, record.options)))
