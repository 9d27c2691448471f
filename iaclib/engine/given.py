"""What users give an engine, in the form in which it works with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.errors import DeclarationError, StateError
from iaclib.model.addresses import StackRef
from iaclib.plan.facts import PlanOptions
from iaclib.provider.registry import load_named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iaclib.state.backend import Backend


def plan_options(
    *,
    targets: Iterable[str],
    exclude: Iterable[str],
    dependents: bool,
    replace: Iterable[str] = (),
    destroy: bool = False,
    adopt: bool = False,
) -> PlanOptions:
    """Gather what was asked for; a text where several addresses are expected is one."""

    def names(given: Iterable[str]) -> frozenset[str]:
        return frozenset((given,) if isinstance(given, str) else given)

    return PlanOptions(destroy, names(replace), names(targets), names(exclude), dependents, adopt)


def stack_ref(ref: Any) -> StackRef:
    """Give the stack that a text or a stack names.

    Raises:
        DeclarationError: It is neither.
    """
    if isinstance(ref, str | StackRef):
        return StackRef.parse(ref)
    if isinstance(ref, type) or not hasattr(ref, "ref"):
        what = f"the class {ref.__name__}" if isinstance(ref, type) else type(ref).__name__
        msg = f"{what} is given, expected a stack; pass 'project/stack', or an instance such as Shop('prod')"
        raise DeclarationError(msg)
    found = ref.ref
    return found() if callable(found) else found  # type: ignore[no-any-return]


def open_backend(state: str | Backend) -> Backend:
    """Give the backend that a URL names, or the one that was given.

    Raises:
        StateError: No backend has that name.
    """
    if not isinstance(state, str):
        return state
    name = state.partition(":")[0]
    make = load_named("iaclib.backends", name)
    if make is None:
        msg = (
            f"state={name[:20]!r}…: no backend is named so, expected a URL such as 'sqlite:///infra.db' or 'memory:'; "
            "correct it"  # the rest of it may hold a password
        )
        raise StateError(msg)
    return make(state)  # type: ignore[no-any-return]
