"""What a registry schema asks of an object, and JSON patches as they are applied to one.

Knows nothing of iaclib's pack: required, read-only, create-only and write-only
properties, enums and patterns are read from the schemas as cfn-lint ships them.
"""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from typing import Any

from schema_build import cloudformation


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Give the registry schemas by type."""
    return cloudformation.installed().schemas


class RefusedError(Exception):
    """An answer that is an error: a code, and what is said."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def paths(schema: dict[str, Any], key: str) -> list[list[str]]:
    """Give the paths under a key of a schema, without ``properties``."""
    return [
        [part for part in path.split("/")[2:] if part not in {"properties", "items"}] for path in schema.get(key, ())
    ]


def at(node: Any, path: list[str]) -> list[Any]:
    """Give all values at a path."""
    if not path:
        return [node]
    if isinstance(node, list):
        return [found for item in node for found in at(item, path[1:] if path[0] == "*" else path)]
    if not isinstance(node, dict):
        return []
    keys = list(node) if path[0] == "*" else [path[0]]
    return [found for key in keys if key in node for found in at(node[key], path[1:])]


def cut(node: Any, path: list[str]) -> None:
    """Remove what is at a path."""
    if isinstance(node, list):
        for item in node:
            cut(item, path[1:] if path[0] == "*" else path)
    elif isinstance(node, dict):
        for key in list(node) if path[0] == "*" else [path[0]]:
            if key in node and len(path) == 1:
                del node[key]
            elif key in node:
                cut(node[key], path[1:])


def keep(old: Any, new: Any, path: list[str]) -> None:
    """Take over what is at a path, where there is a place for it."""
    if isinstance(old, dict) and isinstance(new, dict) and path[0] in old:
        if len(path) == 1:
            new[path[0]] = old[path[0]]
        else:
            keep(old[path[0]], new.get(path[0]), path[1:])
    elif isinstance(old, list) and isinstance(new, list):
        for one, other in zip(old, new, strict=False):
            keep(one, other, path[1:] if path[0] == "*" else path)


class Rules:
    """One schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self.lists = {
            key: paths(schema, key) for key in ("readOnlyProperties", "createOnlyProperties", "writeOnlyProperties")
        }
        self.identifier = paths(schema, "primaryIdentifier")

    def check(self, model: dict[str, Any]) -> None:
        """Refuse a model that does not fit."""
        for path in self.lists["readOnlyProperties"]:
            if len(path) == 1 and path not in self.lists["createOnlyProperties"] and at(model, path):
                raise RefusedError("InvalidRequest", f"#/{'/'.join(path)}: is read-only")
        missing = [
            name
            for name in self.schema.get("required", ())
            if name not in model and [name] not in self.lists["readOnlyProperties"]
        ]
        if missing:
            raise RefusedError("InvalidRequest", f"#: required key {missing} not found")
        unknown = set(model) - set(self.schema["properties"])
        if unknown:
            raise RefusedError("InvalidRequest", f"#: extraneous key {sorted(unknown)}")
        for name, value in model.items():
            fault = self.fault(self.schema["properties"][name], value, f"#/{name}")
            if fault:
                raise RefusedError("InvalidRequest", fault)

    def fault(self, node: Any, value: Any, where: str) -> str:
        """Say what is wrong, or nothing."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.schema
            for part in node["$ref"].split("/")[1:]:
                target = target[part]
            node = target
        if not isinstance(node, dict):
            return ""
        for key in ("anyOf", "oneOf"):
            if key in node and any("type" in one or "$ref" in one for one in node[key]):
                faults = [self.fault(one, value, where) for one in node[key]]
                if all(faults):
                    return faults[0]
        kinds = node.get("type", ())
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(_is(kind, value) for kind in kinds):
            return f"{where}: expected {kinds}, got {type(value).__name__}"
        if isinstance(value, list):
            return self._list_fault(node, value, where)
        return self._object_fault(node, value, where) if isinstance(value, dict) else _plain_fault(node, value, where)

    def _list_fault(self, node: dict[str, Any], value: list[Any], where: str) -> str:
        if not node.get("minItems", 0) <= len(value) <= node.get("maxItems", 1 << 30):
            return f"{where}: wrong number of elements"
        faults = (self.fault(node.get("items", {}), item, f"{where}/{index}") for index, item in enumerate(value))
        return next(filter(None, faults), "")

    def _object_fault(self, node: dict[str, Any], value: dict[str, Any], where: str) -> str:
        known = node.get("properties")
        if known is None:
            return ""
        missing = [
            one
            for one in node.get("required", ())
            if one not in value and one in known and not self._shown_only(where, one)
        ]
        if missing:
            return f"{where}: required key {missing} not found"
        unknown = set(value) - set(known)
        if unknown and node.get("additionalProperties") is False and "patternProperties" not in node:
            return f"{where}: extraneous key {sorted(unknown)}"
        faults = (self.fault(known[key], value[key], f"{where}/{key}") for key in value if key in known)
        return next(filter(None, faults), "")

    def _shown_only(self, where: str, name: str) -> bool:
        parts = ["*" if part.isdigit() else part for part in where.split("/")[1:]]
        return any(path[-1] == name and path[0] == parts[0] for path in self.lists["readOnlyProperties"])

    def shown(self, model: dict[str, Any]) -> dict[str, Any]:
        """Give what a read shows."""
        model = deepcopy(model)
        for path in self.lists["writeOnlyProperties"]:
            cut(model, path)
        return model


def _plain_fault(node: dict[str, Any], value: Any, where: str) -> str:
    if "enum" in node and str(value).casefold() not in {str(one).casefold() for one in node["enum"]}:
        return f"{where}: not one of the enum"
    if not isinstance(value, str):
        return ""
    try:
        fits = re.search(node.get("pattern", ""), value) is not None
    except re.error:  # in another dialect
        fits = True
    if not fits:
        return f"{where}: does not match {node['pattern']}"
    fits = node.get("minLength", 0) <= len(value) <= node.get("maxLength", 1 << 30)
    return "" if fits else f"{where}: wrong length"


def _is(kind: str, value: Any) -> bool:
    types: dict[str, Any] = {
        "string": str, "object": dict, "array": list, "boolean": bool, "integer": int, "number": (int, float),
        "null": type(None),
    }  # fmt: skip
    return isinstance(value, types[kind]) and not (kind in ("integer", "number") and isinstance(value, bool))


def patched(document: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply a JSON patch, as RFC 6902 says: a place that isn't there is an error."""
    document = deepcopy(document)
    for one in operations:
        steps = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        node: Any = document
        for step in steps[:-1]:
            if not isinstance(node, (dict, list)) or (isinstance(node, dict) and step not in node):
                raise RefusedError("InvalidRequest", f"patch: nothing at {one['path']}")
            node = node[int(step)] if isinstance(node, list) else node[step]
        last: Any = steps[-1]
        if isinstance(node, list):
            last = len(node) if last == "-" else int(last)
        there = last < len(node) if isinstance(node, list) else last in node
        if one["op"] in ("remove", "replace") and not there:
            raise RefusedError("InvalidRequest", f"patch: nothing at {one['path']}")
        if one["op"] == "remove":
            del node[last]
        elif one["op"] in ("add", "replace"):
            if isinstance(node, list) and one["op"] == "add":
                node.insert(last, one["value"])
            else:
                node[last] = one["value"]
        else:
            raise RefusedError("InvalidRequest", f"patch: {one['op']}")
    return document


@cache
def rules_of(type: str) -> Rules:
    """Give the rules of a type."""
    return Rules(schemas()[type])
