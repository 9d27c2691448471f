"""The whole life of a small stack: plan, apply, change, drift, destroy.

Runs against moto's server, which it starts on a free loopback port, so it
needs no account. It fails if anything is not as it says.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

import iaclib as iac
from iaclib import aws
from iaclib.aws import ec2, iam, s3

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-west-1"


class Network(iac.Component):
    """A VPC with one public subnet per zone."""

    cidr: str = "10.0.0.0/16"
    zones: tuple[str, ...] = ("eu-west-1a", "eu-west-1b")
    vpc_id: iac.Output[str] = iac.computed()
    first_subnet_id: iac.Output[str] = iac.computed()

    def build(self) -> None:
        """Declare the VPC, its way out, and the subnets."""
        vpc = ec2.VPC("vpc", cidr_block=self.cidr, enable_dns_hostnames=True, tags={"Name": self.logical_name})
        gateway = ec2.InternetGateway("gateway")
        attached = ec2.VPCGatewayAttachment("attached", vpc_id=vpc.id, internet_gateway_id=gateway.id)
        routes = ec2.RouteTable("routes", vpc_id=vpc.id)
        ec2.Route(
            "default",
            route_table_id=routes.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=iac.Options(depends_on=(attached,)),
        )
        prefix = self.cidr.rsplit(".", 2)[0]
        subnets = [
            ec2.Subnet(f"subnet-{zone}", vpc_id=vpc.id, cidr_block=f"{prefix}.{n}.0/24", availability_zone=zone)
            for n, zone in enumerate(self.zones)
        ]
        for zone, subnet in zip(self.zones, subnets, strict=True):
            ec2.SubnetRouteTableAssociation(f"routes-{zone}", route_table_id=routes.id, subnet_id=subnet.id)
        self.vpc_id = vpc.id
        self.first_subnet_id = subnets[0].id


class Shop(iac.Stack):
    """A web server with its network, its bucket and its role."""

    image: str
    cidr: str = "10.0.0.0/16"
    port: int = 80
    machine: str = "t3.micro"

    def build(self) -> None:
        """Declare everything."""
        net = Network("net", cidr=self.cidr)
        assets = s3.Bucket("assets", versioning_configuration={"status": "Enabled"})
        role = iam.Role(
            "role",
            assume_role_policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            },
        )
        iam.RolePolicy(
            "read-assets",
            role_name=role.id,
            policy_name="read-assets",
            policy_document={
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{assets.arn}/*"}],
            },
        )
        firewall = ec2.SecurityGroup(
            "firewall",
            group_description="Lets the web in",
            vpc_id=net.vpc_id,
            security_group_ingress=[
                {"ip_protocol": "tcp", "from_port": self.port, "to_port": self.port, "cidr_ip": "0.0.0.0/0"}
            ],
        )
        web = ec2.Instance(
            "web",
            image_id=self.image,
            instance_type=self.machine,
            subnet_id=net.first_subnet_id,
            security_group_ids=[firewall.id],
            tags={"Name": "web", "Assets": assets.id},
        )
        self.export(vpc=net.vpc_id, url=f"http://{web.private_ip}:{self.port}/", assets=f"s3://{assets.id}/index.html")


@contextmanager
def cloud() -> Iterator[str]:
    """Start moto's server and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ,
        "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
        "MOTO_ENABLE_AMI_VALIDATION": "true",
    }
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit("moto's server did not start within 30 seconds")
        yield endpoint
    finally:
        server.terminate()
        server.wait()


def title(text: str) -> None:
    """Print a headline."""
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}")


def check(holds: bool, what: str) -> None:
    """Fail the demo if something is not so."""
    if not holds:
        sys.exit(f"not so: {what}")
    print(f"  ok: {what}")


def left_over(client: Any, s3_client: Any, iam_client: Any) -> list[str]:
    """List what exists in the cloud beyond what an empty account has."""
    found = [vpc["VpcId"] for vpc in client.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
    found += [
        instance["InstanceId"]
        for reservation in client.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] != "terminated"
    ]
    found += [
        group["GroupId"]
        for group in client.describe_security_groups()["SecurityGroups"]
        if group["GroupName"] != "default"
    ]
    found += [gateway["InternetGatewayId"] for gateway in client.describe_internet_gateways()["InternetGateways"]]
    found += [bucket["Name"] for bucket in s3_client.list_buckets()["Buckets"]]
    found += [role["RoleName"] for role in iam_client.list_roles()["Roles"]]
    return found


def life(endpoint: str, state: Path) -> None:
    """Live through the stack's life."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    raw = [boto3.client(name, region_name=REGION, endpoint_url=endpoint) for name in ("ec2", "s3", "iam")]
    image = raw[0].describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    provider = aws.Provider(region=REGION, endpoint_url=endpoint, default_tags={"project": "shop"})

    with iac.Engine(state=f"sqlite:///{state}", providers=[provider]) as engine:
        title("Plan: what would be made")
        plan = engine.plan(Shop("prod", image=image))
        print(plan)
        check(plan.counts.get("create", 0) == len(plan.changes), "everything is to be created")

        title("Apply")
        run = engine.apply(plan)
        for step in run.steps:
            print(f"  {step.action} {step.address}  {step.id}")
        for name, value in run.outputs.items():
            print(f"  {name} = {value}")
        check(run.ok and str(run.outputs["assets"]).startswith("s3://"), "the run succeeded and outputs are plain text")

        title("Apply again")
        plan = engine.plan(Shop("prod", image=image))
        print(plan)
        check(not plan and not engine.apply(plan).steps, "there is nothing to do")

        title("A change that updates in place: another port and machine type")
        changed = Shop("prod", image=image, port=8080, machine="t3.small")
        before = engine.snapshot("shop/prod").records["web"].id
        plan = engine.plan(changed)
        print(plan)
        engine.apply(plan)
        check(engine.snapshot("shop/prod").records["web"].id == before, "the machine is still the same one")

        title("A change that replaces: another address range")
        moved = Shop("prod", image=image, port=8080, machine="t3.small", cidr="10.1.0.0/16")
        plan = engine.plan(moved)
        print(plan)
        check(plan.change("net/vpc").action == "replace", "the VPC is to be replaced")
        engine.apply(plan)
        check(not engine.plan(moved), "a second plan is empty")

        title("Drift: somebody changes things behind our back")
        vpc = engine.snapshot("shop/prod").records["net/vpc"].id
        raw[0].create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "mine now"}])
        drift = engine.drift("shop/prod")
        for change in drift.changes:
            for prop in change.properties:
                print(f"  {change.address}: {'.'.join(map(str, prop.path))} is {prop.after!r}, was {prop.before!r}")
        check([change.address for change in drift.changes] == ["net/vpc"], "the drift is seen where it happened")
        plan = engine.plan(moved, refresh=True)
        print(plan)
        engine.apply(plan)
        check(not engine.drift("shop/prod"), "the drift is corrected")

        title("Destroy")
        run = engine.destroy("shop/prod")
        for step in run.steps:
            print(f"  {step.action} {step.address}")
        rest = left_over(*raw)
        check(not rest, f"the cloud is empty {rest or ''}")
        check(not engine.snapshot("shop/prod").records, "so is the state")


if __name__ == "__main__":
    with cloud() as address, tempfile.TemporaryDirectory() as folder:
        life(address, Path(folder) / "infra.db")
    print("\nAll of it held.")
