"""Policies: functions of users that judge a plan, or mend what is declared before it.

Knows how they are marked, asked and quoted; knows nothing of how a plan is
made or carried out. A policy is pure: it may be asked several times.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from msgspec import Struct

from iaclib.errors import DeclarationError, PlanError, PolicyViolationError
from iaclib.model.redact import Redactor, secret_texts
from iaclib.plan.changes import Action, Change, Violation
from iaclib.plan.compare import unknown_in
from iaclib.plan.describing import change_of
from iaclib.plan.facts import view
from iaclib.plan.plan import Plan
from iaclib.plan.verdict import evaluate
from iaclib.provider.registry import load_named

if TYPE_CHECKING:
    from iaclib.plan.node import Node
    from iaclib.state.record import Record

Level = Literal["advisory", "mandatory", "remediate"]
Judge = TypeVar("Judge", bound=Callable[..., str | None])
Remedy = TypeVar("Remedy", bound=Callable[..., Mapping[str, Any] | None])

_LEVELS = ("advisory", "mandatory", "remediate")
_EXPECTED = {
    "remediate": "one parameter, the declaration",
    "advisory": "a parameter for the change, one named plan, or both",
    "mandatory": "a parameter for the change, one named plan, or both",
}
_MAYBE = "; only an apply can tell whether this happens, and then it is mandatory"


@overload
def policy(*, level: Literal["advisory", "mandatory"]) -> Callable[[Judge], Judge]: ...
@overload
def policy(*, level: Literal["remediate"]) -> Callable[[Remedy], Remedy]: ...
def policy(*, level: Level) -> Callable[[Any], Any]:
    """Make a policy of a function, which stays as it is and can be called in tests.

    An advisory or mandatory policy takes a ``Change`` and gives a message where
    it objects, else None. A parameter named ``plan`` gets the ``Plan``: beside
    the change, or alone and then once a plan. It sees all changes but "same",
    unknown values as ``UNKNOWN`` and secrets as ``Secret``. A mandatory
    violation makes the plan unappliable.

    A policy that remediates takes a ``DeclaredResource`` and gives the fields
    to set (None unsets one), or None.

    Args:
        level: "advisory", "mandatory" or "remediate".

    Raises:
        DeclarationError: There is no such level.
    """
    if level not in _LEVELS:
        msg = f"policy(level={level!r}): no such level, expected one of {', '.join(map(repr, _LEVELS))}; correct it"
        raise DeclarationError(msg)

    def mark(function: Any) -> Any:
        function._iac_policy = level
        return function

    return mark


class Policy(Struct, frozen=True):
    """A policy, ready to be asked.

    Args:
        name: The function's name, for messages.
        level: What its answer does.
        function: The function.
        subject: The parameter that gets the change or declaration; "" if it wants none.
        wants_plan: Whether it has a parameter for the plan.
    """

    name: str
    level: Level
    function: Callable[..., Any]
    subject: str
    wants_plan: bool = False

    def ask(self, address: str, subject: Any, plan: Plan | None, guarded: Callable[[], list[str]]) -> Any:
        """Call the function.

        Args:
            address: What it is about, for messages; "" for the plan.
            subject: The change or declaration.
            plan: For those that want it.
            guarded: Lists the texts that must not show in a message.

        Raises:
            PlanError: It raised.
        """
        given = {self.subject: subject} if self.subject else {}
        if self.wants_plan:
            given["plan"] = plan
        try:
            return self.function(**given)
        except Exception as error:  # noqa: BLE001 - whatever it raises is the policy's mistake
            import traceback  # slow, and needed here alone

            last = traceback.extract_tb(error.__traceback__)[-1]
            told = Redactor(guarded()).text(f"{type(error).__name__}: {error}")
            msg = (
                f"{self._where(address)} raised {told} (at {last.filename}:{last.lineno}), "
                "expected an answer; correct the policy"
            )
        raise PlanError(msg, address=address, policy=self.name)  # here, so that nothing raw is chained to it

    def fault(self, address: str, problem: str) -> PlanError:
        """Make the error for an answer that can't be used."""
        return PlanError(f"{self._where(address)} {problem}; correct the policy", address=address, policy=self.name)

    def _where(self, address: str) -> str:
        return f"{address}: policy {self.name}" if address else f"policy {self.name}"


def named_policies(given: Iterable[Any]) -> tuple[Policy, ...]:
    """Make policies of marked functions, and of names under the entry points ``iaclib.policies``.

    An entry point stands for one function, or for a list or tuple of them.

    Raises:
        DeclarationError: A name is not known, or something is no policy.
    """
    found: list[Policy] = []
    for item in given:
        if not isinstance(item, str):
            found.append(_policy(item))
            continue
        loaded = load_named("iaclib.policies", item)
        if loaded is None:
            msg = (
                f"policies: no policy is named {item!r}, expected an entry point of the group 'iaclib.policies'; "
                "install the package that has it, or pass the function"
            )
            raise DeclarationError(msg)
        found.extend(_policy(one) for one in (loaded if isinstance(loaded, list | tuple) else (loaded,)))
    return tuple(found)


def _policy(function: Any) -> Policy:
    level: Level | None = getattr(function, "_iac_policy", None)
    name = getattr(function, "__name__", type(function).__name__)
    if level is None:
        msg = f"policies: {name} is no policy, expected a function under @iac.policy(level=...); decorate it"
        raise DeclarationError(msg)
    wanted = [
        one.name
        for one in inspect.signature(function).parameters.values()
        if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}
        and (one.default is one.empty or one.name == "plan")
    ]
    subjects = [one for one in wanted if one != "plan"]
    if not wanted or len(subjects) > 1 or (level == "remediate" and (not subjects or "plan" in wanted)):
        msg = f"policy {name}: its parameters are ({', '.join(wanted)}), expected {_EXPECTED[level]}; correct it"
        raise DeclarationError(msg)
    return Policy(name, level, function, subjects[0] if subjects else "", "plan" in wanted)


# ------------------------------------------------------------------------------------------------------ judging plans


def judge(plan: Plan, policies: tuple[Policy, ...]) -> None:
    """Let policies judge a plan that have not yet; it holds what they say, and keeps them for the apply.

    What a mandatory policy says of a change that only an apply can tell is
    advice (rule 14): it is asked again then.

    Raises:
        PlanError: A policy raised, or gave what is no message.
    """
    found: list[Violation] = []
    new = [one for one in policies if one not in plan._policies]
    if not new:
        return
    changes = [change for change in plan.changes if change.action is not Action.SAME] if plan.counts else []
    for one in new:
        if one.level == "remediate":
            continue
        if not one.subject:
            message = _message(one, "", None, plan)
            if message is not None:
                found.append(Violation(one.name, one.level, "", message))
            continue
        for change in changes:
            message = _message(one, change.address, change, plan)
            if message is None:
                continue
            if change.maybe and one.level == "mandatory":
                found.append(Violation(one.name, "advisory", change.address, message + _MAYBE))
            else:
                found.append(Violation(one.name, one.level, change.address, message))
    plan.violations = tuple(dict.fromkeys((*plan.violations, *found)))
    plan._policies = (*plan._policies, *new)


def refuse_violations(plan: Plan) -> None:
    """Refuse to apply a plan that a mandatory policy forbids.

    Raises:
        PolicyViolationError: With all mandatory ``violations``.
    """
    against = tuple(one for one in plan.violations if one.level == "mandatory")
    if against:
        lines = [f"  {one.address + ': ' if one.address else ''}{one.message} ({one.policy})" for one in against]
        msg = (
            f"{plan.ref}: mandatory policies forbid this plan, expected none to object; "
            "change the program and plan again:\n" + "\n".join(lines)
        )
        raise PolicyViolationError(msg, violations=against)


def check_again(plan: Plan, node: Node, action: str, inputs: Mapping[str, Any], record: Record | None) -> None:
    """Ask mandatory policies about a change that is certain only now that its inputs are known.

    Args:
        plan: The plan that is carried out.
        node: What it says; asked again only if that was "maybe", or inputs were unknown.
        action: "create", "update" or "replace": what will be done.
        inputs: The final inputs.
        record: What it is done to.

    Raises:
        PolicyViolationError: At least one objects.
        PlanError: One raised.
    """
    asked = [one for one in plan._policies if one.level == "mandatory" and one.subject]
    if not asked or not (node.maybe or unknown_in(node.inputs)):
        return
    change = _certain(plan, node, action, inputs, record)
    said = [(one.name, _message(one, node.address, change, plan)) for one in asked]
    against = tuple(Violation(name, "mandatory", node.address, text) for name, text in said if text is not None)
    if against:
        reasons = "; ".join(f"{one.message} ({one.policy})" for one in against)
        msg = (
            f"{node.address}: mandatory policies forbid to {action} it now that its inputs are known: {reasons}, "
            "expected none to object; change the program and plan again"
        )
        raise PolicyViolationError(msg, address=node.address, violations=against)


def _message(one: Policy, address: str, change: Change | None, plan: Plan) -> str | None:
    def guarded() -> list[str]:
        concerned = plan.changes if change is None or one.wants_plan else (change,)
        return secret_texts(*(dict(side) for each in concerned for side in (each.before, each.after) if side))

    said = one.ask(address, change, plan, guarded)
    if said is None:
        return None
    if not isinstance(said, str) or not said:
        what = "an empty text" if said == "" else type(said).__name__
        raise one.fault(address, f"returned {what}, expected a message where it objects, else None")
    return Redactor(guarded()).text(said)


def _certain(plan: Plan, node: Node, action: str, inputs: Mapping[str, Any], record: Record | None) -> Change:
    """Make the change as it is now that it is certain."""
    now, declared = copy.copy(node), node.declared
    now.action, now.inputs, now.record, now.maybe, now.reason = Action(action), inputs, record, False, ""
    if record is not None and declared is not None and now.alike:
        now.verdict = evaluate(record, inputs, view(declared.facts), plan._facts, declared.options)
    return change_of(now, plan.ref.urn)
