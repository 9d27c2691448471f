"""Options of a declaration: how its object is treated, apart from its properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field, structs

from iaclib.errors import DeclarationError
from iaclib.provider.base import Provider

if TYPE_CHECKING:
    from iaclib.declare.base import Declaration
else:  # which is made of these
    Declaration = Any


def _seconds(where: str, value: Any) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        msg = f"{where}: {value!r} is no duration, expected a timedelta or seconds above 0; correct it"
        raise DeclarationError(msg)
    return float(seconds)


def _put_right(options: Struct, checks: Mapping[str, Callable[[str, Any], Any]]) -> None:
    """Check what was given, and keep it as everybody reads it."""
    for name, check in checks.items():
        given = getattr(options, name)
        kept = check(f"{type(options).__name__}({name}=...)", given)
        if kept is not given:
            structs.force_setattr(options, name, kept)


class Timeouts(Struct, frozen=True):
    """How long operations may take, as timedelta or seconds; None is the type's default."""

    create: timedelta | float | None = None
    update: timedelta | float | None = None
    delete: timedelta | float | None = None

    def __post_init__(self) -> None:
        _put_right(self, _OF_TIMEOUTS)


_OF_TIMEOUTS: Final = dict.fromkeys(("create", "update", "delete"), _seconds)


def _declarations(where: str, value: Any) -> tuple[Any, ...]:
    found = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    for item in found:
        if not hasattr(item, "logical_name"):
            msg = f"{where}: {type(item).__name__} is given, expected resources or components; pass what the class call gave"
            raise DeclarationError(msg)
    return found


def _resource(where: str, value: Any) -> Any:
    if value is not None and (not hasattr(value, "logical_name") or not hasattr(value, "id")):
        msg = f"{where}: {type(value).__name__} is given, expected one resource; pass what its class call gave"
        raise DeclarationError(msg)
    return value


def _physical_id(where: str, value: Any) -> Any:
    if value is not None and (not isinstance(value, str) or not value):
        msg = f"{where}: {value if value == '' else type(value).__name__!r} is given, expected a physical id as text, known when declaring; write it out"
        raise DeclarationError(msg)
    return value


def _hooks(where: str, value: Any) -> tuple[Any, ...]:
    found = (value,) if isinstance(value, Hooks) else tuple(value)
    for item in found:
        if not isinstance(item, Hooks):
            msg = f"{where}: {type(item).__name__} is given, expected iac.Hooks(...); wrap the functions, such as iac.Hooks(after_create=notify)"
            raise DeclarationError(msg)
    return found


def _function(where: str, value: Any) -> Any:
    if value is not None and not callable(value):
        msg = f"{where}: {type(value).__name__} is given, expected a function of one event; pass it without calling it"
        raise DeclarationError(msg)
    return value


Hook = Callable[[Any], None]


class Hooks(Struct, frozen=True):
    """Functions that run around an object's operations, each called with one ``HookEvent``.

    A failing ``before_*`` hook keeps its operation from being done; a failing
    ``after_*`` hook fails the step, what was done stays recorded. Hooks run
    once a step, and at most once if the run is killed; never for imports,
    adoptions and what is forgotten.
    """

    before_create: Hook | None = None
    after_create: Hook | None = None
    before_update: Hook | None = None
    after_update: Hook | None = None
    before_delete: Hook | None = None
    after_delete: Hook | None = None

    def __post_init__(self) -> None:
        _put_right(self, _OF_HOOKS)


_OF_HOOKS: Final = dict.fromkeys(Hooks.__struct_fields__, _function)


def _texts(where: str, value: Any) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value)
    for item in found:
        if not isinstance(item, str):
            msg = f"{where}: one is {type(item).__name__}, expected str such as 'tags.Name' or 'rules[0]'; write it as text"
            raise DeclarationError(msg)
    return found


def _provider(where: str, value: Any) -> Any:
    if value is not None and not isinstance(value, Provider):
        msg = f"{where}: {type(value).__name__} is given, expected a Provider such as aws.Provider(...), known when declaring; use two stacks where it depends on outputs"
        raise DeclarationError(msg)
    return value


def _flag(where: str, value: Any) -> Any:
    if value is not None and not isinstance(value, bool):
        msg = f"{where}: {type(value).__name__} is given, expected True or False, known when declaring; pass a bool"
        raise DeclarationError(msg)
    return value


def _mapping(where: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        msg = f"{where}: {type(value).__name__} is given, expected a mapping of delete parameters; pass a dict"
        raise DeclarationError(msg)
    return value


class Options(Struct, frozen=True):
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

    depends_on: Sequence[Declaration] = ()
    provider: Provider | None = None
    protect: bool | None = None
    retain_on_delete: bool | None = None
    deleted_with: Declaration | None = None
    ignore_changes: Sequence[str] = ()
    replace_on_changes: Sequence[str] = ()
    replace_with: Sequence[Declaration] = ()
    replacement_trigger: Any = None
    delete_before_replace: bool | None = None
    aliases: Sequence[str] = ()
    import_id: str | None = None
    adopt: bool | None = None
    on_delete: Mapping[str, Any] = field(default_factory=dict)
    secret_outputs: Sequence[str] = ()
    timeouts: Timeouts = Timeouts()
    hooks: Sequence[Hooks] = ()

    def __post_init__(self) -> None:
        _put_right(self, _OF_OPTIONS)

    def __eq__(self, other: object) -> bool:
        if type(other) is not Options:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _COMPARED)

    __hash__ = None  # type: ignore[assignment]  # its mapping has none


_OF_OPTIONS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "depends_on": _declarations,
    "provider": _provider,
    "protect": _flag,
    "retain_on_delete": _flag,
    "deleted_with": _resource,
    "ignore_changes": _texts,
    "replace_on_changes": _texts,
    "replace_with": _declarations,
    "delete_before_replace": _flag,
    "aliases": _texts,
    "import_id": _physical_id,
    "adopt": _flag,
    "on_delete": _mapping,
    "secret_outputs": _texts,
    "hooks": _hooks,
}
#: A replacement trigger may be an output, which has no ==.
_COMPARED: Final = tuple(name for name in Options.__struct_fields__ if name != "replacement_trigger")


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
            own
            if all(getattr(own, name) is value for name, value in values.items())
            else structs.replace(own, **values)
        )
    key = tuple(values.values())
    found = _known.get(key)
    if found is None:
        found = _known[key] = Options(**values)
    return found


def said(options: Options) -> list[str]:
    """Name the options that say something."""
    found = [name for name in _COMPARED if getattr(options, name) != getattr(_EMPTY, name)]
    return found if options.replacement_trigger is None else [*found, "replacement_trigger"]


_EMPTY: Final = Options()
