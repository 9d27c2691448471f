"""Declarations of S3 types: those written by hand, and the others made on demand."""

from iaclib.aws._s3 import (
    AbortIncompleteMultipartUpload as AbortIncompleteMultipartUpload,
    Bucket as Bucket,
    BucketDelete as BucketDelete,
    BucketEncryption as BucketEncryption,
    BucketPolicy as BucketPolicy,
    LifecycleConfiguration as LifecycleConfiguration,
    LifecycleRule as LifecycleRule,
    NoncurrentVersionExpiration as NoncurrentVersionExpiration,
    NoncurrentVersionTransition as NoncurrentVersionTransition,
    OwnershipControls as OwnershipControls,
    OwnershipControlsRule as OwnershipControlsRule,
    PublicAccessBlockConfiguration as PublicAccessBlockConfiguration,
    ServerSideEncryptionByDefault as ServerSideEncryptionByDefault,
    ServerSideEncryptionRule as ServerSideEncryptionRule,
    TagFilter as TagFilter,
    Transition as Transition,
    VersioningConfiguration as VersioningConfiguration,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
