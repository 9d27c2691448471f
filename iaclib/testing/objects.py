"""One object of the simulated cloud, as tests and behaviours see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.model.addresses import near

if TYPE_CHECKING:
    from collections.abc import Mapping


class SimulatedObject:
    """One object of the simulated cloud; its properties are attributes, too.

    Attributes:
        type: Its type.
        id: Its physical id.
        address: Where it is declared; "" for what ``sim.add`` seeded.
        stack: The stack in which it is, ``project/stack``, or "".
        inputs: Properties that the program gave, as the cloud has them now.
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
        self.outputs: dict[str, Any] = {}
        self.place = place  # account and region
        self.mark = ""  # hex digits that belong to it alone
        self.own_id = own  # whether the id can't be anything else's text
        self.half = False
        self.seeded: dict[str, Any] = {}
        self.uses: dict[SimulatedObject, None] = {}
        self.users: dict[SimulatedObject, None] = {}

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
        known = [*shown.get("inputs", ()), *shown.get("outputs", ())]
        hint = near(name, known) or f"it has {', '.join(known)}"
        raise AttributeError(f"{shown.get('address') or shown.get('type')}: no property {name!r}; {hint}")

    def __repr__(self) -> str:
        return f"<SimulatedObject {self.name}>"


def names_of(thing: SimulatedObject) -> list[str]:
    """List the texts that refer to an object: its id, and ARNs that hold it."""
    found = [thing.id]
    for name, value in thing.outputs.items():
        if name.endswith("arn") and isinstance(value, str) and thing.id in value:
            found.append(value)
    return found
