"""``aws.resource``: by which names types and properties are found, and what is refused where it is written."""

import pytest

import iaclib as iac
from iaclib import aws
from iaclib.aws import kinesis, sqs
from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.testing import Simulator


@pytest.fixture
def stack():
    """Declare within it."""
    with iac.Stack("prod", project="shop") as made:
        yield made


def test_a_type_that_has_a_class_gives_its_object(stack):
    stream = aws.resource("AWS::Kinesis::Stream", "a", Name="x", StreamModeDetails={"StreamMode": "ON_DEMAND"})
    queue = aws.resource("AWS::SQS::Queue", "b", QueueName="x", fifo_queue=True, Tags=[{"Key": "k", "Value": "v"}])

    assert (type(stream), type(queue)) == (kinesis.Stream, sqs.Queue)
    assert (stream.name, stream.stream_mode_details) == ("x", {"stream_mode": "ON_DEMAND"})
    assert (queue.queue_name, queue.fifo_queue, queue.tags) == ("x", True, {"k": "v"})
    assert (queue.QueueName, repr(queue.Arn), repr(stream.Arn)) == ("x", repr(queue.arn), repr(stream.arn))


def test_what_the_class_refuses_is_refused(stack):
    with pytest.raises(InvalidPropertyError, match="no property 'Nome'"):
        aws.resource("AWS::Kinesis::Stream", "a", Nome="x")
    with pytest.raises(InvalidPropertyError, match="Name and name are one property"):
        aws.resource("AWS::Kinesis::Stream", "a", Name="x", name="x")
    with pytest.raises(DeclarationError, match="has no read handler"):
        aws.resource("AWS::SQS::QueuePolicy", "a", Queues=["x"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("AWS::S3::Buckett", "did you mean 'AWS::S3::Bucket'?"),
        ("AWS::S3::Bukcet", "did you mean 'AWS::S3::Bucket'?"),
        ("AWS::S3::Buckep", "did you mean 'AWS::S3::Bucket'?"),
        ("AWS::S3::Bucke", "did you mean 'AWS::S3::Bucket'?"),
        ("AWS::s3::bucket", "did you mean 'AWS::S3::Bucket'?"),
        ("aws:s3:Bucket", "is no type's name"),
        ("AWS::S3", "is no type's name"),
        ("AWS::S3::Bucket Policy", "is no type's name"),
        (sqs.Queue, "is no type's name"),
    ],
)
def test_a_wrong_name_is_told_with_its_line(stack, name, hint):
    with pytest.raises(DeclarationError) as caught:
        aws.resource(name, "a")

    assert hint in str(caught.value)
    assert "test_untyped.py:" in str(caught.value)


@pytest.mark.parametrize("name", ["AWS::S3::BucketV2", "AWS::Kinesis::Stream2", "AWS::New::Thing", "Acme::S3::Bucket"])
def test_a_new_name_is_taken(stack, name):
    assert aws.resource(name, "a", Any=1).Any == 1


def test_names_that_are_taken_get_an_underscore(stack):
    thing = aws.resource("Acme::Web::Site", "a", id_="x", get_="y", type="z", name="n")

    assert (thing.id_, thing.get_, thing.type, thing.name) == ("x", "y", "z", "n")
    assert isinstance(thing.id, iac.Output)
    assert isinstance(thing.urn, str)


def test_options_may_name_any_property():
    class Sites(iac.Stack):
        def build(self) -> None:
            options = iac.Options(
                secret_outputs=("Token",), ignore_changes=("Rank",), replace_on_changes=("Deep.Key[0]",)
            )
            site = aws.resource("Acme::Web::Site", "a", opts=options, Name="x")
            self.export(token=site.Token)

    assert isinstance(Simulator().apply(Sites("prod")).outputs["token"], iac.Secret)


def test_what_is_learnt_of_a_type_makes_no_difference():
    """Other programs of the process may have used other properties of it."""

    class Sites(iac.Stack):
        def build(self) -> None:
            self.export(arn=aws.resource("Acme::Web::Page", "a", Name="x").Arn)

    first = Simulator().apply(Sites("prod")).outputs
    with iac.Stack("other", project="shop"):
        aws.resource("Acme::Web::Page", "b", Other=1)
    assert Simulator().apply(Sites("prod")).outputs == first
