"""What state holds: records, intents, and the snapshot of them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

#: The format that this version writes. Older ones are upgraded, newer refused.
#: 1: the first one. 2: runs name the program's revision, large values are kept apart; SQLite files keep an older base
#: beside the journal.
FORMAT: Final = 2


class ProviderRecord(Struct, frozen=True):
    """Through which provider an object is reached; enough to destroy it without the program."""

    name: str
    account: str = ""
    region: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)  # never credentials

    @property
    def identity(self) -> tuple[str, str]:
        """Account (or project, or subscription) and region."""
        return (self.account, self.region)


class Record(Struct, frozen=True):
    """One object as state knows it.

    Args:
        address: Its address in the stack.
        type: Its type, such as ``aws:ec2:VPC``.
        id: Its physical id; empty while ``awaiting_create``.
        uid: Tells objects apart that lived at one address: the token of the
            step that created (or imported) it.
        inputs: As declared, resolved; Secret for secret values.
        baseline: What the cloud showed of the inputs after the last write.
        observed: What a refresh saw of them, if that differs from baseline.
        outputs: Computed properties, and observed values of unset inputs.
        dependencies: Addresses that it depends on directly, sorted.
        parent: Address of the component that it was declared in, or "".
        status: "ok", "failed" (half made), "tainted" or "awaiting_create".
        repairable: For "failed": whether an update can finish it.
        options: The options that count once the declaration is gone.
        provider: Through what it is reached; None for types without provider.
        generation: How many objects lived at the address, this one included.
        version: Version of the type that wrote it.
        created: When its create was begun, in seconds since the epoch: within
            the type's settle time of it "not there" may be "not there yet".
        defined_by: ``module:qualname`` of a type that brings its own handler,
            to tell people what to import.
    """

    address: str
    type: str
    id: str
    uid: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, Any] = field(default_factory=dict)
    observed: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    dependencies: Sequence[str] = ()
    parent: str = ""
    status: str = "ok"
    repairable: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    provider: ProviderRecord | None = None
    generation: int = 1
    version: int = 1
    defined_by: str = ""
    created: float = 0.0


class Intent(Struct, frozen=True):
    """A step that was begun: durable before its call, gone when its outcome is.

    Args:
        step: Unique id of the step.
        action: "create", "update" or "delete".
        token: The step's idempotency token.
        record: What the step works on: for create and update the record as it
            shall become, for delete the record that goes.
        before: For update, the record as it was.
        replacing: Whether a create or delete is half of a replacement.
        supersedes: For a create: whether the address has a current record
            that becomes superseded when this one is done.
        absent: For create by identity: the object was seen to be absent.
        begun: When, in seconds since the epoch.
        id: What a checkpoint noted of the physical id.
        data: What a checkpoint noted else, JSON.
    """

    step: str
    action: str
    token: str
    record: Record
    before: Record | None = None
    replacing: bool = False
    supersedes: bool = False
    absent: bool = False
    begun: float = 0.0
    id: str | None = None
    data: Any = None


class KeptToken(Struct, frozen=True):
    """A token whose create was decided as absent: used again for equal inputs."""

    token: str
    digest: str  # keyed digest of the inputs
    begun: float = 0.0


class Snapshot(Struct, frozen=True):
    """The whole state of a stack at one serial.

    Args:
        lineage: Random, drawn once, constant; empty for a stack that was never
            written.
        serial: Rises by one with each commit that changes something.
        records: Current records by address.
        superseded: Old halves of replacements that wait for their delete.
        intents: Steps begun and not decided, by step id.
        outputs: The stack's exports.
        generations: Objects that lived at addresses that have no record now.
        tokens: Kept tokens by address.
        key: The stack's data key, wrapped by a keyring; None before the first secret.
        blobs: Large values by the names that records have instead, as they are kept.
    """

    lineage: str = ""
    serial: int = 0
    records: Mapping[str, Record] = field(default_factory=dict)
    superseded: Sequence[Record] = ()
    intents: Mapping[str, Intent] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    generations: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, KeptToken] = field(default_factory=dict)
    key: Mapping[str, Any] | None = None
    blobs: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT


class RunSummary(Struct, frozen=True):
    """One line of a stack's history.

    Times are seconds since the epoch; ``status`` is "running", "ok",
    "failed" or "cancelled"; "running" of a run whose holder is gone means
    that it was killed. ``counts`` are completed steps by action, ``git`` is
    the revision of the program's repository, "" where it isn't known.
    """

    id: str
    operation: str
    who: str
    began: float
    ended: float | None = None
    status: str = "running"
    counts: Mapping[str, int] = field(default_factory=dict)
    serial: int = 0
    git: str = ""
