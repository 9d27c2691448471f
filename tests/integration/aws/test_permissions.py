"""What the table of actions says is what the handlers call: in a whole life, and in their sources."""

from __future__ import annotations

import aws_cloud
import iaclib as iac
from aws_actions import BESIDES, actions_of, recorded, written
from iaclib.aws.actions import ACTIONS
from iaclib.aws.table import HANDLERS, LOOKUPS


def test_every_handler_that_was_written_by_hand_is_in_the_table():
    assert ACTIONS.keys() == {*HANDLERS, *LOOKUPS}


def test_a_whole_life_calls_nothing_that_is_not_allowed(moto):
    image = aws_cloud.image(moto)
    with recorded() as seen, iac.Engine(state="memory:", providers=[aws_cloud.provider(moto)]) as engine:
        engine.apply(aws_cloud.Everything("test", image=image))
        engine.refresh("everything/test")
        engine.apply(aws_cloud.Everything("test", image=image, label="two"))
        engine.destroy("everything/test")
    missing = {}
    for (type, operation), calls in seen.items():
        rows = ACTIONS[type]
        allowed = {*rows.get(operation, ()), *rows["read"], *(rows.get("tag", ()) if operation == "update" else ())}
        lacking = {action for call in calls for action in actions_of(call)} - allowed
        if lacking:
            missing[type, operation] = lacking

    assert missing == {}
    assert {type for type, _ in seen} == set(HANDLERS)


def test_what_handlers_spell_out_is_allowed_and_nothing_else_is():
    allowed = {action for rows in ACTIONS.values() for row in rows.values() for action in row}
    spelled = {
        action for service, calls in written().items() for call in calls for action in actions_of(f"{service}:{call}")
    }
    spelled |= {  # these are put together
        f"ec2:UpdateSecurityGroupRuleDescriptions{direction}" for direction in ("Ingress", "Egress")
    } | {f"ec2:{verb}SecurityGroup{way}" for verb in ("Authorize", "Revoke") for way in ("Ingress", "Egress")}

    assert spelled - allowed == set()
    assert allowed - spelled - BESIDES == set()
