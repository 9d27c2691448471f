"""Classes that are made on demand behave as those written by hand."""

import importlib
import sys
import threading

import pytest

import iaclib as iac
from iaclib.declare import registry
from iaclib.declare.collect import collect
from iaclib.declare.resource import class_of
from iaclib.errors import DeclarationError, InvalidPropertyError
from iaclib.model.outputs import is_secret
from iaclib.model.values import Secret
from iaclib.provider.handler import Live
from iaclib.provider.registry import register_handler
from iaclib.schema import archive
from iaclib.schema.archive import Archive
from iaclib.schema.facts import PropertyFacts, TypeFacts
from iaclib.schema.pack import Pack
from iaclib.schema.shapes import Shape


def test_every_way_of_importing_gives_the_same_class():
    from iaclib.aws import sqs
    from iaclib.aws.sqs import QueueInlinePolicy

    assert QueueInlinePolicy is sqs.QueueInlinePolicy
    assert QueueInlinePolicy.__module__ == "iaclib.aws.sqs"
    assert importlib.import_module("iaclib.aws").sqs is sqs
    assert "aws-resource-sqs-queueinlinepolicy.html" in QueueInlinePolicy.__doc__
    assert {"Queue", "QueueInlinePolicy"} <= set(dir(sqs))
    assert "QueuePolicy" not in dir(sqs)


def test_threads_that_ask_at_once_get_one_class():
    from iaclib.aws import kendra

    vars(kendra).pop("Index", None)
    registry._types.pop("aws:kendra:Index", None)
    found, start = [], threading.Barrier(8)

    def ask():
        start.wait()
        found.append(kendra.Index)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 1


def test_what_was_written_by_hand_goes_first():
    from iaclib.aws import _s3, ec2, s3

    assert s3.Bucket is _s3.Bucket
    assert s3.LifecycleRule is _s3.LifecycleRule
    assert ec2.VPC.__module__ == "iaclib.aws._ec2_network"
    assert ec2.NatGateway.__module__ == "iaclib.aws.ec2"


def test_a_name_that_does_not_exist_gets_a_hint():
    from iaclib.aws import sqs

    with pytest.raises(AttributeError, match=r"no attribute 'Queu' \(did you mean 'Queue'\?\)"):
        _ = sqs.Queu
    aws = importlib.import_module("iaclib.aws")
    with pytest.raises(AttributeError, match=r"no attribute 'sqss' \(did you mean 'sqs'"):
        _ = aws.sqss
    assert not hasattr(aws, "no_such_service")


def test_a_type_without_handlers_says_so():
    from iaclib.aws import sqs

    with pytest.raises(
        DeclarationError, match=r"iaclib\.aws\.sqs\.QueuePolicy: AWS::SQS::QueuePolicy has no read handler"
    ):
        _ = sqs.QueuePolicy


def test_recorded_types_are_found_without_an_import():
    """Destroying a stack needs the facts of types that no module has asked for yet."""
    sys.modules["iaclib.aws.kinesisvideo"] = importlib.import_module("iaclib.aws.kinesisvideo")
    registry._types.pop("aws:kinesisvideo:Stream", None)
    vars(sys.modules["iaclib.aws.kinesisvideo"]).pop("Stream", None)

    cls, facts = registry.require_type("aws:kinesisvideo:Stream", "prod")

    assert cls.__name__ == "Stream"
    assert facts.type == "aws:kinesisvideo:Stream"


def test_mistakes_name_the_property_and_the_line():
    from iaclib.aws import ec2, sqs

    with iac.Stack("prod", project="shop"):
        with pytest.raises(
            InvalidPropertyError,
            match=r"^a: queue missing, expected a value; pass queue=\.\.\. in .*test_generated\.py:\d+$",
        ):
            sqs.QueueInlinePolicy("a", policy_document={})
        with pytest.raises(
            InvalidPropertyError, match=r"^b: no property 'subnet', expected a declared one \(did you mean 'subnet_id'"
        ):
            ec2.NatGateway("b", subnet="subnet-1")
        with pytest.raises(
            InvalidPropertyError, match=r"^c: connectivity_type: expected one of 'private', 'public', got str 'hidden'"
        ):
            ec2.NatGateway("c", connectivity_type="hidden")
        with pytest.raises(InvalidPropertyError, match=r"^d: nat_gateway_id is computed, expected it to be read only"):
            ec2.NatGateway("d", nat_gateway_id="nat-1")
        with pytest.raises(InvalidPropertyError, match=r"^e: tags\.Name: expected str, got int 1"):
            ec2.NatGateway("e", tags={"Name": 1})


def test_outputs_of_a_made_class_are_outputs():
    from iaclib.aws import ec2

    class Shop(iac.Stack):
        def build(self):
            gateway = ec2.NatGateway("nat", subnet_id="subnet-1")
            ec2.Route("route", route_table_id="rtb-1", destination_cidr_block="0.0.0.0/0", nat_gateway_id=gateway.id)

    assert set(collect(Shop("prod")).resources) == {"nat", "route"}


class Shelf:
    """A handler that keeps things in memory."""

    def __init__(self):
        self.things, self.calls = {}, []

    def create(self, ctx, inputs):
        self.calls.append("create")
        self.things["t-1"] = dict(inputs)
        return Live("t-1", {"arn": "arn:t-1"})

    def read(self, ctx, id):
        return Live(id, {"arn": "arn:t-1"}, self.things[id]) if id in self.things else None

    def update(self, ctx, id, before, after):
        self.calls.append(("update", dict(before), dict(after)))
        self.things[id] = dict(after)
        return Live(id, {"arn": "arn:t-1"})

    def delete(self, ctx, id):
        self.things.pop(id, None)


def thing(tmp_path, properties, shelf):
    """Make the class of a type as one release of a pack has it."""
    path = tmp_path / "acme.pack"
    archive.write(
        path,
        {"ACME::Shop::Thing": {"p": properties, "ro": ["Arn"], "id": ["Arn"], "h": {"update": {}}}},
        {"lacking": {}},
    )
    facts = Pack("acme", Archive(path)).facts("shop", "Thing")
    cls = class_of(facts, "Thing", "acme.shop", "A thing.")
    register_handler(facts.type, shelf, "acme.shop:Thing")
    cls._iac_own_handler = True
    return cls


def test_a_newer_pack_that_renames_a_property_refuses_the_old_name_and_lets_it_go(tmp_path):
    """The program is told at its line; the record keeps the old value until the next update drops it."""
    shelf = Shelf()
    old = thing(tmp_path, {"Arn": "str", "Colour": "str", "Size": "int"}, shelf)

    def shop(cls, **given):
        with iac.Stack("prod", project="acme") as stack:
            cls("thing", **given)
        return stack

    with iac.Engine(state=f"sqlite:///{tmp_path}/state.db") as engine:
        engine.apply(shop(old, colour="red", size=1))
        new = thing(tmp_path, {"Arn": "str", "Color": "str", "Size": "int"}, shelf)

        with pytest.raises(
            InvalidPropertyError, match=r"no property 'colour', expected a declared one \(did you mean 'color'"
        ):
            shop(new, colour="red", size=1)
        plan = engine.plan(shop(new, color="red", size=1))
        assert str(plan.change("thing").action) == "update"
        assert sorted(one.path for one in plan.change("thing").properties) == [("color",), ("colour",)]
        engine.apply(plan)
        assert dict(engine.snapshot("acme/prod").records["thing"].inputs) == {"color": "red", "size": 1}
        assert not engine.plan(shop(new, color="red", size=1))


def test_a_newer_pack_that_drops_a_property_leaves_the_record_readable(tmp_path):
    """Destroying and refreshing need no property to be known."""
    shelf = Shelf()
    old = thing(tmp_path, {"Arn": "str", "Colour": "str", "Size": "int"}, shelf)
    with iac.Stack("prod", project="acme") as stack:
        old("thing", colour="red", size=1)
    with iac.Engine(state=f"sqlite:///{tmp_path}/state.db") as engine:
        engine.apply(stack)
        thing(tmp_path, {"Arn": "str", "Size": "int"}, shelf)

        engine.refresh("acme/prod")
        assert engine.snapshot("acme/prod").records["thing"].inputs["colour"] == "red"
        engine.destroy("acme/prod")
        assert shelf.things == {}


def test_what_a_shape_hides_is_hidden_in_the_plainest_values_too():
    """Texts, mappings of texts and outputs take short ways through a declaration: none of them past a secret."""
    hidden = Shape("str", secret=True)
    shapes = {"password": hidden, "passwords": Shape("map", items=hidden), "copied": hidden}
    facts = TypeFacts("acme:Login", {name: PropertyFacts(name, shape) for name, shape in shapes.items()})
    cls = class_of(facts, "Login", "acme.shop", "A login.")
    with iac.Stack("prod", project="shop") as stack:
        first = cls("first", password="hunter2", passwords={"a": "hunter3"})
        second = cls("second", copied=first.password)
    found = collect(stack).resources
    assert found["first"].inputs == {"password": Secret("hunter2"), "passwords": {"a": Secret("hunter3")}}
    assert is_secret(found["second"].inputs["copied"])
    assert "hunter" not in f"{first!r} {second!r} {found}"
