"""Secrets within values."""

import pytest

from iaclib.model.addresses import StackRef
from iaclib.model.expressions import Ref
from iaclib.model.values import UNKNOWN, Secret
from iaclib.schema.hiding import could_hide, hide
from iaclib.schema.pack import pack
from iaclib.schema.shapes import Shape

LOGIN = Shape(
    "object", properties={"name": Shape("str"), "password": Shape("str", secret=True)}, wire={"password": "P"}
)
NAMED = Shape("object", properties={"name": Shape("str")}, wire={"name": "N"})
REF = Ref(StackRef("shop", "prod"), "other", "name")
KEPT = {"name": "shop", "password": "hunter2"}


@pytest.mark.parametrize(
    ("shape", "value", "hidden"),
    [
        (LOGIN, KEPT, {"name": "shop", "password": Secret("hunter2")}),
        (Shape("list", items=LOGIN), [KEPT], [{"name": "shop", "password": Secret("hunter2")}]),
        (Shape("map", items=LOGIN), {"a": KEPT}, {"a": {"name": "shop", "password": Secret("hunter2")}}),
        (Shape("union", options=(NAMED, LOGIN)), KEPT, {"name": "shop", "password": Secret("hunter2")}),
    ],
)
def test_what_a_shape_says_is_secret_becomes_so(shape, value, hidden):
    assert hide(shape, value, Secret) == hidden


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (LOGIN, {"name": "shop"}),
        (LOGIN, {"password": Secret("hunter2")}),
        (LOGIN, UNKNOWN),
        (LOGIN, None),
        (LOGIN, {"password": UNKNOWN}),
        (LOGIN, {"password": None}),
        (Shape("list", items=LOGIN), [{"name": "shop"}]),
        (Shape("map"), {"password": "hunter2"}),
        (LOGIN, "text"),
    ],
)
def test_everything_else_is_left_as_it_is(shape, value):
    assert hide(shape, value, Secret) is value


@pytest.mark.parametrize(
    ("service", "name", "property", "value", "secret"),
    [
        ("amazonmq", "Broker", "users", [{"username": "shop", "password": "hunter2"}], "hunter2"),
        ("rds", "DBInstance", "master_user_password", "hunter2", None),  # as a whole: its property says so
        (
            "events",
            "Connection",
            "auth_parameters",
            {"invocation_http_parameters": {"header_parameters": [{"key": "x", "value": "hunter2"}]}},
            "hunter2",
        ),
        (
            "glue",
            "Connection",
            "connection_input",
            {"name": "x", "authentication_configuration": {"custom_authentication_credentials": {"a": "hunter2"}}},
            {"a": "hunter2"},
        ),
    ],
)
def test_facts_say_which(service, name, property, value, secret):
    """By names such as passwords have, and by what was reviewed of those that have none."""
    facts = pack("aws").facts(service, name).properties[property]
    made = []
    hide(facts.shape, value, made.append)

    assert made == ([] if secret is None else [secret])
    assert facts.secret is (secret is None)


@pytest.mark.parametrize(
    ("value", "could"),
    [
        (REF, True),
        ([REF], True),
        ([{"username": REF}], False),
        ([{"username": "shop", "groups": REF}], False),
        ([{"username": "shop"}], False),
    ],
)
def test_what_is_not_known_yet_may_hold_a_secret_where_its_shape_has_a_place_for_one(value, could):
    assert could_hide(pack("aws").facts("amazonmq", "Broker").properties["users"].shape, value) is could


def test_a_shape_that_holds_itself_has_an_end():
    shape = pack("aws").facts("wafv2", "WebACL").properties["rules"].shape

    assert could_hide(shape, REF) is False
