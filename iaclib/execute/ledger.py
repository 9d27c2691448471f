"""The one writer of a stack's state during a run.

Owns the working snapshot and the lease's right to write it: seals, appends
durably, and only then lets the change count. What can't be appended, although
calls were made, is kept in a file beside (``state.spill``). Knows nothing of
steps.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from msgspec import structs

from iaclib.errors import LeaseLostError, StateError
from iaclib.plan.recorded import beside, without
from iaclib.state import spill
from iaclib.state.journal import Began, Ended, Entry, Noted, Ran, Working

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from iaclib.execute.clock import Clock
    from iaclib.execute.stopping import Stop
    from iaclib.state.backend import Backend, Lease
    from iaclib.state.record import Record, RunSummary, Snapshot

_TRIES = 4


class Ledger:
    """A stack's state, being written by one run.

    Args:
        backend: Where it is kept.
        lease: The right to write it; replaced as it is renewed.
        snapshot: What was read under the lease, opened.
        lineage: The stack's, drawn beforehand for one that was never written.
        seal: Seals the secrets in an entry; may give a ``Keyed`` entry to write before it.
        stop: Where a lost lease is reported.
        run: What the history will say; written with the first change.
        folders: Where entries go that the backend doesn't take, in this order of preference.
    """

    def __init__(  # noqa: PLR0917 - what one writer is made of
        self,
        backend: Backend,
        lease: Lease,
        snapshot: Snapshot,
        lineage: str,
        seal: Callable[[Sequence[Entry]], list[Entry]],
        stop: Stop,
        clock: Clock,
        run: RunSummary,
        folders: Sequence[Path] = (),
    ) -> None:
        self.backend = backend
        self.lease = lease
        self.state = Working(snapshot)
        self.state.lineage = lineage
        self.run = run
        self.wrote = False
        self.failure: StateError | None = None  # why nothing is written to the backend any more
        self._unwritten: list[Sequence[Entry]] = []  # sealed, one for each commit since
        self._spill: Path | None = None
        self._folders = folders
        self._seal = seal
        self._stop = stop
        self._clock = clock
        self._users: dict[str, set[str]] | None = None
        self._pending: dict[str, Record | None] = {}  # what entries not yet committed make current
        self._leaving: dict[str, Record] = {}  # and superseded, by uid
        self.deleted: set[str] = set()  # uids of objects that were deleted, or went with one that was
        self._left: set[str] = set()  # uids of superseded ones that are gone
        self._followers: dict[str, set[tuple[str, str]]] | None = None  # uid -> address and uid of what goes with it

    def commit(self, entries: Sequence[Entry]) -> None:
        """Make entries durable, then let them count.

        Raises:
            LeaseLostError: The lease is gone; nothing was written.
            StateError: State can't be written. No call may be made any more;
                what those that run come to is to be given here all the same,
                and is kept in a file.
        """
        if self._stop.lost is not None:
            raise self._stop.lost
        if not self.wrote:
            entries = [Ran(structs.replace(self.run, serial=self.state.serial + 1)), *entries]
        sealed = self._seal(entries)
        if self.failure is None:
            try:
                self._written(self._append(sealed), entries, sealed)
                return
            except StateError as error:
                if type(error) is not StateError:
                    raise
                self.failure = error
        self.failure = self._keep(sealed, self.failure)
        self._written(self.state.serial, entries, sealed)
        raise self.failure

    def replay(self, entries: Sequence[Entry], run: RunSummary) -> None:
        """Make entries durable that an earlier run sealed and could not write.

        Args:
            entries: What it kept.
            run: This replay, under a name that is the same for each of the same entries.
        """
        self.run = run
        entries = [Ran(structs.replace(run, serial=self.state.serial + 1)), *entries]
        self._written(self._append(entries), entries, ())

    def _written(self, serial: int, entries: Sequence[Entry], sealed: Sequence[Entry]) -> None:
        self.state.serial = serial
        self.wrote = True
        self._pending.clear()
        self._leaving.clear()
        for entry in entries:
            self.state.apply(entry)
        for entry in sealed:
            if type(entry).__name__ == "Keyed":
                self.state.apply(entry)

    def _append(self, entries: Sequence[Entry]) -> int:
        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                return self.backend.append(self.lease, entries, lineage=self.state.lineage, serial=self.state.serial)
            except LeaseLostError as error:
                self._stop.lose(error)
                raise
            except (OSError, StateError) as error:
                if type(error) is not StateError and not isinstance(error, OSError):
                    raise  # corrupt, conflicting, unsealed: another try changes nothing
                if not tries_left and isinstance(error, OSError):
                    text = error.strerror or type(error).__name__
                    msg = f"{self.lease.ref}: state can't be written ({text}), expected to be; look at its place"
                    raise StateError(msg, ref=str(self.lease.ref)) from None
                if not tries_left:
                    raise
                self._clock.sleep(0.2 * (_TRIES - tries_left))
        raise AssertionError

    def _keep(self, sealed: Sequence[Entry], cause: StateError) -> StateError:
        """Keep what the backend doesn't take in a file, and give the error that says so.

        Intents are left out: they must be durable before their call, which is
        not made then. Without anything that a call came to there is no file:
        what was to be written can be found out again.
        """
        self._unwritten.append([entry for entry in sealed if not isinstance(entry, Began)])
        if not any(map(_tells, chain.from_iterable(self._unwritten))):
            return cause
        ref, state = self.lease.ref, self.state
        self._spill = spill.write(
            self._folders, ref, state.lineage, state.serial, self.run.id, self._unwritten, self._spill
        )
        first = cause.facts.get("cause", str(cause))
        names = sorted({e.put.address for e in chain.from_iterable(self._unwritten) if isinstance(e, Ended) and e.put})
        if self._spill is None:
            told = (
                f"what became of {', '.join(names) or 'its calls'} is not recorded, as no file could be written either"
            )
            then = f"once state can be written, call engine.recover({str(ref)!r}), which finds it out"
        else:
            told = f"what its calls came to is kept in {self._spill}"
            then = f"once state can be written, call engine.replay({str(self._spill)!r})"
        path = str(self._spill) if self._spill is not None else None
        msg = f"{first}\n{ref}: {told}, expected to record it; {then}"
        return StateError(msg, ref=str(ref), cause=first, spill=path)

    def finish(self, status: str, counts: dict[str, int], more: Sequence[Entry] = ()) -> None:
        """Write how the run ended, if it wrote anything at all."""
        if not self.wrote and not more:
            return
        run = structs.replace(
            self.run,
            ended=self._clock.now(),
            status=status,
            counts=counts,
            serial=self.state.serial + 1 + (not self.wrote),
        )
        if not self.wrote:
            self.run = run
            self.commit(more)
            return
        self.run = run
        self.commit([*more, Ran(run)])

    # ------------------------------------------------------------------------------------ keeping edges in order

    def users_of(self, address: str) -> set[str]:
        """Give the addresses whose current records depend on an address."""
        if self._users is None:
            self._users = {}
            for record in self.state.records.values():
                self._note(record)
        return self._users.get(address, set())

    def _note(self, record: Record) -> None:
        if self._users is not None:
            for name in record.dependencies:
                self._users.setdefault(name, set()).add(record.address)

    def current(self, address: str) -> Record | None:
        """Give the record of an address, entries made but not yet committed included."""
        if address in self._pending:
            return self._pending[address]
        return self.state.records.get(address)

    def superseded(self, uid: str) -> Record | None:
        """Give a superseded record, entries made but not yet committed included."""
        if uid in self._left:
            return None
        return self._leaving.get(uid) or self.state.superseded.get(uid)

    def put(self, record: Record, step: str = "", supersede: str | None = None) -> Ended:
        """Make the entry that records an object; with ``supersede``, as the new half of a replacement."""
        if supersede is not None and (old := self.current(record.address)) is not None:
            if _is_same(old, record):
                supersede = None  # the old object was gone, and its id now names the new one
            else:
                self._leaving[old.uid] = old
        self._pending[record.address] = record
        self._note(record)
        self._follow(record)
        return Ended(step=step, put=record, supersede=supersede)

    def renamed(self, new_of: Mapping[str, str]) -> None:
        """Forget what was known by old addresses, once entries that move them are made."""
        for old in new_of:
            self._pending.setdefault(old, None)
        self._users = self._followers = None

    def drop(self, address: str, step: str = "") -> list[Ended]:
        """Make the entries that drop an object, and its name from what stays."""
        self._pending[address] = None
        entries = [Ended(step=step, drop=address)]
        for name in sorted(self.users_of(address)):
            user = self.current(name)
            if user is not None and address in user.dependencies:
                entries.append(self.put(without(user, address)))
        return entries

    def gone(self, record: Record, step: str = "", *, replacing: bool = False) -> list[Ended]:
        """Make the entries for an object that was deleted, and for those that went with it (rule 8).

        Args:
            record: The object, current or superseded.
            step: The intent that this closes.
            replacing: Whether a successor is to be created.
        """
        entries: list[Ended] = []
        todo = [(record, step)]
        while todo:
            one, closes = todo.pop()
            self.deleted.add(one.uid)
            others = self._beside(one.uid)  # before the name of what is gone is taken out of them
            if self.superseded(one.uid) is not None:
                self._left.add(one.uid)
                entries.append(Ended(step=closes, drop_superseded=one.uid))
            elif replacing:
                entries.append(self.put(awaiting(one), closes))
            else:
                entries.extend(self.drop(one.address, closes))
            todo.extend((other, "") for other in others)
        return entries

    def spare(self, uid: str, outlives: Callable[[Record, str], bool]) -> list[Ended]:
        """Make the entries that let objects stay which are recorded as going with one that is to be deleted.

        Args:
            uid: Of the one to be deleted.
            outlives: Tells of a record and that uid whether the object stays.
        """
        entries: list[Ended] = []
        for one in self._beside(uid):
            if one is self.current(one.address) and outlives(one, uid):
                options = {name: value for name, value in one.options.items() if name != "deleted_with"}
                entries.append(self.put(structs.replace(one, options=options)))
        return entries

    def _beside(self, uid: str) -> list[Record]:
        """Give the objects that go with the one of a uid."""
        if self._followers is None:
            self._followers = {}
            for record in (*self.state.records.values(), *self.state.superseded.values(), *self._leaving.values()):
                self._follow(record)
        found = []
        for address, own in sorted(self._followers.get(uid, ())):
            one = self.current(address)
            if one is None or one.uid != own:
                one = self.superseded(own)
            if one is not None and one.id and beside(one) == uid:
                found.append(one)
        return found

    def _follow(self, record: Record) -> None:
        if self._followers is not None and (uid := beside(record)):
            self._followers.setdefault(uid, set()).add((record.address, record.uid))


def awaiting(record: Record) -> Record:
    """Give what stays of a record between delete and create of a replacement (rule 18)."""
    return structs.replace(record, id="", status="awaiting_create", outputs={}, observed=None, repairable=False)


def _tells(entry: Entry) -> bool:
    """Tell whether an entry holds what only its run knows: what a call came to."""
    return isinstance(entry, Noted) or (isinstance(entry, Ended) and bool(entry.step))


def _is_same(old: Record, new: Record) -> bool:
    """Tell whether two records name one object."""
    where = [None if record.provider is None else record.provider.identity for record in (old, new)]
    return old.id == new.id and old.type == new.type and where[0] == where[1]
