"""A value for any shape, made the same way every time."""

from __future__ import annotations

from typing import Any

from iaclib.schema.shapes import Shape

DEPTH = 4  # how far nested objects are filled


def sample(shape: Shape, depth: int = 0) -> Any:
    """Give a value of a shape, with all of its keys down to some depth; patterns are not looked at."""
    match shape.kind:
        case "object":
            keys = shape.properties or {}
            wanted = keys if depth < DEPTH else [key for key in keys if key in shape.required]
            return {key: sample(keys[key], depth + 1) for key in wanted if depth < 2 * DEPTH}
        case "list":
            least = max(1, (shape.length or (1, 1))[0] or 1)
            return [sample(shape.items, depth + 1) if shape.items is not None else "x"] * min(least, 3)
        case "map":
            return {"FreeKey": sample(shape.items, depth + 1) if shape.items is not None else {"AsItIs": 1}}
        case "union":
            return sample(shape.options[0], depth + 1)
        case "any":
            return {"AsItIs": ["x"]}
    if shape.enum is not None:
        return shape.enum[0]
    return {"str": "x", "int": 1, "float": 1.5, "bool": True}[shape.kind]
