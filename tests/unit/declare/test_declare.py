"""Declaring: what a program may say, and which errors name the line that says it wrongly."""

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Annotated, Any, Literal, Required, TypedDict

import pytest

import iaclib as iac
from iaclib.declare.collect import collect
from iaclib.errors import DeclarationError, DuplicateAddressError, InvalidPropertyError
from iaclib.model.outputs import resolve
from iaclib.model.values import UNKNOWN


class Rule(TypedDict, total=False):
    port: Required[iac.Input[int]]
    cidr: iac.Input[str]


class Thing(iac.Resource, type="declaretest:Thing", on_delete=Rule):
    a: iac.Input[str] | None = iac.field(default=None)
    n: iac.Input[Annotated[int, iac.Range(1, 9)]] | None = iac.field(default=None)
    p: iac.Input[Annotated[str, iac.Pattern("^x")]] | None = iac.field(default=None)
    j: iac.Input[Mapping[str, Any]] | None = iac.field(default=None)
    m: iac.Input[Literal["on", "off"]] | None = iac.field(default=None)
    r: iac.Input[Sequence[iac.Input[Rule]]] | None = iac.field(default=None)
    s: iac.Input[str] | None = iac.field(default=None, secret=True)
    o: iac.Output[str] = iac.computed()
    t: iac.Output[dict[str, Any]] = iac.computed(secret=True)


class Strict(iac.Resource, type="declaretest:Strict"):
    cidr_block: iac.Input[str]


KNOWN = {("v", "id"): 'vpc-"1"', ("v", "o"): "oo", ("v", "n"): 5, ("v", "t"): {"k": [1, 2]}}


def numbered():
    counter = itertools.count(1)
    return lambda _: f"case{next(counter)}"


def lookup(address, field):
    return KNOWN.get((address, field), UNKNOWN)


def declare(program):
    class Program(iac.Stack):
        def build(self):
            program(self, Thing("v"))

    return collect(Program("prod"))


def value_of(program, field="a"):
    return resolve(declare(program).resources["x"].inputs, lookup)[field]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (lambda s, v: Thing("x", a=f"{v.o}_name"), "oo_name"),
        (lambda s, v: Thing("x", a=f"{v.o}{v.o}"), "oooo"),
        (lambda s, v: Thing("x", a=f"#!/bin/sh\n{v.id}"), '#!/bin/sh\nvpc-"1"'),
        (lambda s, v: Thing("x", a=json.dumps({"a": f"{v.id}"})), json.dumps({"a": 'vpc-"1"'})),
        (
            lambda s, v: Thing("x", a=json.dumps({"a": json.dumps([f"{v.id}"])})),
            json.dumps({"a": json.dumps(['vpc-"1"'])}),
        ),
        (lambda s, v: Thing("x", a=f'{{"n": {v.n}, "s": "{v.id}"}}'), '{"n": 5, "s": "vpc-\\"1\\""}'),
        (lambda s, v: Thing("x", a=iac.json({"n": v.n, "s": v.id})), '{"n":5,"s":"vpc-\\"1\\""}'),
        (lambda s, v: Thing("x", a=iac.gather(v.o, v.n).map(lambda both: both[0] * both[1])), "oo" * 5),
        (lambda s, v: Thing("x", a="iacTok_lookalike"), "iacTok_lookalike"),
    ],
    ids=numbered(),
)
def test_text_with_outputs_comes_to_their_values(program, expected):
    """f-strings, JSON and functions keep outputs, escaped as the text around them needs."""
    assert value_of(program) == expected


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text[:20],
        lambda text: text[11:23],
        lambda text: text[-12:],
        str.lower,
        str.upper,
        lambda text: text.replace("_", "-"),
        *[lambda text, n=n: base64.b64encode(("abc"[:n] + text).encode()).decode() for n in range(3)],
        lambda text: base64.encodebytes(("ab" * 33 + text).encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    ],
    ids=numbered(),
)
def test_altered_tokens_are_refused_naming_their_origin(alter):
    """Cut, re-cased and encoded tokens are found where they enter a field."""
    with pytest.raises(InvalidPropertyError, match=r"^x: a: .*altered token of v\.id.*test_declare\.py:\d+"):
        declare(lambda s, v: Thing("x", a=alter(f"{v.id}")))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda s, v: Thing("x", zz=1), "no property 'zz'"),
        (lambda s, v: Strict("x", cidr_blok="1"), "did you mean 'cidr_block'"),
        (lambda s, v: Strict("x"), "cidr_block missing"),
        (lambda s, v: Strict("x", cidr_block=None), "cidr_block missing"),
        (lambda s, v: Thing("x", o="1"), "o is computed"),
        (lambda s, v: Thing("x", a=3), "a: expected str, got int 3"),
        (lambda s, v: Thing("x", n=True), "expected int, got bool"),
        (lambda s, v: Thing("x", n=12), "expected 1 to 9"),
        (lambda s, v: Thing("x", n=f"{v.id}"), "an f-string gives str"),
        (lambda s, v: Thing("x", p="abc"), "expected text matching"),
        (lambda s, v: Thing("x", m="onn"), "did you mean 'on'"),
        (lambda s, v: Thing("x", r=[{"prt": 1}]), r"r\[0\]\.prt: no such key.*'port'"),
        (lambda s, v: Thing("x", r=[{"port": 1}, {"cidr": "x"}]), r"r\[1\]: port missing"),
        (lambda s, v: Thing("x", j={"a": float("nan")}), r"j\.a: nan"),
        (lambda s, v: Thing("x", j={"a": object()}), r"j\.a: object is not a JSON value"),
        (lambda s, v: Thing("x", j={1: 2}), "a mapping key is int"),
        (lambda s, v: Thing("x", j=reduce(lambda inner, _: {"a": inner}, range(200), {})), "deeper than 100"),
        (lambda s, v: Thing("x", a="x" * 10_000_000), "10,000,000 characters"),
        (lambda s, v: Thing("x", a="\ud800"), "lone surrogate"),
        (lambda s, v: Thing("x", a=v), r"such as \.id"),
        (lambda s, v: Thing("x", opts=iac.Options(on_delete={"prt": 1})), r"on_delete\.prt"),
    ],
    ids=numbered(),
)
def test_wrong_properties_are_refused_at_the_call(program, message):
    """The error names the address, the property, what was expected, and the user's line."""
    with pytest.raises(InvalidPropertyError, match=message) as caught:
        declare(program)
    assert str(caught.value).startswith("x: ")
    assert "test_declare.py:" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [lambda v: f"x-{v.id}", lambda v: v.id, lambda v: f"x-{iac.Secret('pw')}", lambda v: "a/b", lambda v: ""],
    ids=numbered(),
)
def test_names_are_plain_text_known_when_declaring(name):
    """Outputs, secrets and separators have no place in a logical name."""
    with pytest.raises(DeclarationError) as caught:
        declare(lambda s, v: Thing(name(v)))
    assert "pw" not in str(caught.value)


def test_two_declarations_at_one_address_name_both_lines():
    """A duplicate address is an error with both source lines."""
    with pytest.raises(DuplicateAddressError, match=r"^v: declared at test_declare\.py:\d+ and again at test_"):
        declare(lambda s, v: Thing("v"))


def test_declaring_outside_of_a_scope_is_an_error():
    """Without a stack there is nowhere to declare, and the message says so."""
    with pytest.raises(DeclarationError, match="outside of a declaration scope"):
        Thing("x")


@pytest.mark.parametrize(
    "program",
    [
        lambda s, v: Thing("x", a=f"pre-{iac.Secret('hunter2')}"),
        lambda s, v: Thing("x", a=iac.secret("hunter2")),
        lambda s, v: Thing("x", a=f"{Thing('y', s='hunter2').s}"),
        lambda s, v: Thing("x", a=iac.json(v.t)),
        lambda s, v: Thing("x", a=iac.json(v.t["k"])),
        lambda s, v: Thing("x", a=v.t.map(str)),
    ],
    ids=numbered(),
)
def test_what_is_made_of_secrets_is_secret(program):
    """Secrets stay secret through text, items, JSON and functions."""
    desired = declare(program)
    assert isinstance(value_of(program), iac.Secret)
    assert desired.resources["x"].has_secret
    assert "hunter2" not in repr(desired.resources["x"].inputs)


def test_a_wrong_secret_is_not_shown():
    """An error about a secret field keeps its value back."""
    with pytest.raises(InvalidPropertyError, match=r"s: expected str, got int \(secret\)"):
        declare(lambda s, v: Thing("x", s=4711))


def test_outputs_of_another_stack_are_refused():
    """Neither an output nor its text crosses from one stack into another."""
    with iac.Stack("one", project="p"):
        thing = Thing("v")
        text = f"{thing.id}"
    for value in (thing.id, text):
        with (
            pytest.raises(InvalidPropertyError, match="another stack|output of stack p/one"),
            iac.Stack("two", project="p"),
        ):
            Thing("x", a=value)


def test_unset_fields_read_as_outputs():
    """Reading what was passed gives it back; reading what was not gives an output, never None."""
    with iac.Stack("one", project="p"):
        thing = Thing("v", a="given", n=None)
    assert thing.a == "given"
    assert repr(thing.n) == "<Output v.n>"
    assert repr(thing.id) == "<Output v.id>"
    assert thing.urn == "p/one:v"


def test_a_component_must_assign_its_computed_fields():
    """A computed field that build() leaves unassigned is an error."""

    class Half(iac.Component):
        done: iac.Output[str] = iac.computed()

    with pytest.raises(DeclarationError, match="computed done not assigned"):
        declare(lambda s, v: Half("half"))


def test_options_of_components_reach_their_resources():
    """Protection and depends_on of a component count for everything in it."""

    class Group(iac.Component):
        def build(self):
            Thing("in")
            Thing("out", opts=iac.Options(protect=False))

    def program(s, v):
        group = Group("g", opts=iac.Options(protect=True, depends_on=[v]))
        Thing("x", opts=iac.Options(depends_on=group))

    found = declare(program).resources
    assert (found["g/in"].options.protect, found["g/out"].options.protect) == (True, False)
    assert found["g/in"].depends_on == ("v",)
    assert found["x"].depends_on == ("g/in", "g/out")
    assert found["g/in"].parent == "g"


def test_options_are_no_mapping():
    """The error says what to pass, for resources as for components."""

    class Group(iac.Component):
        pass

    for kind in (Thing, Group):
        with pytest.raises(DeclarationError, match=r"x: opts is dict, expected iac\.Options"):
            declare(lambda s, v, kind=kind: kind("x", opts={"protect": True}))


def test_a_stack_that_raised_is_never_planned():
    """The exception goes through with a note, and a block that raised can't be collected."""
    stack = iac.Stack("one", project="p")
    with pytest.raises(ZeroDivisionError) as caught, stack:
        1 / 0
    assert caught.value.__notes__ == ["while declaring stack p/one"]
    with pytest.raises(DeclarationError, match="block raised"):
        collect(stack)


def test_collecting_twice_gives_the_same_and_leaves_the_stack_as_it_was():
    """Each collect works on a copy; blocks can be collected any number of times."""

    class Program(iac.Stack):
        name: iac.Output[str] = iac.computed()

        def build(self):
            self.name = Thing("x").id
            self.export(name=f"{self.name}!")

    stack = Program("prod")
    first, second = collect(stack), collect(stack, salt="other")
    assert list(first.resources) == list(second.resources)
    assert resolve(first.outputs, lambda a, f: a) == resolve(second.outputs, lambda a, f: a) == {"name": "x!"}
    assert "name" not in stack.__dict__


def test_a_type_belongs_to_one_class():
    """The same class may be defined again; another one of the type is an error."""
    with pytest.raises(DeclarationError, match="declared by .*Thing and again by .*Other"):

        class Other(iac.Resource, type="declaretest:Thing"):
            pass
