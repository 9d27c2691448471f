"""The rules of security groups, in one form that can be compared.

EC2 groups rules by protocol and ports and spells them its own way; here a rule
has one peer and is spelled as EC2 shows it. Knows nothing of calls.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}
_ICMP = ("icmp", "icmpv6")
_PORTED = ("tcp", "udp", *_ICMP)  # the others have no ports: whatever is given counts for nothing
SELF = "self"


class Side(Struct, frozen=True):
    """One direction of traffic, and what EC2 calls it.

    Args:
        field: The field that declares its rules.
        permissions: Where a description has them.
        peers: Key of a rule -> where a permission lists such peers, and a peer's key there.
        owner: The key that names a peer group's account, if there is one.
    """

    field: str
    permissions: str
    direction: str
    peers: Mapping[str, tuple[str, str]]
    owner: str | None = None

    def canonical(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        """Spell a rule as EC2 shows it, so that equal rules are equal."""
        same = {key: value for key, value in rule.items() if value is not None}
        protocol = same.get("ip_protocol")
        if isinstance(protocol, str):
            protocol = same["ip_protocol"] = _PROTOCOLS.get(protocol.lower(), protocol.lower())
            if protocol not in _PORTED:
                same.pop("from_port", None)
                same.pop("to_port", None)
            elif protocol in _ICMP:
                same = {"from_port": -1, "to_port": -1, **same}
        for key in ("cidr_ip", "cidr_ipv6"):
            if isinstance(same.get(key), str):
                with suppress(ValueError):  # EC2 will say what is wrong with it
                    same[key] = str(ipaddress.ip_network(same[key], strict=False))
        if not same.get("description", True):
            del same["description"]
        return same

    def identity(self, rule: Mapping[str, Any]) -> tuple[Any, ...]:
        """Give what makes a canonical rule another one; a description does not."""
        kind = next(key for key in self.peers if key in rule)
        return (rule["ip_protocol"], rule.get("from_port"), rule.get("to_port"), kind, rule[kind])

    def request(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        """Give a canonical rule as a permission."""
        kind = next(key for key in self.peers if key in rule)
        listed, key = self.peers[kind]
        peer = {key: rule[kind], "Description": rule.get("description")}
        if self.owner is not None and listed == "UserIdGroupPairs":
            peer["UserId"] = rule.get(self.owner)
        permission = {
            "IpProtocol": rule["ip_protocol"],
            "FromPort": rule.get("from_port"),
            "ToPort": rule.get("to_port"),
            listed: [{key: value for key, value in peer.items() if value is not None}],
        }
        return {key: value for key, value in permission.items() if value is not None}

    def shown(self, group: Mapping[str, Any]) -> list[dict[str, Any]]:
        """List the rules of a described group, one a peer."""
        return [
            self.canonical(rule)
            for permission in group.get(self.permissions) or ()
            for rule in self._split(permission, group.get("OwnerId"))
        ]

    def _split(self, permission: Mapping[str, Any], account: str | None) -> Iterator[dict[str, Any]]:
        for kind, (listed, key) in self.peers.items():
            for peer in permission.get(listed) or ():
                rule = {
                    "ip_protocol": str(permission["IpProtocol"]),
                    "from_port": permission.get("FromPort"),
                    "to_port": permission.get("ToPort"),
                    kind: peer.get(key),
                    "description": peer.get("Description") or None,
                }
                if self.owner is not None and peer.get("UserId") not in (None, account):
                    rule[self.owner] = peer["UserId"]
                yield rule


_ADDRESSES = {"cidr_ip": ("IpRanges", "CidrIp"), "cidr_ipv6": ("Ipv6Ranges", "CidrIpv6")}
INGRESS = Side(
    field="security_group_ingress",
    permissions="IpPermissions",
    direction="ingress",
    peers={
        **_ADDRESSES,
        "source_security_group_id": ("UserIdGroupPairs", "GroupId"),
        "source_prefix_list_id": ("PrefixListIds", "PrefixListId"),
    },
    owner="source_security_group_owner_id",
)
EGRESS = Side(
    field="security_group_egress",
    permissions="IpPermissionsEgress",
    direction="egress",
    peers={
        **_ADDRESSES,
        "destination_security_group_id": ("UserIdGroupPairs", "GroupId"),
        "destination_prefix_list_id": ("PrefixListIds", "PrefixListId"),
    },
)
SIDES = (INGRESS, EGRESS)
#: What EC2 gives a new group of a VPC.
LET_OUT = {"ip_protocol": "-1", "cidr_ip": "0.0.0.0/0"}
LET_OUT_IPV6 = {"ip_protocol": "-1", "cidr_ipv6": "::/0"}
