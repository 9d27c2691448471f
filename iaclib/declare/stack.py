"""Stacks: what is planned, applied and kept as one; a class, or a ``with`` block."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self

from iaclib.declare.base import ClassFacts, Fielded, read_fields
from iaclib.declare.component import assign, fill, note, raise_unassigned
from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model import fields, scope
from iaclib.model.addresses import StackRef, check_name, kebab, near
from iaclib.model.outputs import lower
from iaclib.model.tokens import PREFIX


class Stack(Fielded):
    """The unit of plan, state and lease.

    As a class: fields are its configuration and ``build()`` declares what is
    in it, anew for every plan, on a copy. As a block: ``with
    iac.Stack("prod", project="shop") as stack: ...``, planned any number of
    times afterwards.

    The class keyword ``project`` (default: the class's name in kebab-case)
    and the name make the reference ``project/name``.
    """

    _reserved: ClassVar[frozenset[str]] = frozenset(
        {"logical_name", "project", "ref", "build", "export", "from_config"}
    )
    _iac_class: ClassVar[ClassFacts] = ClassFacts({})
    _iac_project: ClassVar[str] = ""

    if TYPE_CHECKING:
        logical_name: str = fields.positional(kw_only=False)
        project: str = fields.field(default="")

    def __init_subclass__(cls, *, project: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._iac_class = ClassFacts(read_fields(cls, 2, values=True))
        cls._iac_project = check_name(project or kebab(cls.__name__), "project")

    if not TYPE_CHECKING:

        def __init__(self, logical_name, *extra, project="", **given):
            cls = type(self)
            location = scope.caller()
            if extra:
                msg = f"{cls.__name__}: {len(extra)} positional arguments after the name, expected keywords; name them in {location}"
                raise InvalidPropertyError(msg)
            project = project or cls._iac_project
            if not project:
                msg = f"Stack {logical_name!r}: no project, expected project='...'; pass it in {location}"
                raise DeclarationError(msg)
            ref = StackRef(check_name(project, "project"), check_name(logical_name, "stack"))
            if PREFIX in project or PREFIX in logical_name:
                msg = f"{cls.__name__}: the project or name holds an output, expected text known when declaring; use plain names in {location}"
                raise DeclarationError(msg)
            own = fill(cls._iac_class, given, str(ref), location)
            own |= {"logical_name": logical_name, "project": project, "ref": ref, "_iac_location": location}
            own |= {"_iac_collection": None, "_iac_block": ""}
            object.__setattr__(self, "__dict__", own)

    if TYPE_CHECKING:

        @property
        def ref(self) -> StackRef:
            """Project and name."""

    @classmethod
    def from_config(cls, name: str, path: str | os.PathLike[str] | None = None) -> Self:
        """Make a stack whose fields come from ``iaclib.toml`` or ``[tool.iaclib]`` of ``pyproject.toml``.

        ``IACLIB_CONFIG_<FIELD>`` overrides a field: text as it is, anything
        else as JSON.

        Args:
            name: The stack's name, or ``project/name``.
            path: The file, or a folder to search from; None searches from the
                working directory upward.

        Raises:
            ConfigError: A key is unknown, missing, or of the wrong type.
        """
        from iaclib.declare.config import field_values, load_config, refused

        config = load_config(path)
        project, _, stack = str(name).rpartition("/")
        ref = StackRef(project or cls._iac_project, check_name(stack, "stack"))
        given: dict[str, Any] = field_values(config, ref, cls._iac_class)
        if project:
            given["project"] = project
        try:
            return cls(stack, **given)
        except InvalidPropertyError as error:
            raise refused(error, config) from None

    def build(self) -> None:
        """Declare what is in the stack."""

    def export(self, **outputs: Any) -> None:
        """Give values to the outside, as the stack's outputs.

        Raises:
            DeclarationError: Outside of this stack's scope, or a name twice.
        """
        now = scope.require("export")
        if now.collection is not self.__dict__["_iac_collection"]:
            msg = f"{self.ref}: export while {now.collection.ref} is being declared, expected the same stack; call export of the stack that is being declared"
            raise DeclarationError(msg)
        for name, value in outputs.items():
            if PREFIX in name:
                msg = f"{self.ref}: an export's name holds an output, expected text known when declaring; use a plain name in {scope.caller()}"
                raise DeclarationError(msg)
            if name in now.collection.outputs:
                msg = f"{self.ref}: {name} is exported twice, expected once; rename one in {scope.caller()}"
                raise DeclarationError(msg)
            try:
                now.collection.outputs[name] = lower(value, f"{self.ref}: export {name}")
            except InvalidPropertyError as error:
                raise InvalidPropertyError(f"{error.message}; in {scope.caller()}") from None

    def __enter__(self) -> Self:
        own = self.__dict__
        if type(self).build is not Stack.build:
            msg = f"{self.ref}: a `with` block around a stack that has build(), expected one of both; pass the stack to the engine"
            raise DeclarationError(msg)
        if own["_iac_block"]:
            msg = f"{self.ref}: a second `with` block of one stack, expected one; make another Stack"
            raise DeclarationError(msg)
        if scope.current.get() is not None:
            msg = f"{self.ref}: a stack within a stack or session, expected them side by side; end the outer one first, at {scope.caller()}"
            raise DeclarationError(msg)
        own["_iac_collection"] = scope.Collection(self.ref)
        own["_iac_block"] = "open"
        own["_iac_token"] = scope.current.set(scope.Scope(own["_iac_collection"]))
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        own = self.__dict__
        scope.current.reset(own.pop("_iac_token"))
        own["_iac_block"] = "closed" if error is None else "raised"
        if error is not None:
            note(error, f"while declaring stack {self.ref}")

    def __setattr__(self, name: str, value: Any) -> None:
        assign(self, name, value, type(self)._iac_class)

    def __getattr__(self, name: str) -> Any:
        known = type(self)._iac_class
        if name not in known.fields and name != "__notes__" and not name.startswith("_"):
            hint = near(name, known.fields)
            msg = f"{type(self).__name__!r} object has no attribute {name!r}" + (f"; {hint}" if hint else "")
            raise AttributeError(msg)
        return raise_unassigned(self, name, known)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__dict__.get('ref', '?')}>"

    def __reduce__(self) -> Never:
        msg = f"{self!r}: a stack can't be pickled; pass 'module:Class' and its configuration"
        raise TypeError(msg)
