"""Policies: what they see, what their answers do, and that they can't be passed by."""

from __future__ import annotations

import pickle

import pytest

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import ApplyFailed, DeclarationError, PlanError, PolicyViolationError
from iaclib.model.values import UNKNOWN, Secret
from iaclib.plan.policy import policy
from iaclib.provider import registry
from recording import Cloud, Now, Thing


@policy(level="mandatory")
def small(change):
    """Nothing is bigger than 9; what is unknown counts as small."""
    size = (change.after or {}).get("size")
    return None if size is None or size is UNKNOWN or size <= 9 else f"size {size} is more than 9"


@policy(level="advisory")
def linked(change):
    return None if change.after is None or "link" in change.after else "has no link"


@pytest.fixture
def cloud():
    Now.cloud = Cloud()
    return Now.cloud


@pytest.fixture
def engine(cloud):
    made = []

    def make(*policies, **more):
        made.append(Engine(state=more.pop("state", "memory:"), policies=policies, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def stack(build):
    return type("Shop", (iac.Stack,), {"build": lambda self: build()})("dev")


def test_violations_are_listed_in_order_and_at_the_end_of_the_text(engine):
    """By policy, then by change; the text marks which forbid the apply."""

    def build():
        Thing("a", size=10)
        Thing("b", size=11, link="x")

    plan = engine(linked, small).plan(stack(build))
    assert [(one.policy, one.level, one.address) for one in plan.violations] == [
        ("linked", "advisory", "a"),
        ("small", "mandatory", "a"),
        ("small", "mandatory", "b"),
    ]
    assert str(plan).endswith(
        "Policies:\n"
        "  * advisory  a: has no link  (linked)\n"
        "  ! mandatory  a: size 10 is more than 9  (small)\n"
        "  ! mandatory  b: size 11 is more than 9  (small)\n"
        "This plan can't be applied: what is mandatory is violated."
    )


def test_a_mandatory_violation_stops_the_apply_before_any_call(engine, cloud):
    """Of a plan and of a program alike; all are named, state stays as it was."""
    run = engine(small)
    program = stack(lambda: (Thing("a", size=10), Thing("b", size=11), Thing("c", size=1)))
    for given in (program, run.plan(program)):
        with pytest.raises(PolicyViolationError, match=r"a: size 10 .*\n.*b: size 11") as caught:
            run.apply(given)
        assert [one.address for one in caught.value.violations] == ["a", "b"]
        assert pickle.loads(pickle.dumps(caught.value)).violations == caught.value.violations
    assert cloud.calls == []
    assert run.snapshot("shop/dev").serial == 0


def test_advice_stops_nothing(engine, cloud):
    """An advisory violation is listed only."""
    assert engine(linked).apply(stack(lambda: Thing("a"))).ok
    assert cloud.calls == ["C a"]


def test_deletes_are_judged_also_by_destroy(engine, cloud):
    """What goes is a change with nothing after it."""

    @policy(level="mandatory")
    def keep(change):
        return "stays" if change.action == "delete" else None

    run = engine(keep)
    run.apply(stack(lambda: Thing("a")))
    with pytest.raises(PolicyViolationError, match="a: stays"):
        run.destroy("shop/dev")
    assert cloud.calls == ["C a"]


def test_what_stays_the_same_is_not_judged(engine):
    """A policy made later doesn't stop a stack in which nothing changes."""
    state = registry.load_named("iaclib.backends", "memory")("memory:")
    program = stack(lambda: Thing("a", size=10))
    engine(state=state).apply(program)
    assert engine(small, state=state).apply(program).ok


def test_a_plan_policy_is_asked_once_or_beside_each_change(engine):
    """A parameter named `plan` gets the plan; parameters with defaults are left alone."""
    seen = []

    @policy(level="advisory")
    def whole(plan):
        seen.append(("whole", dict(plan.counts)))
        return "too many" if plan.counts.get("create", 0) > 1 else None

    @policy(level="advisory")
    def both(plan, one, limit=3):
        seen.append(("both", one.address, len(plan.changes)))

    plan = engine(whole, both).plan(stack(lambda: (Thing("a"), Thing("b"))))
    assert seen == [("whole", {"create": 2}), ("both", "a", 2), ("both", "b", 2)]
    assert [(one.address, one.message) for one in plan.violations] == [("", "too many")]
    assert "  * advisory  too many  (whole)" in str(plan)


def test_a_plan_policy_judges_also_an_empty_plan(engine):
    """It speaks of the whole stack, not of changes."""

    @policy(level="mandatory")
    def never(plan):
        return "not on my watch"

    run = engine(never)
    plan = run.plan(stack(lambda: None))
    assert str(plan).startswith("shop/dev: Nothing to do.\n\nPolicies:\n  ! mandatory  not on my watch")
    with pytest.raises(PolicyViolationError):
        run.apply(plan)


def test_policies_see_unknowns_and_secrets_as_such(engine):
    """Neither is replaced by something that could be taken for a value."""
    seen = {}

    @policy(level="advisory")
    def look(change):
        seen[change.address] = change.after

    def build():
        a = Thing("a", password="hunter2")
        Thing("b", link=a.id)

    engine(look).plan(stack(build))
    assert isinstance(seen["a"]["password"], Secret)
    assert seen["b"]["link"] is UNKNOWN


def test_secrets_are_kept_out_of_messages_and_errors(engine):
    """Also where a policy writes them itself."""

    @policy(level="advisory")
    def says(change):
        return f"{change.after['password'].reveal()} is weak"

    @policy(level="advisory")
    def raises(change):
        raise ValueError(change.after["password"].reveal())

    program = stack(lambda: Thing("a", password="hunter2"))
    assert engine(says).plan(program).violations[0].message == "(secret) is weak"
    with pytest.raises(
        PlanError, match=r"a: policy raises raised ValueError: \(secret\) \(at .*test_policy.py:"
    ) as caught:
        engine(raises).plan(program)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("answer", "says"), [(True, "returned bool"), ("", "returned an empty text"), (["x"], "returned list")]
)
def test_an_answer_that_is_no_message_is_an_error(engine, cloud, answer, says):
    """A policy that doesn't work must not look like one that agrees."""

    @policy(level="mandatory")
    def odd(change):
        return answer

    with pytest.raises(PlanError, match=f"a: policy odd {says}, expected a message"):
        engine(odd).apply(stack(lambda: Thing("a")))
    assert cloud.calls == []


def test_a_plan_of_another_engine_is_judged_by_the_one_that_applies(engine, cloud):
    """No way round: the policies of both engines count, and none twice."""
    state = registry.load_named("iaclib.backends", "memory")("memory:")
    program = stack(lambda: Thing("a", size=10))
    free, strict = engine(state=state), engine(small, state=state)
    with pytest.raises(PolicyViolationError):
        strict.apply(free.plan(program))
    plan = strict.plan(program)
    with pytest.raises(PolicyViolationError):
        free.apply(plan)
    with pytest.raises(PolicyViolationError):
        engine(small, linked, state=state).apply(plan)
    assert [one.policy for one in plan.violations] == ["small", "linked"]
    assert cloud.calls == []


# ------------------------------------------------------------------------------------- what only an apply can tell


@policy(level="mandatory")
def no_replacement(change):
    return "must not be replaced" if change.action == "replace" else None


def replacing(size):
    def build():
        a = Thing("a", size=size)
        Thing("b", hard=a.out)

    return stack(build)


def test_a_maybe_is_advice_until_it_becomes_real(engine, cloud):
    """The plan lists it; at apply the policy is asked again, before the call."""
    run = engine(no_replacement)
    run.apply(replacing(1))
    plan = run.plan(replacing(2))
    assert [(one.level, one.address) for one in plan.violations] == [("advisory", "b")]
    cloud.take()
    with pytest.raises(ApplyFailed) as caught:
        run.apply(plan)
    assert cloud.take() == ["U a"]
    (error,) = caught.value.exceptions
    assert isinstance(error, PolicyViolationError)
    assert str(error).startswith("b: mandatory policies forbid to replace it now that its inputs are known: must not")
    assert error.violations[0].level == "mandatory"


def test_a_maybe_that_dissolves_is_not_judged(engine, cloud):
    """`out` keeps its value: nothing is replaced, nobody objects."""
    run = engine(no_replacement)

    def build(data):
        a = Thing("a", size=1, data={"x": data})
        Thing("b", hard=a.out)

    run.apply(stack(lambda: build("1")))
    assert run.apply(stack(lambda: build("2"))).ok
    assert cloud.take()[2:] == ["U a"]


def test_a_replacement_that_deletes_first_is_judged_before_the_delete(engine, cloud):
    """The old object is still there when a policy objects."""
    run = engine(no_replacement)

    def build(size):
        a = Thing("a", size=size)
        Thing("b", hard=a.out, opts=iac.Options(delete_before_replace=True))

    run.apply(stack(lambda: build(1)))
    cloud.take()
    with pytest.raises(ApplyFailed):
        run.apply(stack(lambda: build(2)))
    assert cloud.take() == ["U a"]
    assert len(cloud.ids("b")) == 1


def test_values_unknown_at_plan_are_judged_before_the_call(engine, cloud):
    """A create is no maybe, but its policies could not see all of it."""

    @policy(level="mandatory")
    def not_five(change):
        return "out-5 is taken" if change.after.get("link") == "out-5" else None

    def build():
        a = Thing("a", size=5)
        Thing("b", link=a.out)

    run = engine(not_five)
    assert run.plan(stack(build)).violations == ()
    with pytest.raises(ApplyFailed) as caught:
        run.apply(stack(build))
    assert "b: mandatory policies forbid to create it now that its inputs are known: out-5 is" in str(caught.value)
    assert cloud.take() == ["C a"]


# ----------------------------------------------------------------------------------------------------- remediation


@policy(level="remediate")
def owned(declaration):
    """Everything has an owner."""
    return {"data": {**declaration.inputs.get("data", {}), "owner": "ops"}}


def test_a_remedy_is_planned_applied_and_named(engine, cloud):
    """Per field, over what is declared; a second plan is empty, the program's objects stay as they are."""
    run = engine(owned)
    program = stack(lambda: Thing("a", size=1, data={"x": "1"}))
    plan = run.plan(program)
    assert plan.change("a").after == {"size": 1, "data": {"x": "1", "owner": "ops"}}
    assert plan.change("a").reason == "data by policy owned"
    run.apply(plan)
    assert cloud.objects["id-1"]["inputs"]["data"] == {"x": "1", "owner": "ops"}
    assert not run.plan(program)
    changed = run.plan(stack(lambda: Thing("a", size=2, data={"x": "1"})))
    assert changed.change("a").reason == ""
    assert owned.__name__ == "owned"


def test_outputs_and_secrets_pass_through_a_remedy(engine, cloud):
    """A remedy may hand on what it can't see, and tie resources together."""
    seen = {}

    @policy(level="remediate")
    def move(declaration):
        seen[declaration.address] = declaration
        if declaration.address == "b":
            return {"hard": declaration.inputs["link"], "link": None, "password": "hunter2"}
        return None

    def build():
        a = Thing("a", password="hunter1")
        Thing("b", link=a.id, data={"k": f"{a.id}!"}, opts=iac.Options(protect=True))

    run = engine(owned, move)
    run.apply(stack(build))
    assert isinstance(seen["a"].inputs["password"], Secret)
    assert isinstance(seen["b"].inputs["data"]["k"], iac.Output)
    assert seen["b"].inputs["data"]["owner"] == "ops"
    assert (seen["b"].type, seen["b"].options.protect) == ("test:Thing", True)
    record = run.snapshot("shop/dev").records["b"]
    assert record.inputs["hard"] == "id-1"
    assert record.inputs["data"] == {"k": "id-1!", "owner": "ops"}
    assert "link" not in record.inputs
    assert isinstance(record.inputs["password"], Secret)


def test_changing_what_a_remedy_is_shown_changes_nothing(engine):
    """It gets a copy: only what it returns counts."""

    @policy(level="remediate")
    def scribble(declaration):
        declaration.inputs["data"]["x"] = "2"
        declaration.inputs["size"] = 3

    plan = engine(scribble).plan(stack(lambda: Thing("a", data={"x": "1"})))
    assert plan.change("a").after == {"data": {"x": "1"}}


def test_sessions_obey_policies(engine, cloud):
    """Each `ensure` is mended and judged before its calls, what is deleted too; outputs pass through as ever."""

    @policy(level="mandatory")
    def keep(change):
        return "stays" if change.action == "delete" else None

    run = engine(small, keep, owned)
    with run.session("shop/dev") as session:
        with pytest.raises(PolicyViolationError, match="a: size 10 is more than 9"):
            session.ensure(Thing("a", size=10))
        assert cloud.calls == []
        a = session.ensure(Thing("a", size=1))
        session.ensure(Thing("b", link=a.id))
        with pytest.raises(PolicyViolationError, match="b: stays"):
            session.delete("b")
    records = run.snapshot("shop/dev").records
    assert records["a"].inputs == {"size": 1, "data": {"owner": "ops"}}
    assert records["b"].inputs["link"] == records["a"].id


def test_importing_and_destroying_programs_are_mended_too(engine, cloud):
    """What is recorded by `import_` needs no update by the next apply on account of a remedy."""
    seen = []

    @policy(level="remediate")
    def watch(declaration):
        seen.append(declaration.address)

    run = engine(watch)
    program = stack(lambda: Thing("a", size=1))
    run.apply(program)
    run.forget("shop/dev", "a")
    run.import_(program, {"a": "id-1"})
    assert seen == ["a", "a"]


class Elsewhere(iac.Stack, project="else"):
    def build(self):
        Elsewhere.output = Thing("far").id


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"size": "ten"}, "sets size: expected int, got str 'ten'"),
        ({"sized": 1}, "sets 'sized', expected a field of test:Thing (did you mean 'size'?)"),
        ({"out": "x"}, "sets 'out', expected a field"),
        ({"link": object()}, "sets link: object is not a JSON value"),
        ({"data": {"a": 1}}, "sets data.a: expected str, got int 1"),
        (["size"], "returned list, expected a mapping of fields, or None"),
        (lambda: {"link": Elsewhere.output}, "sets link to far.id, expected an output of this stack's resources"),
    ],
)
def test_a_remedy_that_does_not_fit_names_policy_and_field(engine, answer, says):
    """As the declaration itself would have been refused."""
    with engine() as other:
        other.plan(Elsewhere("x"))

    @policy(level="remediate")
    def odd(declaration):
        return answer() if callable(answer) else answer

    with pytest.raises(PlanError) as caught:
        engine(odd).plan(stack(lambda: Thing("a")))
    assert str(caught.value).startswith(f"a: policy odd {says}"), caught.value


def test_a_remedy_that_raises_names_policy_and_address(engine):
    """Its text is kept free of secrets."""

    @policy(level="remediate")
    def breaks(declaration):
        raise KeyError(declaration.inputs["password"].reveal())

    with pytest.raises(PlanError, match=r"a: policy breaks raised KeyError: '\(secret\)'"):
        engine(breaks).plan(stack(lambda: Thing("a", password="hunter2")))


# -------------------------------------------------------------------------------------------------- which they are


def test_policies_can_be_named(engine, monkeypatch):
    """An entry point stands for one, or for several."""
    monkeypatch.setitem(registry.BUILTIN, "iaclib.policies", {"one": f"{__name__}:small", "all": f"{__name__}:PACK"})
    monkeypatch.setitem(
        __import__("sys").modules, __name__, __import__("types").SimpleNamespace(small=small, PACK=[small, linked])
    )
    plan = engine("one", "all").plan(stack(lambda: Thing("a", size=10)))
    assert [one.policy for one in plan.violations] == ["small", "linked"]
    with pytest.raises(DeclarationError, match="no policy is named 'other'"):
        engine("other")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Engine(state="memory:", policies=[len]), "len is no policy"),
        (lambda: Engine(state="memory:", policies=[policy(level="advisory")(lambda: None)]), r"are \(\), expected"),
        (
            lambda: Engine(state="memory:", policies=[policy(level="advisory")(lambda a, b: None)]),
            r"\(a, b\), expected",
        ),
        (lambda: Engine(state="memory:", policies=[policy(level="remediate")(lambda plan: None)]), "the declaration"),
        (lambda: policy(level="strict"), "no such level"),
    ],
)
def test_what_is_no_policy_is_refused_at_once(make, says):
    """At the engine, not at the first plan."""
    with pytest.raises(DeclarationError, match=says):
        make()


def test_methods_can_be_policies(engine):
    """Rules with settings of their own."""

    class Rules:
        limit = 4

        @policy(level="mandatory")
        def limited(self, change):
            return "too big" if change.after["size"] > self.limit else None

    assert [one.policy for one in engine(Rules().limited).plan(stack(lambda: Thing("a", size=5))).violations] == [
        "limited"
    ]
