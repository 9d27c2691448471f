"""What type checkers and editors see of the classes that are made on demand: a ``.pyi`` beside each module.

Written when the package is built, since they are large and follow from the
pack; ``python -m iaclib.schema.build.stubs`` writes them into a checkout that
was not. Nested shapes are TypedDicts within their class.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from iaclib.schema.build.modules import BY_HAND, WING
from iaclib.schema.cloud import CloudFacts
from iaclib.schema.facts import PropertyFacts, TypeFacts
from iaclib.schema.names import module_name
from iaclib.schema.pack import Keys, pack
from iaclib.schema.shapes import Shape

_HEAD = "import typing as t\n\nfrom iaclib import declare as iac\n"
_SPOKEN_FOR = frozenset({"bool", "float", "iac", "int", "str", "t"})  # what annotations are written with
_MANY = 500  # values; checkers gain nothing from longer enums


def write(folder: Path = WING) -> int:
    """Write the stubs of all services, where they are not as they should be; give their size in bytes."""
    size = 0
    found = pack("aws")
    for service in found.services:
        if found.names(service):
            path, wanted = folder / f"{module_name(service)}.pyi", text(service)
            size += len(wanted.encode())
            if not path.exists() or path.read_text(encoding="utf-8") != wanted:  # a build sees a change in any file
                path.write_text(wanted, encoding="utf-8")
    return size


def text(service: str) -> str:
    """Give the stub of a service's module."""
    found = pack("aws")
    own = list(_by_hand(service))
    taken = {name for _, names in own for name in names}
    lines = [_HEAD, *(f"from {module} import {name} as {name}\n" for module, names in own for name in names)]
    lines += ["\n" + _class(found.facts(service, name), name) for name in found.names(service) if name not in taken]
    return "".join(lines)


def _by_hand(service: str) -> Iterator[tuple[str, list[str]]]:
    if service in BY_HAND:
        for node in ast.parse((WING / f"{service}.py").read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("iaclib.aws."):
                yield node.module, [alias.name for alias in node.names]


def _class(facts: TypeFacts, name: str) -> str:
    shapes = _Shapes()
    fields = [shapes.field(one) for one in facts.properties.values() if one.name != "id"]
    said = facts.cloud or CloudFacts(name)
    lines = [f"class {name}(iac.Resource):\n", f'    """{said.type}.\n\n    Source: {said.docs}\n    """\n']
    return "".join([*lines, *shapes.classes(), *fields])


class _Shapes:
    """The TypedDicts of one class, named as they are met."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.kept: list[tuple[str, Shape]] = []  # keeps them alive, so that ids stay theirs
        self.taken: set[str] = set()

    def field(self, one: PropertyFacts) -> str:
        if one.computed:
            return f"    {one.name}: iac.Output[{self.shown(one.shape)}] = iac.computed()\n"
        value = self.given(one.shape, one.name)
        return f"    {one.name}: {value}\n" if one.required else f"    {one.name}: {value} | None = ...\n"

    def classes(self) -> Iterator[str]:
        at = 0
        while at < len(self.kept):  # writing one may find others
            name, shape = self.kept[at]
            at += 1
            assert shape.properties is not None  # noqa: S101 - an object's shape
            keys = {
                key: f"t.Required[{value}]" if key in shape.required else value
                for key, inner in shape.properties.items()
                for value in [self.given(inner, f"{name}_{key}")]
            }
            if any(not key.isidentifier() or key in _SPOKEN_FOR for key in keys):
                inside = ", ".join(f'"{key}": {value}' for key, value in keys.items())
                yield f'    {name} = t.TypedDict("{name}", {{{inside}}}, total=False)\n'
            else:
                yield f"    class {name}(t.TypedDict, total=False):\n"
                yield "".join(f"        {key}: {value}\n" for key, value in keys.items()) or "        ...\n"

    def given(self, shape: Shape, path: str) -> str:
        """Write what a program may give."""
        return f"iac.Input[{self.value(shape, path)}]"

    def value(self, shape: Shape, path: str) -> str:
        match shape.kind:
            case "object":
                return self._named(shape, path)
            case "list":
                return (
                    f"t.Sequence[{self.given(shape.items, path)}]" if shape.items is not None else "t.Sequence[t.Any]"
                )
            case "map":
                inner = "t.Any" if shape.items is None else self.given(shape.items, path)
                return f"t.Mapping[str, {inner}]"
            case "union":
                return " | ".join(dict.fromkeys(self.value(option, path) for option in shape.options))
            case "any":
                return "t.Any"
        return _plain(shape)

    def shown(self, shape: Shape) -> str:
        """Write what the cloud shows."""
        match shape.kind:
            case "object" | "map":
                return "t.Mapping[str, t.Any]"
            case "list":
                return f"t.Sequence[{self.shown(shape.items) if shape.items is not None else 't.Any'}]"
            case "union" | "any":
                return "t.Any"
        return shape.kind

    def _named(self, shape: Shape, path: str) -> str:
        found = self.names.get(id(shape))
        if found is None:
            own = shape.properties.name if isinstance(shape.properties, Keys) else ""
            stem = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", own or path))
            found = stem
            number = 2
            while found in self.taken:
                found, number = f"{stem}{number}", number + 1
            self.taken.add(found)
            self.names[id(shape)] = found
            self.kept.append((found, shape))
        return found


def _plain(shape: Shape) -> str:
    if shape.enum is None or shape.folded or len(shape.enum) > _MANY or shape.kind == "float":
        return shape.kind
    return f"t.Literal[{', '.join(map(repr, shape.enum))}]"


if __name__ == "__main__":
    write()
