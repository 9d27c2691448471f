"""A stack of one object of any type of AWS, with inputs that its facts allow."""

from __future__ import annotations

from typing import Any

import iaclib as iac
from iaclib.declare.generated import service_module
from iaclib.schema.names import module_name
from iaclib.schema.pack import pack
from iaclib.testing.values import Birth, made

AWS = pack("aws")
ROLE = "arn:aws:iam::123456789012:role/app"
UNIT = "arn:aws:organizations::123456789012:ou/o-1/ou-1"
#: What isn't found by drawing text: long values of narrow patterns.
GIVEN: dict[str, dict[str, Any]] = {
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


def class_of(type: str) -> Any:
    """Give the class of a type, made or written by hand."""
    _, service, name = type.split(":")
    return getattr(service_module("iaclib.aws", module_name(service)), name)


def facts_of(type: str) -> Any:
    """Give a type's facts as the pack has them."""
    _, service, name = type.split(":")
    return AWS.facts(service, name)


def all_types() -> list[str]:
    """Name all types that can be classes."""
    return [f"aws:{service}:{name}" for service in AWS.services for name in AWS.names(service)]


def inputs_of(type: str, number: str = "0123456789abcdef") -> dict[str, Any]:
    """Make the inputs that have to be given."""
    birth = Birth(type, "i-1", number, "123456789012", "eu-west-1")
    facts = facts_of(type)
    inputs = {key: made(one.shape, key, birth) for key, one in facts.properties.items() if one.required}
    return inputs | GIVEN.get(type, {})


class One(iac.Stack):
    """A stack of one object."""

    type: str
    extra: str = ""

    def build(self) -> None:
        """Declare it."""
        facts = facts_of(self.type)
        inputs = inputs_of(self.type)
        if self.extra and facts.tags is not None:
            inputs[facts.tags] = {"team": self.extra}
        class_of(self.type)("it", **inputs)
