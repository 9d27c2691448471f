"""One object of the simulated cloud, as tests and behaviours see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.declare.registry import type_facts
from iaclib.model.addresses import near
from iaclib.testing.values import Birth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.provider.context import Context


class SimulatedObject:
    """One object of the simulated cloud; its properties are attributes, too, None where they are unset.

    Attributes:
        type: Its type.
        id: Its physical id.
        address: Where it is declared; "" for what ``sim.add`` seeded.
        stack: The stack in which it is, ``project/stack``, or "".
        inputs: Properties that the program gave, as the cloud has them now.
        before: The inputs that the last update changed; {} for what was never updated.
        outputs: Properties that the cloud gave.
        token: What its create was called with.
        created: When, in seconds of the virtual clock.
    """

    def __init__(
        self,
        type: str,
        id: str,
        inputs: Mapping[str, Any],
        *,
        address: str = "",
        stack: str = "",
        token: str = "",
        created: float = 0.0,
        own: bool = True,
        place: tuple[str, str] = ("", ""),
    ) -> None:
        self.type = type
        self.id = id
        self.address = address
        self.stack = stack
        self.token = token
        self.created = created
        self.inputs = dict(inputs)
        self.before: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.place = place  # account and region
        self.mark = ""  # hex digits that belong to it alone
        self.own_id = own  # whether the id can't be anything else's text
        self.half = False
        self.seeded: dict[str, Any] = {}
        self.uses: dict[SimulatedObject, None] = {}
        self.users: dict[SimulatedObject, None] = {}

    @property
    def birth(self) -> Birth:
        """What its values are made from."""
        return Birth(self.type, self.id, self.mark, *self.place)

    @property
    def urn(self) -> str:
        """``project/stack:address``."""
        return f"{self.stack}:{self.address}"

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.address or self.type} ({self.id})"

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __getattr__(self, name: str) -> Any:
        shown = self.__dict__
        for held in ("inputs", "outputs"):
            if name in shown.get(held, ()):
                return shown[held][name]
        facts = type_facts(shown["type"]) if "type" in shown and not name.startswith("__") else None
        known = facts.properties if facts is not None else {**shown.get("inputs", {}), **shown.get("outputs", {})}
        if name in known:
            return None
        hint = near(name, known) or f"it has {', '.join(known)}"
        where = shown.get("address") or shown.get("type")
        raise AttributeError(f"{where}: no property {name!r}, expected one that {shown.get('type')} has; {hint}")

    def __repr__(self) -> str:
        return f"<SimulatedObject {self.name}>"


def names_of(thing: SimulatedObject) -> list[str]:
    """List the texts that refer to an object: its id, and ARNs that hold it."""
    found = [thing.id]
    for name, value in thing.outputs.items():
        if name.endswith("arn") and isinstance(value, str) and thing.id in value:
            found.append(value)
    return found


def wanted(type: str, ctx: Context[Any], inputs: Mapping[str, Any], thing: SimulatedObject | None) -> SimulatedObject:
    """Give an object as a create or update would leave it, for behaviours to judge."""
    found = SimulatedObject(type, thing.id if thing else "", inputs, address=ctx.address, stack=ctx.stack)
    if thing is not None:
        found.before, found.outputs, found.created = thing.inputs, dict(thing.outputs), thing.created
    return found
