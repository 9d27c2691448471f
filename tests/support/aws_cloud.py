"""A stack with every shipped AWS type, and what a cloud really holds of it."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from msgspec import structs

import iaclib as iac
from iaclib import aws
from iaclib.aws import dynamodb, ec2, iam, logs, s3, sns, sqs
from iaclib.aws.table import HANDLERS
from iaclib.declare.registry import type_facts

REGION = "eu-west-1"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_KEY = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDusXfgTE4eBP50NglSzCSEGnIL6+cr6m3H6cZANOQ+P1o/W4BdtcAL3sor4iGi"
    "SOeJgo8kubEbAb9Bh2pvHPNL5i2m+V6rHSgSTZ4Wlk3Q6CPS+vGbHYP2Z9TPQwTgWzUOwwzfJlR6BGdAvBmGRYxsCYFp4NJU6qZ2"
    "DmKb8EPQpw== moto"
)


def _policy(resource: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}],
    }


class Everything(iac.Stack):
    """Thirty resources, every shipped type among them."""

    image: str
    label: str = "one"

    def build(self) -> None:
        """Declare them."""
        vpc = ec2.VPC("vpc", cidr_block="10.0.0.0/16", enable_dns_hostnames=True, tags={"Label": self.label})
        gateway = ec2.InternetGateway("gateway")
        attached = ec2.VPCGatewayAttachment("attached", vpc_id=vpc.id, internet_gateway_id=gateway.id)
        routes = ec2.RouteTable("routes", vpc_id=vpc.id)
        ec2.Route(
            "route",
            route_table_id=routes.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=iac.Options(depends_on=(attached,)),
        )
        subnets = [
            ec2.Subnet(f"subnet{n}", vpc_id=vpc.id, cidr_block=f"10.0.{n}.0/24", availability_zone=f"{REGION}{zone}")
            for n, zone in enumerate("ab")
        ]
        for n, subnet in enumerate(subnets):
            ec2.SubnetRouteTableAssociation(f"association{n}", route_table_id=routes.id, subnet_id=subnet.id)
        firewall = ec2.SecurityGroup(
            "firewall",
            group_description=self.label and "web",
            vpc_id=vpc.id,
            security_group_ingress=[{"ip_protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_ip": "0.0.0.0/0"}],
        )
        key = ec2.KeyPair("key", public_key_material=_KEY)
        role = iam.Role("role", assume_role_policy_document=_TRUST, tags={"Label": self.label})
        iam.RolePolicy(
            "role-policy",
            role_name=role.id,
            policy_name="inline",
            policy_document={
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
            },
        )
        iam.ManagedPolicy(
            "managed",
            policy_document={
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}],
            },
        )
        profile = iam.InstanceProfile("profile", roles=[role.id])
        for n in range(2):
            ec2.Instance(
                f"web{n}",
                image_id=self.image,
                instance_type="t3.micro",
                subnet_id=subnets[n].id,
                security_group_ids=[firewall.id],
                key_name=key.id,
                iam_instance_profile=profile.id,
                tags={"Label": self.label},
            )
            ec2.Volume(f"volume{n}", availability_zone=f"{REGION}a", size=8 + n, tags={"Label": self.label})
            bucket = s3.Bucket(
                f"bucket{n}",
                versioning_configuration={"status": "Enabled"},
                tags={"Label": self.label},
            )
            s3.BucketPolicy(f"bucket-policy{n}", bucket=bucket.id, policy_document=_policy(f"{bucket.arn}/*"))
            sqs.Queue(f"queue{n}", visibility_timeout=30 + n, tags={"Label": self.label})
            sns.Topic(f"topic{n}", tags={"Label": self.label})
        logs.LogGroup("logs", retention_in_days=7, tags={"Label": self.label})
        dynamodb.Table(
            "table",
            attribute_definitions=[{"attribute_name": "pk", "attribute_type": "S"}],
            key_schema=[{"attribute_name": "pk", "key_type": "HASH"}],
            billing_mode="PAY_PER_REQUEST",
            tags={"Label": self.label},
        )


@contextmanager
def settling_quickly(seconds: float = 0.3) -> Iterator[None]:
    """Let AWS types settle sooner while the block runs: the emulated cloud is consistent at once."""
    known = [facts for name in HANDLERS if (facts := type_facts(name)) is not None]
    usual = [facts.settle for facts in known]
    for facts in known:
        structs.force_setattr(facts, "settle", seconds)
    yield
    for facts, before in zip(known, usual, strict=True):
        structs.force_setattr(facts, "settle", before)


def provider(endpoint: str) -> aws.Provider:
    """Reach the emulated cloud."""
    return aws.Provider(region=REGION, endpoint_url=endpoint)


def image(endpoint: str) -> str:
    """Find a machine image that the emulated cloud accepts."""
    client = boto3.client("ec2", region_name=REGION, endpoint_url=endpoint)
    return str(client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"])


def inventory(endpoint: str) -> dict[str, list[str]]:
    """List what really exists, by type, beyond what an empty account has."""

    def client(name: str) -> Any:
        return boto3.client(name, region_name=REGION, endpoint_url=endpoint)

    cloud, access = client("ec2"), client("iam")
    vpcs = [vpc["VpcId"] for vpc in cloud.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
    ours = [{"Name": "vpc-id", "Values": vpcs or ["none"]}]
    tables = cloud.describe_route_tables(Filters=ours)["RouteTables"]
    gateways = cloud.describe_internet_gateways()["InternetGateways"]
    roles = [role["RoleName"] for role in access.list_roles()["Roles"]]
    instances = [
        instance
        for reservation in cloud.describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in {"terminated", "shutting-down"}
    ]
    roots = {
        mapping["Ebs"]["VolumeId"] for instance in instances for mapping in instance.get("BlockDeviceMappings", ())
    }
    found = {
        "VPC": vpcs,
        "Subnet": [subnet["SubnetId"] for subnet in cloud.describe_subnets(Filters=ours)["Subnets"]],
        "InternetGateway": [gateway["InternetGatewayId"] for gateway in gateways],
        "VPCGatewayAttachment": [attachment["VpcId"] for gateway in gateways for attachment in gateway["Attachments"]],
        "RouteTable": [
            table["RouteTableId"] for table in tables if not any(each.get("Main") for each in table["Associations"])
        ],
        "Route": [
            route["DestinationCidrBlock"]
            for table in tables
            for route in table["Routes"]
            if route.get("GatewayId", "local") != "local"
        ],
        "SubnetRouteTableAssociation": [
            each["RouteTableAssociationId"]
            for table in tables
            for each in table["Associations"]
            if not each.get("Main")
        ],
        "SecurityGroup": [
            group["GroupId"]
            for group in cloud.describe_security_groups()["SecurityGroups"]
            if group["GroupName"] != "default"
        ],
        "KeyPair": [pair["KeyName"] for pair in cloud.describe_key_pairs()["KeyPairs"]],
        "Instance": [instance["InstanceId"] for instance in instances],
        "Volume": [
            volume["VolumeId"] for volume in cloud.describe_volumes()["Volumes"] if volume["VolumeId"] not in roots
        ],
        "Role": roles,
        "RolePolicy": [name for role in roles for name in access.list_role_policies(RoleName=role)["PolicyNames"]],
        "ManagedPolicy": [policy["Arn"] for policy in access.list_policies(Scope="Local")["Policies"]],
        "InstanceProfile": [
            each["InstanceProfileName"] for each in access.list_instance_profiles()["InstanceProfiles"]
        ],
        "Bucket": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
        "Queue": client("sqs").list_queues().get("QueueUrls", []),
        "Topic": [topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]],
        "LogGroup": [group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]],
        "Table": client("dynamodb").list_tables()["TableNames"],
    }
    found["BucketPolicy"] = [name for name in found["Bucket"] if _has_policy(client("s3"), name)]
    return {name: sorted(items) for name, items in found.items() if items}


def _has_policy(client: Any, bucket: str) -> bool:
    try:
        client.get_bucket_policy(Bucket=bucket)
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucketPolicy":
            return False
        raise
    return True


def expected(snapshot: Any) -> dict[str, int]:
    """Count what state says exists, by type."""
    counts: dict[str, int] = {}
    for record in (*snapshot.records.values(), *snapshot.superseded):
        name = record.type.rpartition(":")[2]
        counts[name] = counts.get(name, 0) + 1
    return counts


class Recorder:
    """The requests that reached the emulated cloud, as it saw them."""

    def __init__(self, endpoint: str) -> None:
        self._base = f"{endpoint}/moto-api/recorder"

    def _post(self, what: str) -> None:
        request = urllib.request.Request(f"{self._base}/{what}", method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def __enter__(self) -> Recorder:
        self._post("reset-recording")
        self._post("start-recording")
        return self

    def __exit__(self, *_: object) -> None:
        self._post("stop-recording")

    def operations(self) -> list[str]:
        """Name each request: the operation, or method and path for S3."""
        with urllib.request.urlopen(f"{self._base}/download-recording", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return [_operation(json.loads(line)) for line in lines if line.strip()]


def _operation(request: dict[str, Any]) -> str:
    headers = {key.lower(): value for key, value in request["headers"].items()}
    if target := headers.get("x-amz-target"):
        return str(target).rpartition(".")[2]
    body = request.get("body") or ""
    if request.get("body_encoded"):
        body = base64.b64decode(body).decode("utf-8", "replace")
    if "Action=" in body:
        return str(body.partition("Action=")[2].partition("&")[0])
    return f"{request['method']} {request['url']}"


def writes(operations: list[str]) -> list[str]:
    """Keep those that change something."""
    reading = ("Describe", "Get", "List", "Head", "GET ", "HEAD ")
    return [name for name in operations if not name.startswith(reading)]
