"""Records of an older version of their type: ``version`` and ``upgrade`` of a resource class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from iaclib.errors import DeclarationError, StateVersionError
from iaclib.model.values import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.declare.desired import Declared
    from iaclib.state.record import Record


def upgraded(record: Record, declared: Declared) -> Record:
    """Bring a record of an older version of its type up to date.

    What the cloud showed is migrated like the inputs, so that the change of
    form reads as no change.

    Raises:
        StateVersionError: A newer version of the type recorded it.
        DeclarationError: ``upgrade`` raised, or gave what is no mapping.
    """
    wanted = declared.facts.version
    if record.version > wanted:
        msg = (
            f"{record.address}: recorded by version {record.version} of {record.type}, expected at most {wanted}; "
            "use the program's newer version"
        )
        raise StateVersionError(msg, address=record.address)
    upgrade = getattr(declared.cls, "upgrade", None)
    if upgrade is None:
        return record

    def migrate(values: Mapping[str, Any]) -> dict[str, Any]:
        whole = {name: value for name, value in {**record.inputs, **values}.items() if value is not None}
        try:
            new = plain(dict(upgrade(whole, record.version)), f"{record.address}: upgrade")
        except Exception as error:  # noqa: BLE001 - the class's own code; whatever it raises is told by its kind
            msg = (
                f"{record.address}: upgrade of {record.type} from version {record.version} raised "
                f"{type(error).__name__}, expected the inputs in the form of version {wanted}; correct upgrade()"
            )
            raise DeclarationError(msg, address=record.address) from None
        return {name: value for name, value in new.items() if value is not None}

    inputs = migrate({})
    baseline = inputs if record.baseline == record.inputs else migrate(record.baseline)
    observed = None
    if record.observed is not None:
        observed = {**dict.fromkeys(inputs), **migrate(record.observed)}  # None: seen to be unset
    shown = getattr(declared.cls, "upgrade_outputs", None)  # where the cloud's names were others too
    outputs = record.outputs if shown is None else shown(record.outputs, record.version)
    return structs.replace(record, inputs=inputs, baseline=dict(baseline), observed=observed, outputs=outputs)
