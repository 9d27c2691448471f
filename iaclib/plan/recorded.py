"""What a record keeps of its declaration, and what can be read from it.

Options are kept for when the declaration is gone, and to notice later that
what an object follows has become another one: that is told by uids, so that a
run which failed half way is not forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.declare.options import DEFAULT
from iaclib.model.outputs import resolve
from iaclib.model.values import UNKNOWN, plain
from iaclib.plan.compare import same, unknown_in

if TYPE_CHECKING:
    from iaclib.declare.desired import Declared
    from iaclib.state.record import Record

    Lookup = Callable[[str, str], Any]
    Uids = Callable[[str], str | None]


def read_field(record: Record, field: str) -> Any:
    """Give what a reference to a recorded object's field reads.

    A field that is an input, such as a generated name, reads as what was sent;
    anything else as what the cloud showed, None if it showed nothing. Nothing
    is known of an object that still has to be created.
    """
    if not record.id:
        return UNKNOWN
    if field == "id":
        return record.id
    if field in record.inputs:
        return record.inputs[field]
    return record.outputs.get(field)


def _no_uid(_address: str) -> str | None:
    return None


def recorded_options(declared: Declared, uid_of: Uids = _no_uid, trigger: Any = None) -> dict[str, Any]:
    """Give the options that a record keeps for when the declaration is gone.

    Args:
        declared: The declaration.
        uid_of: Gives the uid of the object at an address, None if there is none.
        trigger: What the replacement trigger came to.
    """
    options = declared.options
    kept: dict[str, Any] = {}
    if options is DEFAULT and not declared.linked:
        return kept
    if options.protect:
        kept["protect"] = True
    if options.retain_on_delete:
        kept["retain_on_delete"] = True
    if options.import_id is not None:
        kept["import_id"] = options.import_id
    if options.on_delete:
        kept["on_delete"] = plain(options.on_delete, f"{declared.address}: on_delete")  # as state will give it back
    if options.secret_outputs:
        kept["secret_outputs"] = sorted(set(options.secret_outputs))
    if any(hooks.before_delete or hooks.after_delete for hooks in options.hooks):
        kept["delete_hooks"] = True
    timeouts = options.timeouts
    seconds = {name: _seconds(getattr(timeouts, name)) for name in ("create", "update", "delete")}
    given = {name: value for name, value in seconds.items() if value is not None}
    if given:
        kept["timeouts"] = given
    if declared.deleted_with and (uid := uid_of(declared.deleted_with)) is not None:
        kept["deleted_with"] = [declared.deleted_with, uid]
    uids = {name: uid for name in sorted(declared.replace_with) if (uid := uid_of(name)) is not None}
    if uids:
        kept["replace_with"] = uids
    if declared.trigger is not None:
        kept["replacement_trigger"] = trigger
    return kept


def _seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


def beside(record: Record) -> str:
    """Give the uid of the object that takes a record's along when it is deleted, or ""."""
    found = record.options.get("deleted_with")
    return found[1] if found else ""


def without(record: Record, address: str) -> Record:
    """Give a record that no longer stands on an address, nor goes with it.

    What it was last replaced with is still known: whatever comes to that
    address is another object.
    """
    options = dict(record.options)
    if (other := options.get("deleted_with")) is not None and other[0] == address:
        del options["deleted_with"]
    dependencies = tuple(name for name in record.dependencies if name != address)
    return structs.replace(record, dependencies=dependencies, options=options)


def outdated(declared: Declared, record: Record, uid_of: Uids) -> list[str]:
    """Name what an object follows that has become another object since.

    Args:
        declared: The declaration.
        record: Its record.
        uid_of: Gives the uid of the object that is, or will be, at an address;
            None where that can't be told.
    """
    if not declared.follows:
        return []
    was: dict[str, str] = dict(record.options.get("replace_with") or {})
    if (other := record.options.get("deleted_with")) is not None:
        was.setdefault(other[0], other[1])
    return [
        name
        for name in dict.fromkeys(declared.follows)
        if name in was and (uid := uid_of(name)) is not None and uid != was[name]
    ]


def trigger_of(declared: Declared, lookup: Lookup) -> Any:
    """Give what a replacement trigger comes to, with UNKNOWN leaves."""
    return None if declared.trigger is None else resolve(declared.trigger, lookup)


def triggered(record: Record, trigger: Any) -> bool | None:
    """Tell whether a replacement trigger has changed; None while that is unknown.

    A trigger that was not there before is noted and replaces nothing.
    """
    was: Mapping[str, Any] = record.options
    if trigger is None or "replacement_trigger" not in was:
        return False
    if trigger is UNKNOWN or unknown_in(trigger):
        return None
    return not same(trigger, was["replacement_trigger"])
