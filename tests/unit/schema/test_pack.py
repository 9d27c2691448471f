"""What a pack says of types, as facts."""

import pytest

from iaclib.errors import InvalidPropertyError
from iaclib.plan.names import generated_name
from iaclib.schema import archive, search
from iaclib.schema.archive import Archive
from iaclib.schema.pack import Pack, pack

AWS = pack("aws")


def facts(tmp_path, **entry):
    path = tmp_path / "x.pack"
    archive.write(path, {"X::S::T": {"p": {}, **entry}}, {"lacking": {}})
    return Pack("x", Archive(path)).facts("s", "T")


def test_the_identifier_id_is_id_and_any_other_is_not(tmp_path):
    own = facts(tmp_path, p={"Id": "str"}, ro=["Id"], id=["Id"])
    part = facts(tmp_path, p={"Id": "str", "Of": "str"}, ro=["Id"], id=["Of", "Id"])
    settable = facts(tmp_path, p={"Id": "str"}, id=["Id"], q=["Id"])

    assert list(own.properties) == ["id"]
    assert list(part.properties) == ["id", "id_", "of"]
    assert settable.properties["id_"].required
    assert settable.unique == (("id_",),)


def test_names_of_the_library_and_of_python_get_an_underscore(tmp_path):
    found = facts(tmp_path, p={"From": "str", "Opts": "str", "Urn": "str", "Name": "str", "Type": "str"})

    assert set(found.properties) == {"id", "from_", "opts_", "urn_", "name", "type"}
    assert found.properties["from_"].wire == "From"


def test_an_optional_name_is_made_up_where_it_is_the_identifier(tmp_path):
    p = {"Name": {"k": "str", "l": [1, 40]}, "Of": "str"}

    assert facts(tmp_path, p=p, id=["Name"]).properties["name"].generated
    assert not facts(tmp_path, p=p, id=["Name"], q=["Name"]).properties["name"].generated
    assert not facts(tmp_path, p=p, id=["Name"], nm=0).properties["name"].generated
    assert not facts(tmp_path, p=p, id=["Of", "Name"]).properties["name"].generated


def test_tags_are_a_mapping_whatever_the_cloud_takes(tmp_path):
    p = {"UserTags": {"k": "list", "i": "#Tag"}}
    found = facts(tmp_path, p=p, tg={"p": "UserTags", "s": ["Key", "Value"], "c": 1, "u": 0})

    assert found.tags == "user_tags"
    assert found.properties["user_tags"].shape.fault({"a": "b"}) is None
    assert found.properties["user_tags"].shape.fault([{"Key": "a", "Value": "b"}]) is not None
    assert found.cloud.tags.pair == ("Key", "Value")
    assert not found.cloud.tags.updatable


def test_what_replaces_and_what_is_stable(tmp_path):
    found = facts(
        tmp_path,
        p={
            "A": "str",
            "B": "str",
            "C": "#C",
            "TheArn": "str",
            "Version": "str",
            "Sub": {"k": "str", "f": ["X::Y::Z.Id"]},
        },
        d={"C": {"k": "object", "p": {"D": "str"}}},
        co=["A", "C/D"],
        cc=["B"],
        ro=["TheArn", "Version", "Sub"],
        id=["A"],
        h={"update": {}},
    )
    properties = found.properties

    assert [properties[name].replaces for name in ("a", "b", "c")] == [True, "maybe", False]
    assert found.cloud.create_only == ("A", "C/D")
    assert {name for name, one in properties.items() if one.stable} == {"id", "the_arn", "sub"}


def test_what_has_no_update_handler_is_replaced_by_every_change(tmp_path):
    found = facts(
        tmp_path,
        p={"A": "str", "Tags": "map"},
        h={"create": {}, "delete": {}},
        tg={"p": "Tags", "s": "map", "c": 1, "u": 1},
    )

    assert [found.properties[name].replaces for name in ("a", "tags")] == [True, True]


def test_a_new_tag_is_no_new_object_where_tags_can_change():
    """The older specification says otherwise of some; default tags would replace them all."""
    found = AWS.facts("batch", "JobQueue")

    assert found.cloud.tags.updatable
    assert found.properties["tags"].replaces is False


def test_passwords_that_are_never_shown_are_secret(tmp_path):
    found = facts(
        tmp_path,
        p={"MasterUserPassword": "str", "PasswordLength": "int", "Body": "str"},
        wo=["MasterUserPassword", "Body"],
    )

    assert [name for name, one in found.properties.items() if one.secret] == ["master_user_password"]
    assert [name for name, one in found.properties.items() if one.write_only] == ["body", "master_user_password"]


def test_what_was_reviewed_to_be_secret_is():
    assert AWS.facts("elasticache", "User").properties["passwords"].secret
    assert not AWS.facts("elasticache", "User").properties["no_password_required"].secret


def test_every_name_that_would_be_made_up_fits_its_field():
    """A name that can't be made up would have to be given, and then the facts should say so."""
    unfit = []
    for service in AWS.services:
        for name in AWS.names(service):
            facts = AWS.facts(service, name)
            for one in facts.properties.values():
                if one.generated:
                    try:
                        generated_name(
                            "production-env",
                            "net/my_thing",
                            "lineage",
                            0,
                            lambda text, one=one: one.shape.fault(text) is None,
                        )
                    except InvalidPropertyError:
                        unfit.append((facts.type, one.name))
    assert unfit == []


def test_recursive_definitions_are_followed_as_far_as_values_go(tmp_path):
    node = {"k": "object", "p": {"Not": "#E", "And": {"k": "list", "i": "#E", "l": [1, None]}, "Leaf": "int"}}
    shape = facts(tmp_path, p={"E": "#E"}, d={"E": node}).properties["e"].shape

    assert shape.fault({"not_": {"and_": [{"leaf": 1}]}}) is None
    assert shape.fault({"not_": {"and_": [{"leaf": "1"}]}}).path == ".not_.and_[0].leaf"
    assert shape.fault({"not_": {"and_": []}}).problem == "expected at least 1 elements, got 0"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"size": 1, "mod": "fast"},
            "e.mod: no such key, expected one that is declared (did you mean 'mode'?); correct it",
        ),
        ({"size": 10}, "e.size: expected at most 9, got int 10; correct it"),
        ({"size": 1, "mode": "Quick"}, "e.mode: expected one of 'FAST', 'SLOW', got str 'Quick'; correct it"),
        ({}, "e: size missing, expected it in the mapping; correct it"),
        ({"size": 1, "word": "B"}, "e.word: expected text matching ^[a-z]+$, got str 'B'; correct it"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(tmp_path, value, message):
    inner = {
        "Size": {"k": "int", "r": [None, 9]},
        "Mode": {"k": "str", "e": ["FAST", "SLOW"], "c": 1},
        "Word": {"k": "str", "x": "^[a-z]+$"},
    }
    shape = facts(tmp_path, p={"E": {"k": "object", "p": inner, "q": ["Size"]}}).properties["e"].shape

    with pytest.raises(InvalidPropertyError) as caught:
        shape.check(value, "e")
    assert caught.value.message == message
    shape.check({"size": 1, "mode": "fast"}, "e")


def test_what_handlers_need_is_known():
    queue = AWS.facts("sqs", "Queue").cloud

    assert queue.type == "AWS::SQS::Queue"
    assert queue.identifier == ("QueueUrl",)
    assert "sqs:CreateQueue" in queue.handlers["create"].permissions
    assert queue.arn == "arn:${Partition}:sqs:${Region}:${Account}:${QueueName}"
    assert AWS.facts("rds", "DBParameterGroup").cloud.transforms == {
        "DBParameterGroupName": "$lowercase(DBParameterGroupName)"
    }
    assert AWS.facts("route53", "RecordSet").properties["name"].replaces is True  # npm's fact
    assert AWS.facts("ec2", "NatGateway").properties["subnet_id"].refers == ("AWS::EC2::Subnet.Id",)
    assert AWS.facts("elasticloadbalancingv2", "LoadBalancer").properties["subnets"].refers == ("AWS::EC2::Subnet.Id",)
    network = AWS.facts("lambda", "Function").properties["vpc_config"].shape.properties
    assert network["security_group_ids"].items.refers == ("AWS::EC2::SecurityGroup.Id",)
    assert AWS.facts("devicefarm", "Project").cloud.region == "us-west-2"


def test_times_of_handlers_are_seconds():
    found = AWS.facts("rds", "DBCluster")

    assert found.timeouts == {name: found.cloud.handlers[name].seconds for name in found.timeouts}
    assert all(value >= 60 for value in found.timeouts.values())


def test_types_are_found_by_words():
    assert [match.type for match in search("bucket policy")][:1] == ["aws:s3:BucketPolicy"]
    assert search("sqs queue")[0].name == "iaclib.aws.sqs.Queue"
    assert search("AWS::Lambda::Permission")[0].name == "iaclib.aws.lambda_.Permission"
    assert "aws:rds:DBInstance" in {match.type for match in search("rds inst")}
    assert search("queue")[0].type == "aws:sqs:Queue"
    assert search("role")[0].type == "aws:iam:Role"
    assert search("bucket")[0].type == "aws:s3:Bucket"
    assert search("sqs queue policy")[0].type == "aws:sqs:QueueInlinePolicy"  # the other has no read handler
    assert search("no such thing") == ()


def test_a_search_knows_properties_too():
    found = search("dead letter")
    function = next(match for match in found if match.type == "aws:lambda:Function")

    assert function.properties == ("dead_letter_config",)
    assert function.docs.endswith("/aws-resource-lambda-function.html")
    assert [match.type for match in search("celery queue")] == ["aws:mwaa:Environment"]
    assert str(found).splitlines()[0] == repr(found[0])
    assert repr(search("role")).splitlines()[-1].startswith("and ")
    assert str(search("no such thing")) == "nothing"


def test_nothing_is_found_by_nothing():
    assert search("") == ()


def test_a_tag_may_not_fit_a_type():
    aws = pack("aws")

    assert aws.takes_tag("kinesis", "Stream", "a:b", "x")
    assert not aws.takes_tag("sso", "Application", "a:b", "x")
    assert aws.takes_tag("sso", "Application", "ab", "x")
    assert not aws.takes_tag("apigateway", "Deployment", "ab", "x")  # it has none
