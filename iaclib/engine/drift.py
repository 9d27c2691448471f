"""What a refresh gives back: differences between what was written and what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from iaclib.model.values import UNKNOWN, Secret, has_secret
from iaclib.plan.changes import Action, Change, Property
from iaclib.plan.compare import drifted, project
from iaclib.plan.diff import differences
from iaclib.plan.text import show_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iaclib.engine.refresh import Reading
    from iaclib.schema.facts import TypeFacts
    from iaclib.state.record import Record


class Drift(Struct, frozen=True):
    """What changed behind iaclib's back.

    Args:
        changes: One for each resource: "update" if it differs, "delete" if it is gone.
        serial: The state's serial after the refresh.
    """

    changes: Sequence[Change] = ()
    serial: int = 0

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __repr__(self) -> str:
        return f"<Drift {', '.join(change.address for change in self.changes[:10]) or 'none'}>"

    def __str__(self) -> str:
        if not self.changes:
            return "No drift."
        lines = []
        for change in self.changes:
            lines.append(
                f"{change.action.symbol} {change.address} ({change.type}) "
                f"{'is gone' if change.action is Action.DELETE else 'was changed'}"
            )
            lines += [f"    {line}" for line in show_properties(change)]
        return "\n".join(lines)


def _leaves(record: Record, name: str, *, loose: bool) -> Iterator[Property]:
    """Give what differs in one property, a leaf each, as far as it is declared."""
    wanted, observed = record.inputs.get(name), record.observed or {}
    if has_secret(wanted) or has_secret(record.baseline.get(name)) or has_secret(observed.get(name)):
        yield Property((name,), Secret(record.baseline.get(name)), Secret(observed.get(name)))
        return
    before = project(record.baseline.get(name), wanted, unordered=loose)
    after = project(observed.get(name, UNKNOWN), wanted, unordered=loose)
    for path, old, new in differences(before, after, unordered=loose):
        yield Property((name, *path), old, new)


def drift_of(
    reading: Reading,
    urn: Callable[[str], str],
    facts: Callable[[str], TypeFacts | None],
    serial: int,
    *,
    standing: Sequence[Record] = (),
) -> Drift:
    """Tell the drift in what was read.

    Args:
        reading: What was read.
        urn: Gives the urn of an address.
        facts: Gives the facts of a type, or None.
        serial: The state's serial now.
        standing: Records that were read, look as recorded, and are recorded as drifted.
    """
    changes = []
    for record in (*reading.seen, *standing):
        if record.observed is None:
            continue
        known = facts(record.type)
        loose = () if known is None else [name for name, item in known.properties.items() if item.unordered]
        names = drifted(record.inputs, record.baseline, record.observed, loose)
        properties = tuple(leaf for name in names for leaf in _leaves(record, name, loose=name in loose))
        changes.append(
            Change(
                record.address,
                urn(record.address),
                record.type,
                Action.UPDATE,
                "changed in the cloud",
                properties,
                dict(record.baseline),
                dict(record.observed),
            )
        )
    changes.extend(
        Change(
            record.address,
            urn(record.address),
            record.type,
            Action.DELETE,
            "gone from the cloud",
            (),
            dict(record.baseline),
            None,
        )
        for record in reading.gone
    )
    changes.sort(key=lambda change: change.address)
    return Drift(tuple(changes), serial)
