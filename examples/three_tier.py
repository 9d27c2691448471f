"""A web shop in three tiers: a web tier that the world reaches, an application tier, and the data behind it.

Run as a program it prints what would be made, planned against a simulated
cloud; ``test_three_tier.py`` tests it without a cloud.
"""

from __future__ import annotations

from typing import Any

import iaclib as iac
from iaclib.aws import dynamodb, ec2, iam, s3

ZONES = ("eu-west-1a", "eu-west-1b")
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Tier(iac.Component):
    """Machines of one tier in every zone, behind a firewall that lets one port in from one source."""

    vpc_id: iac.Input[str]
    image: str
    number: int
    port: int
    cidr: str | None = None
    source_group: iac.Input[str] | None = None
    profile: iac.Input[str] | None = None
    group_id: iac.Output[str] = iac.computed()
    addresses: iac.Output[str] = iac.computed()

    def build(self) -> None:
        rule: dict[str, Any] = {"ip_protocol": "tcp", "from_port": self.port, "to_port": self.port}
        if self.cidr is not None:
            rule["cidr_ip"] = self.cidr
        else:
            rule["source_security_group_id"] = self.source_group
        firewall = ec2.SecurityGroup(
            "firewall",
            group_description=f"Lets port {self.port} in",
            vpc_id=self.vpc_id,
            security_group_ingress=[rule],
        )
        machines = []
        for n, zone in enumerate(ZONES):
            block = f"10.0.{10 * self.number + n}.0/24"
            subnet = ec2.Subnet(f"subnet-{zone}", vpc_id=self.vpc_id, cidr_block=block, availability_zone=zone)
            machines.append(
                ec2.Instance(
                    f"machine-{zone}",
                    image_id=self.image,
                    instance_type="t3.micro",
                    subnet_id=subnet.id,
                    security_group_ids=[firewall.id],
                    iam_instance_profile=self.profile,
                )
            )
        self.group_id = firewall.id
        self.addresses = iac.gather(*[machine.private_ip for machine in machines]).map(",".join)


class ThreeTier(iac.Stack):
    """The shop: web, application, data."""

    image: str

    def build(self) -> None:
        vpc = ec2.VPC("vpc", cidr_block="10.0.0.0/16", enable_dns_hostnames=True)
        gateway = ec2.InternetGateway("gateway")
        ec2.VPCGatewayAttachment("attached", vpc_id=vpc.id, internet_gateway_id=gateway.id)
        orders = dynamodb.Table(
            "orders",
            attribute_definitions=[{"attribute_name": "pk", "attribute_type": "S"}],
            key_schema=[{"attribute_name": "pk", "key_type": "HASH"}],
            billing_mode="PAY_PER_REQUEST",
            opts=iac.Options(retain_on_delete=True),
        )
        uploads = s3.Bucket("uploads")
        role = iam.Role("role", assume_role_policy_document=_TRUST)
        iam.RolePolicy(
            "access",
            role_name=role.id,
            policy_name="access",
            policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": "dynamodb:*", "Resource": orders.arn},
                    {"Effect": "Allow", "Action": "s3:*", "Resource": f"{uploads.arn}/*"},
                ],
            },
        )
        profile = iam.InstanceProfile("profile", roles=[role.id])
        web = Tier("web", vpc_id=vpc.id, image=self.image, number=0, port=443, cidr="0.0.0.0/0")
        app = Tier(
            "app",
            vpc_id=vpc.id,
            image=self.image,
            number=1,
            port=8080,
            source_group=web.group_id,
            profile=profile.id,
        )
        self.export(web=web.addresses, app=app.addresses, orders=orders.id)


@iac.policy(level="mandatory")
def only_the_web_is_public(change: Any) -> str | None:
    """Refuse firewalls that let the world in anywhere else."""
    rules = (change.after or {}).get("security_group_ingress") or ()
    public = any(rule.get("cidr_ip") == "0.0.0.0/0" for rule in rules)
    return "lets the world in" if public and not change.address.startswith("web/") else None


if __name__ == "__main__":
    from iaclib.testing import Simulator

    with Simulator(policies=[only_the_web_is_public]) as sim:
        print(sim.plan(ThreeTier("demo", image="ami-0abc")))
