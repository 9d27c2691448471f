"""Declarations of EC2's security types: security groups and key pairs.

Names are CloudFormation's in snake_case. Users import them from
``iaclib.aws.ec2``. Knows nothing of boto3 or of handlers.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Required, TypedDict

from iaclib import declare as iac


class Ingress(TypedDict, total=False):
    """One rule for traffic coming in; exactly one source."""

    ip_protocol: Required[iac.Input[str]]
    from_port: iac.Input[int]
    to_port: iac.Input[int]
    cidr_ip: iac.Input[str]
    cidr_ipv6: iac.Input[str]
    source_prefix_list_id: iac.Input[str]
    source_security_group_id: iac.Input[str]
    source_security_group_owner_id: iac.Input[str]
    description: iac.Input[str]


class Egress(TypedDict, total=False):
    """One rule for traffic going out; exactly one destination."""

    ip_protocol: Required[iac.Input[str]]
    from_port: iac.Input[int]
    to_port: iac.Input[int]
    cidr_ip: iac.Input[str]
    cidr_ipv6: iac.Input[str]
    destination_prefix_list_id: iac.Input[str]
    destination_security_group_id: iac.Input[str]
    description: iac.Input[str]


class SecurityGroup(
    iac.Resource, type="aws:ec2:SecurityGroup", settle=120, tags="tags", unique=(("group_name", "vpc_id"),)
):
    """A firewall for network interfaces.

    A list of rules that is given is the whole list: other rules are revoked,
    also the one that lets everything out of a new group. A list left unset is
    nobody's business: the rule that lets everything out stays, and rules made
    elsewhere are no drift. Where a rule speaks of the group itself, its group
    id may be ``"self"``.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
    """

    group_description: iac.Input[Annotated[str, iac.Pattern(r"^[a-zA-Z0-9,. _\-:/()#@\[\]+=&;{}!$*]{1,255}$")]] = (
        iac.field(replaces=True)
    )
    group_name: (
        iac.Input[Annotated[str, iac.Pattern(r"^(?!sg-)[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$")]] | None
    ) = iac.field(default=None, replaces=True, generated=True)
    vpc_id: iac.Input[str] | None = iac.field(default=None, replaces=True)
    security_group_egress: iac.Input[Sequence[iac.Input[Egress]]] | None = iac.field(default=None, unordered=True)
    security_group_ingress: iac.Input[Sequence[iac.Input[Ingress]]] | None = iac.field(default=None, unordered=True)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)

    group_id: iac.Output[str] = iac.computed(stable=True)


class KeyPair(iac.Resource, type="aws:ec2:KeyPair", settle=120, tags="tags"):
    """A public key that instances let in.

    The private key stays with whoever made it: ``public_key_material`` is
    required, because a private key that AWS generates is shown once and would
    be lost with the run that made it. Tags change in place.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-keypair.html
    """

    key_name: iac.Input[str] | None = iac.field(default=None, replaces=True, unique=True, generated=True)
    public_key_material: iac.Input[str] = iac.field(replaces=True)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)

    key_fingerprint: iac.Output[str] = iac.computed(stable=True)
    key_pair_id: iac.Output[str] = iac.computed(stable=True)
