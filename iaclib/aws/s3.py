"""Declarations of S3 types: those written by hand, and the others made on demand."""

from iaclib.aws._s3 import (
    AbortIncompleteMultipartUpload as AbortIncompleteMultipartUpload,
)
from iaclib.aws._s3 import (
    Bucket as Bucket,
)
from iaclib.aws._s3 import (
    BucketDelete as BucketDelete,
)
from iaclib.aws._s3 import (
    BucketEncryption as BucketEncryption,
)
from iaclib.aws._s3 import (
    BucketPolicy as BucketPolicy,
)
from iaclib.aws._s3 import (
    LifecycleConfiguration as LifecycleConfiguration,
)
from iaclib.aws._s3 import (
    LifecycleRule as LifecycleRule,
)
from iaclib.aws._s3 import (
    NoncurrentVersionExpiration as NoncurrentVersionExpiration,
)
from iaclib.aws._s3 import (
    NoncurrentVersionTransition as NoncurrentVersionTransition,
)
from iaclib.aws._s3 import (
    OwnershipControls as OwnershipControls,
)
from iaclib.aws._s3 import (
    OwnershipControlsRule as OwnershipControlsRule,
)
from iaclib.aws._s3 import (
    PublicAccessBlockConfiguration as PublicAccessBlockConfiguration,
)
from iaclib.aws._s3 import (
    ServerSideEncryptionByDefault as ServerSideEncryptionByDefault,
)
from iaclib.aws._s3 import (
    ServerSideEncryptionRule as ServerSideEncryptionRule,
)
from iaclib.aws._s3 import (
    TagFilter as TagFilter,
)
from iaclib.aws._s3 import (
    Transition as Transition,
)
from iaclib.aws._s3 import (
    VersioningConfiguration as VersioningConfiguration,
)
from iaclib.declare import generated as _generated

__getattr__, __dir__ = _generated.service(__name__)
