"""The AWS declarations against CloudFormation's schemas, and their handlers.

Generated classes shall be able to take the place of those written by hand, so
names and what replaces must be CloudFormation's. The declarations are read as
source: what is compared is what was written, whatever is made of it.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import iaclib.aws
from iaclib.aws import table

WING = Path(next(iter(iaclib.aws.__path__)))

#: type -> field -> why it does not agree with `createOnlyProperties`.
REPLACES_EXCEPTIONS: dict[str, dict[str, str]] = {
    "aws:dynamodb:Table": {
        "key_schema": "conditional in the schema; no call changes the key of a table",
        "local_secondary_indexes": "no call adds or drops a local index; the schema is silent",
    },
    "aws:ec2:Instance": {
        "block_device_mappings": "conditional in the schema; the volumes are fixed when the instance is launched",
        "ebs_optimized": "conditional on the root device; instances here stop, change and start",
        "instance_type": "conditional on the root device; instances here stop, change and start",
        "security_group_ids": "conditional on EC2-Classic, which is no more",
        "tenancy": "conditional on host moves, which need a host_id that is not declared",
        "user_data": "conditional on the root device; instances here stop, change and start",
    },
    "aws:ec2:KeyPair": {"tags": "fixed for CloudFormation only; EC2 tags and untags key pairs"},
    "aws:ec2:Subnet": {"ipv6_cidr_block": "conditional in the schema; blocks are associated in place"},
    "aws:ec2:Volume": {
        "availability_zone": "fixed at creation; the schema is silent",
        "encrypted": "fixed at creation; the schema is silent",
        "kms_key_id": "fixed at creation; the schema is silent",
        "snapshot_id": "fixed at creation; the schema is silent",
    },
    "aws:logs:LogGroup": {"log_group_class": "fixed at creation; the schema is silent"},
}

#: type -> field -> why it is computed, or isn't, against `readOnlyProperties`.
COMPUTED_EXCEPTIONS: dict[str, dict[str, str]] = {}

#: type -> field -> why CloudFormation has no such property.
NAME_EXCEPTIONS: dict[str, dict[str, str]] = {}


class Field(NamedTuple):
    """One declared field."""

    computed: bool
    replaces: Any


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def declared():
    """Read all types of resources in the wing: type -> field -> what was written."""
    types = {}
    for path in sorted(WING.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            if any(ast.unparse(base) == "iac.Lookup" for base in node.bases):
                continue
            names = [word.value.value for word in node.keywords if word.arg == "type"]
            for name in names:
                types[name] = {
                    item.target.id: written(item.value)
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.value, ast.Call)
                }
    return types


def written(call):
    replaces = next((ast.literal_eval(word.value) for word in call.keywords if word.arg == "replaces"), False)
    return Field(call.func.attr == "computed", replaces)


TYPES = declared()


@cache
def schemas():
    """Find cfn-lint's data without importing it, which takes seconds."""
    spec = importlib.util.find_spec("cfnlint")
    assert spec is not None, "cfn-lint, which has the schemas to compare with, belongs to the tests' dependencies"
    folder = Path(next(iter(spec.submodule_search_locations))) / "data" / "schemas"
    return folder, json.loads((folder / "providers" / "us-east-1.json").read_text())


@cache
def schema(type):
    """Load the schema of a type."""
    folder, types = schemas()
    body = types["::".join(["AWS", *words(type)])]
    found = list((folder / "resources").glob(f"{body}*"))
    return json.loads(found[0].read_text())


def words(type):
    """Turn ``aws:ec2:VPC`` into CloudFormation's words; services have spellings of their own."""
    _, service, name = type.split(":")
    return {"logs": "Logs", "dynamodb": "DynamoDB"}.get(service, service.upper()), name


def pointed(facts, key):
    """Give the top-level properties that a list of pointers names as a whole."""
    return {pointer.split("/")[2] for pointer in facts.get(key, ()) if pointer.count("/") == 2}


def python_name(name, facts):
    """Give the Python name of a property; the primary identifier ``Id`` is inherited."""
    plain = snake(name)
    if plain == "id" and facts["primaryIdentifier"] == [f"/properties/{name}"]:
        return None
    return f"{plain}_" if plain in {"logical_name", "opts", "id", "urn", "get"} else plain


def properties(type):
    """Map Python names to CloudFormation's properties."""
    facts = schema(type)
    return {python_name(name, facts): name for name in facts["properties"]}


def can_find(handler):
    """Whether a handler can tell what an interrupted create has made."""
    return any(callable(getattr(handler, name, None)) for name in ("find", "identity"))


def test_every_handler_belongs_to_a_declared_type():
    """Declarations and the table of handlers name the same types."""
    assert sorted(TYPES) == sorted(table.HANDLERS)


@pytest.mark.parametrize("type", sorted(table.HANDLERS))
def test_every_handler_can_find_what_a_killed_create_left(type):
    """A handler without `find` and `identity` would leave orphans, so it has at least one."""
    assert can_find(table.handler(type))


def test_a_handler_that_can_find_nothing_is_noticed():
    """The check above fails for a handler with neither method."""

    class Forgetful:
        find = None

        def create(self, ctx, inputs): ...

    assert not can_find(Forgetful())


@pytest.mark.parametrize("type", sorted(TYPES))
def test_fields_are_named_as_in_cloudformation(type):
    """Each field is the snake_case of a property of the type."""
    strange = set(TYPES[type]) - set(properties(type))
    assert strange == set(NAME_EXCEPTIONS.get(type, {}))


@pytest.mark.parametrize("type", sorted(TYPES))
def test_what_replaces_agrees_with_cloudformation(type):
    """`replaces=True` stands for create-only properties, but for what was looked at and explained."""
    known = properties(type)
    fixed = pointed(schema(type), "createOnlyProperties")
    maybe = pointed(schema(type), "conditionalCreateOnlyProperties")
    wrong = {
        name
        for name, field in TYPES[type].items()
        if name in known
        and field.replaces != (True if known[name] in fixed else "maybe" if known[name] in maybe else False)
    }
    assert wrong == set(REPLACES_EXCEPTIONS.get(type, {}))


@pytest.mark.parametrize("type", sorted(TYPES))
def test_what_is_computed_agrees_with_cloudformation(type):
    """Computed fields are read-only properties, and no other field is one."""
    known = properties(type)
    read_only = pointed(schema(type), "readOnlyProperties")
    wrong = {
        name for name, field in TYPES[type].items() if name in known and field.computed != (known[name] in read_only)
    }
    assert wrong == set(COMPUTED_EXCEPTIONS.get(type, {}))


@pytest.mark.parametrize("type", sorted(TYPES))
def test_what_cloudformation_requires_is_declared(type):
    """A required property is a field, so that every program can set it."""
    facts = schema(type)
    required = set(facts.get("required", ())) - pointed(facts, "readOnlyProperties")
    assert {snake(name) for name in required} <= set(TYPES[type])
