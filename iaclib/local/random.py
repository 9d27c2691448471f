"""Declarations of random values, which live in state alone. Knows no handler."""

from collections.abc import Mapping
from typing import Annotated, Any

from iaclib import declare as iac


class RandomId(iac.Resource, type="local:RandomId", is_global=True):
    """Random bytes for names that must not meet; drawn once, then kept.

    Its id is ``hex``. It is drawn anew when ``byte_length`` or anything in
    ``keepers`` changes. It is no secret: see ``RandomPassword``.
    """

    byte_length: iac.Input[Annotated[int, iac.Range(1, 1024)]] = iac.field(default=8, replaces=True)
    keepers: iac.Input[Mapping[str, Any]] = iac.field(factory=dict, replaces=True)
    hex: iac.Output[str] = iac.computed(stable=True)
    b64_url: iac.Output[str] = iac.computed(stable=True)
    dec: iac.Output[str] = iac.computed(stable=True)


_Least = Annotated[int, iac.Range(0, 1024)]


class RandomPassword(iac.Resource, type="local:RandomPassword", is_global=True):
    """A password from the system's source of randomness; drawn once, then kept sealed in state.

    ``lower``, ``upper``, ``digits`` and ``special`` say how many characters of
    a kind there are at least; 0 leaves the kind out. ``override_special``
    lists the special characters to choose from. Any change draws a new one, as
    does a change in ``keepers``.
    """

    length: iac.Input[Annotated[int, iac.Range(1, 1024)]] = iac.field(default=32, replaces=True)
    lower: iac.Input[_Least] = iac.field(default=1, replaces=True)
    upper: iac.Input[_Least] = iac.field(default=1, replaces=True)
    digits: iac.Input[_Least] = iac.field(default=1, replaces=True)
    special: iac.Input[_Least] = iac.field(default=1, replaces=True)
    override_special: iac.Input[Annotated[str, iac.Range(1, None)]] | None = iac.field(default=None, replaces=True)
    keepers: iac.Input[Mapping[str, Any]] = iac.field(factory=dict, replaces=True)
    result: iac.Output[str] = iac.computed(stable=True, secret=True)
