"""Objects whose address changed: rule 28. The cloud is not touched.

Knows declared aliases and recorded addresses, and how a snapshot reads with
the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.errors import AliasError

if TYPE_CHECKING:
    from iaclib.declare.desired import Desired
    from iaclib.state.record import Record, Snapshot


def find_moves(desired: Desired, snapshot: Snapshot) -> dict[str, str]:
    """Find recorded objects that are declared at another address now.

    Returns:
        new -> old address. An address at which the same type is recorded
        already keeps its object; its aliases have done their work. An alias
        to the own address says that a change of type is a change of name.

    Raises:
        AliasError: An alias names something that is declared too, or two
            declarations claim one object.
    """
    claimed: dict[str, str] = {}
    found: dict[str, str] = {}
    resources = desired.resources
    for address, declared in resources.items():
        for old in declared.former:
            if old == address:
                continue
            if old in resources:
                msg = (
                    f"{address}: its alias {old} is declared too (at {resources[old].location}), expected the "
                    f"address of something that is gone from the program; drop the alias in {declared.location}"
                )
                raise AliasError(msg, address=address, alias=old)
            first = claimed.setdefault(old, address)
            if first != address:
                msg = (
                    f"{address}: its alias {old} is claimed by {first} too ({resources[first].location}), expected "
                    f"one successor an object; drop one of the aliases, at {declared.location}"
                )
                raise AliasError(msg, address=address, alias=old)
            if old in snapshot.records and address not in snapshot.records and address not in found:
                found[address] = old
    return found


def moved(snapshot: Snapshot, pairs: Mapping[str, str]) -> Snapshot:
    """Give a snapshot as it reads after moves.

    Args:
        snapshot: As recorded.
        pairs: new -> old address.
    """
    if not pairs:
        return snapshot
    new_of = {old: new for new, old in pairs.items()}
    records: dict[str, Record] = {}
    for record in snapshot.records.values():
        now = renamed(record, new_of)
        records[now.address] = now
    return structs.replace(
        snapshot,
        records=records,
        superseded=tuple(renamed(record, new_of) for record in snapshot.superseded),
        generations={new_of.get(address, address): count for address, count in snapshot.generations.items()},
        tokens={new_of.get(address, address): kept for address, kept in snapshot.tokens.items()},
    )


def renamed(record: Record, new_of: Mapping[str, str]) -> Record:
    """Give a record with all addresses in it as they are now; itself if none changed.

    Args:
        record: As it was.
        new_of: old -> new address.
    """
    changes: dict[str, Any] = {}
    address = new_of.get(record.address)
    if address is not None:
        changes["address"] = address
        changes["parent"] = address.rpartition("/")[0]
    if any(name in new_of for name in record.dependencies):
        changes["dependencies"] = tuple(sorted({new_of.get(name, name) for name in record.dependencies}))
    options = _options(record.options, new_of)
    if options is not record.options:
        changes["options"] = options
    return structs.replace(record, **changes) if changes else record


def _options(options: Mapping[str, Any], new_of: Mapping[str, str]) -> Mapping[str, Any]:
    changes: dict[str, Any] = {}
    beside = options.get("deleted_with")
    if beside is not None and beside[0] in new_of:
        changes["deleted_with"] = [new_of[beside[0]], beside[1]]
    followed = options.get("replace_with")
    if followed and any(name in new_of for name in followed):
        changes["replace_with"] = {new_of.get(name, name): uid for name, uid in followed.items()}
    return {**options, **changes} if changes else options
