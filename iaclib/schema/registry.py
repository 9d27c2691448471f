"""CloudFormation's registry schemas, as far as a generic handler needs them: paths, tags, handlers.

Read when a pack is made, and when the cloud is asked about a type that no pack
has. An entry's keys are explained in ``build/cloudformation``.

Source: https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from iaclib.schema.cloud import SETTLE, CloudFacts, cloud_facts
from iaclib.schema.facts import PropertyFacts, TypeFacts
from iaclib.schema.names import given_name
from iaclib.schema.shapes import Shape

#: An entry's key -> the schema's.
PATHS = {
    "ro": "readOnlyProperties",
    "co": "createOnlyProperties",
    "cc": "conditionalCreateOnlyProperties",
    "wo": "writeOnlyProperties",
    "dep": "deprecatedProperties",
}


def paths(schema: Mapping[str, Any], given: Any) -> list[str]:
    """Give paths as names joined by ``/``, with ``*`` for elements; those that lead nowhere are left out."""
    return list(dict.fromkeys(walked for path in given if (walked := _walk(schema, path)) is not None))


def _walk(schema: Mapping[str, Any], path: str) -> str | None:
    walked = [name for name, _owner in _steps(schema, path)]
    return "/".join(walked) if walked and walked[-1] else None


def _steps(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Follow a path; give each name and the definition that has it ("" at the top), an empty name where it leads nowhere."""
    parts = path.strip("/").split("/")
    if parts[0] == "properties":
        parts = parts[1:]
    at: Any = schema
    owner = ""
    while parts:
        at, owner = followed(at, owner, schema)
        keys = _keys(at)
        part = parts[0]
        if part in keys:
            yield part, owner
            at = keys[part]
        elif "items" in at:
            yield "*", owner
            at = at["items"]
            if part not in ("*", "items"):
                continue
        elif part == "*" and (inner := _values(at)) is not None:
            yield "*", owner
            at = inner
        elif part not in ("properties", "items", "*"):
            yield "", owner
            return
        parts = parts[1:]


def followed(at: Any, owner: str, schema: Mapping[str, Any]) -> tuple[Any, str]:
    """Follow references; give where they lead and the definition that has it."""
    while isinstance(at, Mapping) and "$ref" in at:
        names = at["$ref"].rpartition("#/")[2].split("/")
        owner = names[-1] if names[0] == "definitions" else owner
        at = schema
        for name in names:
            at = at.get(name, {})
    return at if isinstance(at, Mapping) else {}, owner


def _keys(at: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(at.get("properties", {}))
    for option in (*at.get("oneOf", ()), *at.get("anyOf", ()), *at.get("allOf", ())):
        found |= {name: one for name, one in option.get("properties", {}).items() if not found.get(name)}
    return found


def _values(at: Mapping[str, Any]) -> Any:
    for one in (*at.get("patternProperties", {}).values(), at.get("additionalProperties")):
        if isinstance(one, Mapping):
            return one
    return None


def tags(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give how a type takes tags, None if it doesn't in a way that a mapping can stand for."""
    said = schema.get("tagging", {})
    if said.get("taggable", schema.get("taggable", "Tags" in schema["properties"])) is False:
        return None
    name = said.get("tagProperty", "/properties/Tags").removeprefix("/properties/")
    if name not in schema["properties"]:
        return None
    at, _ = followed(schema["properties"][name], "", schema)
    style: Any = None
    if at.get("type") == "array":
        item, _ = followed(at.get("items", {}), "", schema)
        keys = set(item.get("properties", {}))
        pair = [next((key for key in keys if key.lower() in (word, f"tag{word}")), None) for word in ("key", "value")]
        style = pair if None not in pair and len(keys) == len(pair) else None
    elif isinstance(at.get("type"), list) or (at.get("type") == "object" and not at.get("properties")):
        style = "map"
    if style is None:
        return None
    kept = {
        "p": name,
        "s": style,
        "c": int(said.get("tagOnCreate", True)),
        "u": int(said.get("tagUpdatable", True)),
        "a": said.get("permissions"),
    }
    return {key: value for key, value in kept.items() if value not in (None, [])}


def handler(said: Mapping[str, Any]) -> dict[str, Any]:
    """Give what one handler needs."""
    needs = said.get("handlerSchema", {})
    kept = {
        "p": sorted({one for one in said.get("permissions", ()) if one}),
        "t": said.get("timeoutInMinutes"),
        "a": sorted(needs.get("required", ())),
    }
    return {key: value for key, value in kept.items() if value}


_ANYHOW = Shape("any", nullable=True)


def cloud_of(type: str, schema: Mapping[str, Any], docs: str = "") -> CloudFacts:
    """Give what a generic handler has to know of a type whose schema the cloud itself gave.

    Args:
        type: The cloud's name of the type.
        schema: Its registry schema.
        docs: The vendor's page.
    """
    found: dict[str, Any] = {key: paths(schema, schema.get(name, ())) for key, name in PATHS.items()}
    found["id"] = paths(schema, schema.get("primaryIdentifier", ()))
    found["tg"] = tags(schema)
    found["h"] = {name: handler(one) for name, one in schema.get("handlers", {}).items()}
    return cloud_facts(type, found, docs)


def facts_of(type: str, cloud: CloudFacts, schema: Mapping[str, Any]) -> TypeFacts:
    """Give a type's facts with the properties under the cloud's own names, of any shape.

    What fits inside of them is the cloud's to judge. Tags are a property like
    the others, given as the cloud takes them.

    Args:
        type: iaclib's name of the type.
        cloud: As ``cloud_of`` gives it.
        schema: The same schema.
    """
    read_only, identifier = frozenset(cloud.read_only), frozenset(cloud.identifier)
    required = frozenset(schema.get("required", ()))
    properties = {"id": PropertyFacts("id", Shape("str"), computed=True, stable=True)}
    for wire, said in schema["properties"].items():
        field, (at, _) = given_name(wire), followed(said, "", schema)
        computed = wire in read_only
        fixed = "update" not in cloud.handlers or wire in cloud.create_only
        name_shape = _name(at) if identifier == {wire} and not computed and wire not in required else None
        properties[field] = PropertyFacts(
            field,
            name_shape or _ANYHOW,
            required=wire in required and not computed,
            generated=name_shape is not None,
            replaces=not computed and (fixed or ("maybe" if wire in cloud.maybe_create_only else False)),
            write_only=wire in cloud.write_only,
            unordered=at.get("type") == "array" and at.get("insertionOrder") is False,
            computed=computed,
            stable=computed and (wire in identifier or wire.endswith(("Arn", "ARN"))),
            wire=wire,
        )
    named = tuple(
        given_name(wire) for wire in cloud.identifier if wire in schema["properties"] and wire not in read_only
    )
    return TypeFacts(
        type=type,
        properties=properties,
        unique=(named,) if named and len(named) == len(cloud.identifier) else (),
        delete_first=schema.get("replacementStrategy") == "delete_then_create",
        version=0,  # of a class that may come later, which is of version 1
        settle=SETTLE,
        timeouts=cloud.timeouts,
        cloud=cloud,
    )


def _name(at: Mapping[str, Any]) -> Shape | None:
    """Give the shape of a name that can be made up; None where a text's form isn't told so that Python understands."""
    if at.get("type") != "string" or "enum" in at:
        return None
    form = pattern(at.get("pattern"))
    if form is None and "pattern" in at:
        return None
    least, most = at.get("minLength"), at.get("maxLength")
    return Shape("str", pattern=form, length=None if least is most is None else (least, most))


def pattern(given: Any) -> str | None:
    """Keep a pattern if Python understands it as it is meant."""
    if not isinstance(given, str) or not given or given in (".*", "^.*$", "^.+$", ".+"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(given)
    except (re.error, FutureWarning, DeprecationWarning, OverflowError):
        return None
    return given
