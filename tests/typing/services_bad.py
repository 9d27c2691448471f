"""Mistakes in a program that uses AWS's services; both type checkers reject exactly the marked lines."""

import iaclib as iac
from iaclib import aws
from iaclib.aws import ec2, ecs, kms, lambda_, rds, s3, sqs

with iac.Stack("prod", project="shop"):
    queue = sqs.Queue("queue")
    sqs.QueueInlinePolicy("a", policy_document={})  # E
    sqs.QueueInlinePolicy("b", queue=queue.id, policy_document={}, polcy="x")  # E
    sqs.QueueInlinePolicy("c", queue=3, policy_document={})  # E
    ec2.NatGateway("d", subnet_id=["subnet-1"])  # E
    ec2.NatGateway("e", connectivity_type="hidden")  # E
    ec2.NatGateway("f", tags=[{"Key": "Name", "Value": "x"}])  # E
    ec2.NatGateway("g", nat_gateway_id="nat-1")  # E
    kms.Key("h", key_usage="SIGN")  # E
    lambda_.Function("i", code={"zipfile": "x"}, role="r")  # E
    lambda_.Function("j", code={}, role="r", architectures=["arm"])  # E
    lambda_.Function("k", code={}, role="r", vpc_config={"subnet_ids": 1})  # E
    lambda_.Function("l", code={}, role="r", dead_letter_config={"target_arn": 1})  # E
    ecs.Service("m", desired_count="two")  # E
    rds.DBInstance("n", tags={"a": 1})  # E
    ecs.Sevice("o")  # E
    number: int = ecs.Cluster("p").arn  # E
    s3.Bucket("q", bucket_name=1)  # E
    s3.AccessPoint("r")  # E
    aws.sqs.Queue("s", delay_seconds="long")  # E
