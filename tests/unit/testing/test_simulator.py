"""The simulator: an engine whose clouds validate, refuse, take time and fail as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest

import aws_cloud
from iaclib import declare as iac
from iaclib.aws import ec2, iam, s3
from iaclib.aws.provider import Provider
from iaclib.declare.sources import stack_output
from iaclib.errors import (
    ApplyFailed,
    ConflictError,
    DeclarationError,
    DependencyViolationError,
    InvalidRequestError,
    OperationError,
    PartialFailure,
    PlanError,
    UndecidedError,
    UnknownProviderError,
)
from iaclib.plan.plan import Plan
from iaclib.testing import Simulator


class Never:
    """A real handler, which a simulator must not even make."""

    def __init__(self) -> None:
        raise AssertionError("a real handler was made")


class Box(iac.Resource, type="simtest:Box", handler=Never, unique=(("label",),), settle=60):
    label: iac.Input[str] | None = iac.field(default=None)
    size: iac.Input[Annotated[int, iac.Range(1, 9)]] = iac.field(default=1)
    kind: iac.Input[Literal["flat", "deep"]] | None = iac.field(default=None, replaces=True)
    code: iac.Input[Annotated[str, iac.Pattern("^[a-z]+$")]] | None = iac.field(default=None)
    inside: iac.Input[str] | None = iac.field(default=None)
    data: iac.Input[Mapping[str, Any]] | None = iac.field(default=None)
    password: iac.Input[str] | None = iac.field(default=None, secret=True)
    zone: iac.Input[str] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
    count: iac.Output[int] = iac.computed()
    parts: iac.Output[Sequence[str]] = iac.computed()
    serial: iac.Output[Annotated[str, iac.Pattern("^[A-Z]{3}-[0-9]+$")]] = iac.computed()


class Loose(iac.Resource, type="nobody:Loose"):
    box_id: iac.Input[str] | None = iac.field(default=None)
    size: iac.Input[int] | None = iac.field(default=None)


class Find(iac.Lookup, type="simtest:Find", handler=Never):
    owner: iac.Input[str]
    code: iac.Output[str] = iac.computed()
    others: iac.Output[Sequence[str]] = iac.computed()


def stack(build, name="dev"):
    return type("Sim", (iac.Stack,), {"build": lambda self: build()})(name)


def a_then_b():
    a = Box("a", label="one")
    Box("b", inside=a.id)


def a_then_b_unnamed():
    Box("b", inside=Box("a").id)


@pytest.fixture
def sim():
    with Simulator() as made:
        yield made


def failure(sim, build, **options):
    with pytest.raises(ApplyFailed) as caught:
        sim.apply(stack(build), **options)
    (error,) = caught.value.run.errors
    return error


# ------------------------------------------------------------------------------------------------------ every type


def test_no_real_handler_and_no_credentials_are_needed(sim):
    """Types with a handler of their own, of a wing, and of a provider that nobody has."""

    def build():
        box = Box("box")
        vpc = ec2.VPC("vpc", cidr_block="10.0.0.0/16")
        ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="10.0.0.0/24")
        Loose("loose", size=1)
        s3.Bucket("bucket", tags={"box": box.id})

    run = sim.apply(stack(build))
    assert len(run.steps) == 5
    assert not sim.plan(stack(build), refresh=True)
    sim.destroy("sim/dev")
    assert not sim.objects


def test_every_shipped_type_lives_its_life(sim, tmp_path):
    """Created, found unchanged, changed by a plan that went through a file, and destroyed."""
    program = lambda label: aws_cloud.Everything("test", image="ami-1", label=label)
    sim.apply(program("one"))
    assert not sim.plan(program("one"), refresh=True)
    sim.plan(program("two")).save(tmp_path / "plan")
    assert sim.apply(Plan.load(tmp_path / "plan"), program=program("two")).ok
    assert not sim.plan(program("two"), refresh=True)
    sim.destroy("everything/test")
    assert not sim.objects


def test_operations_in_several_threads_take_turns(sim):
    """Two stacks are applied at once from an event loop."""

    async def main():
        return await asyncio.gather(*(sim.aapply(stack(a_then_b_unnamed, name)) for name in ("one", "two", "three")))

    assert [run.ok for run in asyncio.run(main())] == [True] * 3
    assert len(sim.calls) == 6


def test_outputs_have_the_declared_shape():
    """Texts, numbers, lists, and texts with a pattern; what is unset is made up only if it is read."""
    with Simulator() as sim:

        def build():
            first = Box("first", label="x")
            Box("second", data={"zone": first.zone})

        sim.apply(stack(build))
        box = sim.objects["first"]
        assert box.arn.startswith("arn:simtest:")
        assert isinstance(box.count, int)
        assert isinstance(box.parts[0], str)
        assert box.serial[:3].isupper()
        assert sim.objects["second"].data["zone"] == box.zone == "eu-west-1a"
        assert "code" not in box.outputs


def test_the_same_test_gives_the_same_ids_calls_and_lineage():
    """Whatever the parallelism."""

    def life(parallelism):
        with Simulator(parallelism=parallelism) as sim:

            def build():
                for name in "dcba":
                    box = Box(name)
                    Box(f"{name}{name}", inside=box.id)

            sim.throttle("create", "b", times=2)
            sim.apply(stack(build))
            sim.vanish("a")
            sim.drift("aa", size=2)
            sim.apply(stack(build), refresh=True)
            sim.destroy("sim/dev")
            return sim.calls, sim.snapshot("sim/dev").lineage, sim.clock.now()

    assert life(32) == life(32)
    assert life(1)[1] == life(32)[1]


def test_calls_are_made_by_address_whatever_the_parallelism(sim):
    """First what waits for nothing, then what waits for that."""

    def build():
        for name in ("c", "a", "b"):
            box = Box(name)
            Box(f"{name}/1".replace("/", "-"), inside=box.id)

    orders = []
    for parallelism in (1, 2, 32):
        with Simulator(parallelism=parallelism) as one:
            one.apply(stack(build))
            orders.append([address for _, address in one.calls])
    assert orders[0] == orders[1] == orders[2] == ["a", "b", "c", "a-1", "b-1", "c-1"]


def test_a_replacement_has_another_id_than_what_it_replaces(sim):
    """Ids come from address and generation."""
    sim.apply(stack(lambda: Box("a", kind="flat")))
    first = sim.objects["a"].id
    sim.apply(stack(lambda: Box("a", kind="deep")))
    assert sim.objects["a"].id != first
    assert [operation for operation, _ in sim.calls] == ["create", "create", "delete"]


def test_a_provider_is_known_by_its_settings_alone():
    """Region and account count, default tags reach inputs, and nobody is asked for credentials."""
    with Simulator(providers=[Provider(region="eu-central-1", default_tags={"team": "web"})]) as sim:
        build = lambda: s3.Bucket("bucket")
        sim.apply(stack(build))
        bucket = sim.objects["bucket"]
        assert bucket.tags == {"team": "web"}
        assert ":eu-central-1:" in bucket.arn
        assert not sim.plan(stack(build))


def test_several_stacks_live_in_one_simulator(sim):
    """An address that two have needs the stack's name."""
    sim.apply(stack(lambda: Box("a"), "one"))
    sim.apply(stack(lambda: Box("a"), "two"))
    with pytest.raises(KeyError, match="sim/one:a, sim/two:a"):
        sim.objects["a"]
    assert sim.objects["sim/one:a"].id != sim.objects["sim/two:a"].id
    with pytest.raises(KeyError, match="did you mean 'sim/one:a'|no such object"):
        sim.objects["b"]


# --------------------------------------------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("behind", "given", "says"),
    [
        ("size", 12, "b: size: expected 1 to 9, got int 12"),
        ("code", "X1", "b: code: expected text matching ^[a-z]+$, got str 'X1'"),
        ("label", 5, "b: label: expected str, got int 5"),
    ],
)
def test_values_known_at_apply_only_are_validated(sim, behind, given, says):
    """What a function makes of an output is checked as what stands in the program."""

    def build():
        a = Box("a")
        Box("b", **{behind: a.arn.map(lambda _: given)})

    assert says in str(failure(sim, build))
    assert list(sim.objects) == ["a"]


def test_a_missing_reference_says_what_and_where(sim):
    """The type of what a property refers to is told by its name."""
    error = failure(sim, lambda: ec2.Subnet("subnet", vpc_id="vpc-none", cidr_block="10.0.0.0/24"))
    assert isinstance(error.cause, InvalidRequestError)
    assert str(error) == (
        "subnet: create failed: vpc_id refers to 'vpc-none', and there is no such aws:ec2:VPC, expected one that exists; "
        "declare it, or seed it by sim.add('aws:ec2:VPC', 'vpc-none')"
    )
    sim.add(ec2.VPC, "vpc-none", cidr_block="10.0.0.0/16")
    assert sim.apply(stack(lambda: ec2.Subnet("subnet", vpc_id="vpc-none", cidr_block="10.0.0.0/24"))).ok


def test_what_refers_to_a_vanished_object_is_refused(sim):
    """The record still has its id, the cloud has not."""
    sim.apply(stack(lambda: Box("a", label="one")))
    sim.vanish("a")
    assert "inside refers to a (box-" in str(failure(sim, a_then_b))


def test_a_name_that_is_some_id_too_is_no_reference(sim):
    """Only what is declared to depend on a named object uses it."""

    def build():
        iam.Role("role", role_name="web", assume_role_policy_document={})
        Box("box", label="web")

    sim.apply(stack(build))
    sim.apply(stack(lambda: Box("box", label="web")))
    assert list(sim.objects) == ["box"]


def test_deleting_what_is_used_fails_until_its_timeout(sim):
    """Slow retries, on the virtual clock; the message names the user."""
    sim.apply(stack(lambda: Box("a"), "one"))
    used = sim.objects["a"].id
    sim.apply(stack(lambda: Box("b", inside=used), "two"))
    began = sim.clock.now()
    with pytest.raises(ApplyFailed) as caught:
        sim.destroy("sim/one")
    (error,) = caught.value.run.errors
    assert isinstance(error.cause, DependencyViolationError)
    assert "is used by b (box-" in str(error)
    assert "still in use after 1800 s" in str(error)
    assert 1000 < sim.clock.now() - began <= 1800
    sim.destroy("sim/two")
    sim.destroy("sim/one")
    assert not sim.objects


def test_what_goes_with_another_is_gone_with_it(sim):
    """Deleted_with: one call, and both are gone."""

    def build():
        a = Box("a")
        b = Box("b", inside=a.id, opts=iac.Options(deleted_with=a))
        Box("c", inside=b.id, opts=iac.Options(deleted_with=b))

    sim.apply(stack(build))
    sim.destroy("sim/dev")
    assert sim.calls[3:] == [("delete", "a")]
    assert not sim.objects


def test_unique_keys_collide(sim):
    """The conflict names the object that has the key, so that it can be adopted."""
    sim.add(Box, "box-1", label="one")
    error = failure(sim, lambda: Box("a", label="one"))
    assert isinstance(error.cause, ConflictError)
    assert error.cause.facts["existing_id"] == "box-1"
    assert sim.apply(stack(lambda: Box("a", label="one", opts=iac.Options(adopt=True)))).ok
    assert sim.objects["a"].id == "box-1"


def test_errors_hide_secrets(sim):
    """A secret value that doesn't fit shows nowhere."""

    def build():
        a = Box("a")
        Box("b", password=a.arn.map(lambda _: 12345678))

    with pytest.raises(ApplyFailed) as caught:
        sim.apply(stack(build))
    assert "12345678" not in str(caught.value.run.errors[0])


# ------------------------------------------------------------------------------------------------------ what goes wrong


def test_a_failure_counts_its_times(sim):
    """By operation and address; afterwards all is well."""
    sim.fail("create", "b")
    assert "create is refused, as the test asked" in str(failure(sim, a_then_b))
    assert sim.apply(stack(a_then_b)).ok
    assert sim.calls == [("create", "a"), ("create", "b"), ("create", "b")]
    with pytest.raises(ValueError, match="'make' is no operation"):
        sim.fail("make", "b")


def test_a_lost_answer_is_found_by_its_token(sim):
    """The create is carried out, its answer is an error: the object is found and kept as failed."""
    sim.fail("create", "a", error=RuntimeError("the line broke"), after=True)
    failure(sim, lambda: Box("a"))
    assert sim.calls == [("create", "a"), ("find", "a")]
    assert sim.snapshot("sim/dev").records["a"].status == "failed"
    assert len(list(sim.objects)) == 1


def test_a_partial_failure_leaves_half_an_object(sim):
    """The next run replaces it."""
    sim.fail("create", "a", error=PartialFailure)
    failure(sim, lambda: Box("a"))
    assert sim.objects["a"].half
    sim.apply(stack(lambda: Box("a")))
    assert not sim.objects["a"].half


def test_a_kill_is_recovered_from(sim):
    """A BaseException leaves the intent; the next run finds the object by its token."""

    class Killed(BaseException):
        pass

    sim.fail("create", "a", error=Killed(), after=True)
    with pytest.raises(Killed):
        sim.apply(stack(lambda: Box("a")))
    with pytest.raises(UndecidedError):
        sim.plan(stack(lambda: Box("a")))
    sim.recover("sim/dev")
    assert not sim.plan(stack(lambda: Box("a")))
    assert sim.calls == [("create", "a"), ("find", "a")]


def test_throttled_calls_are_each_listed(sim):
    """And the clock moves as far as the cloud asked."""
    sim.throttle("create", "a", times=2, retry_after=30)
    began = sim.clock.now()
    sim.apply(stack(lambda: Box("a")))
    assert sim.calls == [("create", "a")] * 3
    assert sim.clock.now() - began >= 60


def test_drift_is_seen_and_corrected(sim):
    """A property that isn't there is refused at once."""
    sim.apply(stack(lambda: Box("a", size=2)))
    with pytest.raises(DeclarationError, match=r"sise is no property of simtest:Box.*did you mean 'size'"):
        sim.drift("a", sise=3)
    with pytest.raises(DeclarationError, match="size: expected 1 to 9, got int 10"):
        sim.drift("a", size=10)
    sim.drift("a", size=3)
    (change,) = sim.refresh("sim/dev").changes
    assert change.address == "a"
    sim.apply(stack(lambda: Box("a", size=2)), refresh=True)
    assert sim.objects["a"].size == 2


def test_a_vanished_object_is_made_again(sim):
    """With refresh, in one run."""
    sim.apply(stack(lambda: Box("a")))
    first = sim.objects["a"].id
    sim.vanish("a")
    sim.apply(stack(lambda: Box("a")), refresh=True)
    assert sim.objects["a"].id != first


# ----------------------------------------------------------------------------------------------------------------- time


def test_calls_that_run_at_once_take_as_long_as_the_longest(sim):
    """One after the other they take the sum."""

    def build():
        for n in range(8):
            a = Box(f"a{n}")
            Box(f"b{n}", inside=a.id)

    def seconds(parallelism):
        with Simulator(parallelism=parallelism) as one:
            one.latency(10)
            began = one.clock.now()
            one.apply(stack(build))
            return one.clock.now() - began

    assert seconds(32) == 20
    assert seconds(1) == 160


def test_a_throttled_call_does_not_hold_up_others(sim):
    """They run while it waits."""
    sim.latency(5, "create")
    sim.throttle("create", "a", times=3)

    def build():
        Box("a")
        Box("b")

    began = sim.clock.now()
    run = sim.apply(stack(build))
    assert [step.address for step in run.steps] == ["b", "a"]
    assert 7 < sim.clock.now() - began < 10


def test_a_call_longer_than_its_timeout_fails(sim):
    """As a cloud's that never answers."""
    sim.latency(100)
    slow = lambda: Box("a", opts=iac.Options(timeouts=iac.Timeouts(create=10)))
    assert "create takes 100 s, expected it within its timeout" in str(failure(sim, slow))


def test_new_objects_are_shown_late(sim):
    """Within the type's settle time the engine asks again; for a type that settles at once it counts as gone."""
    sim.eventual(20)
    sim.apply(stack(lambda: (Box("a"), Loose("b"))))
    drift = sim.refresh("sim/dev")
    assert [change.address for change in drift.changes] == ["b"]
    assert sim.calls.count(("read", "a")) > 1


def test_a_type_can_become_ready_late(sim):
    """What waits for it starts then."""
    sim.behaviour(Box, ready_after=40)
    began = sim.clock.now()
    sim.apply(stack(a_then_b))
    assert 80 <= sim.clock.now() - began < 150


# ---------------------------------------------------------------------------------------------------- what is there


def test_behaviour_adds_to_a_type(sim):
    """Outputs of its own, and refusals."""

    def check(operation, thing):
        if operation == "create" and thing.inputs.get("size") == 7:
            raise InvalidRequestError("seven is refused")

    sim.behaviour(Box, check=check, outputs=lambda thing: {"count": thing.size * 100})
    sim.apply(stack(lambda: Box("a", size=3)))
    assert sim.objects["a"].count == 300
    assert "seven is refused" in str(failure(sim, lambda: Box("b", size=7)))


def test_seeded_objects_are_looked_up_and_imported(sim):
    """What isn't seeded is an error that says how."""
    build = lambda: ec2.Subnet("s", vpc_id=ec2.VPC.get("shared", id="vpc-1").id, cidr_block="10.0.0.0/24")
    with pytest.raises(OperationError, match=r"call sim.add\('aws:ec2:VPC', 'vpc-1', ...\) first"):
        sim.plan(stack(build))
    sim.add("aws:ec2:VPC", "vpc-1", cidr_block="10.0.0.0/16")
    assert sim.apply(stack(build)).ok
    with pytest.raises(DeclarationError, match="cidr is no property"):
        sim.add(ec2.VPC, "vpc-2", cidr="10.0.0.0/16")
    shared = ec2.VPC.get("shared", id="vpc-3")
    sim.answer(shared, None)
    with pytest.raises(PlanError, match="there is no aws:ec2:VPC with id"):
        sim.read(shared)
    sim.answer(shared, {"cidr_block": "10.3.0.0/16"})
    assert sim.read(shared).cidr_block == sim.objects["vpc-3"]["cidr_block"] == "10.3.0.0/16"
    sim.add(Box, "box-9", size=4)
    sim.import_(stack(lambda: Box("a", size=4), "other"), {"a": "box-9"})
    assert not sim.plan(stack(lambda: Box("a", size=4), "other"))


def test_lookups_find_what_the_test_says(sim):
    """By class, function or address; what is left out is made up, what doesn't fit is refused."""

    def build():
        image = ec2.lookup_image("image", owners=["amazon"])
        found = Find("found", owner="me")
        Box("a", data={"image": image.id, "code": found.code, "others": found.others})

    with pytest.raises(OperationError, match="nobody answers this lookup of aws:ec2:Image"):
        sim.plan(stack(build))
    with pytest.raises(DeclarationError, match="kode is no field of it.*did you mean 'code'"):
        sim.answer(Find, {"kode": "x"})
    with pytest.raises(DeclarationError, match="'x' is no answer"):
        sim.answer(Find, "x")
    with pytest.raises(DeclarationError, match="code: expected str, got int 1"):
        sim.answer(Find, {"code": 1})
    sim.answer(ec2.lookup_image, {"id": "ami-1"})
    sim.answer(Find, lambda query: {"code": f"code of {query['owner']}"})
    sim.apply(stack(build))
    assert sim.objects["a"].data["image"] == "ami-1"
    assert sim.objects["a"].data["code"] == "code of me"
    assert len(sim.objects["a"].data["others"]) == 1
    sim.answer(Find, None)
    with pytest.raises(PlanError, match="there is no simtest:Find with owner"):
        sim.plan(stack(build))


def test_other_stacks_have_the_outputs_that_a_test_gives(sim):
    """A stack that doesn't export is as ever an error."""
    build = lambda: Box("a", inside=stack_output("network/prod", "box_id", type=str))
    with pytest.raises(PlanError, match="network/prod"):
        sim.plan(stack(build))
    sim.outputs("network/prod", box_id="box-1")
    sim.outputs("network/prod", other=1)
    sim.apply(stack(build))
    assert sim.objects["a"].inside == "box-1"


def test_sessions_work_step_by_step(sim):
    """With plain values in between."""
    with sim.session("sim/dev") as session:
        box = session.ensure(Box("a"))
        assert box.id.value == sim.objects["a"].id


# ---------------------------------------------------------------------------------------------------- two collects


@pytest.mark.parametrize(
    ("alter", "where"),
    [
        (lambda a: Box("b", data={"n": len(f"{a.id}")}), r"b: data\.n differs"),
        (lambda a: Box("b", code="x" * len(f"{a.id}")), "b: code differs"),
        (lambda a: Box(f"b{len(f'{a.id}')}"), "the resource b"),
        (lambda a: Box("b", opts=iac.Options(protect=len(f"{a.id}") > 43)), "b: its options"),
    ],
)
def test_programs_that_look_into_tokens_are_found(sim, alter, where):
    """The message says which property."""
    with pytest.raises(DeclarationError, match=where):
        sim.plan(stack(lambda: alter(Box("a"))))


def test_programs_that_use_tokens_as_they_are_pass(sim):
    """Text, JSON, functions and secrets made of outputs are the same twice."""

    def build():
        a = Box("a", password=iac.secret("hush"))
        Box(
            "b",
            data={"text": f"<{a.id}>", "fn": a.arn.map(str.upper), "list": [f"{a.count}", a.parts[0]]},
            label=iac.json({"id": a.id, "all": iac.gather(a.id, a.arn)}),
            password=f"{a.password}!",
            opts=iac.Options(replacement_trigger=a.arn, depends_on=(a,)),
        )

    sim.apply(stack(build))
    assert not sim.plan(stack(build))


def test_what_is_in_text_must_exist_too(sim):
    """An f-string of an output of an object that is gone; a text that merely looks alike is none."""

    def build(size=1):
        a = Box("a", label="one")
        role = iam.Role("web", role_name="web", assume_role_policy_document={})
        Box("b", size=size, data={"arn": f"arn:x:{a.id}/child"}, opts=iac.Options(depends_on=(role,)))
        Box("c", size=size, inside="website", opts=iac.Options(depends_on=(role,)))
        Box("d", size=size, inside=f"s3://{role.id}/x")

    sim.apply(stack(build))
    sim.vanish("a")
    sim.vanish("web")
    with pytest.raises(ApplyFailed) as caught:
        sim.apply(stack(lambda: build(2)), continue_on_error=True)
    said = sorted(str(error).partition(",")[0] for error in caught.value.run.errors)
    assert [text.partition(" (")[0] for text in said] == [
        "b: update failed: data refers to a",
        "d: update failed: inside refers to web",
    ]
    assert sim.apply(stack(lambda: build(2)), refresh=True).ok


def test_what_a_process_imported_elsewhere_makes_no_difference():
    """A property that another module's type could be meant by counts once the simulator has seen that type."""

    def declare(module):
        space = {"__module__": module, "__annotations__": {}}
        return type("Shelf", (iac.Resource,), space, type="simtest:Shelf")

    class Holder(iac.Resource, type="simtest:Holder"):
        shelf_id: iac.Input[str]

    build = lambda: Holder("h", shelf_id="shelf-none")
    with Simulator() as sim:
        assert sim.apply(stack(build)).ok
    declare("elsewhere")
    with Simulator() as sim:
        assert sim.apply(stack(build)).ok
    with Simulator() as sim:
        sim.add("simtest:Shelf", "shelf-1")
        assert "there is no such simtest:Shelf" in str(failure(sim, build))


def test_faults_that_no_call_met_are_told(sim):
    """But those that need not happen."""
    sim.fail("create", "a")
    sim.fail("create", "aa")
    sim.fail("create", "bb", must=False)
    sim.throttle("delete", "a", times=2)
    failure(sim, lambda: Box("a"))
    assert sim.unmet == ["sim.fail('create', 'aa')", "sim.throttle('delete', 'a')"]
    sim.apply(stack(lambda: Box("a")))
    sim.destroy("sim/dev")
    assert sim.unmet == ["sim.fail('create', 'aa')"]
    with pytest.raises(ValueError, match="times=0 is no number of calls"):
        sim.fail("create", "a", times=0)


def test_what_a_session_reads_of_the_unset_is_made_up(sim):
    """As nobody can tell beforehand what it will read."""
    with sim.session("sim/dev") as session:
        box = session.ensure(Box("a"))
        assert box.zone.value == "eu-west-1a"
        assert box.code.value.isalpha()
        other = session.ensure(Box("b", zone=box.zone, size=2))
        assert other.zone.value == "eu-west-1a"
    assert sim.objects["b"].zone == "eu-west-1a"
    assert sim.objects["a"].password is not None


def test_what_a_lookup_reads_of_the_unset_is_made_up(sim):
    """Of a seeded object, though it was there before."""
    sim.add(Box, "box-1", label="one")

    def build():
        Box("b", data={"zone": Box.get("shared", id="box-1").zone})

    sim.apply(stack(build))
    assert sim.objects["b"].data == {"zone": "eu-west-1a"}


def test_what_a_later_program_reads_of_the_unset_is_made_up(sim):
    """Though nothing is done to the object; sessions read all of what was there before."""
    sim.apply(stack(lambda: Box("a")))
    assert sim.objects["a"].zone is None

    def build():
        a = Box("a")
        Box("b", data={"zone": a.zone}, label=f"of {a.urn}")

    plan = sim.plan(stack(build))
    assert plan.creates() == ["b"]
    assert plan.change("b").after["data"] == {"zone": "eu-west-1a"}
    sim.apply(plan)
    assert not sim.plan(stack(build), refresh=True)
    assert sim.objects["b"].data == {"zone": sim.objects["a"].zone} == {"zone": "eu-west-1a"}
    with sim.session("sim/dev") as session:
        assert session.get("a").code.value == sim.objects["a"].code


def test_an_unset_property_is_none(sim):
    """One that the type hasn't is an error with a hint."""
    sim.apply(stack(lambda: Box("a")))
    assert sim.objects["a"].code is None
    with pytest.raises(
        AttributeError, match="a: no property 'kode', expected one that simtest:Box has; did you mean 'code'"
    ):
        sim.objects["a"].kode


def test_behaviour_sees_what_changes(sim):
    """Before an update: what is, and what would be."""
    seen = []
    sim.behaviour(Box, check=lambda operation, box: seen.append((operation, box.id, box.before.get("size"), box.size)))
    for size in (1, 2):
        sim.apply(stack(lambda size=size: Box("a", size=size)))
    id = sim.objects["a"].id
    sim.destroy("sim/dev")
    assert seen == [("create", "", None, 1), ("update", id, 1, 2), ("delete", id, 1, 2)]


def test_waits_are_the_same_each_time(sim):
    """And take no time."""
    sim.throttle("create", "a", times=4)
    began = sim.clock.now()
    sim.apply(stack(lambda: Box("a")))
    assert sim.clock.now() - began == 0.5 + 1 + 2 + 4


def test_what_a_test_mistypes_is_told(sim):
    """At once, with a hint; nothing is silently empty."""
    run = sim.apply(stack(lambda: Box("a")))
    for ask in (run.resources, sim.plan(stack(lambda: Box("a"))).creates, sim.add):
        with pytest.raises(UnknownProviderError, match="'simtest:Bax' is not known here.*did you mean 'simtest:Box'"):
            ask("simtest:Bax", *(["box-1"] if ask == sim.add else []))
    with pytest.raises(TypeError, match="error='boom' can't be raised"):
        sim.fail("create", "a", error="boom")
    with pytest.raises(DeclarationError, match="no property is given"):
        sim.drift("a")
    with pytest.raises(KeyError, match="did you mean 'a'"):
        sim.vanish("aa")
