"""From CloudFormation's registry schemas, as cfn-lint (MIT-0) ships them, to entries of a pack.

An entry has the vendor's names:

    p, d       properties and definitions, as nodes (see ``nodes``), q: required
    id         paths of the primary identifier, ids: of the others
    ro co cc wo dep  paths: read-only, create-only, perhaps create-only, write-only, deprecated
    tx         path -> how the cloud changes a value, in the vendor's words
    tg         tags: p their property, s whether they are mapping or list, c taken on create, u changed in place
    h          handler -> p: permissions, t: minutes, a: what "list" needs
    st rs arn  whether it holds data, the replacement strategy, how its ARN looks
    gl         whether it belongs to no region
    rg         where it isn't offered in the first region: one where it is
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from iaclib.schema.build import read_only
from iaclib.schema.build.nodes import Node, node_of
from iaclib.schema.registry import PATHS, handler, paths, tags

FIRST = "us-east-1"  # has most types, and the newest schemas


class Source(NamedTuple):
    """The schemas that are installed."""

    version: str
    schemas: dict[str, dict[str, Any]]  # by type
    regions: dict[str, str]  # type -> region, for those that the first region lacks


def installed(only: Collection[str] | None = None) -> Source:
    """Read cfn-lint's schemas, of all types or of some; importing it would take seconds."""
    spec = importlib.util.find_spec("cfnlint")
    if spec is None or not spec.submodule_search_locations:
        msg = "cfn-lint is not installed, expected it for its schemas; install the group `schemas`"
        raise ModuleNotFoundError(msg)
    folder = Path(next(iter(spec.submodule_search_locations))) / "data" / "schemas"
    hashes: dict[str, str] = {}
    regions: dict[str, str] = {}
    places = sorted(path.stem for path in (folder / "providers").glob("*-*-*.json"))
    for place in (FIRST, *(place for place in places if place != FIRST)):
        for type, digest in json.loads((folder / "providers" / f"{place}.json").read_text(encoding="utf-8")).items():
            if type not in hashes:
                hashes[type] = digest
                if place != FIRST:
                    regions[type] = place
    read = {
        type: json.loads((folder / "resources" / f"{digest}.json").read_text(encoding="utf-8"))
        for type, digest in sorted(hashes.items())
        if type.startswith("AWS::") and (only is None or type in only)
    }
    return Source(importlib.metadata.version("cfn-lint"), read, regions)


def entry_of(
    schema: Mapping[str, Any], extra: Mapping[str, Any], override: Mapping[str, Any], region: str = ""
) -> dict[str, Any]:
    """Turn one type's schema into an entry.

    Args:
        schema: The registry's.
        extra: What ``service_spec`` adds.
        override: What ``overrides.toml`` says of the type.
        region: Where it is offered, if not in the first region.
    """
    found: dict[str, Any] = {key: paths(schema, schema.get(name, ())) for key, name in PATHS.items()}
    for key, more in (("co", "replaces"), ("cc", "maybe"), ("co", "replaces_paths")):
        found[key] = sorted({*found[key], *paths(schema, extra.get(more, ()))})
    found["tg"] = tags(schema)
    if (
        found["tg"] is not None
        and found["tg"]["u"]
        and f"/properties/{found['tg']['p']}" not in schema.get(PATHS["co"], ())
    ):
        # The older specification has a new object for every new tag; where the registry's handler tags in place, that holds.
        found["co"] = [path for path in found["co"] if path.split("/")[0] != found["tg"]["p"]]
    for key in ("co", "cc", "wo", "ro"):
        found[key] = sorted({*found[key], *override.get(f"add_{key}", ())} - set(override.get(f"drop_{key}", ())))
    found["cc"] = [path for path in found["cc"] if path not in found["co"]]
    found["q"] = [
        name for name in schema.get("required", ()) if name in schema["properties"] and name not in found["ro"]
    ]
    found["id"] = paths(schema, schema.get("primaryIdentifier", ()))
    found["ids"] = [paths(schema, one) for one in schema.get("additionalIdentifiers", ()) if isinstance(one, list)]
    found["tx"] = {
        path: text
        for given, text in sorted(schema.get("propertyTransform", {}).items())
        for path in paths(schema, [given])
        if isinstance(text, str)
    }
    found["h"] = {name: handler(one) for name, one in sorted(schema.get("handlers", {}).items())}
    found["st"] = int(bool(extra.get("stateful") or override.get("stateful")))
    found["rs"] = {"delete_then_create": "delete"}.get(schema.get("replacementStrategy", ""))
    found["arn"] = extra.get("arn")
    found["gl"] = int(bool(override.get("global")))
    found["sec"] = override.get("secret", [])
    found["rg"] = region
    found["p"] = {name: node_of(one, schema) for name, one in schema["properties"].items()}
    definitions = {name: node_of(one, schema) for name, one in schema.get("definitions", {}).items()}
    found["d"] = _flatten(definitions)
    read_only.mark(found["p"], found["d"], found["ro"])
    found["d"] = _reached(found["p"], found["d"])
    return {key: value for key, value in found.items() if value not in (None, 0, "", [], {})}


def _flatten(definitions: dict[str, Node]) -> dict[str, Node]:
    """Cut definitions that lead to themselves without an object in between."""
    for name, node in definitions.items():
        at: Any = node
        seen = {name}
        while isinstance(at, str) and at.startswith("#"):
            if at[1:] in seen or at[1:] not in definitions:
                definitions[name] = "any"
                break
            seen.add(at[1:])
            at = definitions[at[1:]]
    return definitions


def _reached(properties: Mapping[str, Node], definitions: Mapping[str, Node]) -> dict[str, Node]:
    reached: dict[str, Node] = {}
    left = list(_named(list(properties.values())))
    while left:
        name = left.pop()
        if name not in reached and name in definitions:
            reached[name] = definitions[name]
            left += _named([definitions[name]])
    return dict(sorted(reached.items()))


def _named(nodes: list[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            if node.startswith("#"):
                yield node[1:]
        else:
            yield from _named([*node.get("p", {}).values(), *node.get("o", ()), *([node["i"]] if "i" in node else [])])
