"""Strategies draw what can be declared and applied; contracts of components find what can't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, Literal, Required, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iaclib import declare as iac
from iaclib.aws import dynamodb, ec2, iam, logs, s3, sns, sqs
from iaclib.errors import DeclarationError
from iaclib.plan.policy import policy
from iaclib.testing import Simulator, check, strategies
from iaclib.testing.contracts import ComponentContract
from iaclib.testing.contracts.components import watched
from pytest_here import run_pytest


class Rule(TypedDict, total=False):
    port: Required[Annotated[int, iac.Range(1, 65535)]]
    note: str


class Every(iac.Resource, type="drawn:Every", unique=(("name",),)):
    name: iac.Input[Annotated[str, iac.Pattern("^[a-z][a-z0-9-]{2,8}$")]]
    size: iac.Input[Annotated[int, iac.Range(1, 9)]] = iac.field(default=1)
    share: iac.Input[float] | None = iac.field(default=None)
    kind: iac.Input[Literal["flat", "deep"]] | None = iac.field(default=None, replaces=True)
    rules: iac.Input[Sequence[iac.Input[Rule]]] | None = iac.field(default=None, unordered=True)
    data: iac.Input[Mapping[str, Any]] | None = iac.field(default=None)
    other: iac.Input[str] | None = iac.field(default=None)
    on: iac.Input[bool] | None = iac.field(default=None)
    password: iac.Input[str] | None = iac.field(default=None, secret=True)
    arn: iac.Output[str] = iac.computed(stable=True)


class Small(iac.Resource, type="drawn:Small"):
    other: iac.Input[str] | None = iac.field(default=None)


@given(inputs=strategies.inputs(Every))
@settings(max_examples=40)
def test_drawn_inputs_can_be_applied(inputs):
    with iac.Stack("s", project="drawn") as stack:
        Every("it", **inputs)
    with Simulator() as sim:
        assert sim.apply(stack).ok
        assert not sim.plan(stack, refresh=True)


@pytest.mark.parametrize(
    "type",
    [
        *(ec2.VPC, ec2.Subnet, ec2.SecurityGroup, ec2.Instance, ec2.Volume, s3.Bucket, iam.Role, sqs.Queue),
        *(sns.Topic, logs.LogGroup, dynamodb.Table),
    ],
    ids=lambda one: one.__name__,
)
def test_inputs_of_shipped_types_can_be_declared(type):
    """Whatever shapes they have."""

    @given(inputs=strategies.inputs(type))
    @settings(max_examples=8)
    def declared(inputs):
        with iac.Stack("s", project="drawn") as stack:
            type("it", **inputs)
        with Simulator() as sim:
            assert sim.plan(stack).creates() == ["it"]

    declared()


@given(program=strategies.programs(Every, Small))
@settings(max_examples=40)
def test_drawn_programs_live_their_lives(program):
    """Applied, a second plan is empty also when all is read, and nothing is left over."""
    with Simulator() as sim:
        sim.apply(program)
        assert not sim.plan(program, refresh=True)
        sim.destroy("programs/test")
        assert not sim.objects


def test_known_fields_are_given():
    """A value, a strategy, or None to leave one out; others are refused."""

    @given(inputs=strategies.inputs(Every, size=3, other=st.just("x"), data=None))
    @settings(max_examples=10)
    def drawn(inputs):
        assert inputs["size"] == 3
        assert inputs["other"] == "x"
        assert "data" not in inputs

    drawn()
    with pytest.raises(DeclarationError, match="arn can't be given"):
        strategies.inputs(Every, arn="x")


class TestSound(ComponentContract):
    def declare(self):
        class Pair(iac.Component):
            def build(self):
                first = Every("first", name="one")
                Every("second", name="two", other=first.arn, data={"asset": f"{first.id}!"})

        Pair("pair")


UNSOUND = {
    "Tokens": (
        "Every('x', name='abc', data={'n': len(f'{Every(chr(97), name=chr(97) * 3).arn}')})",
        "test_it_declares_the_same_twice",
    ),
    "Reads": ("Every('x', name='abc', data={'t': open(__file__).readline()})", "test_declaring_touches_nothing"),
    "Chance": ("Every('x', name='abc', data={'n': random.random()})", "test_it_declares_the_same_twice"),
    "Clash": ("Every('x', name='abc'); Every('y', name='abc')", "test_it_is_planned_once"),
    "Empty": ("pass", "test_it_declares_something"),
}


def test_unsound_components_are_found(tmp_path):
    """The test that fails says which promise is broken."""
    source = Path(__file__).read_text()
    types = source[source.index("class Rule") : source.index("class Small")]
    suites = [
        f"class Test{name}(ComponentContract):\n    def declare(self):\n        {body}\n"
        for name, (body, _) in UNSOUND.items()
    ]
    (tmp_path / "test_it.py").write_text(
        "import random\nfrom collections.abc import Mapping, Sequence\n"
        "from typing import Annotated, Any, Literal, Required, TypedDict\n"
        "from iaclib import declare as iac\nfrom iaclib.testing.contracts import ComponentContract\n"
        f"{types}\n{''.join(suites)}"
    )
    code, out = run_pytest(tmp_path)
    assert code == 1
    for name, (_, finds) in UNSOUND.items():
        assert f"FAILED test_it.py::Test{name}::{finds}" in out, out


def test_what_other_threads_touch_is_none_of_a_components_business():
    """Leases are renewed and events delivered by threads of their own."""
    with watched() as found:
        other = Thread(target=lambda: Path(__file__).read_text())
        other.start()
        other.join()
        assert not found
        Path(__file__).read_text()
    assert found


def test_policies_are_checks():
    """What they say is an assertion error; without policies given, those of the engine count."""

    @policy(level="advisory")
    def small(change):
        return "too big" if (change.after or {}).get("size", 0) > 5 else None

    def stack(size):
        with iac.Stack("s", project="drawn") as made:
            Every("it", name="abc", size=size)
        return made

    with Simulator(policies=[small]) as sim:
        check(sim.plan(stack(5)))
        with pytest.raises(AssertionError, match=r"it: too big \(small, advisory\)"):
            check(sim.plan(stack(6)))


def test_queries_answer_by_type_and_by_name():
    """Plans give addresses, runs give objects."""

    def stack(size, *names, kind="flat"):
        with iac.Stack("s", project="drawn") as made:
            for name in names:
                Every(name, name=name * 3, size=size, kind=kind, password=iac.secret("hush"))
            Small("small")
        return made

    with Simulator() as sim:
        plan = sim.plan(stack(1, "a", "b"))
        assert plan.creates() == ["a", "b", "small"]
        assert plan.creates(Small) == plan.creates("drawn:Small") == ["small"]
        run = sim.apply(plan)
        first, second = run.resources(Every)
        assert (first.address, first.id, first.size) == ("a", sim.objects["a"].id, 1)
        assert first.arn == sim.objects["a"].arn
        assert first.on is None
        assert str(first.password) == "(secret)"
        with pytest.raises(AttributeError, match="did you mean 'size'"):
            first.sise
        plan = sim.plan(stack(2, "a"))
        assert (plan.updates(), plan.deletes(), plan.replaces()) == (["a"], ["b"], [])
        assert sim.plan(stack(1, "a", "b", kind="deep")).replaces(Every) == ["a", "b"]
        with pytest.raises(DeclarationError, match="is no resource class"):
            plan.creates(int)
        assert second.address == "b"
