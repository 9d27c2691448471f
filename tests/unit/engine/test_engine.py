"""The façade: what it takes for a stack."""

import pytest

import iaclib as iac
from iaclib.errors import DeclarationError


class Shop(iac.Stack):
    """Nothing is in it."""


@pytest.mark.parametrize("given", [Shop, None, 3], ids=["class", "none", "number"])
def test_what_is_no_stack_is_refused(given):
    """The error says what to pass instead, whatever the operation."""
    with iac.Engine(state="memory:") as engine:
        for operation in (engine.plan, engine.apply, engine.destroy, engine.drift, engine.snapshot, engine.session):
            with pytest.raises(DeclarationError, match=r"is given, expected a [Ss]tack; pass .*Shop\('prod'\)"):
                operation(given)
