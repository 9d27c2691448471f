"""One JSON schema of a property as a node: what is checked, without prose.

A node is a word for a plain kind ("str", "int", "float", "bool", "any", "map",
"doc" for free JSON), ``"#Name"`` for a definition, or a mapping:

    k  kind: also "list", "map", "object", "union"
    e  the values allowed, c: whatever their case
    x  pattern, l: least and most characters or elements, r: least and most of a number
    f  what a text refers to or is, such as "AWS::EC2::Subnet.Id"
    i  the node of elements, u: their order means nothing
    p  an object's keys, q: those it must have, ro: those that are only shown
    o  the members of a union
    n  None is a value
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iaclib.schema.registry import pattern

Node = str | dict[str, Any]
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_NOT_REFERENCES = frozenset({"int64", "double", "string", "password", "float", "int32"})


def node_of(schema: Mapping[str, Any] | bool, root: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> Node:
    """Turn a schema into a node.

    Args:
        schema: Of a property, an element, or a definition.
        root: The type's whole schema, for references other than to definitions.
        seen: Those references that are being followed.
    """
    if not isinstance(schema, Mapping):
        return "any"
    reference = schema.get("$ref")
    if reference is not None:
        return _reference(reference, root, seen)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return _several(kinds, schema, root, seen)
    if kinds is None:
        return _untyped(schema, root, seen)
    return _typed(kinds, schema, root, seen)


def _reference(reference: str, root: Mapping[str, Any], seen: frozenset[str]) -> Node:
    parts = reference.rpartition("#/")[2].split("/")
    if parts[0] == "definitions" and len(parts) == 2:  # noqa: PLR2004 - definitions/Name
        return f"#{parts[1]}" if parts[1] in root.get("definitions", {}) else "any"
    target: Any = root
    for part in parts:
        target = target.get(part) if isinstance(target, Mapping) else None
    if target is None or reference in seen:
        return "any"
    return node_of(target, root, seen | {reference})


def _several(kinds: Sequence[str], schema: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str]) -> Node:
    real = [kind for kind in kinds if kind != "null"]
    nullable = len(real) < len(kinds)
    if len(real) == 1:
        return _tidy({**_spread(_typed(real[0], schema, root, seen)), "n": int(nullable)})
    if set(real) == {"object", "string"}:
        inner = _typed("object", schema, root, seen)
        return "doc" if inner == "map" else {"k": "union", "o": [inner, "str"]}
    if len(real) > 2:  # noqa: PLR2004 - anything at all
        return "any"
    return _tidy({"k": "union", "o": [_typed(kind, schema, root, seen) for kind in real], "n": int(nullable)})


def _untyped(schema: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str]) -> Node:
    if "properties" in schema or "patternProperties" in schema:
        return _typed("object", schema, root, seen)
    if "items" in schema:
        return _typed("array", schema, root, seen)
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if values:
        kinds = {type(value) for value in values}
        return (
            _enum(values, "str", schema)
            if kinds == {str}
            else _enum(values, "int", schema)
            if kinds == {int}
            else "any"
        )
    options = schema.get("oneOf") or schema.get("anyOf")
    if options:
        return _union([node_of(option, root, seen) for option in options])
    if len(schema.get("allOf", ())) == 1:
        return node_of(schema["allOf"][0], root, seen)
    if "pattern" in schema or "minLength" in schema or "maxLength" in schema:
        return _text(schema)
    return "any"


def _union(options: list[Node]) -> Node:
    flat: list[Node] = []
    for option in options:
        inner = option["o"] if isinstance(option, dict) and option["k"] == "union" else [option]
        flat += [one for one in inner if one not in flat]
    if "any" in flat:
        return "any"
    return flat[0] if len(flat) == 1 else {"k": "union", "o": flat}


def _typed(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str]) -> Node:
    if kind == "string":
        return _text(schema)
    if kind in ("integer", "number"):
        values = schema.get("enum")
        if values and all(type(value) is int for value in values):
            return _enum(values, _PLAIN[kind], schema)
        return _tidy({"k": _PLAIN[kind], "r": _span(schema, "minimum", "maximum")})
    if kind == "boolean":
        return "bool"
    if kind == "array":
        return _list(schema, root, seen)
    if kind == "object":
        return _object(schema, root, seen)
    return "any"


def _text(schema: Mapping[str, Any]) -> Node:
    values = schema.get("enum")
    loose = "enumCaseInsensitive" in schema
    if values is None and loose:  # the schemas' maintainers write these as a choice of enum and patterns
        values = next((option["enum"] for option in schema.get("anyOf", ()) if "enum" in option), None)
    if values is None and "const" in schema:
        values = [schema["const"]]
    if values:
        texts = [value for value in values if isinstance(value, str)]
        return _tidy({"k": "str", "e": texts, "c": int(loose), "f": references(schema)})
    return _tidy(
        {
            "k": "str",
            "x": pattern(schema.get("pattern")),
            "l": _span(schema, "minLength", "maxLength"),
            "f": references(schema),
        }
    )


def references(schema: Mapping[str, Any]) -> list[str]:
    """Give what a text refers to: formats, and properties of other types."""
    found = [one.get("format") for one in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ()))]
    for one in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        target = one.get("relationshipRef")
        if target:
            found.append(f"{target['typeName']}.{target['propertyPath'].removeprefix('/properties/')}")
    return sorted({one for one in found if isinstance(one, str) and one not in _NOT_REFERENCES})


def _enum(values: Sequence[Any], kind: str, schema: Mapping[str, Any]) -> Node:
    return _tidy({"k": kind, "e": list(values), "f": references(schema)})


def _span(schema: Mapping[str, Any], least: str, most: str) -> list[Any] | None:
    low, high = schema.get(least), schema.get(most)
    if isinstance(low, str) or isinstance(high, str):
        return None
    if least != "minimum" and low == 0:
        low = None
    return None if low is None and high is None else [low, high]


def _list(schema: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str]) -> Node:
    items = schema.get("items")
    return _tidy(
        {
            "k": "list",
            "i": node_of(items, root, seen) if isinstance(items, Mapping) else "any",
            "u": int(schema.get("insertionOrder") is False),
            "l": _span(schema, "minItems", "maxItems"),
        }
    )


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str]) -> Node:
    keys: dict[str, Any] = dict(schema.get("properties", {}))
    for option in (*schema.get("oneOf", ()), *schema.get("anyOf", ()), *schema.get("allOf", ())):
        for name, inner in option.get("properties", {}).items():
            if not keys.get(name):
                keys[name] = inner
    if not keys:
        options = [option for option in (*schema.get("oneOf", ()), *schema.get("anyOf", ())) if "$ref" in option]
        if options:
            return _union([node_of(option, root, seen) for option in options])
        return _map(schema, root, seen)
    if schema.get("additionalProperties") is True or schema.get("patternProperties"):
        return "map"
    required = [name for name in schema.get("required", ()) if name in keys]
    return _tidy(
        {"k": "object", "p": {name: node_of(inner, root, seen) for name, inner in keys.items()}, "q": required}
    )


def _map(schema: Mapping[str, Any], root: Mapping[str, Any], seen: frozenset[str]) -> Node:
    inner = list(schema.get("patternProperties", {}).values())
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        inner.append(more)
    nodes: list[Node] = []
    for one in inner:
        node = node_of(one, root, seen)
        if node not in nodes:
            nodes.append(node)
    values = _union(nodes) if nodes else "any"
    return "map" if values == "any" else {"k": "map", "i": values}


def _spread(node: Node) -> dict[str, Any]:
    return {"k": node} if isinstance(node, str) else dict(node)


def _tidy(node: dict[str, Any]) -> Node:
    kept = {key: value for key, value in node.items() if value not in (None, 0, [], "")}
    return kept["k"] if len(kept) == 1 else kept
