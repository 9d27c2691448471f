"""What is committed is what the sources give, and nothing is lost on the way."""

import ast
import gzip
import json

import pytest

from iaclib.schema import archive
from iaclib.schema.archive import Archive
from iaclib.schema.pack import pack as known_pack
from schema_build import cloudformation, modules, pack, service_spec, stubs

#: Types of every kind: recursive, composite ids, transforms, many properties, another region, case-insensitive enums.
SAMPLE = [
    "AWS::AmazonMQ::Broker",
    "AWS::ApiGateway::RestApi",
    "AWS::Cassandra::Type",
    "AWS::DeviceFarm::Project",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Instance",
    "AWS::EC2::NatGateway",
    "AWS::ECS::Service",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::Lambda::Function",
    "AWS::QuickSight::Analysis",
    "AWS::RDS::DBInstance",
    "AWS::Route53::RecordSet",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::WAFv2::WebACL",
]
COMMITTED = pack.PACKS / "aws.pack"


def test_a_sample_of_the_pack_is_what_the_sources_give():
    made = pack.entries(cloudformation.installed(SAMPLE))
    committed = Archive(COMMITTED)

    assert sorted(made) == SAMPLE
    for type, entry in made.items():
        assert archive.canonical(entry) == committed.text(type), f"{type}: run `nox -s schemas`"


def test_what_a_search_reads_is_what_the_pack_has():
    found = Archive(COMMITTED)
    committed = Archive(COMMITTED.with_suffix(".names")).entry("properties")

    assert committed == pack.names({type: found.entry(type) for type in found}), "run `nox -s schemas`"


@pytest.mark.stress
def test_the_whole_pack_is_what_the_sources_give(tmp_path):
    path = tmp_path / "aws.pack"
    pack.write(cloudformation.installed(), path)
    made, committed = Archive(path), Archive(COMMITTED)

    assert list(made) == list(committed)
    assert made.about == committed.about
    for type in made:
        assert made.text(type) == committed.text(type), type
    for kind in (".pack", ".names"):  # where the compressor is the same one
        assert path.with_suffix(kind).read_bytes() == COMMITTED.with_suffix(kind).read_bytes()


def test_the_pack_is_small_and_without_prose():
    found = Archive(COMMITTED)
    assert COMMITTED.stat().st_size + COMMITTED.with_suffix(".names").stat().st_size < 2_000_000

    def keys(value):
        if isinstance(value, dict):
            yield from value if "k" in value or "h" in value else ()
            for inner in value.values():
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    assert {key for type in SAMPLE for key in keys(found.entry(type))}.isdisjoint({"description", "title", "examples"})


@pytest.mark.stress
def test_every_path_in_the_sources_leads_somewhere():
    """A path that is not understood would be a fact lost in silence."""
    lost = [
        (type, key, path)
        for type, schema in cloudformation.installed().schemas.items()
        for key in ("readOnlyProperties", "createOnlyProperties", "writeOnlyProperties", "primaryIdentifier")
        for path in schema.get(key, ())
        if not cloudformation.paths(schema, [path])
    ]
    assert lost == []


def test_the_modules_of_services_are_what_the_pack_gives():
    for name, text in modules.texts().items():
        assert (modules.WING / name).read_text() == text, f"{name}: run `nox -s schemas`"


def test_overrides_are_of_types_and_properties_that_exist():
    said, known = pack.overrides(), Archive(COMMITTED)
    gone = [
        (type, name)
        for type, one in said["types"].items()
        if not one.get("skip")
        for name in ("", *one.get("spans", ()), *one.get("patterns", ()))
        if type not in known or (name and name not in known.entry(type)["p"])
    ] + [
        (type, name)
        for type, one in said["types"].items()
        for name in one.get("secret", ())
        if f'"{name}":' not in known.text(type).decode()  # it may be a key within a property
    ]

    assert gone == []
    assert {name.split("::")[1] for name in known} >= set(said["global"])


def test_what_npm_adds_is_of_types_that_exist():
    known = Archive(COMMITTED)
    extra = service_spec.extra()

    assert {type for type in extra if type not in known} <= {"AWS::GammaDilithium::JobDefinition"}
    assert "Name" in extra["AWS::Route53::RecordSet"]["replaces"]


def test_the_facts_of_npm_are_taken_out_of_its_database(tmp_path):
    database = {
        "schema": {
            "resource": {
                "entities": [
                    {
                        "cloudFormationType": "AWS::A::B",
                        "documentation": "prose",
                        "properties": {"X": {"causesReplacement": "yes"}, "Y": {"causesReplacement": "maybe"}, "Z": {}},
                        "isStateful": True,
                        "arnTemplate": "arn:b",
                        "additionalReplacementProperties": [["Z", "K"], ["Z", "K"]],
                    },
                    {"cloudFormationType": "AWS::A::C", "properties": {"X": {"documentation": "prose"}}},
                ]
            }
        }
    }
    path = tmp_path / "db.json.gz"
    path.write_bytes(gzip.compress(json.dumps(database).encode()))

    assert service_spec.extract(path) == {
        "AWS::A::B": {"replaces": ["X"], "maybe": ["Y"], "replaces_paths": ["Z/K"], "stateful": True, "arn": "arn:b"}
    }


def test_stubs_say_what_the_facts_say():
    tree = ast.parse(stubs.text("sqs"))
    (queue,) = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "iaclib.aws._sqs"]
    (made,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]

    assert [name.name for name in queue.names] == ["Queue"]
    assert made.name == "QueueInlinePolicy"
    assert [ast.unparse(line) for line in made.body[1:]] == [
        "policy_document: iac.Input[t.Mapping[str, t.Any] | str]",
        "queue: iac.Input[str]",
    ]


@pytest.mark.stress
def test_every_stub_is_python():
    """And nested shapes hide none of the words that annotations are made of."""
    size = 0
    for service in known_pack("aws").services:
        text = stubs.text(service)
        size += len(text)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.AnnAssign):
                assert ast.unparse(node.target) not in {"bool", "float", "iac", "int", "str", "t"}, service
    assert size < 10_000_000
