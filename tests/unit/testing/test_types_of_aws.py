"""Every type of AWS lives a whole life in the simulated cloud: its facts are enough to declare, plan, change and delete it.

That says that facts, classes, planner and simulator agree with each other; what AWS does is another matter.
"""

import re

import pytest

import iaclib as iac
from iaclib.declare.generated import service_module, service_modules
from iaclib.errors import ApplyFailed
from iaclib.schema.names import module_name
from iaclib.schema.pack import pack
from iaclib.testing import Simulator
from iaclib.testing.values import Birth, made

AWS = pack("aws")
ROLE = "arn:aws:iam::123456789012:role/app"
UNIT = "arn:aws:organizations::123456789012:ou/o-1/ou-1"
#: What isn't found by drawing text: long values of narrow patterns.
GIVEN = {
    "aws:cleanrooms:ConfiguredTableAssociation": {"role_arn": ROLE},
    "aws:controltower:EnabledBaseline": {"baseline_identifier": UNIT, "target_identifier": UNIT},
    "aws:controltower:EnabledControl": {"control_identifier": UNIT, "target_identifier": UNIT},
    "aws:devopsagent:Association": {"configuration": {}},
    "aws:lex:BotAlias": {"bot_id": "ABCDEFGHIJ"},
    "aws:lex:BotVersion": {"bot_id": "ABCDEFGHIJ"},
    "aws:smsvoice:Pool": {"origination_identities": ["arn:aws:sms-voice:eu-west-1:123456789012:phone-number/p"]},
    "aws:transfer:Agreement": {"access_role": ROLE},
    "aws:transfer:Connector": {"access_role": ROLE},
    "aws:transfer:User": {"role": ROLE},
}
REFERS = re.compile(r"refers to '([^']*)', and there is no such ([\w:]+)")


def class_of(type):
    """Give the class of a type, made or written by hand."""
    _, service, name = type.split(":")
    return getattr(service_module("iaclib.aws", module_name(service)), name)


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
def test_every_type_of_a_service_is_created_kept_changed_and_deleted(module):
    service = module.removesuffix("_")
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
