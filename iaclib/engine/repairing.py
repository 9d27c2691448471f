"""Finding what doesn't hold together in a stack's state, and mending it without losing track of any object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from iaclib.engine.places import refuse_spilled
from iaclib.engine.records import rewritten
from iaclib.engine.relocation import clearing, entries_of
from iaclib.engine.vault import Vault
from iaclib.errors import StateError
from iaclib.state import packing, spill
from iaclib.state.backend import Mender, Salvaged
from iaclib.state.journal import Ended, Keyed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from iaclib.engine.running import Operation
    from iaclib.engine.settings import Settings
    from iaclib.model.addresses import StackRef
    from iaclib.state.backend import Lease
    from iaclib.state.journal import Entry
    from iaclib.state.record import Record, Snapshot


class Finding(Struct, frozen=True):
    """Something that doesn't hold together.

    Args:
        address: Where; "" for the stack itself.
        problem: What is wrong.
        remedy: What mends it.
    """

    address: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.address or 'state'}: {self.problem}; {self.remedy}"


class Repair(Struct, frozen=True):
    """What ``engine.repair`` found, and whether it mended it; false if state is sound.

    Args:
        findings: What doesn't hold together.
        mended: Whether it does now.
        report: The file that has what could not stay in state, if there is any.
    """

    findings: tuple[Finding, ...]
    mended: bool = False
    report: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __str__(self) -> str:
        if not self.findings:
            return "state is sound"
        lines = [str(finding) for finding in self.findings]
        if self.report is not None:
            lines.append(f"what could not stay is in {self.report}")
        return "\n".join(lines)


def repair(
    settings: Settings,
    operation: Callable[..., AbstractContextManager[Operation]],
    ref: StackRef,
    *,
    dry_run: bool,
) -> Repair:
    """Find, and mend; see ``Engine.repair``."""
    if dry_run:
        salvaged = _salvage(settings, ref)
        vault = Vault(ref, settings.keyring)
        snapshot = vault.open(salvaged.snapshot, unsound=True)
        return Repair((*_damaged(salvaged), *_missing(vault), *_examine(snapshot)))
    refuse_spilled(settings, ref)  # it would fit no more
    lost: list[Any] = []
    unread: tuple[Finding, ...] = ()
    report = None
    backend = settings.backend
    if isinstance(backend, Mender) and (salvaged := backend.salvage(ref)).damage:
        unread = _damaged(salvaged)
        lost = [{"unreadable": one.what, "bytes": one.data.hex()} for one in salvaged.damage]
        report = _report(settings, ref, salvaged.snapshot, lost)
        backend.reopen(ref)  # which may have been all that was needed
        with _leased(settings, ref) as lease:
            salvaged = backend.salvage(ref)  # nobody writes any more
            if salvaged.damage and salvaged.snapshot.lineage:
                _rewrite(backend, lease, salvaged)
    with operation(ref, "repair", unsound=True) as op:
        findings, entries, dropped = _examine_all(op.ledger.state.freeze())
        if missing := _missing(op.vault):
            findings, entries = (*missing, *findings), [*rewritten(op.ledger.state.freeze()), *entries]
        if dropped:
            lost += [{"dropped": _seen(record)} for record in dropped]
            report = _report(settings, ref, op.ledger.state.freeze(), lost)
        if entries:
            op.ledger.commit(entries)
        op.end()
    return Repair((*unread, *findings), mended=bool(unread or findings), report=report)


def _leased(settings: Settings, ref: StackRef) -> AbstractContextManager[Lease]:
    from iaclib.engine.held import held
    from iaclib.execute.stopping import Stop

    return held(
        settings.backend,
        ref,
        "repair",
        ttl=settings.lease_ttl,
        wait=settings.lease_wait,
        clock=settings.clock,
        stop=Stop(),
        unreturned=settings.unreturned,
    )


def _salvage(settings: Settings, ref: StackRef) -> Salvaged:
    backend = settings.backend
    return backend.salvage(ref) if isinstance(backend, Mender) else Salvaged(backend.load(ref))


def _damaged(salvaged: Salvaged) -> tuple[Finding, ...]:
    known, gone = "what it said is known from elsewhere", "what nothing else says of it is left out"
    return tuple(Finding("", f"{one.what} {one.problem}", known if one.known else gone) for one in salvaged.damage)


def _missing(vault: Vault) -> tuple[Finding, ...]:
    """Tell of large values that are lost."""
    remedy = "it is left out, as if it had not been declared; look at what the next plan makes of it"
    return tuple(
        Finding(address, f"the value of its {name}, which is kept apart, is missing", remedy)
        for address, name in dict.fromkeys(vault.lost)
    )


def _rewrite(backend: Mender, lease: Lease, salvaged: Salvaged) -> None:
    """Put what was salvaged in the place of what is damaged."""
    known = salvaged.snapshot
    whole = [*clearing(known), *entries_of(known, salvaged.runs)]
    if known.key is not None:
        whole.append(Keyed(known.key))
    backend.rewrite(lease, whole, lineage=known.lineage, serial=known.serial, past=salvaged.past)


def _examine(snapshot: Snapshot) -> tuple[Finding, ...]:
    return _examine_all(snapshot)[0]


def _examine_all(snapshot: Snapshot) -> tuple[tuple[Finding, ...], list[Entry], list[Record]]:
    """Give what is wrong, the entries that mend it, and the records that can't stay."""
    findings: list[Finding] = []
    entries: list[Entry] = []
    dropped: list[Record] = []
    _intents(snapshot, findings, entries)
    records = {**snapshot.records, **{e.put.address: e.put for e in entries if isinstance(e, Ended) and e.put}}
    twice = _twice(snapshot, findings)
    for record in twice:
        dropped.append(record)
        current = records.get(record.address) is record
        entries.append(Ended(drop=record.address) if current else Ended(drop_superseded=record.uid))
        if current:
            del records[record.address]
    for record in records.values():
        mended = _edges(record, records, findings)
        if mended is not record:
            entries.append(Ended(put=mended))
    return tuple(findings), entries, dropped


def _intents(snapshot: Snapshot, findings: list[Finding], entries: list[Entry]) -> None:
    """Bring back what interrupted updates and deletes work on, where no record has it."""
    known = {record.uid for record in (*snapshot.records.values(), *snapshot.superseded)}
    for intent in snapshot.intents.values():
        old = intent.before or intent.record
        if intent.action not in ("update", "delete") or old.uid in known:
            continue
        problem = f"an interrupted {intent.action} of {old.id}, which no record has"
        if old.address not in snapshot.records:
            findings.append(Finding(old.address, problem, "it is recorded again"))
            entries.append(Ended(put=old))
        else:
            findings.append(Finding(old.address, problem, "it is recorded as an old half that waits for its delete"))
            current = snapshot.records[old.address]
            # An old half is current for a moment, since entries make it superseded by its address.
            entries += [Ended(drop=old.address), Ended(put=old), Ended(supersede=old.address), Ended(put=current)]


def _twice(snapshot: Snapshot, findings: list[Finding]) -> list[Record]:
    """Give the records of objects that another record has too."""
    seen: dict[Any, Record] = {}
    found: list[Record] = []
    current = sorted(snapshot.records.values(), key=lambda record: (record.status != "ok", record.address))
    for record in (*current, *snapshot.superseded):
        if not record.id:
            continue
        where = record.provider.identity if record.provider is not None else None
        first = seen.setdefault((record.type, where, record.id), record)
        if first is not record:
            remedy = "this one is dropped, the object stays with the other"
            findings.append(Finding(record.address, f"{record.id} is recorded at {first.address} too", remedy))
            found.append(record)
    return found


def _edges(record: Record, records: dict[str, Record], findings: list[Finding]) -> Record:
    """Give a record that names only what is recorded; itself if it did."""
    gone = [name for name in record.dependencies if name not in records]
    options = dict(record.options)
    beside = options.get("deleted_with")
    findings += [
        Finding(record.address, f"it depends on {name}, which is not recorded", "the edge is dropped") for name in gone
    ]
    if beside and beside[0] not in records:
        problem = f"it is deleted with {beside[0]}, which is not recorded"
        findings.append(Finding(record.address, problem, "it is deleted by itself from now on"))
        del options["deleted_with"]
    if not gone and options == record.options:
        return record
    stays = tuple(name for name in record.dependencies if name in records)
    return structs.replace(record, dependencies=stays, options=options)


def _seen(record: Record) -> dict[str, Any]:
    """Give of a record what finds its object again; no values, which may be secret."""
    told: dict[str, Any] = {"address": record.address, "type": record.type, "id": record.id, "uid": record.uid}
    if record.provider is not None:
        told["provider"] = list(record.provider.identity)
    return told


def _report(settings: Settings, ref: StackRef, snapshot: Snapshot, lost: Sequence[Any]) -> Path | None:
    """Write what can't stay in state to a file."""
    if not lost:
        return None
    name = f"{ref.project[:64]}-{ref.name[:64]}-{snapshot.serial}.json"
    for folder in spill.folders(settings.backend):
        path = folder.parent / "repair" / name
        try:
            spill.put_file(path, packing.dumps({"stack": str(ref), "lost": lost}, str(path)))
        except OSError:
            continue
        return path
    msg = (
        f"{ref}: what can't stay in state can't be written to a file, expected a folder that takes it; free some space"
    )
    raise StateError(msg, ref=str(ref))
