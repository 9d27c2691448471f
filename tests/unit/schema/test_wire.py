"""Between Python's names and the vendor's, and back."""

import pytest

from iaclib.schema import archive
from iaclib.schema.archive import Archive
from iaclib.schema.pack import Pack, pack
from iaclib.schema.wire import from_vendor, to_vendor
from shape_samples import sample

AWS = pack("aws")


@pytest.mark.parametrize("service", AWS.services)
def test_what_goes_out_comes_back(service):
    """For every type, every property and key goes by the vendor's name, and by its own again."""
    for name in AWS.names(service):
        facts = AWS.facts(service, name)
        inputs = {key: sample(one.shape) for key, one in facts.properties.items() if not one.computed}
        sent = to_vendor(facts, inputs)

        assert len(sent) == len(inputs), name
        assert set(sent) <= set(AWS.archive.entry(facts.cloud.type)["p"]), name
        assert from_vendor(facts, sent) == inputs, name


def test_names_change_where_the_vendor_has_names_and_nowhere_else():
    function = AWS.facts("lambda", "Function")
    inputs = {
        "role": "r",
        "code": {"zip_file": "x"},
        "environment": {"variables": {"some_name": "x", "SomeName": "y"}},
        "vpc_config": {"subnet_ids": ["subnet-1"]},
        "tags": {"some_team": "a", "Name": "b"},
    }

    assert to_vendor(function, inputs) == {
        "Role": "r",
        "Code": {"ZipFile": "x"},
        "Environment": {"Variables": {"some_name": "x", "SomeName": "y"}},
        "VpcConfig": {"SubnetIds": ["subnet-1"]},
        "Tags": [{"Key": "Name", "Value": "b"}, {"Key": "some_team", "Value": "a"}],
    }


def test_what_the_facts_do_not_know_is_left_out(tmp_path):
    """A record may have a property that an older pack had, the cloud one that a newer will have."""
    facts = AWS.facts("sqs", "QueueInlinePolicy")

    assert to_vendor(facts, {"queue": "q", "dropped": 1, "id": "i"}) == {"Queue": "q"}
    assert from_vendor(facts, {"Queue": "q", "Coming": 1}) == {"queue": "q"}


def test_a_choice_of_objects_is_read_by_its_keys(tmp_path):
    path = tmp_path / "x.pack"
    one = {"k": "object", "p": {"BucketName": "str", "Key": "str"}}
    two = {"k": "object", "p": {"QueueName": "str", "Key": "str"}}
    entry = {"p": {"Of": {"k": "union", "o": [one, two, "str"]}, "Free": {"k": "union", "o": [one, "map"]}}}
    archive.write(path, {"X::S::T": entry}, {"lacking": {}})
    facts = Pack("x", Archive(path)).facts("s", "T")

    for inputs, sent in [
        ({"of": {"queue_name": "q", "key": "k"}}, {"Of": {"QueueName": "q", "Key": "k"}}),
        ({"of": {"bucket_name": "q"}}, {"Of": {"BucketName": "q"}}),
        ({"of": "text"}, {"Of": "text"}),
        ({"free": {"any_thing": 1}}, {"Free": {"any_thing": 1}}),
        ({"free": {"bucket_name": "b"}}, {"Free": {"BucketName": "b"}}),
    ]:
        assert to_vendor(facts, inputs) == sent
        assert from_vendor(facts, sent) == inputs
