"""Options of a declaration: how its object is treated, apart from its properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from iaclib.errors import DeclarationError
from iaclib.provider.base import Provider

if TYPE_CHECKING:
    from iaclib.declare.base import Declaration


def _seconds(value: timedelta | float | None) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        msg = f"Timeouts: {value!r} is no duration, expected a timedelta or seconds above 0; correct it"
        raise DeclarationError(msg)
    return float(seconds)


@attrs.frozen
class Timeouts:
    """How long operations may take, as timedelta or seconds; None is the type's default."""

    create: float | None = attrs.field(default=None, converter=_seconds)
    update: float | None = attrs.field(default=None, converter=_seconds)
    delete: float | None = attrs.field(default=None, converter=_seconds)


def _declarations(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def _declared(_options: Any, attribute: Any, value: tuple[Any, ...]) -> None:
    for item in value:
        if not hasattr(item, "logical_name"):
            msg = f"Options({attribute.name}=...): {type(item).__name__} is given, expected resources or components; pass what the class call gave"
            raise DeclarationError(msg)


def _resource(_options: Any, attribute: Any, value: Any) -> None:
    if value is not None and (not hasattr(value, "logical_name") or not hasattr(value, "id")):
        msg = f"Options({attribute.name}=...): {type(value).__name__} is given, expected one resource; pass what its class call gave"
        raise DeclarationError(msg)


def _physical_id(_options: Any, attribute: Any, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        msg = f"Options({attribute.name}=...): {value if value == '' else type(value).__name__!r} is given, expected a physical id as text, known when declaring; write it out"
        raise DeclarationError(msg)


def _hooks(value: Any) -> tuple[Any, ...]:
    found = (value,) if isinstance(value, Hooks) else tuple(value)
    for item in found:
        if not isinstance(item, Hooks):
            msg = f"Options(hooks=...): {type(item).__name__} is given, expected iac.Hooks(...); wrap the functions, such as iac.Hooks(after_create=notify)"
            raise DeclarationError(msg)
    return found


def _function(_hooks: Any, attribute: Any, value: Any) -> None:
    if value is not None and not callable(value):
        msg = f"Hooks({attribute.name}=...): {type(value).__name__} is given, expected a function of one event; pass it without calling it"
        raise DeclarationError(msg)


Hook = Callable[[Any], None]


@attrs.frozen
class Hooks:
    """Functions that run around an object's operations, each called with one ``HookEvent``.

    A failing ``before_*`` hook keeps its operation from being done; a failing
    ``after_*`` hook fails the step, what was done stays recorded. Hooks run
    once a step, and at most once if the run is killed; never for imports,
    adoptions and what is forgotten.
    """

    before_create: Hook | None = attrs.field(default=None, validator=_function)
    after_create: Hook | None = attrs.field(default=None, validator=_function)
    before_update: Hook | None = attrs.field(default=None, validator=_function)
    after_update: Hook | None = attrs.field(default=None, validator=_function)
    before_delete: Hook | None = attrs.field(default=None, validator=_function)
    after_delete: Hook | None = attrs.field(default=None, validator=_function)


def _texts(value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value)
    for item in found:
        if not isinstance(item, str):
            msg = f"Options: a path is {type(item).__name__}, expected str such as 'tags.Name' or 'rules[0]'; write it as text"
            raise DeclarationError(msg)
    return found


def _provider(_options: Any, _attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, Provider):
        msg = f"Options(provider=...): {type(value).__name__} is given, expected a Provider such as aws.Provider(...), known when declaring; use two stacks where it depends on outputs"
        raise DeclarationError(msg)


def _flag(_options: Any, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, bool):
        msg = f"Options({attribute.name}=...): {type(value).__name__} is given, expected True or False, known when declaring; pass a bool"
        raise DeclarationError(msg)


def _mapping(_options: Any, _attribute: Any, value: Any) -> None:
    if not isinstance(value, Mapping):
        msg = f"Options(on_delete=...): {type(value).__name__} is given, expected a mapping of delete parameters; pass a dict"
        raise DeclarationError(msg)


@attrs.frozen
class Options:
    """How an object is treated.

    Args:
        depends_on: Resources and components that go first, beyond those whose
            outputs are used. On a component it counts for all in it.
        provider: Through what it is reached. Children take it over, for types
            of that provider.
        protect: Refuse to delete or replace it. Children take it over; None
            leaves it to the parent.
        retain_on_delete: Leave the object in the cloud when it is removed or
            replaced. Children take it over; None leaves it to the parent.
        deleted_with: A resource whose delete takes this one along, so that
            this one's own delete need not be called.
        ignore_changes: Paths such as ``tags.Name``, ``rules[0]`` or
            ``rules[*].port`` in which recorded values stay.
        replace_on_changes: Paths, or ``*``, in which a change replaces the object.
        replace_with: Resources and components; when one is replaced, so is this.
        replacement_trigger: Any value; when it changes, the object is replaced.
        delete_before_replace: Whether the old object goes before the new one
            comes; None decides by the type's unique fields.
        aliases: Addresses at which the object, or a component's children,
            were declared before; one that begins with ``./`` counts from the
            component around.
        import_id: The physical id of an object that exists, to be taken over.
        adopt: If a create finds that the object exists, take it over.
        on_delete: Delete parameters, such as ``{"empty": True}`` of a bucket.
        secret_outputs: Properties whose values are secret.
        timeouts: How long operations may take.
        hooks: Functions that run around the operations.
    """

    depends_on: Sequence[Declaration] = attrs.field(default=(), converter=_declarations, validator=_declared)
    provider: Provider | None = attrs.field(default=None, validator=_provider)
    protect: bool | None = attrs.field(default=None, validator=_flag)
    retain_on_delete: bool | None = attrs.field(default=None, validator=_flag)
    deleted_with: Declaration | None = attrs.field(default=None, validator=_resource)
    ignore_changes: Sequence[str] = attrs.field(default=(), converter=_texts)
    replace_on_changes: Sequence[str] = attrs.field(default=(), converter=_texts)
    replace_with: Sequence[Declaration] = attrs.field(default=(), converter=_declarations, validator=_declared)
    replacement_trigger: Any = attrs.field(default=None, eq=False)  # may be an output, which has no ==
    delete_before_replace: bool | None = attrs.field(default=None, validator=_flag)
    aliases: Sequence[str] = attrs.field(default=(), converter=_texts)
    import_id: str | None = attrs.field(default=None, validator=_physical_id)
    adopt: bool | None = attrs.field(default=None, validator=_flag)
    on_delete: Mapping[str, Any] = attrs.field(factory=dict, validator=_mapping)
    secret_outputs: Sequence[str] = attrs.field(default=(), converter=_texts)
    timeouts: Timeouts = attrs.field(factory=Timeouts)
    hooks: Sequence[Hooks] = attrs.field(default=(), converter=_hooks)


#: The options that a component hands down to what is declared in it.
INHERITED: Final = ("protect", "retain_on_delete")
#: Those that mean something on a component; the others speak of an object.
OF_COMPONENTS: Final = (*INHERITED, "depends_on", "provider", "aliases")
#: What counts where nothing is said.
DEFAULT: Final = Options(protect=False, retain_on_delete=False)
_known: dict[tuple[bool, ...], Options] = {(False, False): DEFAULT}


def inherit(own: Options | None, parent: Options | None) -> Options:
    """Merge what a component hands down into a declaration's own options.

    Args:
        own: What was given, or None.
        parent: The effective options of the component around it, or None.
    """
    values: dict[str, Any] = {}
    for name in INHERITED:
        given = getattr(own, name) if own is not None else None
        values[name] = given if given is not None else bool(parent is not None and getattr(parent, name))
    if own is not None:
        return (
            own if all(getattr(own, name) is value for name, value in values.items()) else attrs.evolve(own, **values)
        )
    key = tuple(values.values())
    found = _known.get(key)
    if found is None:
        found = _known[key] = Options(**values)
    return found


def said(options: Options) -> list[str]:
    """Name the options that say something."""
    found = [
        one.name for one in attrs.fields(Options) if one.eq and getattr(options, one.name) != getattr(_EMPTY, one.name)
    ]
    return found if options.replacement_trigger is None else [*found, "replacement_trigger"]


_EMPTY: Final = Options()
