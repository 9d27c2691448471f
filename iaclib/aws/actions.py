"""Which IAM actions the handlers that were written by hand need, by type and operation.

Every operation is followed by reads, so what "read" needs isn't repeated.
"tag" is a change of tags; those that a create brings are among its own. What a
handler calls and isn't here is a failure of the tests.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "aws:dynamodb:Table": {
        "create": (
            "dynamodb:CreateTable",
            "dynamodb:TagResource",
            "dynamodb:UpdateContinuousBackups",
            "dynamodb:UpdateTimeToLive",
        ),
        "read": (
            "dynamodb:DescribeContinuousBackups",
            "dynamodb:DescribeTable",
            "dynamodb:DescribeTimeToLive",
            "dynamodb:ListTagsOfResource",
        ),
        "update": ("dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive"),
        "delete": ("dynamodb:DeleteTable",),
        "tag": ("dynamodb:TagResource", "dynamodb:UntagResource"),
    },
    "aws:ec2:Image": {
        "lookup": ("ec2:DescribeImages",),
    },
    "aws:ec2:Instance": {
        "create": (
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "ec2:ModifyInstanceAttribute",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:MonitorInstances",
            "ec2:RunInstances",
            "ec2:StartInstances",
            "iam:PassRole",
        ),
        "read": ("ec2:DescribeInstanceAttribute", "ec2:DescribeInstances", "ec2:DescribeVolumes"),
        "update": (
            "ec2:AssociateIamInstanceProfile",
            "ec2:DescribeIamInstanceProfileAssociations",
            "ec2:DisassociateIamInstanceProfile",
            "ec2:ModifyInstanceAttribute",
            "ec2:ModifyInstanceMetadataOptions",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:MonitorInstances",
            "ec2:ReplaceIamInstanceProfileAssociation",
            "ec2:StartInstances",
            "ec2:StopInstances",
            "ec2:UnmonitorInstances",
            "iam:PassRole",
        ),
        "delete": ("ec2:TerminateInstances",),
        "tag": ("ec2:CreateTags", "ec2:DeleteTags"),
    },
    "aws:ec2:InternetGateway": {
        "create": ("ec2:CreateInternetGateway", "ec2:CreateTags"),
        "read": ("ec2:DescribeInternetGateways",),
        "delete": ("ec2:DeleteInternetGateway",),
        "tag": ("ec2:CreateTags", "ec2:DeleteTags"),
    },
    "aws:ec2:KeyPair": {
        "create": ("ec2:CreateTags", "ec2:ImportKeyPair"),
        "read": ("ec2:DescribeKeyPairs",),
        "delete": ("ec2:DeleteKeyPair",),
        "tag": ("ec2:CreateTags", "ec2:DeleteTags"),
    },
    "aws:ec2:Route": {
        "create": ("ec2:CreateRoute",),
        "read": ("ec2:DescribeRouteTables",),
        "update": ("ec2:ReplaceRoute",),
        "delete": ("ec2:DeleteRoute",),
    },
    "aws:ec2:RouteTable": {
        "create": ("ec2:CreateRouteTable", "ec2:CreateTags"),
        "read": ("ec2:DescribeRouteTables",),
        "delete": ("ec2:DeleteRouteTable",),
        "tag": ("ec2:CreateTags", "ec2:DeleteTags"),
    },
    "aws:ec2:SecurityGroup": {
        "create": (
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateSecurityGroup",
            "ec2:CreateTags",
            "ec2:DescribeVpcs",
            "ec2:RevokeSecurityGroupEgress",
        ),
        "read": ("ec2:DescribeSecurityGroups",),
        "update": (
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:DescribeVpcs",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
            "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        ),
        "delete": ("ec2:DeleteSecurityGroup",),
        "tag": ("ec2:CreateTags", "ec2:DeleteTags"),
    },
    "aws:ec2:Subnet": {
        "create": ("ec2:CreateSubnet", "ec2:CreateTags", "ec2:ModifySubnetAttribute"),
        "read": ("ec2:DescribeNetworkAcls", "ec2:DescribeSubnets"),
        "update": ("ec2:AssociateSubnetCidrBlock", "ec2:DisassociateSubnetCidrBlock", "ec2:ModifySubnetAttribute"),
        "delete": ("ec2:DeleteSubnet",),
        "tag": ("ec2:CreateTags", "ec2:DeleteTags"),
    },
    "aws:ec2:SubnetRouteTableAssociation": {
        "create": ("ec2:AssociateRouteTable",),
        "read": ("ec2:DescribeRouteTables",),
        "delete": ("ec2:DisassociateRouteTable",),
    },
    "aws:ec2:VPC": {
        "create": ("ec2:CreateTags", "ec2:CreateVpc", "ec2:ModifyVpcAttribute"),
        "read": (
            "ec2:DescribeNetworkAcls",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeVpcAttribute",
            "ec2:DescribeVpcs",
        ),
        "update": ("ec2:ModifyVpcAttribute", "ec2:ModifyVpcTenancy"),
        "delete": ("ec2:DeleteVpc",),
        "tag": ("ec2:CreateTags", "ec2:DeleteTags"),
    },
    "aws:ec2:VPCGatewayAttachment": {
        "create": ("ec2:AttachInternetGateway", "ec2:AttachVpnGateway"),
        "read": ("ec2:DescribeInternetGateways", "ec2:DescribeVpnGateways"),
        "update": (
            "ec2:AttachInternetGateway",
            "ec2:AttachVpnGateway",
            "ec2:DetachInternetGateway",
            "ec2:DetachVpnGateway",
        ),
        "delete": ("ec2:DetachInternetGateway", "ec2:DetachVpnGateway"),
    },
    "aws:ec2:Volume": {
        "create": ("ec2:CreateTags", "ec2:CreateVolume"),
        "read": ("ec2:DescribeVolumes",),
        "update": ("ec2:DescribeVolumesModifications", "ec2:ModifyVolume"),
        "delete": ("ec2:DeleteVolume",),
        "tag": ("ec2:CreateTags", "ec2:DeleteTags"),
    },
    "aws:iam:InstanceProfile": {
        "create": (
            "iam:AddRoleToInstanceProfile",
            "iam:CreateInstanceProfile",
            "iam:PassRole",
            "iam:TagInstanceProfile",
        ),
        "read": ("iam:GetInstanceProfile",),
        "update": ("iam:AddRoleToInstanceProfile", "iam:PassRole", "iam:RemoveRoleFromInstanceProfile"),
        "delete": ("iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"),
    },
    "aws:iam:ManagedPolicy": {
        "create": (
            "iam:AttachGroupPolicy",
            "iam:AttachRolePolicy",
            "iam:AttachUserPolicy",
            "iam:CreatePolicy",
            "iam:ListPolicies",
            "iam:TagPolicy",
        ),
        "read": ("iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListEntitiesForPolicy"),
        "update": (
            "iam:AttachGroupPolicy",
            "iam:AttachRolePolicy",
            "iam:AttachUserPolicy",
            "iam:CreatePolicyVersion",
            "iam:DeletePolicyVersion",
            "iam:DetachGroupPolicy",
            "iam:DetachRolePolicy",
            "iam:DetachUserPolicy",
            "iam:ListPolicyVersions",
        ),
        "delete": (
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:DetachGroupPolicy",
            "iam:DetachRolePolicy",
            "iam:DetachUserPolicy",
            "iam:ListPolicyVersions",
        ),
    },
    "aws:iam:Role": {
        "create": (
            "iam:AttachRolePolicy",
            "iam:CreateRole",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
            "iam:TagRole",
        ),
        "read": ("iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"),
        "update": (
            "iam:AttachRolePolicy",
            "iam:DeleteRolePermissionsBoundary",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole",
        ),
        "delete": ("iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:ListInstanceProfilesForRole"),
        "tag": ("iam:TagRole", "iam:UntagRole"),
    },
    "aws:iam:RolePolicy": {
        "create": ("iam:PutRolePolicy",),
        "read": ("iam:GetRolePolicy",),
        "update": ("iam:PutRolePolicy",),
        "delete": ("iam:DeleteRolePolicy",),
    },
    "aws:logs:LogGroup": {
        "create": ("logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"),
        "read": ("logs:DescribeLogGroups", "logs:ListTagsForResource"),
        "update": (
            "logs:AssociateKmsKey",
            "logs:DeleteRetentionPolicy",
            "logs:DisassociateKmsKey",
            "logs:PutRetentionPolicy",
        ),
        "delete": ("logs:DeleteLogGroup",),
        "tag": ("logs:TagResource", "logs:UntagResource"),
    },
    "aws:s3:Bucket": {
        "create": (
            "s3:CreateBucket",
            "s3:GetBucketLocation",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:PutEncryptionConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:TagResource",
        ),
        "read": (
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketTagging",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
            "s3:ListBucket",
        ),
        "update": (
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketVersioning",
            "s3:PutEncryptionConfiguration",
            "s3:PutLifecycleConfiguration",
        ),
        "delete": ("s3:DeleteBucket", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"),
        "tag": ("s3:PutBucketTagging",),
    },
    "aws:s3:BucketPolicy": {
        "create": ("s3:PutBucketPolicy",),
        "read": ("s3:GetBucketPolicy",),
        "update": ("s3:PutBucketPolicy",),
        "delete": ("s3:DeleteBucketPolicy",),
    },
    "aws:sns:Topic": {
        "create": ("sns:CreateTopic", "sns:Subscribe", "sns:TagResource"),
        "read": ("sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource"),
        "update": ("sns:SetTopicAttributes", "sns:Subscribe", "sns:Unsubscribe"),
        "delete": ("sns:DeleteTopic",),
        "tag": ("sns:TagResource", "sns:UntagResource"),
    },
    "aws:sqs:Queue": {
        "create": ("sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:TagQueue"),
        "read": ("sqs:GetQueueAttributes", "sqs:ListQueueTags"),
        "update": ("sqs:SetQueueAttributes",),
        "delete": ("sqs:DeleteQueue",),
        "tag": ("sqs:TagQueue", "sqs:UntagQueue"),
    },
}
