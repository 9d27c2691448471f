"""Rule 15: a saved plan is sealed, single use, and bound to state, program and account."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from iaclib import declare as iac
from iaclib.backends.memory import Memory
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, PlanError, PolicyViolationError, SealError, StalePlanError
from iaclib.model.values import Secret
from iaclib.plan import file
from iaclib.plan.changes import Change
from iaclib.plan.plan import Plan
from iaclib.plan.policy import policy
from iaclib.provider.base import Identity, Provider
from iaclib.provider.handler import Live
from recording import Cloud, Named, Now, Thing, ThingHandler, integrity


class Accounted(Provider):
    """A provider whose credentials belong to whatever account the test says."""

    name = "accounted"
    accounts: dict[str, str] = {}  # noqa: RUF012 - by profile, set by the tests

    def __init__(self, profile="default", region="here", default_tags=None):
        self.profile, self.region, self.default_tags = profile, region, default_tags or {}

    def identity(self):
        return Identity(self.accounts.get(self.profile, "1"), self.region)

    def config(self):
        return {"profile": self.profile, "region": self.region}

    def handler(self, type):
        return ThingHandler()


class Box(iac.Resource, type="accounted:Box", tags="tags"):
    size: iac.Input[int] = iac.field(default=None)
    tags: iac.Input[dict[str, iac.Input[str]]] = iac.field(default=None)


class Role(iac.Resource, type="accounted:Role", is_global=True):
    size: iac.Input[int] = iac.field(default=None)


class World:
    """A state file, a cloud, and a new engine for each thing that is done."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "dev.plan"
        self.cloud = Now.cloud = Cloud()
        self.providers = ()
        self.keyring = None
        self.policies = ()
        self.state = Memory()  # as good as a file: what is written passes the same serializer

    def engine(self):
        return Engine(
            state=self.state, parallelism=0, providers=self.providers, keyring=self.keyring, policies=self.policies
        )

    def stack(self, program):
        return type("Shop", (iac.Stack,), {"build": lambda _: program()})("dev")

    def plan(self, program, **options):
        with self.engine() as engine:
            plan = engine.plan(self.stack(program), **options)
            plan.save(self.path)
            return plan

    def apply(self, program=None, **options):
        """Apply the saved plan; give the calls that were made."""
        self.cloud.take()
        with self.engine() as engine:
            given = {} if program is None else {"program": self.stack(program)}
            self.run = engine.apply(Plan.load(self.path), **given, **options)
        return self.cloud.take()

    def now(self, program):
        """Plan and apply at once."""
        with self.engine() as engine:
            self.run = engine.apply(self.stack(program))
        return self.cloud.take()

    def snapshot(self):
        with self.engine() as engine:
            return engine.snapshot("shop/dev")

    def refused(self, error, match, program=None):
        """Check that the saved plan is refused, and that nothing is called or written."""
        self.cloud.take()
        before = self.contents()
        with pytest.raises(error, match=match) as caught:
            self.apply(program)
        assert self.cloud.take() == []
        assert self.contents() == before
        return caught.value

    def contents(self):
        with self.engine() as engine:
            return engine.snapshot("shop/dev"), engine.history("shop/dev"), dict(self.cloud.objects)

    def forge(self, change):
        """Change the saved body as somebody could who has no key: the plain digest fits."""
        document = orjson.loads(self.path.read_bytes())
        change(document)
        seal = document.pop("seal")
        document.pop("checksum")
        self.path.write_bytes(orjson.dumps({**document, "checksum": file._checksum(document), "seal": seal}))


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    Accounted.accounts = {}
    yield made
    integrity(made.snapshot(), made.cloud)


def small(size=1, **more):
    return lambda: Thing("a", size=size, **more)


# ----------------------------------------------------------------------------------------------------------- single use


def test_plan_is_carried_out_once(world):
    """The second time it says at which serial it was made, and at which state is."""
    world.plan(small())
    assert world.apply() == ["C a"]
    error = world.refused(
        StalePlanError, r"shop/dev: .* made at serial 0, state is at serial 3 \(0 -> 3\), .*; plan again"
    )
    assert (error.planned, error.now) == (0, 3)


def test_plan_object_is_carried_out_once(world):
    """Also by the engine that made it, without a file."""
    with world.engine() as engine:
        plan = engine.plan(world.stack(small()))
        engine.apply(plan)
        with pytest.raises(StalePlanError, match="made at serial 0, state is at serial 3"):
            engine.apply(plan)
    assert world.cloud.take() == ["C a"]


def test_plan_that_does_nothing_stays_good(world):
    """It wrote nothing, so nothing has moved."""
    world.now(small())
    world.plan(small())
    assert world.apply() == []
    assert world.apply() == []


def test_another_change_makes_it_stale(world):
    """Whoever changed the stack in between, the plan was made from something else."""
    world.now(small(1))
    world.plan(small(2))
    world.now(small(3))
    world.refused(StalePlanError, "made at serial 3, state is at serial 6")


def test_failed_apply_uses_the_plan_up(world):
    """What it did and what not is for a new plan to see."""
    world.plan(lambda: [Thing("a"), Thing("b")])
    world.cloud.fail("C b")
    with pytest.raises(ApplyFailed):
        world.apply()
    assert world.cloud.take() == ["C a", "C b"]
    world.refused(StalePlanError, "made at serial 0, state is at serial")


def test_killed_apply_uses_the_plan_up(world):
    """The interrupted step is decided first; then the plan is stale."""

    def killed():
        raise KeyboardInterrupt

    world.plan(lambda: [Thing("a"), Thing("b")])
    world.cloud.after["C a"] = killed
    with pytest.raises(KeyboardInterrupt):
        world.apply()
    world.cloud.take()
    with pytest.raises(StalePlanError, match="made at serial 0, state is at serial"):
        world.apply()
    assert world.cloud.take() == []
    assert world.snapshot().records["a"].id == world.cloud.ids("a")[0]
    assert world.cloud.ids("b") == []


def test_first_plan_is_for_a_stack_that_does_not_exist(world):
    """Somebody else was quicker: the plan's own lineage is not that of the stack."""
    world.plan(small())
    world.now(small())
    world.refused(StalePlanError, "was made before the stack existed, expected .* as it is, at serial 3; plan again")


def test_first_plan_object_is_for_a_stack_that_does_not_exist(world):
    """The same without a file."""
    with world.engine() as engine:
        plan = engine.plan(world.stack(small()))
        engine.apply(world.stack(small()))
        with pytest.raises(StalePlanError, match="made before the stack existed, and it exists now, at serial 3"):
            engine.apply(plan)


def test_state_of_another_stack_of_that_name_is_no_match(world):
    """A plan copied to another machine's state is refused, though serials may fit."""
    world.keyring = world.state.default_keyring()
    world.now(small(1))
    world.plan(small(2))
    world.state = Memory()
    world.cloud = Now.cloud = Cloud()
    world.now(small(1))
    world.refused(StalePlanError, "was made for another stack of this name")


# ------------------------------------------------------------------------------------------------------------- the seal


def secretive(password="hunter2"):
    return lambda: Thing("a", password=password)


def test_secrets_travel_sealed(world):
    """On the first plan and on later ones the handler gets what the program said."""
    world.plan(secretive())
    assert b"hunter2" not in world.path.read_bytes()
    assert world.apply() == ["C a"]
    assert [held["inputs"]["password"] for held in world.cloud.objects.values()] == ["hunter2"]
    planned = world.plan(secretive("other"))
    assert str(Plan.load(world.path)) == str(planned)
    assert b'"key":"stack"' in world.path.read_bytes()
    assert world.apply() == ["U a"]
    assert [held["inputs"]["password"] for held in world.cloud.objects.values()] == ["other"]
    assert world.snapshot().records["a"].inputs["password"] == Secret("other")


@pytest.mark.parametrize("first", [True, False], ids=["first plan", "later plan"])
@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["body"]["resources"][0]["inputs"].update(size=666),
        lambda document: document["body"]["nodes"][0].update(action="delete"),
        lambda document: document["body"].update(program="0" * 64),
        lambda document: document.update(secrets=False),
    ],
    ids=["an input", "an action", "the program", "the mark of secrets"],
)
def test_altered_plan_is_refused(world, first, change):
    """Where the plain digest was made to fit, the seal does not."""
    if not first:
        world.now(secretive())
    world.plan(lambda: Thing("a", password="hunter2", size=2))
    whole = world.path.read_bytes()
    world.forge(change)
    world.refused(SealError, r"dev\.plan: the seal does not fit, expected .*; plan again, and find out who")
    world.path.write_bytes(whole)
    assert world.apply() == ["C a" if first else "U a"]


def test_plan_with_an_edited_serial_is_refused(world):
    """It can't be made to look like one of the state as it is."""
    world.now(secretive("one"))
    world.plan(secretive("two"))
    world.now(secretive("three"))
    world.forge(lambda document: document["body"].update(serial=world.snapshot().serial))
    world.refused(SealError, "the seal does not fit")


def test_plan_of_another_stack_put_in_its_place_is_refused(world):
    """Renaming it inside breaks the seal; as it is, it is a plan of the other stack."""
    world.now(secretive("one"))
    world.plan(secretive("two"))
    world.forge(lambda document: document["body"].update(ref=["shop", "prod"]))
    with pytest.raises(StalePlanError, match="shop/prod: the plan in .* was sealed with the stack's key"):
        world.apply()
    assert world.cloud.take() == []


def test_another_key_does_not_open_it(world):
    """Another of its kind, or one of another kind."""
    world.plan(small())
    world.state = Memory()
    world.refused(SealError, "another key than the one that wrapped")
    world.state = f"sqlite:///{world.folder}/state.db"
    world.refused(SealError, "the key file is missing")


def test_seal_can_not_be_taken_off(world):
    """A first plan without one is refused where there is a keyring: anybody could have written it."""
    world.plan(small())
    world.forge(lambda document: document.update(key=None, seal=""))
    world.refused(SealError, r"dev\.plan: the plan has no seal although this engine has a keyring")
    world.now(small())
    world.plan(small(2))
    world.forge(lambda document: document.update(key=None, seal=""))
    world.refused(SealError, "the plan has no seal")


class Keyless(Memory):
    """A place for state that brings no keyring, like those far away."""

    def default_keyring(self):
        return None


def test_without_any_key_only_a_first_plan_can_be_kept(world):
    """It is applied as long as the stack doesn't exist, and holds no secret."""
    world.state = Keyless()
    with pytest.raises(SealError, match="shop/dev: the plan holds a secret and there is no key"):
        world.plan(secretive())
    assert not world.path.exists()
    world.plan(small())
    assert world.apply() == ["C a"]
    world.plan(small(2))
    world.refused(SealError, "the plan has no seal, expected one for a stack that exists; plan again with keyring=")


def test_sealed_plan_needs_the_keyring(world):
    """An engine without one says so."""
    world.plan(small())
    world.state = Keyless()
    world.refused(SealError, "shop/dev: the plan is sealed and there is no key to check it with")


# ---------------------------------------------------------------------------------------------------------- the program


class Opaque:
    """A function that nothing tells from another of its class."""

    def __call__(self, value):
        return f"<{value}>"


def mapped(function, size=1):
    def build():
        first = Thing("a", size=size)
        Thing("b", link=first.out.map(function))

    return build


def twice(value):
    return value + value


def thrice(value):
    return value * 3


@pytest.mark.parametrize("function", [twice, lambda value: value + "!", Opaque(), str.upper])
def test_functions_are_brought_by_the_program(world, function):
    """Told by name and code, or opaque: with the program beside it the plan does what it said."""
    world.plan(mapped(function))
    assert Plan.load(world.path).counts == {"create": 2}
    error = world.refused(PlanError, r"needs functions of its program: .* \(for b\), expected the program")
    assert len(error.functions) == 1
    assert world.apply(mapped(function)) == ["C a", "C b"]
    assert world.snapshot().records["b"].inputs["link"] == function("out-1")


def test_functions_of_what_stays_as_it_is_are_not_needed(world):
    """Only what the apply would call."""
    world.now(mapped(twice))

    def more():
        mapped(twice)()
        Thing("c")

    world.plan(more)
    assert world.apply() == ["C c"]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (mapped(thrice), "b"),
        (mapped(twice, size=2), "a"),
        (lambda: [mapped(twice)(), Thing("c")], "c"),
        (lambda: Thing("a", size=1), "b"),
    ],
)
def test_another_program_is_refused(world, other, what):
    """By the address at which it differs."""
    world.plan(mapped(twice))
    error = world.refused(StalePlanError, f"the program is not the one that was planned, it differs in {what}, ", other)
    assert error.moved == (what,)


def test_program_is_compared_by_its_secrets_too(world):
    """Which are known by a keyed digest, in another process as well."""
    world.plan(secretive())
    world.refused(StalePlanError, "it differs in a, ", secretive("other"))
    assert world.apply(secretive()) == ["C a"]


def test_program_of_another_stack_is_refused(world):
    """It would be a slip."""
    world.plan(small())
    with world.engine() as engine, pytest.raises(PlanError, match="shop/dev: the program declares shop/prod"):
        engine.apply(Plan.load(world.path), program=type("Shop", (iac.Stack,), {"build": lambda _: small()()})("prod"))


def test_program_beside_a_plan_that_was_not_saved(world):
    """It is checked just the same."""
    with world.engine() as engine:
        plan = engine.plan(world.stack(mapped(twice)))
        with pytest.raises(StalePlanError, match="it differs in b"):
            engine.apply(plan, program=world.stack(mapped(thrice)))
        assert engine.apply(plan, program=world.stack(mapped(twice))).ok


def test_options_of_a_plan_are_given_to_plan(world):
    """Beside a plan, and a program beside a program, they are slips."""
    world.plan(small())
    with world.engine() as engine:
        with pytest.raises(TypeError, match="belong to the making of a plan"):
            engine.apply(Plan.load(world.path), refresh=True)
        with pytest.raises(TypeError, match="program= belongs to a plan"):
            engine.apply(world.stack(small()), program=world.stack(small()))


# --------------------------------------------------------------------------------------------------------- the provider


def boxes(size=1):
    return lambda: [Box("box", size=size), Role("role", size=size)]


def test_another_account_is_refused(world):
    """The same settings, other credentials: the provider is asked again."""
    world.providers = (Accounted(),)
    world.plan(boxes())
    Accounted.accounts = {"default": "2"}
    world.providers = (Accounted(),)
    error = world.refused(StalePlanError, "made for accounted 1 here, and this engine reaches accounted 2 here, ")
    assert (error.planned, error.now) == (("1", "here"), ("2", "here"))


def test_another_region_is_refused_but_for_what_is_global(world):
    """A role is the same in all regions."""
    world.providers = (Accounted(),)
    world.plan(boxes())
    world.providers = (Accounted(region="there"),)
    world.refused(StalePlanError, "made for accounted 1 here, and this engine reaches accounted 1 there")
    world.providers = (Accounted(),)
    world.plan(lambda: Role("role"))
    world.providers = (Accounted(region="there"),)
    assert world.apply() == ["C role"]


def test_profile_of_the_same_account_is_no_other(world):
    """Plans are made on one machine and applied on another, with its own settings."""
    Accounted.accounts = {"laptop": "7", "ci": "7"}
    world.providers = (Accounted("laptop", default_tags={"by": "us"}),)
    world.plan(boxes())
    del Accounted.accounts["laptop"]  # it isn't known there
    world.providers = (Accounted("ci"),)
    assert world.apply() == ["C box", "C role"]
    assert next(iter(world.cloud.objects.values()))["inputs"]["tags"] == {"by": "us"}


def test_provider_of_a_declaration_is_made_again_and_asked(world):
    """It comes from its settings in the file, and its account counts."""
    program = lambda: Box("box", opts=iac.Options(provider=Accounted("own")))
    world.plan(program)
    Accounted.accounts = {"own": "3"}
    world.refused(StalePlanError, "made for accounted 1 here, and this engine reaches accounted 3 here")
    Accounted.accounts = {}
    assert world.apply() == ["C box"]
    assert world.snapshot().records["box"].provider.config == {"profile": "own", "region": "here"}


def test_account_of_what_is_deleted_counts(world):
    """Its record says where it is; credentials for elsewhere would find nothing there, and forget it."""
    world.providers = (Accounted(),)
    world.now(boxes())
    world.plan(lambda: None)
    Accounted.accounts = {"default": "2"}
    world.providers = ()
    world.refused(StalePlanError, "made for accounted 1, and this engine reaches accounted 2,")


# ----------------------------------------------------------------------------------------------- hooks, triggers, moves


def noting(cloud):
    def note(event):
        cloud.calls.append(f"H {event.address}")

    return note


def test_hooks_are_brought_by_the_program(world):
    """Of what is created, and of what is destroyed; what is only recorded anew calls none."""
    note = noting(world.cloud)
    program = lambda: Thing("a", opts=iac.Options(hooks=[iac.Hooks(after_create=note, before_delete=note)]))
    world.plan(program)
    world.refused(PlanError, r"needs functions of its program: .*noting.<locals>.note \(for a\)")
    assert world.apply(program) == ["C a", "H a"]
    world.plan(program)
    assert world.apply() == []
    world.plan(program, destroy=True)
    world.refused(PlanError, r"needs functions of its program: .* \(for a\)")
    assert world.apply(program) == ["H a", "D a"]


def test_triggers_may_need_the_program(world):
    """What is computed for a trigger is a function of the program, too."""

    def program(size):
        def build():
            first = Thing("a", size=size)
            Thing("b", opts=iac.Options(replacement_trigger=first.out.map(twice)))

        return build

    world.plan(program(1))
    world.refused(PlanError, r"twice \(for b\)")
    world.apply(program(1))
    world.plan(program(2))
    assert world.apply(program(2)) == ["U a", "C b", "D b"]


def test_plan_of_targets_touches_no_other_provider(world):
    """Only what the plan does is asked for its account."""
    program = lambda: [Thing("a", size=1), Box("box")]
    world.providers = (Accounted(),)
    world.plan(program, targets=["a"])
    Accounted.accounts = {"default": "2"}
    world.providers = (Accounted(),)
    assert world.apply() == ["C a"]


def test_moved_secret_is_opened_where_it_is_now(world):
    """A record under its old address and inputs under the new one are of one subject."""
    world.now(lambda: Thing("a", password="hunter2", size=1))
    planned = world.plan(lambda: Thing("b", password="hunter2", size=2, opts=iac.Options(aliases=["a"])))
    assert str(Plan.load(world.path)) == str(planned)
    assert world.apply() == ["U b"]
    assert world.snapshot().records["b"].inputs == {"password": Secret("hunter2"), "size": 2}


# --------------------------------------------------------------------------------------------------------- the policies


@policy(level="mandatory")
def small_only(change: Change) -> str | None:
    return "too big" if change.after is not None and change.after.get("size", 0) > 2 else None


@policy(level="mandatory")
def long_passwords(change: Change) -> str | None:
    secret = (change.after or {}).get("password")
    return "too short" if secret is not None and len(secret.reveal()) < 5 else None


@policy(level="remediate")
def sized(declaration: Any) -> Any:
    return {"size": 2} if declaration.inputs.get("size") is None else None


def test_violations_are_kept_and_forbid_the_apply(world):
    """Also by an engine that has no such policy."""
    world.policies = (small_only,)
    planned = world.plan(small(3))
    world.policies = ()
    assert str(Plan.load(world.path)) == str(planned)
    error = world.refused(PolicyViolationError, "too big")
    assert [one.policy for one in error.violations] == ["small_only"]


def test_policies_of_the_applying_engine_judge_what_is_opened(world):
    """They see secrets, and refuse before anything is called."""
    world.plan(secretive("abc"))
    world.policies = (long_passwords,)
    world.refused(PolicyViolationError, "a: too short")
    world.plan(secretive("abcdef"))
    assert world.apply() == ["C a"]


def test_program_beside_a_plan_is_mended_as_it_was(world):
    """What a policy set belongs to what was planned."""
    program = lambda: [Thing("a"), Thing("b", link=Thing("c", size=1).out.map(twice))]
    world.policies = (sized,)
    world.plan(program)
    assert world.apply(program) == ["C a", "C c", "C b"]
    assert world.snapshot().records["a"].inputs == {"size": 2}
    world.plan(lambda: [program(), Thing("d")])
    world.policies = ()
    world.refused(StalePlanError, "it differs in a, b, d, ", lambda: [program(), Thing("d")])


# -------------------------------------------------------------------------------------------------- lookups and assets


class ImageHandler:
    """Knows images, and counts how often it is asked."""

    asked = 0

    def lookup(self, ctx, query):
        type(self).asked += 1
        return {"image_id": f"ami-{query['owner']}", "login": f"login-{query['owner']}"}


class Image(iac.Lookup, type="saved:Image", handler=ImageHandler):
    owner: iac.Input[str]
    image_id: iac.Output[str] = iac.computed()
    login: iac.Output[str] = iac.computed(secret=True)


class PageHandler(ThingHandler):
    """Keeps what it is given to read."""

    def create(self, ctx, inputs):
        with inputs["content"].open() as opened:
            live = super().create(ctx, {"content": opened.read().decode()})
        return Live(live.id)

    def read(self, ctx, id):
        return Live(id) if id in Now.cloud.objects else None


class Page(iac.Resource, type="saved:Page", handler=PageHandler):
    content: iac.Input[iac.Asset]
    note: iac.Input[str] = iac.field(default=None)


def test_what_was_looked_up_is_in_the_file(world):
    """It is shown, used, and not read again; its secrets are sealed."""
    program = lambda: Thing("a", link=Image("image", owner="us").image_id, password=Image("other", owner="me").login)
    planned = world.plan(program)
    asked = ImageHandler.asked
    assert str(Plan.load(world.path)) == str(planned)
    assert "login-me" not in world.path.read_text()
    assert world.apply() == ["C a"]
    assert ImageHandler.asked == asked
    assert world.snapshot().records["a"].inputs == {"link": "ami-us", "password": Secret("login-me")}


def test_lookup_that_asks_for_something_else_is_another_program(world):
    """Its answer would be another."""
    program = lambda owner: lambda: Thing("a", link=Image("image", owner=owner).image_id.map(twice))
    world.plan(program("us"))
    world.refused(StalePlanError, "it differs in lookup image, ", program("them"))
    assert world.apply(program("us")) == ["C a"]
    assert world.snapshot().records["a"].inputs["link"] == "ami-usami-us"


def test_output_of_another_stack_is_in_the_file(world):
    """As it was when the plan was made."""

    def other(value):
        with world.engine() as engine:
            engine.apply(type("Net", (iac.Stack,), {"build": lambda self: self.export(id=value)})("prod"))

    other("net-1")
    world.plan(lambda: Thing("a", link=iac.stack_output("net/prod", "id", type=str)))
    other("net-2")
    assert world.apply() == ["C a"]
    assert world.snapshot().records["a"].inputs == {"link": "net-1"}


def test_content_of_files_is_found_again(world):
    """By its place, as long as it is what was planned; or by the program, wherever it lies there."""
    page = world.folder / "page.html"
    page.write_text("<p>")
    program = lambda at: lambda: Page("page", content=iac.Asset(at), note=Thing("a").out.map(twice))
    plain = lambda: Page("page", content=iac.Asset(page))
    planned = world.plan(plain)
    assert str(Plan.load(world.path)) == str(planned)
    page.write_text("<p>changed")
    world.refused(StalePlanError, "page.html has changed since the plan was made")
    page.write_text("<p>")
    world.plan(program(page))
    elsewhere = page.rename(world.folder / "elsewhere.html")
    assert world.apply(program(elsewhere)) == ["C a", "C page"]
    assert [one["inputs"].get("content") for one in world.cloud.objects.values()] == [None, "<p>"]


# ------------------------------------------------------------------------------------------------------------- the rest


def test_plan_with_refresh_is_applied_elsewhere(world):
    """What the refresh saw is in the file."""
    world.now(lambda: [Thing("a", size=1), Thing("b", size=1, link="x")])
    (a,), (b,) = world.cloud.ids("a"), world.cloud.ids("b")
    world.cloud.objects[a]["inputs"]["size"] = 5
    del world.cloud.objects[b]
    planned = world.plan(lambda: [Thing("a", size=1), Thing("b", size=1, link="x")], refresh=True)
    assert str(Plan.load(world.path)) == str(planned)
    assert sorted(world.apply()) == ["C b", "U a"]


def test_plan_to_destroy_is_applied_elsewhere(world):
    """Deletes need no declarations."""
    world.now(lambda: Thing("b", link=Thing("a", password="x").id))
    world.plan(small(), destroy=True)
    assert world.apply() == ["D b", "D a"]


def test_unique_keys_known_only_at_apply_are_checked(world):
    """A loaded plan knows again who holds them."""
    world.now(lambda: [Thing("a", size=1), Named("old", label="out-2")])
    world.plan(lambda: Named("new", label=Thing("a", size=2).out))
    with pytest.raises(ApplyFailed) as caught:
        world.apply()
    assert "new: it would be created with the label of old" in str(caught.value.exceptions[0])
    assert world.cloud.take() == ["U a"]


def test_file_grows_by_what_is_planned(world):
    """Twice the resources, twice the file."""
    sizes = []
    for count in (100, 200, 400):
        world.plan(lambda count=count: [Thing(f"a{n:03}", size=n, link="x") for n in range(count)])
        sizes.append(world.path.stat().st_size)
    assert sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])


def test_plan_is_sealed_by_the_key_beside_the_state(world):
    """It is made with the first plan that is kept, and without it the plan is worth nothing."""
    world.state = f"sqlite:///{world.folder}/state.db"
    before = set(world.folder.iterdir())
    world.plan(small())
    (key,) = {one for one in world.folder.iterdir() if "key" in one.name} - before
    key.rename(world.folder / "away")
    world.refused(SealError, "the key file is missing")
    (world.folder / "away").rename(key)
    assert world.apply() == ["C a"]
