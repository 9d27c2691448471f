"""Keys of nested objects that are only ever shown: no program gives them, so none is asked for them.

A definition may be used in several places, and read-only in one of them. Only
what is read-only wherever a program could give it is marked so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from iaclib.schema.build.nodes import Node

_DEEP = 12  # objects within objects; what is deeper is left as it is


def mark(properties: Mapping[str, Node], definitions: Mapping[str, Node], read_only: Collection[str]) -> None:
    """Mark keys as read-only, under ``ro`` of their object's node, and require none of them.

    Args:
        properties: The type's, as nodes.
        definitions: Of the type.
        read_only: Paths of what is only shown.
    """
    settable = {name: node for name, node in properties.items() if name not in read_only}
    shown: Counter[tuple[int, str]] = Counter()
    owners: dict[int, dict[str, Any]] = {}
    for path in read_only:
        first, *rest = path.split("/")
        if first in settable and rest:
            for owner in _owners(settable[first], rest, definitions):
                shown[id(owner), rest[-1]] += 1
                owners[id(owner)] = owner
    if not shown:
        return
    uses: Counter[int] = Counter()
    for node in settable.values():
        uses.update(_objects(node, definitions, ()))
    for (identity, key), count in sorted(shown.items(), key=lambda item: item[0][1]):
        owner = owners[identity]
        owner["q"] = [name for name in owner.get("q", ()) if name != key]
        if not owner["q"]:
            del owner["q"]
        if count >= uses[identity]:
            owner["ro"] = sorted({*owner.get("ro", ()), key})


def _followed(node: Node, definitions: Mapping[str, Node]) -> Node:
    while isinstance(node, str) and node.startswith("#"):
        node = definitions.get(node[1:], "any")
    return node


def _inside(node: Node, definitions: Mapping[str, Node]) -> Sequence[Node]:
    """Give the objects, lists and maps that a node may be."""
    node = _followed(node, definitions)
    if isinstance(node, str):
        return ()
    return [_followed(one, definitions) for one in node["o"]] if node["k"] == "union" else [node]


def _owners(node: Node, path: Sequence[str], definitions: Mapping[str, Node]) -> Iterator[dict[str, Any]]:
    """Give the objects that have the last key of a path."""
    for at in _inside(node, definitions):
        if isinstance(at, str):
            continue
        if path[0] == "*":
            if "i" in at and len(path) > 1:
                yield from _owners(at["i"], path[1:], definitions)
        elif path[0] in at.get("p", {}):
            if len(path) == 1:
                yield at
            else:
                yield from _owners(at["p"][path[0]], path[1:], definitions)


def _objects(node: Node, definitions: Mapping[str, Node], above: tuple[int, ...]) -> Iterator[int]:
    """Give every object that is reached, once for each way to it; what holds itself is followed once."""
    for at in _inside(node, definitions):
        if isinstance(at, str) or id(at) in above or len(above) > _DEEP:
            continue
        if at["k"] == "object":
            yield id(at)
        for inner in (*at.get("p", {}).values(), *([at["i"]] if "i" in at else [])):
            yield from _objects(inner, definitions, (*above, id(at)))
