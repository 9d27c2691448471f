"""Security groups and key pairs, by the real client against moto over HTTP."""

from __future__ import annotations

import pytest

from iaclib.aws.handlers.ec2_rules import EGRESS, INGRESS
from iaclib.aws.handlers.ec2_security import KeyPairHandler, SecurityGroupHandler
from iaclib.errors import ConflictError, InvalidRequestError, PartialFailure

GROUP, KEY = SecurityGroupHandler(), KeyPairHandler()
LET_OUT = [{"ip_protocol": "-1", "cidr_ip": "0.0.0.0/0"}]
LET_OUT_IPV6 = {"ip_protocol": "-1", "cidr_ipv6": "::/0"}
HTTP = {"ip_protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_ip": "0.0.0.0/0"}
HTTPS = {"ip_protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ipv6": "::/0", "description": "web"}
MATERIAL = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGQ2W9bZ8Yc1mV3v3y0d1rX5b1bYb7nUq8p1f3QzXy7C me@home"


class Record:
    """What a handler sees of a record."""

    def __init__(self, **inputs):
        self.inputs = inputs


@pytest.fixture
def vpc(provider):
    """Give an empty VPC."""
    return provider.client("ec2").call("create_vpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def base(vpc):
    """Give the least inputs of a group."""
    return {"group_name": "web", "group_description": "a group", "vpc_id": vpc}


@pytest.fixture
def calls(provider, monkeypatch):
    """Give the list of writing operations called from now on."""
    client = provider.client("ec2")
    log, call = [], client.call

    def counted(operation, /, **params):
        if not operation.startswith("describe"):
            log.append(operation)
        return call(operation, **params)

    monkeypatch.setattr(client, "call", counted)
    return log


def rules(live, side=INGRESS):
    """Give rules in an order of their own."""
    return sorted(live.inputs[side.field], key=str)


def test_a_group_shows_what_was_declared(ctx, base):
    """Rules come back in the declared shape, one a peer, with their descriptions."""
    inputs = {**base, "security_group_ingress": [HTTP, HTTPS], "tags": {"Name": "web"}}
    made = GROUP.create(ctx(), inputs)
    live = GROUP.read(ctx(), made.id)
    assert rules(live) == sorted([HTTP, HTTPS], key=str)
    assert {key: live.inputs[key] for key in (*base, "tags")} == {**base, "tags": {"Name": "web"}}
    assert live.outputs == {"group_id": made.id}


def test_traffic_out_is_free_unless_declared(ctx, base):
    """Left unset, the rule that lets everything out stays; given, even empty, it is revoked."""
    assert GROUP.create(ctx(), base).inputs["security_group_egress"] == LET_OUT
    closed = GROUP.create(ctx(), {**base, "group_name": "closed", "security_group_egress": []})
    assert closed.inputs["security_group_egress"] == []
    some = GROUP.create(ctx(), {**base, "group_name": "some", "security_group_egress": [HTTP]})
    assert some.inputs["security_group_egress"] == [HTTP]
    same = GROUP.create(ctx(), {**base, "group_name": "same", "security_group_egress": LET_OUT})
    assert same.inputs["security_group_egress"] == LET_OUT


def test_an_update_allows_before_it_revokes(ctx, calls, base):
    """Rules are changed without a moment in which neither the old nor the new one holds."""
    before = {**base, "security_group_ingress": [HTTP]}
    made = GROUP.create(ctx(), before)
    calls.clear()
    live = GROUP.update(ctx(), made.id, before, {**base, "security_group_ingress": [HTTPS]})
    assert calls == ["authorize_security_group_ingress", "revoke_security_group_ingress"]
    assert rules(live) == [HTTPS]
    calls.clear()
    GROUP.update(ctx(), made.id, before, {**base, "security_group_ingress": [HTTPS]})
    assert calls == []


def test_a_description_changes_without_touching_the_rule(ctx, calls, base):
    """A rule that differs only in its description is neither revoked nor made again."""
    before = {**base, "security_group_ingress": [HTTPS]}
    made = GROUP.create(ctx(), before)
    calls.clear()
    live = GROUP.update(ctx(), made.id, before, {**base, "security_group_ingress": [{**HTTPS, "description": "new"}]})
    assert calls == ["update_security_group_rule_descriptions_ingress"]
    assert rules(live) == [{**HTTPS, "description": "new"}]


def test_rules_made_elsewhere_are_left_alone_unless_the_list_is_declared(ctx, provider, base):
    """A declared list is the whole list; an undeclared one is nobody's business."""
    made = GROUP.create(ctx(), base)
    client = provider.client("ec2")
    client.call("authorize_security_group_ingress", GroupId=made.id, IpPermissions=[INGRESS.request(HTTP)])
    observed = {**base, "security_group_ingress": [HTTP]}
    left = GROUP.update(ctx(record=Record(**base)), made.id, observed, {**base, "tags": {"a": "b"}})
    assert rules(left) == [HTTP]
    owned = GROUP.update(ctx(record=Record(**base)), made.id, observed, {**base, "security_group_ingress": [HTTPS]})
    assert rules(owned) == [HTTPS]


def test_a_list_that_is_unset_again_takes_its_rules_with_it(ctx, provider, base):
    """Formerly declared rules go, others' stay, and traffic out is free again."""
    before = {**base, "security_group_ingress": [HTTP], "security_group_egress": [HTTP]}
    made = GROUP.create(ctx(), before)
    other = {**HTTP, "from_port": 22, "to_port": 22}
    client = provider.client("ec2")
    client.call("authorize_security_group_ingress", GroupId=made.id, IpPermissions=[INGRESS.request(other)])
    live = GROUP.update(ctx(record=Record(**before)), made.id, before, base)
    assert rules(live) == [other]
    assert live.inputs["security_group_egress"] == LET_OUT


def test_where_there_is_ipv6_traffic_out_is_free_in_both(ctx, provider, base):
    """A new group of a VPC with IPv6 has two rules that let everything out, which go and come back together."""
    client = provider.client("ec2")
    vpc = client.call("create_vpc", CidrBlock="10.1.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    before = {**base, "vpc_id": vpc, "security_group_egress": [HTTPS]}
    made = GROUP.create(ctx(), before)
    assert rules(made, EGRESS) == [HTTPS]
    live = GROUP.update(ctx(record=Record(**before)), made.id, before, {**base, "vpc_id": vpc})
    assert rules(live, EGRESS) == sorted([*LET_OUT, LET_OUT_IPV6], key=str)


def test_a_group_may_speak_of_itself_and_of_others(ctx, base):
    """Peers may be groups; ``self`` stands for the group's own id."""
    peer = GROUP.create(ctx(), {**base, "group_name": "peer"})
    within = {"ip_protocol": "tcp", "from_port": 1, "to_port": 2, "source_security_group_id": "self"}
    from_peer = {**within, "source_security_group_id": peer.id}
    to_self = {"ip_protocol": "udp", "from_port": 1, "to_port": 2, "destination_security_group_id": "self"}
    inputs = {**base, "security_group_ingress": [within, from_peer], "security_group_egress": [to_self]}
    made = GROUP.create(ctx(), inputs)
    assert {rule["source_security_group_id"] for rule in rules(made)} == {made.id, peer.id}
    assert made.inputs["security_group_egress"] == [{**to_self, "destination_security_group_id": made.id}]
    GROUP.delete(ctx(), made.id)
    assert GROUP.read(ctx(), made.id) is None


def test_rules_are_compared_as_ec2_spells_them():
    """Protocol numbers, host bits, spare ports and missing ICMP ports make no difference."""
    spelled = {
        "security_group_ingress": [
            {"ip_protocol": "6", "from_port": 1, "to_port": 2, "cidr_ip": "10.0.0.5/24"},
            {"ip_protocol": "ALL", "from_port": 0, "to_port": 0, "cidr_ipv6": "2001:DB8:0::/64"},
            {"ip_protocol": "icmp", "cidr_ip": "10.0.0.0/8", "description": ""},
        ]
    }
    assert GROUP.normalise(spelled)["security_group_ingress"] == [
        {"ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr_ip": "10.0.0.0/24"},
        {"ip_protocol": "-1", "cidr_ipv6": "2001:db8::/64"},
        {"ip_protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_ip": "10.0.0.0/8"},
    ]


def test_a_rule_has_exactly_one_peer(ctx, base):
    """A rule with no peer or two is refused before anything is made, naming the rule."""
    for bad in ({"ip_protocol": "-1"}, {**HTTP, "cidr_ipv6": "::/0"}):
        with pytest.raises(InvalidRequestError, match=r"net/web: security_group_ingress\[1\] has"):
            GROUP.create(ctx("net/web"), {**base, "security_group_ingress": [HTTPS, bad]})
    assert GROUP.find(ctx(), base) is None


def test_a_group_is_made_once_for_a_token(ctx, base):
    """A repeated create gives the same group; another step's group of that name is a conflict with its id."""
    first = GROUP.create(ctx(token="a" * 32), base)
    assert GROUP.create(ctx(token="a" * 32), base).id == first.id
    assert GROUP.find(ctx(token="a" * 32), base).id == first.id
    with pytest.raises(ConflictError) as caught:
        GROUP.create(ctx(), base)
    assert caught.value.existing_id == first.id


def test_a_group_whose_rules_fail_is_repairable(ctx, monkeypatch, provider, base):
    """If a rule is refused, the group's id is known, and an update does the rest."""
    client = provider.client("ec2")
    call = client.call

    def refuse(operation, /, **params):
        if operation.startswith("authorize"):
            raise InvalidRequestError("no")
        return call(operation, **params)

    inputs = {**base, "security_group_ingress": [HTTP]}
    monkeypatch.setattr(client, "call", refuse)
    with pytest.raises(PartialFailure) as caught:
        GROUP.create(ctx(), inputs)
    monkeypatch.undo()
    assert caught.value.repairable
    assert rules(GROUP.update(ctx(), caught.value.live.id, inputs, inputs)) == [HTTP]


def test_one_rule_that_is_there_does_not_fail_the_others(ctx, provider, base):
    """Rules are allowed and revoked one by one where AWS finds one of them done already."""
    made = GROUP.create(ctx(), {**base, "security_group_ingress": [HTTP]})
    GROUP._authorize(ctx(), made.id, INGRESS, [HTTP, HTTPS])
    assert rules(GROUP.read(ctx(), made.id)) == sorted([HTTP, HTTPS], key=str)
    GROUP._revoke(ctx(), made.id, EGRESS, [HTTP, *LET_OUT])
    assert GROUP.read(ctx(), made.id).inputs["security_group_egress"] == []


def test_groups_are_read_together(ctx, base):
    """One missing id does not spoil the reading of many."""
    made = GROUP.create(ctx(), base)
    shown = GROUP.read_many(ctx(), [made.id, "sg-0123456789abcdef0"])
    assert shown[made.id].id == made.id
    assert shown["sg-0123456789abcdef0"] is None


def test_a_key_pair_lives_and_dies(ctx):
    """A key is imported once a token, shown without its comment, tagged in place, and deleted."""
    inputs = {"key_name": "me", "public_key_material": MATERIAL, "tags": {"a": "b"}}
    step = ctx(token="f" * 32)
    made = KEY.create(step, inputs)
    assert made.id == KEY.create(step, inputs).id == KEY.find(step, inputs).id == "me"
    assert made.inputs == KEY.normalise(inputs)
    assert made.outputs["key_pair_id"].startswith("key-")
    assert made.outputs["key_fingerprint"]
    live = KEY.update(ctx(), "me", inputs, {**inputs, "tags": {"c": "d"}})
    assert live.inputs["tags"] == {"c": "d"}
    with pytest.raises(ConflictError) as caught:
        KEY.create(ctx(), inputs)
    assert caught.value.existing_id == "me"
    KEY.delete(ctx(), "me")
    assert KEY.read(ctx(), "me") is None
    KEY.delete(ctx(), "me")
