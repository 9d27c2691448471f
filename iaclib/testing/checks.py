"""Policies as assertions: a rule that is written once holds in tests and when planning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.plan.policy import judge, named_policies

if TYPE_CHECKING:
    from collections.abc import Callable

    from iaclib.plan.plan import Plan


def check(plan: Plan, *policies: Callable[..., Any] | str) -> None:
    """Assert that policies have nothing against a plan.

    Args:
        plan: The plan.
        *policies: Functions under ``@iac.policy``, or names of the entry
            points ``iaclib.policies``; whatever their level. None takes those
            that judged the plan already.

    Raises:
        AssertionError: They have; it lists what.
    """
    judge(plan, named_policies(policies))
    against = [f"  {one.address}: {one.message} ({one.policy}, {one.level})" for one in plan.violations]
    if against:
        msg = "\n".join([f"{plan.ref}: policies object, expected a plan that they let pass", *against])
        raise AssertionError(msg)
