"""Every type of the pack is told what it needs, in actions that IAM could take."""

from __future__ import annotations

import re

from iaclib.aws.permissions import actions
from iaclib.provider.permissions import Need
from iaclib.schema.pack import pack

AWS = pack("aws")
LIFE = frozenset({"create", "read", "update", "delete", "tag"})


def test_every_type_is_told_what_it_needs():
    found = {
        type: actions(Need(type, LIFE))
        for service in AWS.services
        for name in AWS.names(service)
        if (type := f"aws:{service}:{name}")
    }

    assert len(found) > 1_700
    assert not [type for type, needed in found.items() if not needed]
    named = {one for needed in found.values() for one in needed or ()}
    assert [one for one in named if not re.fullmatch(r"[a-z0-9-]+:[A-Za-z*][A-Za-z0-9*]*", one)] == []


def test_a_handler_that_calls_nothing_needs_nothing():
    assert actions(Need("aws:connect:AgentStatus", frozenset({"delete"}))) == {
        "cloudformation:DeleteResource",
        "cloudformation:GetResourceRequestStatus",
    }


def test_what_is_not_known_is_not_guessed():
    assert actions(Need("aws:nowhere:Thing", LIFE)) is None
    assert actions(Need("aws:Thing", LIFE)) is None
    assert actions(Need("aws:Acme::Web::Site", LIFE)) is None
