"""A stack of one object of any type of AWS, with inputs that its facts allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import iaclib as iac
from iaclib.declare.generated import service_module
from iaclib.schema.names import module_name
from iaclib.schema.pack import pack
from iaclib.testing.values import Birth, made

if TYPE_CHECKING:
    from collections.abc import Callable

AWS = pack("aws")
ROLE = "arn:aws:iam::123456789012:role/app"
UNIT = "arn:aws:organizations::123456789012:ou/o-1/ou-1"
#: What isn't found by drawing text: long values of narrow patterns.
GIVEN: dict[str, dict[str, Any]] = {
    "aws:cleanrooms:ConfiguredTableAssociation": {"role_arn": ROLE},
    "aws:controltower:EnabledBaseline": {"baseline_identifier": UNIT, "target_identifier": UNIT},
    "aws:controltower:EnabledControl": {"control_identifier": UNIT, "target_identifier": UNIT},
    "aws:devopsagent:Association": {"configuration": {}},
    "aws:lambda:ResourcePolicy": {"resource_arn": "arn:aws:lambda:eu-west-1:123456789012:function:orders"},
    "aws:lex:BotAlias": {"bot_id": "ABCDEFGHIJ"},
    "aws:lex:BotVersion": {"bot_id": "ABCDEFGHIJ"},
    "aws:securityhub:ConnectorV2": {"provider": {"jira_cloud": {"project_key": "SHOP"}}},
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


def rich_inputs(type: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Make all inputs that can be given, as far as they fit; tags and made-up names are left to others."""
    facts, inputs = facts_of(type), inputs_of(type)
    birth = Birth(type, "i-1", "0123456789abcdef", "123456789012", "eu-west-1")
    for name, one in facts.properties.items():
        if name in inputs or one.computed or one.generated or name == facts.tags:
            continue
        more = inputs | {name: made(one.shape, name, birth)}
        if one.shape.fault(more[name]) is None and fits(more):
            inputs = more
    return inputs


def changed_inputs(type: str, inputs: dict[str, Any], fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """Change one property in place, or None where none can be."""
    facts = facts_of(type)
    fixed = {path.split("/")[0] for path in (*facts.cloud.create_only, *facts.cloud.maybe_create_only)}
    for hidden in (False, True):  # what is shown first
        for name, one in facts.properties.items():
            if one.replaces or one.computed or one.wire in fixed or name in (facts.tags, "id"):
                continue
            if one.write_only is not hidden or name not in inputs:
                continue
            for number in ("fedcba9876543210", "00112233445566aa"):
                birth = Birth(type, "i-2", number, "123456789012", "eu-west-1")
                value = made(one.shape, name, birth)
                value = not inputs[name] if one.shape.kind == "bool" else value
                if one.shape.enum is not None:
                    value = one.shape.enum[-1]
                after = inputs | {name: value}
                if value != inputs[name] and one.shape.fault(value) is None and fits(after):
                    return after
    return None


class One(iac.Stack):
    """A stack of one object."""

    type: str
    inputs: dict[str, Any]

    def build(self) -> None:
        """Declare it."""
        class_of(self.type)("it", **self.inputs)
