"""What exists elsewhere is read once a plan, kept in it, and never becomes state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

import iaclib as iac
from iaclib.errors import (
    ApplyCancelled,
    DeclarationError,
    DuplicateAddressError,
    InvalidPropertyError,
    NotFoundError,
    OperationError,
    PlanError,
    SealError,
    ThrottledError,
)
from iaclib.state.keyfile import KeyFile
from recording import Cloud, Now, Thing

SECRET = "hunter2-hunter2"


class ImageHandler:
    """Knows two images; each call is written down."""

    calls: ClassVar[list[dict[str, Any]]] = []
    failing: ClassVar[list[Exception]] = []

    def lookup(self, ctx, query):
        self.calls.append(dict(query))
        if self.failing:
            raise self.failing.pop(0)
        owner = query["owner"]
        if owner == "nobody":
            return None
        if owner == "liar":
            return {"image_id": 7, "login": "x", "tags": {}}
        if owner == "lazy":
            return {"image_ids": "x"}
        return {
            "image_id": f"ami-{owner}-{query.get('arch', 'any')}",
            "login": SECRET,
            "tags": {"of": owner},
            "arch": "arm64",
        }


class Image(iac.Lookup, type="test:Image", handler=ImageHandler):
    """The newest image of an owner."""

    owner: iac.Input[str]
    arch: iac.Input[str] | None = iac.field(default=None)
    key: iac.Input[str] | None = iac.field(default=None, secret=True)
    image_id: iac.Output[str] = iac.computed()
    login: iac.Output[str] = iac.computed(secret=True)
    tags: iac.Output[dict[str, str]] = iac.computed()


@pytest.fixture(params=[0, 8], ids=["one by one", "parallel"])
def engine(request):
    Now.cloud = Cloud()
    ImageHandler.calls = []
    ImageHandler.failing = []
    with iac.Engine(state="memory:", parallelism=request.param) as made:
        yield made


def stack(build, name="dev"):
    return type("Shop", (iac.Stack,), {"build": build})(name)


def test_a_lookup_feeds_a_resource_and_is_no_dependency_of_it(engine):
    """Its values reach the handler; the record has no trace of where they came from, and no-op plans stay empty."""

    kept = []

    def build(self):
        image = Image("ubuntu", owner="canonical")
        kept.append(image)
        Thing("a", link=image.image_id, data={"tag": f"{image.tags['of']}!"})
        self.export(arch=image.arch)

    plan = engine.plan(stack(build))
    assert ImageHandler.calls == [{"owner": "canonical"}]
    run = engine.apply(plan)
    assert run.value(kept[-1].image_id) == "ami-canonical-any"

    record = engine.snapshot("shop/dev").records["a"]
    assert dict(record.inputs) == {"link": "ami-canonical-any", "data": {"tag": "canonical!"}}
    assert (record.dependencies, list(engine.snapshot("shop/dev").records)) == ((), ["a"])
    assert run.outputs["arch"] == "arm64"
    assert len(ImageHandler.calls) == 1, "the apply of a plan reads nothing again"
    assert not engine.plan(stack(build))


def test_a_plan_shows_reads_first_and_does_not_count_them(engine):
    """Reads are changes with action "read", left out of counts and of the plan's truth."""

    def build(_):
        Thing("a", link=Image("ubuntu", owner="canonical").image_id)

    plan = engine.plan(stack(build))
    assert [(change.action, change.address) for change in plan.changes] == [("read", "ubuntu"), ("create", "a")]
    assert plan.counts == {"create": 1}
    change = plan.change("ubuntu")
    assert (change.action.symbol, change.urn, change.type) == ("<=", "shop/dev:ubuntu", "test:Image")
    assert change.after["image_id"] == "ami-canonical-any"
    text = str(plan)
    assert ' <= ubuntu  test:Image  (read)\n      owner    = "canonical"' in text
    assert SECRET not in text

    engine.apply(plan)
    again = engine.plan(stack(build))
    assert (bool(again), again.counts, str(again)) == (False, {}, "shop/dev: Nothing to do.")
    with pytest.raises(KeyError, match="did you mean 'ubuntu'"):
        again.change("ubunt")


def test_secret_answers_stay_secret(engine):
    """A computed(secret=True) is sealed in state, masked in print, and what is made of it too."""

    def build(self):
        image = Image("ubuntu", owner="canonical")
        Thing("a", link=f"user:{image.login}")
        self.export(login=image.login)

    plan = engine.plan(stack(build))
    assert SECRET not in str(plan)
    run = engine.apply(plan)
    assert run.outputs["login"] == iac.Secret(SECRET)
    assert engine.snapshot("shop/dev").records["a"].inputs["link"] == iac.Secret(f"user:{SECRET}")
    assert not engine.plan(stack(build))


def test_get_reads_an_object_of_a_resource_type(engine):
    """`get` gives an object whose inputs, outputs and id are readable as outputs; it is read once and not managed."""
    Now.cloud.objects["id-9"] = {"address": "", "token": "", "inputs": {"size": 3, "password": SECRET}}

    def build(self):
        shared = Thing.get("shared", id="id-9")
        Thing("a", size=shared.size, link=shared.id, password=shared.password, data={"out": shared.out})
        self.export(hard=shared.hard, urn=shared.urn)

    run = engine.apply(stack(build))
    assert Now.cloud.reads == ["shared"]
    record = engine.snapshot("shop/dev").records["a"]
    assert dict(record.inputs) == {
        "size": 3,
        "link": "id-9",
        "password": iac.Secret(SECRET),
        "data": {"out": "out-3"},
    }
    assert list(engine.snapshot("shop/dev").records) == ["a"]
    assert run.outputs == {"hard": None, "urn": "shop/dev:shared"}
    engine.destroy("shop/dev")
    assert list(Now.cloud.objects) == ["id-9"]


def test_lookups_use_one_another_and_outputs_of_stacks(engine):
    """They are read in the order in which they need each other, whatever the order of their making."""

    def base(self):
        self.export(owner="canonical", other=3)

    engine.apply(stack(base, "base"))

    def build(self):
        first = Image("first", owner=iac.stack_output("shop/base", "owner", type=str))
        second = Image("second", owner="x", arch=f"{first.arch}-{first.image_id}")
        self.export(found=second.image_id)

    assert engine.apply(stack(build)).outputs["found"] == "ami-x-arm64-ami-canonical-any"
    assert [call["owner"] for call in ImageHandler.calls] == ["canonical", "x"]


def test_throttled_lookups_are_tried_again(engine):
    """The engine's retries hold for lookups too."""
    ImageHandler.failing = [ThrottledError("slow down", retry_after=0.01)]

    def build(self):
        self.export(image=Image("ubuntu", owner="canonical").image_id)

    assert engine.apply(stack(build)).outputs["image"] == "ami-canonical-any"
    assert len(ImageHandler.calls) == 2


def test_a_destroy_plan_looks_nothing_up(engine):
    """What only feeds inputs isn't needed to delete."""

    def build(_):
        Thing("a", link=Image("ubuntu", owner="canonical").image_id)

    engine.apply(stack(build))
    ImageHandler.failing = [NotFoundError("gone")]
    plan = engine.plan(stack(build), destroy=True)
    assert plan.counts == {"delete": 1}
    engine.apply(plan)
    assert len(ImageHandler.calls) == 1


def test_made_outside_a_lookup_serves_the_stack_that_uses_it(engine):
    """It gets its address there, and its place in the plan."""
    image = Image("ubuntu", owner="canonical")
    wrapped = Image("wrapped", owner=image.tags["of"])

    def build(self):
        self.export(id=wrapped.image_id)

    plan = engine.plan(stack(build))
    assert {change.address for change in plan.changes} == {"ubuntu", "wrapped"}
    assert engine.apply(plan).outputs["id"] == "ami-canonical-any"
    assert engine.apply(stack(build, "other")).outputs["id"] == "ami-canonical-any"


def test_a_value_that_only_an_apply_tells_mixes_with_looked_up_ones(engine):
    """An expression of both is resolved at apply with what the plan kept."""

    def build(_):
        image = Image("ubuntu", owner="canonical")
        first = Thing("a", size=1)
        Thing("b", link=iac.gather(first.id, image.image_id).map(" on ".join))

    engine.apply(engine.plan(stack(build)))
    assert engine.snapshot("shop/dev").records["b"].inputs["link"] == "id-1 on ami-canonical-any"
    assert len(ImageHandler.calls) == 1


def test_the_digest_tells_what_was_found(engine):
    """A plan made from another answer is another plan."""

    def program(owner):
        def build(_):
            image = Image("ubuntu", owner=owner)
            first = Thing("a", size=1)
            Thing("b", link=iac.gather(first.id, image.image_id).map(" on ".join))

        return stack(build)

    # The lineage of a stack without state is drawn anew for each plan, so it is made first.
    engine.apply(stack(lambda self: self.export(x=1)))
    assert engine.plan(program("one")).digest == engine.plan(program("one")).digest
    assert engine.plan(program("one")).digest != engine.plan(program("two")).digest


# ------------------------------------------------------------------------------------------------------- what fails


def refused(engine, build, error):
    """Plan and apply are refused alike, and nothing is called or written."""
    messages = []
    for operation in (engine.plan, engine.apply):
        with pytest.raises(error) as caught:
            operation(stack(build))
        messages.append(str(caught.value))
    assert engine.snapshot("shop/dev").serial == 0
    assert not [call for call in Now.cloud.calls if call[0] in "CUD"]
    assert messages[0] == messages[1]
    return caught.value


def test_what_is_not_there_is_named_with_id_and_line(engine):
    """`get` of nothing is a PlanError."""

    def build(_):
        Thing("a", link=Thing.get("shared", id="id-404").id)

    error = refused(engine, build, PlanError)
    assert 'shared: there is no test:Thing with id "id-404", expected one' in str(error)
    assert "test_lookups.py:" in str(error)
    assert error.address == "shared"


def test_a_lookup_that_finds_nothing_names_its_query_but_no_secret(engine):
    """None from the handler is a PlanError; so is NotFoundError."""

    def build(_):
        Thing("a", link=Image("ubuntu", owner="nobody", key=SECRET).image_id)

    message = str(refused(engine, build, PlanError))
    assert 'ubuntu: there is no test:Image with owner "nobody", key (secret), expected' in message

    ImageHandler.failing = [NotFoundError("no"), NotFoundError("no")]
    assert str(refused(engine, build, PlanError)) == message


def test_a_failing_lookup_is_an_operation_error_without_secrets(engine):
    """The cause is a redacted copy; nothing raw is chained."""
    ImageHandler.failing = [ValueError(f"bad key {SECRET}") for _ in range(2)]

    def build(_):
        Thing("a", link=Image("ubuntu", owner="canonical", key=SECRET).image_id)

    error = refused(engine, build, OperationError)
    assert str(error).startswith("ubuntu: read failed: bad key (secret), expected to look up test:Image;")
    assert (error.urn, error.action, type(error.cause)) == ("shop/dev:ubuntu", "read", ValueError)
    assert (error.__cause__, error.__context__) == (None, None)


def test_several_that_fail_are_all_told(engine):
    """The first in the program is raised, the others are in its notes."""

    def build(_):
        Image("one", owner="nobody")
        Image("two", owner="nobody")
        Image("three", owner="canonical")

    error = refused(engine, build, PlanError)
    assert str(error).startswith("one: ")
    assert [note.partition(":")[0] for note in error.__notes__] == ["and two"]


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        ("liar", "ubuntu: test:Image answered image_id: expected str, got int 7; fix the handler's lookup"),
        (
            "lazy",
            (
                "ubuntu: test:Image answered without image_id, expected all computed fields, None where there is nothing "
                "(did you mean 'image_ids'?); fix the handler's lookup"
            ),
        ),
    ],
)
def test_an_answer_that_is_not_what_the_class_says_is_refused(engine, owner, message):
    """A handler's mistake shows where it is made."""
    assert str(refused(engine, lambda _: Image("ubuntu", owner=owner), PlanError)) == message


def test_a_handler_without_lookup_is_told_what_it_lacks(engine):
    """The method is optional for handlers, so its absence shows when it is needed."""

    class Odd(iac.Lookup, type="test:Odd", handler=object):
        """Nobody answers."""

    assert "odd: object has no lookup method, expected" in str(refused(engine, lambda _: Odd("odd"), PlanError))


def test_values_from_elsewhere_are_checked_against_the_query(engine):
    """A query made of another stack's output must still be what the field takes."""
    engine.apply(stack(lambda self: self.export(n=3), "base"))

    def build(_):
        Image("ubuntu", owner=iac.stack_output("shop/base", "n"))

    assert "ubuntu: owner: expected str, got int 3; correct it in test_lookups.py:" in str(
        refused(engine, build, PlanError)
    )


def test_a_query_that_refers_to_what_is_unset_is_refused(engine):
    """A required value has to be there once it is known; an optional one may be unset."""
    engine.apply(stack(lambda self: self.export(nothing=None), "base"))

    def build(_):
        nothing = iac.stack_output("shop/base", "nothing")
        Image("fine", owner="x", arch=nothing)
        Image("ubuntu", owner=nothing)

    error = refused(engine, build, PlanError)
    assert "ubuntu: owner: it refers to what is unset, expected a value; correct it in" in str(error)
    assert not ImageHandler.calls


def test_get_asks_for_an_id_only(engine):
    """What a new object needs isn't needed to look at one."""

    class Handler:
        def read(self, ctx, id):
            return iac.Live(id, {"made": 1}, {"zone": "z"})

    class Strict(iac.Resource, type="test:Strict", handler=Handler):
        zone: iac.Input[str]
        made: iac.Output[int] = iac.computed()

    assert dict(engine.read(Strict.get("one", id="x"))) == {"id": "x", "zone": "z", "made": 1}


def test_a_query_made_of_a_resource_is_refused_where_it_stands(engine):
    """Lookups are read before anything is made; the message names both."""

    def build(_):
        first = Thing("first", size=1)
        Image("ubuntu", owner=f"{first.id}-x")

    error = refused(engine, build, DeclarationError)
    assert "ubuntu: owner uses first.id, which only an apply tells" in str(error)


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda: Image("a"), InvalidPropertyError, "a: owner missing"),
        (lambda: Image("a", ownr="x"), InvalidPropertyError, "no property 'ownr', expected a declared one (did you"),
        (lambda: Image("a", owner=3), InvalidPropertyError, "a: owner: expected str, got int 3"),
        (lambda: Image("a", owner="x", image_id="y"), InvalidPropertyError, "image_id is computed"),
        (lambda: Image("a/b", owner="x"), DeclarationError, "not a logical name"),
        (lambda: Image("a", "x"), InvalidPropertyError, "1 positional arguments after the name"),
        (
            lambda: Image("a", owner="x", opts=iac.Options(protect=True)),
            DeclarationError,
            "a: the option protect is for what this stack manages",
        ),
        (lambda: Thing.get("a", id=""), InvalidPropertyError, "a: id: expected at least 1 characters"),
        (lambda: Thing.get("a", id=None), InvalidPropertyError, "a: id: None is given, expected str"),
        (lambda: Thing.get("a", id=7), InvalidPropertyError, "a: id: expected str, got int 7"),
        (lambda: iac.Resource.get("a", id="x"), DeclarationError, "the class has no type"),
        (
            lambda: Thing("b", opts=iac.Options(depends_on=[Image("a", owner="x")])),
            DeclarationError,
            "b: depends_on names the lookup <Image a>",
        ),
        (lambda: (Image("a", owner="x"), Thing("a")), DuplicateAddressError, "a: declared at test_lookups.py:"),
    ],
)
def test_wrong_lookups_are_refused_at_their_line(engine, program, error, message):
    """Mistakes in a call are found before anything is read."""
    found = refused(engine, lambda _: program(), error)
    assert message in str(found)
    assert "test_lookups.py:" in str(found)
    assert not ImageHandler.calls


def test_a_lookup_of_an_earlier_collect_or_another_stack_is_refused(engine):
    """Lookups belong to the scope that they are made in."""
    kept = []

    def build(self):
        if not kept:
            kept.append(Image("ubuntu", owner="canonical"))
        self.export(id=kept[0].image_id)

    engine.plan(stack(build))
    with pytest.raises(DeclarationError, match=r"uses ubuntu.image_id, made in an earlier collect at test_lookups.py:"):
        engine.plan(stack(build))
    with pytest.raises(DeclarationError, match=r"made in stack shop/dev at"):
        engine.plan(stack(build, "other"))


def test_one_made_outside_may_not_take_a_name_that_is_used(engine):
    """It gets an address like any other."""
    image = Image("a", owner="canonical")

    def build(_):
        Thing("a", link=image.image_id)

    assert "a: declared at" in str(refused(engine, build, DuplicateAddressError))


@pytest.mark.parametrize("option", ["replaces", "unique", "generated", "write_only"])
def test_a_lookup_class_takes_plain_fields_only(option):
    """What is for managed objects says nothing of a question."""
    with pytest.raises(DeclarationError, match=r"x: replaces, unique, generated and write_only are for"):

        class Bad(iac.Lookup, type="test:Bad"):
            x: iac.Input[str] | None = iac.field(default=None, **{option: True})


# ----------------------------------------------------------------------------------------- outputs of other stacks


@pytest.fixture
def network(engine):
    def build(self):
        self.export(vpc_id="vpc-1", zones=["a", "b"], password=iac.secret(SECRET), n=3)

    engine.apply(type("Network", (iac.Stack,), {"build": build})("prod"))
    return engine


def test_a_stack_output_is_read_from_state(network):
    """Plain ones are plain, secret ones stay secret, and a new value is seen by the next plan."""

    def build(self):
        zones = iac.stack_output("network/prod", "zones", type=list[str])
        password = iac.stack_output("network/prod", "password", type=str)
        Thing("a", link=f"{zones[1]}:{password}", data={"vpc": iac.stack_output("network/prod", "vpc_id", type=str)})
        self.export(n=iac.stack_output("network/prod", "n"))

    plan = network.plan(stack(build))
    assert SECRET not in str(plan)
    assert [change.action for change in plan.changes] == ["create"]
    run = network.apply(plan)
    record = network.snapshot("shop/dev").records["a"]
    assert dict(record.inputs) == {"link": iac.Secret(f"b:{SECRET}"), "data": {"vpc": "vpc-1"}}
    assert run.outputs == {"n": 3}
    assert not network.plan(stack(build))


def test_the_plan_keeps_the_value_it_read(network):
    """What the other stack exports meanwhile doesn't reach an apply of the plan."""

    def build(_):
        Thing("b", link=iac.gather(Thing("a").id, iac.stack_output("network/prod", "vpc_id")).map("/".join))

    plan = network.plan(stack(build))
    other = type("Network", (iac.Stack,), {"build": lambda self: self.export(vpc_id="vpc-2")})("prod")
    network.apply(other)
    network.apply(plan)
    assert network.snapshot("shop/dev").records["b"].inputs["link"] == "id-1/vpc-1"
    assert network.plan(stack(build)).counts == {"update": 1}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("network/prd", "vpc_id"), PlanError, ("network/prd: there is no such stack in this state, expected one that "
         "was applied (did you mean 'network/prod'?); apply it first")),
        (("network/prod", "vpc"), PlanError, ("network/prod: no output 'vpc', expected one that the stack exports "
         "(did you mean 'vpc_id'?)")),
        (("network/prod", "n", str), PlanError, "network/prod: output n: expected str, got int 3; correct type="),
        (("network/prod", "password", int), PlanError, "network/prod: output password: expected int, got str (secret)"),
        (("network/prod", "zones", list[int]), PlanError, "network/prod: output zones[0]: expected int"),
        (("shop/dev", "vpc_id"), DeclarationError, "it is the output of this very stack"),
        (("network", "vpc_id"), DeclarationError, "'network': not a stack reference"),
        (("network/prod", 3), DeclarationError, "expected the text 'project/stack' and a name"),
        (("network/prod", "n", object()), DeclarationError, "describes no JSON value"),
    ],
)  # fmt: skip
def test_wrong_stack_outputs_are_refused(network, arguments, error, message):
    """The message names what is there, and the line."""
    ref, name, *kind = arguments

    def build(self):
        self.export(x=iac.stack_output(ref, name, **({"type": kind[0]} if kind else {})))

    found = str(refused(network, build, error))
    assert message in found
    assert "test_lookups.py:" in found
    assert SECRET not in found


def test_a_stack_output_named_by_an_output_is_refused(network):
    """Which stack is read is known when declaring."""

    def build(_):
        iac.stack_output(f"network/{Thing('a').id}", "vpc_id")

    assert "the stack or the name holds an output" in str(refused(network, build, DeclarationError))


def test_a_stack_may_be_named_by_itself(network):
    """Another program's Stack object says which stack is meant."""
    other = iac.Stack("prod", project="network")
    assert network.read(iac.stack_output(other, "vpc_id", type=str)) == "vpc-1"


# ------------------------------------------------------------------------------------------------------ engine.read


def test_engine_read_gives_plain_values_beforehand(network):
    """Programs are shaped by them, outside of any stack."""
    zones = network.read(iac.stack_output("network/prod", "zones", type=list[str]))
    assert zones == ["a", "b"]
    assert network.read(iac.stack_output("network/prod", "password", type=str)) == SECRET
    assert network.read(iac.gather(iac.stack_output("network/prod", "n"), Image("u", owner="x").arch)) == [3, "arm64"]


def test_engine_read_of_a_lookup_gives_its_properties(network):
    """By attribute and key, read only; secrets stay Secret."""
    Now.cloud.objects["id-9"] = {"address": "", "token": "", "inputs": {"size": 3}}
    found = network.read(Thing.get("shared", id="id-9"))
    assert (found.id, found.size, found["out"], found.link) == ("id-9", 3, "out-3", None)
    image = network.read(Image("ubuntu", owner="canonical"))
    assert (image.login, image.owner) == (iac.Secret(SECRET), "canonical")
    assert SECRET not in repr(image)
    with pytest.raises(AttributeError, match="ubuntu: no property 'imag_id', expected one that it has; did you mean"):
        _ = image.imag_id
    with pytest.raises(AttributeError):
        image.owner = "x"


def test_engine_read_refuses_what_only_an_apply_tells(network):
    """And says where such values are found."""
    with iac.Stack("x", project="shop"):
        thing = Thing("a")
    for given, message in [
        (thing.id, "a.id is a property of a resource"),
        (thing, "<Thing a> is no lookup and no output"),
        ("text", "'text' is no lookup"),
    ]:
        with pytest.raises(DeclarationError, match=message):
            network.read(given)
    with pytest.raises(PlanError, match="no output 'none'"):
        network.read(iac.stack_output("network/prod", "none"))


def test_reading_an_unset_field_of_the_class_says_what_to_do():
    """A field belongs to an instance."""
    with pytest.raises(AttributeError, match=r"Image.image_id is read from the class"):
        _ = Image.image_id


def test_a_provider_in_scope_reaches_the_handler(engine):
    """Options and blocks say through what a lookup is read."""
    seen = []

    class Handler:
        def lookup(self, ctx, query: Mapping[str, Any]):
            seen.append((ctx.provider and ctx.provider.region, ctx.stack, ctx.urn))
            return {}

    class Cloudy(iac.Provider):
        name = "lookuptest"

        def __init__(self, region):
            self.region = region

        def identity(self):
            return ("1", self.region)

        def config(self):
            return {"region": self.region}

        def handler(self, type):
            return {"lookuptest:Served": Handler()}[type]

    class Own(iac.Lookup, type="lookuptest:Own", handler=Handler):
        """Brings its handler."""

    class Served(iac.Lookup, type="lookuptest:Served"):
        """Is served by the provider."""

    def build(_):
        Own("a")
        Own("b", opts=iac.Options(provider=Cloudy("north")))
        with Cloudy("south"):
            Served("c")

    engine.plan(stack(build))
    assert sorted(seen, key=lambda one: one[2]) == [
        (None, "shop/dev", "shop/dev:a"),
        ("north", "shop/dev", "shop/dev:b"),
        ("south", "shop/dev", "shop/dev:c"),
    ]


def test_targets_read_no_more_than_they_need(engine):
    """What feeds untargeted resources only isn't asked for; exports made of it keep their old values."""

    def build(self):
        image = Image("ubuntu", owner="canonical")
        other = Image("other", owner=image.tags["of"], arch="x")
        unused = Image("unused", owner="debian")
        Thing("a", link=other.image_id)
        Thing("b", link=unused.image_id)
        self.export(b=unused.image_id)

    plan = engine.plan(stack(build), targets=["a"])
    assert [change.address for change in plan.changes if change.action == "read"] == ["ubuntu", "other"]
    engine.apply(plan)
    assert engine.snapshot("shop/dev").records["a"].inputs["link"] == "ami-canonical-x"
    assert [call["owner"] for call in ImageHandler.calls] == ["canonical", "canonical"]
    assert engine.plan(stack(build)).counts == {"create": 1}


def test_a_lookup_in_a_trigger_replaces_when_it_answers_otherwise(engine):
    """Options take looked up values too."""

    def program(owner):
        def build(_):
            image = Image("ubuntu", owner=owner)
            Thing("a", opts=iac.Options(replacement_trigger=image.image_id))

        return stack(build)

    engine.apply(program("one"))
    assert not engine.plan(program("one"))
    assert engine.plan(program("two")).counts == {"replace": 1}


def test_a_stop_while_looking_up_ends_the_run(engine):
    """Nothing is started after it."""

    def build(_):
        image = Image("ubuntu", owner="canonical")
        Thing("a", link=Image("next", owner=image.arch).image_id)

    original = ImageHandler.lookup

    def lookup(self, ctx, query):
        engine.cancel()
        return original(self, ctx, query)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageHandler, "lookup", lookup)
        with pytest.raises(ApplyCancelled):
            engine.apply(stack(build))
    assert len(ImageHandler.calls) == 1
    assert not Now.cloud.calls
    engine.apply(stack(build))
    assert Now.cloud.calls == ["C a"]


def test_an_import_resolves_inputs_with_lookups(engine):
    """What is recorded as declared has the values that a plan would use; the next plan is empty."""
    Now.cloud.objects["id-9"] = {"address": "", "token": "", "inputs": {"link": "ami-canonical-any"}}

    def build(_):
        Thing("a", link=Image("ubuntu", owner="canonical").image_id)
        Thing("b", link=Image("other", owner="debian").image_id)

    engine.import_(stack(build), {"a": "id-9"})
    assert dict(engine.snapshot("shop/dev").records["a"].inputs) == {"link": "ami-canonical-any"}
    assert [call["owner"] for call in ImageHandler.calls] == ["canonical"]
    assert engine.plan(stack(build)).counts == {"create": 1}


# -------------------------------------------------------------------------------------------------------- in sessions


def test_a_session_knows_what_it_looks_up(network):
    """Values are plain at once, also of a query made of what was ensured; each lookup is read once."""
    outside = Image("outside", owner="x")
    with network.session("shop/dev") as s:
        image = Image("ubuntu", owner=iac.stack_output("network/prod", "vpc_id"))
        assert image.image_id.value == "ami-vpc-1-any"
        first = s.ensure(Thing("a", link=image.image_id, data={"tag": outside.tags["of"]}))
        second = Image("second", owner=first.id, arch=f"{image.arch}")
        assert s.value(f"{second.image_id}!") == "ami-id-1-arm64!"
        s.ensure(Thing("b", link=iac.gather(first.id, second.image_id, image.image_id).map("/".join)))
        s.export(image=second.image_id, login=second.login)

    snapshot = network.snapshot("shop/dev")
    assert snapshot.records["b"].inputs["link"] == "id-1/ami-id-1-arm64/ami-vpc-1-any"
    assert snapshot.records["a"].inputs["data"] == {"tag": "x"}
    assert snapshot.outputs == {"image": "ami-id-1-arm64", "login": iac.Secret(SECRET)}
    assert [call["owner"] for call in ImageHandler.calls] == ["vpc-1", "x", "id-1"]


def test_a_session_refuses_a_query_of_what_is_not_ensured_yet(engine):
    """And says what to do; a lookup that fails leaves the session usable."""
    with engine.session("shop/dev") as s:
        first = Thing("a", size=1)
        with pytest.raises(DeclarationError, match=r"ubuntu: owner uses a.id, which only an apply tells, .* ensure it"):
            Image("ubuntu", owner=first.id)
        s.ensure(first)
        nobody = Image("nobody", owner="nobody")
        with pytest.raises(PlanError, match="nobody: there is no test:Image"):
            s.value(nobody.image_id)
        s.export(id=Image("ubuntu", owner=first.id).image_id)
    assert engine.snapshot("shop/dev").outputs == {"id": "ami-id-1-any"}


def test_a_secret_of_another_stack_opens_with_the_engines_keyring(tmp_path):
    """In state it is sealed; another engine on the same state opens it, one with another key says so."""

    def state(**more):
        return iac.Engine(state=f"sqlite:///{tmp_path}/state.db", **more)

    with state() as engine:
        engine.apply(stack(lambda self: self.export(password=iac.secret(SECRET)), "base"))
    output = iac.stack_output("shop/base", "password", type=str)
    with state() as engine:
        assert engine.read(output) == SECRET
    with state(keyring=KeyFile(tmp_path / "other.key")) as engine, pytest.raises(SealError, match="key"):
        engine.read(output)
