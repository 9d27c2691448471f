"""Hypothesis strategies made from the facts of types: inputs, and whole programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from iaclib.declare.registry import require_type
from iaclib.declare.stack import Stack
from iaclib.errors import DeclarationError
from iaclib.plan.queries import type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from iaclib.schema.facts import TypeFacts
    from iaclib.schema.shapes import Shape

_TEXT = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
_JSON = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31) | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=4,
)
_KINDS = frozenset({"str", "int", "float", "bool", "list", "map", "object", "union", "any"})


def values(shape: Shape) -> SearchStrategy[Any]:
    """Draw values of a shape.

    Raises:
        DeclarationError: The shape takes what can't be drawn, such as an asset.
    """
    if shape.kind not in _KINDS:
        msg = f"strategies: a value of kind {shape.kind} can't be drawn, expected JSON; give the field yourself"
        raise DeclarationError(msg)
    if shape.enum is not None:
        return st.sampled_from(shape.enum)
    least, most = shape.range or (None, None)
    match shape.kind:
        case "str":
            return _texts(shape)
        case "int":
            return st.integers(
                int(least) if least is not None else (0 if most is None or most >= 0 else None),
                int(most) if most is not None else (int(least or 0) + 2**16),
            )
        case "float":
            low = float(least) if least is not None else min(0.0, float(most) if most is not None else 0.0)
            return st.floats(low, float(most) if most is not None else low + 1e6, allow_nan=False)
        case "bool":
            return st.booleans()
        case "list":
            return st.lists(_JSON if shape.items is None else values(shape.items), max_size=3)
        case "map":
            return st.dictionaries(_TEXT, _JSON if shape.items is None else values(shape.items), max_size=3)
        case "object":
            return _objects(shape.properties or {}, shape.required)
        case "union":
            return st.one_of([values(option) for option in shape.options])
    return _JSON


def _texts(shape: Shape) -> SearchStrategy[str]:
    least, most = shape.length or (None, None)
    if shape.pattern is not None:
        return st.from_regex(shape.pattern, fullmatch=False).filter(lambda text: shape.fault(text) is None)
    return st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=least or 1, max_size=most or max(12, least or 0))


def _objects(shapes: Mapping[str, Shape], required: frozenset[str]) -> SearchStrategy[dict[str, Any]]:
    needed = {key: values(shape) for key, shape in shapes.items() if key in required}
    others = {key: values(shape) for key, shape in shapes.items() if key not in required and shape.kind in _KINDS}
    return st.fixed_dictionaries(needed, optional=others)


def inputs(of: Any, **given: Any) -> SearchStrategy[dict[str, Any]]:
    """Draw valid inputs of a type, from its facts.

    Args:
        of: A resource class, or a type's name.
        **given: Fields that are known: a value, or a strategy. None leaves a field out.

    Raises:
        DeclarationError: The type has no such field.
    """
    _name, facts = _facts(of)
    unknown = [name for name in given if name not in facts.properties or facts.properties[name].computed]
    if unknown:
        msg = f"strategies.inputs({facts.type}): {', '.join(unknown)} can't be given, expected fields that it takes; correct it"
        raise DeclarationError(msg)
    needed: dict[str, SearchStrategy[Any]] = {}
    others: dict[str, SearchStrategy[Any]] = {}
    for name, item in facts.properties.items():
        if item.computed:
            continue
        if name in given:
            value = given[name]
            if value is not None:
                needed[name] = value if isinstance(value, st.SearchStrategy) else st.just(value)
        elif item.required:
            needed[name] = values(item.shape)
        elif item.shape.kind in _KINDS:
            others[name] = st.deferred(lambda shape=item.shape: values(shape))  # type: ignore[misc]
    return st.fixed_dictionaries(needed, optional=others)


def programs(*types: Any, max_size: int = 8, stack: str = "test", project: str = "programs") -> SearchStrategy[Stack]:
    """Draw whole programs: some resources of these types, whose text fields may be ids of earlier ones.

    Equal unique keys are left out, so every program drawn is one that can be applied.

    Args:
        *types: Resource classes.
        max_size: The most resources of one program.
        stack: The stack's name.
        project: The project's name; a program that shall follow another one has the same.
    """
    kinds = [(cls, _facts(cls)[1]) for cls in types]

    @st.composite
    def drawn(draw: DrawFn) -> Stack:
        chosen = draw(st.lists(st.sampled_from(range(len(kinds))), min_size=1, max_size=max_size))
        taken: set[str] = set()
        plan: list[tuple[Any, str, dict[str, Any], dict[str, int]]] = []
        for number, index in enumerate(chosen):
            cls, facts = kinds[index]
            found = draw(inputs(cls))
            free = [name for name, item in facts.properties.items() if not item.computed and item.shape.plain_text]
            links = {name: draw(st.integers(0, number - 1)) for name in free if number and draw(st.integers(0, 3)) == 0}
            keys = [
                f"{facts.type} {fields} {[found[field] for field in fields]}"
                for fields in facts.unique
                if all(field in found for field in fields)
            ]
            if taken.intersection(keys):
                continue
            taken.update(keys)
            plan.append((cls, f"r{number}", found, links))

        class Drawn(Stack):
            def build(self) -> None:
                made: dict[str, Any] = {}
                for cls, name, found, links in plan:
                    refs = {field: made[f"r{at}"].id for field, at in links.items() if f"r{at}" in made}
                    made[name] = cls(name, **{**found, **refs})

        return Drawn(stack, project=project)

    return drawn()


def _facts(of: Any) -> tuple[str, TypeFacts]:
    name = type_name(of)
    return name, require_type(name, "strategies")[1]
