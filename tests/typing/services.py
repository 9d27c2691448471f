"""A program that uses thirty services of AWS; both type checkers accept it, and it runs."""

import iaclib as iac
from iaclib.aws import (
    acmpca,
    amplify,
    apigatewayv2,
    appconfig,
    athena,
    autoscaling,
    backup,
    batch,
    cloudfront,
    cloudwatch,
    codebuild,
    cognito,
    dynamodb,
    ec2,
    ecr,
    ecs,
    efs,
    eks,
    elasticache,
    elasticloadbalancingv2,
    events,
    glue,
    iam,
    kinesis,
    kms,
    lambda_,
    logs,
    rds,
    route53,
    s3,
    secretsmanager,
    sns,
    sqs,
    ssm,
    stepfunctions,
    wafv2,
)

ROLE = "arn:aws:iam::123456789012:role/app"


class Everything(iac.Stack):
    """One of many things."""

    def build(self) -> None:
        vpc = ec2.VPC("vpc", cidr_block="10.0.0.0/16", tags={"Name": "main"})
        subnet = ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="10.0.1.0/24")
        address = ec2.EIP("address", domain="vpc")
        ec2.NatGateway("nat", subnet_id=subnet.id, allocation_id=address.allocation_id, tags={"Name": "nat"})
        group = ec2.SecurityGroup("group", group_description="of the app", vpc_id=vpc.id)
        key = kms.Key("key", description="of the app", key_policy={"Version": "2012-10-17", "Statement": []})
        kms.Alias("alias", alias_name="alias/app", target_key_id=key.key_id)
        bucket = s3.Bucket("bucket")
        queue = sqs.Queue("queue", visibility_timeout=60)
        sqs.QueueInlinePolicy("queue-policy", queue=queue.queue_url, policy_document={"Statement": []})
        topic = sns.Topic("topic")
        sns.Subscription("subscription", topic_arn=topic.id, protocol="sqs", endpoint=queue.arn)
        role = iam.Role("role", assume_role_policy_document={"Statement": []})
        iam.User("user", groups=["admins"])
        group_of_logs = logs.LogGroup("logs", retention_in_days=7)
        table = dynamodb.Table(
            "table",
            key_schema=[{"attribute_name": "id", "key_type": "HASH"}],
            attribute_definitions=[{"attribute_name": "id", "attribute_type": "S"}],
            billing_mode="PAY_PER_REQUEST",
        )
        function = lambda_.Function(
            "function",
            code={"s3_bucket": bucket.id, "s3_key": "app.zip"},
            handler="app.main",
            role=role.arn,
            runtime="python3.12",
            architectures=["arm64"],
            environment={"variables": {"TABLE": table.id, "LOGS": group_of_logs.id}},
            vpc_config={"subnet_ids": [subnet.id], "security_group_ids": [group.id]},
            tags={"team": "shop"},
        )
        lambda_.Permission(
            "permission", action="lambda:InvokeFunction", function_name=function.arn, principal="events.amazonaws.com"
        )
        events.Rule("rule", schedule_expression="rate(1 day)", targets=[{"id": "one", "arn": function.arn}])
        kinesis.Stream("stream", shard_count=1, retention_period_hours=24)
        secretsmanager.Secret("secret", generate_secret_string={"password_length": 32})
        ssm.Parameter("parameter", type="String", value=f"{function.arn}")
        ecr.Repository("repository", image_tag_mutability="IMMUTABLE")
        cluster = ecs.Cluster("cluster", cluster_settings=[{"name": "containerInsights", "value": "enabled"}])
        ecs.Service("service", cluster=cluster.arn, desired_count=2, launch_type="FARGATE", task_definition="app:1")
        efs.FileSystem("files", encrypted=True, file_system_tags={"Name": "files"})
        eks.Cluster("kubernetes", role_arn=ROLE, resources_vpc_config={"subnet_ids": [subnet.id]})
        rds.DBInstance(
            "database", db_instance_class="db.t4g.micro", engine="postgres", allocated_storage="20",
            master_username="app", manage_master_user_password=True,
        )  # fmt: skip
        elasticache.SubnetGroup("caches", description="of the app", subnet_ids=[subnet.id])
        balancer = elasticloadbalancingv2.LoadBalancer("balancer", type="network", subnets=[subnet.id])
        target = elasticloadbalancingv2.TargetGroup("targets", port=80, protocol="TCP", vpc_id=vpc.id)
        elasticloadbalancingv2.Listener(
            "listener", load_balancer_arn=balancer.id, port=80, protocol="TCP",
            default_actions=[{"type": "forward", "target_group_arn": target.id}],
        )  # fmt: skip
        zone = route53.HostedZone("zone", name="example.com")
        route53.RecordSet(
            "record", name="www.example.com", type="A", hosted_zone_id=zone.id,
            alias_target={"dns_name": balancer.dns_name, "hosted_zone_id": balancer.canonical_hosted_zone_id},
        )  # fmt: skip
        cloudwatch.Alarm(
            "alarm", comparison_operator="GreaterThanThreshold", evaluation_periods=1, metric_name="Errors",
            namespace="AWS/Lambda", period=60, statistic="Sum", threshold=0, alarm_actions=[topic.id],
        )  # fmt: skip
        cloudfront.OriginAccessControl(
            "access",
            origin_access_control_config={
                "name": "app",
                "origin_access_control_origin_type": "s3",
                "signing_behavior": "always",
                "signing_protocol": "sigv4",
            },
        )
        cognito.UserPool("users", user_pool_name="app", mfa_configuration="OFF")
        apigatewayv2.Api("api", name="app", protocol_type="HTTP")
        appconfig.Application("settings", name="app")
        athena.WorkGroup("queries", name="app")
        autoscaling.AutoScalingGroup("workers", min_size="1", max_size="3", vpc_zone_identifier=[subnet.id])
        backup.BackupVault("vault", backup_vault_name="app")
        batch.ConsumableResource("licences", resource_type="REPLENISHABLE", total_quantity=5)
        glue.Database("catalog", catalog_id="123456789012", database_input={"name": "app"})
        stepfunctions.StateMachine("machine", role_arn=role.arn, definition_string="{}")
        wafv2.IPSet("addresses", addresses=["192.0.2.0/24"], ip_address_version="IPV4", scope="REGIONAL")
        acmpca.CertificateAuthorityActivation(
            "activation", certificate="-----BEGIN", certificate_authority_arn="arn:aws:acm-pca:eu-west-1:1:authority"
        )
        amplify.App("site", name="site", platform="WEB")
        codebuild.Fleet("builders", base_capacity=1, compute_type="BUILD_GENERAL1_SMALL", environment_type="ARM_EC2")
        pool: iac.Output[str] = cluster.arn
        self.export(function=function.arn, cluster=pool, number=balancer.dns_name)
