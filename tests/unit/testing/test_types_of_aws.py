"""Every type of AWS lives a whole life in the simulated cloud: its facts are enough to declare, plan, change and delete it.

That says that facts, classes, planner and simulator agree with each other; what AWS does is another matter.
"""

import re

import pytest

import iaclib as iac
from any_type import AWS, GIVEN, class_of
from iaclib.aws import ivs
from iaclib.declare.generated import service_modules
from iaclib.errors import ApplyFailed
from iaclib.testing import Simulator
from iaclib.testing.values import Birth, made

REFERS = re.compile(r"refers to '([^']*)', and there is no such ([\w:]+)")


class One(iac.Stack):
    """A stack of one object."""

    type: str
    extra: bool = False

    def build(self) -> None:
        cls = class_of(self.type)
        facts = cls._iac_class.type
        birth = Birth(self.type, "i-1", "0123456789abcdef", "123456789012", "eu-west-1")
        inputs = {key: made(one.shape, key, birth) for key, one in facts.properties.items() if one.required}
        inputs |= GIVEN.get(self.type, {})
        if self.extra and facts.tags is not None:
            inputs[facts.tags] = {"team": "shop"}
        cls("it", **inputs)


def applied(sim, stack):
    """Apply, adding what the object refers to as the simulator asks for it."""
    for _ in range(10):
        try:
            return sim.apply(stack)
        except ApplyFailed as error:
            missing = REFERS.search(str(error))
            if missing is None:
                raise
            sim.add(missing[2], missing[1])
    return sim.apply(stack)


@pytest.mark.parametrize("module", service_modules("iaclib.aws"))
def test_every_type_of_a_service_is_created_kept_changed_and_deleted(module, record_property):
    service = module.removesuffix("_")
    record_property("adds", ("types of AWS through life in the simulated cloud", len(AWS.names(service))))
    for name in AWS.names(service):
        type = f"aws:{service}:{name}"
        with Simulator() as sim:
            assert applied(sim, One("prod", type=type)).ok, type
            assert not sim.plan(One("prod", type=type)), type
            facts = class_of(type)._iac_class.type
            if facts.tags is not None and not facts.properties[facts.tags].required:
                steps = [str(step.action) for step in sim.apply(One("prod", type=type, extra=True)).steps]
                wanted = ["create", "delete"] if facts.properties[facts.tags].replaces is True else ["update"]
                assert sorted(steps) == wanted, type
            sim.destroy("one/prod")
            assert "it" not in sim.objects, type


class Keyed(iac.Stack):
    """A channel has one key at a time, whatever it is called."""

    channel: str
    first: bool | None = None

    def build(self) -> None:
        opts = iac.Options(delete_before_replace=self.first)
        ivs.StreamKey("key", channel_arn=f"arn:aws:ivs:eu-west-1:123456789012:channel/{self.channel}", opts=opts)


def test_what_cannot_be_there_twice_is_deleted_before_its_replacement_is_made():
    with Simulator() as sim:
        sim.apply(Keyed("prod", channel="a"))
        change = sim.plan(Keyed("prod", channel="b")).change("key")
        insisted = sim.plan(Keyed("prod", channel="b", first=False)).change("key")

        assert (change.delete_first, insisted.delete_first) == (True, False)
        assert "can't coexist" in change.reason
        assert [str(one.action) for one in sim.apply(Keyed("prod", channel="b")).steps] == ["delete", "create"]
