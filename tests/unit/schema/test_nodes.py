"""Schemas of properties as nodes: what is checked stays, what is told goes."""

import pytest

from schema_build import nodes, read_only

ROOT = {
    "definitions": {"Tag": {"type": "object", "properties": {"Key": {"type": "string"}}}},
    "properties": {"Name": {"type": "string", "maxLength": 5}, "Again": {"$ref": "#/properties/Again"}},
}

CASES = [
    ({"type": "string", "description": "told"}, "str"),
    ({"type": "integer", "minimum": 1, "maximum": 9}, {"k": "int", "r": [1, 9]}),
    ({"type": "number"}, "float"),
    ({"type": "boolean", "default": True}, "bool"),
    ({"type": "string", "minLength": 0, "maxLength": 9}, {"k": "str", "l": [None, 9]}),
    ({"type": "string", "enum": ["a", "b"], "pattern": "a|b"}, {"k": "str", "e": ["a", "b"]}),
    ({"type": "string", "pattern": r"^\p{L}+$"}, "str"),  # Python does not know it
    ({"type": "string", "pattern": "^a[[]$"}, "str"),  # it would be read differently one day
    ({"type": "string", "format": "AWS::EC2::Subnet.Id"}, {"k": "str", "f": ["AWS::EC2::Subnet.Id"]}),
    ({"type": "string", "anyOf": [{"format": "A.Id"}, {"format": "A.Arn"}]}, {"k": "str", "f": ["A.Arn", "A.Id"]}),
    (
        {"type": "string", "relationshipRef": {"typeName": "AWS::S3::Bucket", "propertyPath": "/properties/Arn"}},
        {"k": "str", "f": ["AWS::S3::Bucket.Arn"]},
    ),
    (
        {"type": "string", "enumCaseInsensitive": ["x"], "anyOf": [{"enum": ["X"]}, {"pattern": "[Xx]"}]},
        {"k": "str", "e": ["X"], "c": 1},
    ),
    ({"type": ["object", "string"]}, "doc"),
    ({"type": ["string", "null"]}, {"k": "str", "n": 1}),
    ({"type": ["integer", "string"]}, {"k": "union", "o": ["int", "str"]}),
    ({"type": "array", "items": {"type": "string"}, "insertionOrder": False}, {"k": "list", "i": "str", "u": 1}),
    (
        {"type": "array", "items": {"$ref": "#/definitions/Tag"}, "minItems": 1},
        {"k": "list", "i": "#Tag", "l": [1, None]},
    ),
    ({"type": "object"}, "map"),
    ({"type": "object", "patternProperties": {".*": {"type": "string"}}}, {"k": "map", "i": "str"}),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"k": "map", "i": "int"}),
    (
        {"properties": {"A": {"type": "string"}, "B": {}}, "required": ["A"]},
        {"k": "object", "p": {"A": "str", "B": "any"}, "q": ["A"]},
    ),
    (
        {"type": "object", "oneOf": [{"properties": {"A": {"type": "string"}}, "required": ["A"]}]},
        {"k": "object", "p": {"A": "str"}},
    ),
    ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"k": "union", "o": ["str", "int"]}),
    ({"$ref": "#/properties/Name"}, {"k": "str", "l": [None, 5]}),
    ({"$ref": "#/properties/Again"}, "any"),  # it leads to itself
    ({"$ref": "#/definitions/None"}, "any"),
    ({}, "any"),
]


@pytest.mark.parametrize(("schema", "node"), CASES)
def test_a_schema_becomes_a_node(schema, node):
    assert nodes.node_of(schema, ROOT) == node


def marked(properties, definitions, *paths):
    read_only.mark(properties, definitions, paths)
    return definitions["D"].get("ro"), definitions["D"].get("q")


def described():
    return {"k": "object", "p": {"Name": "str", "Status": "str"}, "q": ["Status"]}


def test_a_nested_key_that_is_only_shown_is_marked_and_not_required():
    assert marked({"A": "#D"}, {"D": described()}, "A/Status") == (["Status"], None)
    assert marked({"A": {"k": "list", "i": "#D"}}, {"D": described()}, "A/*/Status") == (["Status"], None)


def test_a_key_that_is_given_elsewhere_is_not_marked():
    """But it is required nowhere, since one of the places would be wrong."""
    assert marked({"A": "#D", "B": "#D"}, {"D": described()}, "A/Status") == (None, None)
    assert marked({"A": "#D", "B": "#D"}, {"D": described()}, "A/Status", "B/Status") == (["Status"], None)
    assert marked({"A": "#D", "B": "#D"}, {"D": described()}, "A/Status", "B") == (["Status"], None)


def test_what_holds_itself_is_followed_once():
    definition = {"k": "object", "p": {"Not": "#D", "Status": "str"}}

    assert marked({"A": "#D"}, {"D": definition}, "A/Status") == (["Status"], None)
