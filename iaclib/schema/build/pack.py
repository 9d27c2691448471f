"""A pack of all sources: which types, which entries, in which bytes."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from iaclib.schema import archive
from iaclib.schema.build import cloudformation, service_spec

PACKS = Path(__file__).parent.parent / "packs"
OVERRIDES = Path(__file__).parent / "overrides.toml"
_DICTIONARY = 32768  # bytes of text that entries are likely to share; a compressor looks no further back


def overrides() -> dict[str, Any]:
    """Read the reviewed corrections."""
    return tomllib.loads(OVERRIDES.read_text(encoding="utf-8"))


def entries(source: cloudformation.Source) -> dict[str, dict[str, Any]]:
    """Make the entries of the types that were read."""
    extra, said = service_spec.extra(), overrides()
    worldwide, stateful, special = set(said["global"]), set(said["stateful"]), said["types"]
    found = {}
    for type, schema in source.schemas.items():
        override = dict(special.get(type, {}))
        if override.get("skip"):
            continue
        override.setdefault("global", type.split("::")[1] in worldwide)
        override.setdefault("stateful", type in stateful)
        found[type] = cloudformation.entry_of(schema, extra.get(type, {}), override, source.regions.get(type, ""))
        if override.get("named") is False:
            found[type]["nm"] = 0
        for key, kind in (("l", "spans"), ("x", "patterns")):
            for name, value in override.get(kind, {}).items():
                node = found[type]["p"][name]
                found[type]["p"][name] = {**({"k": node} if isinstance(node, str) else node), key: value}
    return found


def dictionary(found: dict[str, dict[str, Any]]) -> bytes:
    """Gather what many entries share: handlers' and shapes' text, the commonest last, where it costs least."""
    counted: Counter[str] = Counter()
    for entry in found.values():
        pieces = {archive.canonical(value).decode() for value in (*entry["p"].values(), *entry.get("d", {}).values())}
        pieces |= {f'"{name}":' for name in entry["p"]}
        pieces |= {f'"{one}"' for handler in entry.get("h", {}).values() for one in handler.get("p", ())}
        pieces |= {archive.canonical(entry[key]).decode() for key in ("tg", "id", "ro") if key in entry}
        counted.update(piece for piece in pieces if len(piece) > 6)  # noqa: PLR2004 - shorter ones gain nothing
    ranked = sorted(
        (piece for piece, count in counted.items() if count > 1),
        key=lambda piece: (-counted[piece] * len(piece), piece),
    )
    kept, size = [], 0
    for piece in ranked:
        if size + len(piece) > _DICTIONARY:
            break
        kept.append(piece)
        size += len(piece)
    return "".join(reversed(kept)).encode()[-_DICTIONARY:]


def write(source: cloudformation.Source, path: Path = PACKS / "aws.pack") -> int:
    """Write the pack of AWS; give how many types it has."""
    found = entries(source)
    needed = ("create", "read", "delete")
    lacking = {type: [one for one in needed if one not in entry.get("h", {})] for type, entry in found.items()}
    about = {
        "cloud": "aws",
        "lacking": {type: handlers for type, handlers in lacking.items() if handlers},
        "cfn-lint": source.version,
        "licences": ["cfn-lint: MIT-0", "@aws-cdk/aws-service-spec: Apache-2.0"],
    }
    archive.write(path, found, about, dictionary(found))
    archive.write(path.with_suffix(".names"), {"properties": names(found)}, {"cloud": "aws"})
    return len(found)


def names(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Give what a search reads: types, how much others use each, and by property which types have it.

    Used is a type that others refer to, and the service whose actions others' handlers need.
    """
    types = sorted(found)
    having: dict[str, list[int]] = {}
    used: Counter[str] = Counter()
    for place, type in enumerate(types):
        for name in found[type]["p"]:
            having.setdefault(name, []).append(place)
        entry, service = found[type], type.split("::")[1].lower()
        used.update({one.partition(".")[0] for one in _references([entry["p"], entry.get("d", {})])} - {type})
        actions = (one for handler in entry.get("h", {}).values() for one in handler.get("p", ()))
        used.update({action.partition(":")[0] for action in actions} - {service})
    weights = [used[type] + used[type.split("::")[1].lower()] for type in types]
    return {"types": types, "used": weights, "properties": having}


def _references(value: Any) -> Iterator[str]:
    """Give what texts in a node refer to."""
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "f" and isinstance(inner, list):
                yield from inner
            else:
                yield from _references(inner)
