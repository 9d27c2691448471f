"""Handlers of buckets and bucket policies."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext, AwsHandler
from iaclib.aws.handlers.s3_settings import SETTINGS, agrees, whole
from iaclib.errors import (
    ConflictError,
    CredentialsError,
    DependencyViolationError,
    InvalidRequestError,
    NotFoundError,
    ProviderError,
)
from iaclib.model.values import Secret
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.aws.handlers.s3_settings import Setting
    from iaclib.provider.context import Checkpoint

_HOME = "us-east-1"  # the one region that a create call must not name
_BATCH = 1000  # DeleteObjects takes no more
#: What look-alikes say to a create call with tags, or to a setting that they don't have.
_UNSUPPORTED = {"MalformedXML", "MethodNotAllowed", "NotImplemented"}
#: Regions whose websites have a dash; newer ones have a dot.
_DASHED = {
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-west-1",
    "sa-east-1",
    "us-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
}
_EVERY_VERSION = "[Versions || `[]`, DeleteMarkers || `[]`][].{Key: Key, VersionId: VersionId}"


class BucketHandler(AwsHandler):
    """Buckets. A bucket's name is its id, and its identity where a create call carries no tags.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
    """

    service = "s3"

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Give the id that these inputs lead to."""
        name = inputs.get("bucket_name")
        return name if isinstance(name, str) else None

    def find(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live | None:
        """Find the bucket if it carries this step's token."""
        name = self.identity(inputs)
        if name is None or not tags.is_own(ctx, self._tags(ctx, name)):
            return None
        return self.read(ctx, name)

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the bucket, then configure it, a call for each setting."""
        name = str(inputs["bucket_name"])
        self._make(ctx, name, inputs)
        with self.finishing(ctx, name):
            rest = {key: value for key, value in inputs.items() if key != "bucket_name"}
            if not _has_secret(rest):  # a checkpoint is plain text; without it a later update does the rest
                ctx.checkpoint(id=name, data={"configure": rest})
            self._complete(ctx, name, rest)
        return self._fresh(ctx, name)

    def resume(self, ctx: AwsContext, checkpoint: Checkpoint) -> Live | None:
        """Configure the rest of a bucket whose create was interrupted."""
        if checkpoint.id is None or self._region(ctx, checkpoint.id) is None:
            return None
        if checkpoint.data:
            self._complete(ctx, checkpoint.id, checkpoint.data["configure"])
        return self.read(ctx, checkpoint.id)

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the bucket with its settings; a setting that the server doesn't have stays out."""
        region = self._region(ctx, id)
        if region is None:
            return None
        inputs: dict[str, Any] = {"bucket_name": id, "tags": tags.users(self._tags(ctx, id))}
        for setting in SETTINGS:
            try:
                inputs[setting.field] = self._setting(ctx, setting, id)
            except ProviderError as error:
                if error.facts.get("code") not in _UNSUPPORTED:
                    raise
        return Live(id, _outputs(id, region), inputs)

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Write each setting that is not as declared; reset what was declared and is no more."""
        recorded = getattr(ctx.record, "inputs", None)
        had = before if recorded is None else recorded
        self._configure(ctx, id, after)
        for setting in SETTINGS:
            if after.get(setting.field) is None and had.get(setting.field) is not None:
                live = self._setting(ctx, setting, id)
                if live is not None and not (setting.new and agrees(setting.new, live)):
                    setting.reset(self.client(ctx), id)
        self._retag(ctx, id, before.get("tags"), after.get("tags"))
        return self._fresh(ctx, id)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the bucket; what it holds only if the delete parameters say so.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-bucket.html
        """

        def attempt() -> bool | None:
            try:
                with self.missing_ok():
                    self.client(ctx).call("delete_bucket", Bucket=id)
            except DependencyViolationError as error:
                if not ctx.on_delete.get("empty"):
                    msg = (
                        f"{ctx.address}: bucket {id} is not empty, expected no objects, old versions or delete "
                        "markers; remove them, or delete them with it by Options(on_delete={'empty': True})"
                    )
                    raise InvalidRequestError(msg, **error.facts) from None
                self._empty(ctx, id)
                return None
            return True

        # Somebody may write while the bucket is emptied.
        self.wait(ctx, attempt, what=f"bucket {id} fills again while it is emptied")
        self.wait(ctx, lambda: self._region(ctx, id) is None or None, what=f"bucket {id} is deleted but still there")

    def _make(self, ctx: AwsContext, name: str, inputs: Mapping[str, Any]) -> None:
        region = ctx.provider.identity().region
        where = {} if region == _HOME else {"LocationConstraint": region}
        marks = {"Tags": tags.to_list(tags.with_own(ctx, _plain(inputs.get("tags"))))}
        try:
            try:
                self.client(ctx).call("create_bucket", Bucket=name, CreateBucketConfiguration={**where, **marks})
            except ProviderError as error:
                if error.facts.get("code") not in _UNSUPPORTED:
                    raise
                self.client(ctx).call("create_bucket", Bucket=name, CreateBucketConfiguration=where or None)
        except ConflictError as error:
            if error.facts.get("code") == "BucketAlreadyOwnedByYou":
                self.require_own(ctx, self._tags(ctx, name), name, f"bucket {name!r}")
                return
            msg = (
                f"{ctx.address}: bucket name {name!r} is taken in another account or region, expected one that nobody "
                "has; choose another bucket_name"
            )
            raise ConflictError(msg, **error.facts) from None

    def _complete(self, ctx: AwsContext, name: str, inputs: Mapping[str, Any]) -> None:
        """Do what the create call doesn't."""
        live = self._tags(ctx, name)
        wanted = tags.with_own(ctx, _plain(inputs.get("tags")))
        if not agrees(wanted, live):  # the server ignores tags in a create call
            self._put_tags(ctx, name, {**(live or {}), **wanted})
        self._configure(ctx, name, inputs)

    def _configure(self, ctx: AwsContext, name: str, inputs: Mapping[str, Any]) -> None:
        """Write every declared setting that is not there yet."""
        for setting in SETTINGS:
            if inputs.get(setting.field) is None:
                continue
            wanted = whole(setting.field, _plain(inputs[setting.field]))
            if not agrees(wanted, self._setting(ctx, setting, name)):
                self.settled(ctx, lambda s=setting, w=wanted: s.write(self.client(ctx), name, w))  # type: ignore[misc]
                self.agreed(ctx, lambda s=setting, w=wanted: agrees(w, self._setting(ctx, s, name)))  # type: ignore[misc]

    def _setting(self, ctx: AwsContext, setting: Setting, name: str) -> dict[str, Any] | None:
        with self.missing_ok():
            return setting.read(self.client(ctx), name)
        return None

    def _fresh(self, ctx: AwsContext, name: str) -> Live:
        return self.read(ctx, name) or Live(name, ready=False)

    def _region(self, ctx: AwsContext, name: str) -> str | None:
        """Tell where a bucket is; None if it does not exist.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
        """
        try:
            answer = self.client(ctx).call("head_bucket", Bucket=name)
        except NotFoundError:
            return None
        except CredentialsError as error:
            if error.facts.get("code") not in ("403", "AccessDenied"):
                raise
            msg = (
                f"{ctx.address}: bucket {name} may not be looked at, expected a bucket of this account; it belongs to "
                "somebody else (choose another bucket_name), or allow s3:ListBucket"
            )
            raise CredentialsError(msg, **error.facts) from None
        region = answer.get("BucketRegion")
        if not region:  # look-alikes leave the header out
            region = self.client(ctx).call("get_bucket_location", Bucket=name).get("LocationConstraint") or _HOME
        return "eu-west-1" if region == "EU" else str(region)

    def _tags(self, ctx: AwsContext, name: str) -> dict[str, str] | None:
        with self.missing_ok():
            return tags.raw(self.client(ctx).call("get_bucket_tagging", Bucket=name).get("TagSet"))
        return None

    def _put_tags(self, ctx: AwsContext, name: str, marks: Mapping[str, str]) -> None:
        """Replace the whole set, which is all that S3 offers.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html
        """
        if marks:
            request = {"Tagging": {"TagSet": tags.to_list(marks)}}
            self.settled(ctx, lambda: self.client(ctx).call("put_bucket_tagging", Bucket=name, **request))
        else:
            self.client(ctx).call("delete_bucket_tagging", Bucket=name)
        self.agreed(ctx, lambda: (self._tags(ctx, name) or {}) == dict(marks))

    def _retag(
        self, ctx: AwsContext, name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
    ) -> None:
        """Change the user's tags, and keep those of others and our own."""
        live = self._tags(ctx, name) or {}
        put, drop = tags.changes(_plain(before), _plain(after), live)
        if put or drop:
            kept = {key: value for key, value in live.items() if key not in drop}
            self._put_tags(ctx, name, {**kept, **put})

    def _empty(self, ctx: AwsContext, name: str) -> None:
        """Delete every version and delete marker, page by page.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
        """
        ctx.log(f"emptying bucket {name}")
        batch: list[dict[str, Any]] = []
        for version in self.client(ctx).items("list_object_versions", _EVERY_VERSION, Bucket=name):
            batch.append(version)
            if len(batch) == _BATCH:
                self._delete_versions(ctx, name, batch)
                batch = []
        if batch:
            self._delete_versions(ctx, name, batch)

    def _delete_versions(self, ctx: AwsContext, name: str, batch: list[dict[str, Any]]) -> None:
        answer = self.client(ctx).call("delete_objects", Bucket=name, Delete={"Objects": batch, "Quiet": True})
        errors = [one for one in answer.get("Errors") or () if one.get("Code") not in ("NoSuchKey", "NoSuchVersion")]
        if errors:
            code = errors[0].get("Code")
            msg = (
                f"{ctx.address}: {len(errors)} of {len(batch)} object versions in bucket {name} were not deleted "
                f"({code}), expected to empty it; look for object locks and for policies that forbid "
                "s3:DeleteObjectVersion"
            )
            raise ProviderError(msg, code=code, retryable=code in ("InternalError", "SlowDown"))


class BucketPolicyHandler(AwsHandler):
    """Bucket policies: one a bucket, so the bucket's name is the id and the identity.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
    """

    service = "s3"

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Give the id that these inputs lead to."""
        bucket = inputs.get("bucket")
        return bucket if isinstance(bucket, str) else None

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Put the policy."""
        return self._put(ctx, str(inputs["bucket"]), inputs["policy_document"])

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the policy, or None if there is none, or no bucket."""
        try:
            text = self.client(ctx).call("get_bucket_policy", Bucket=id)["Policy"]
        except NotFoundError:
            return None
        return Live(id, {}, {"bucket": id, "policy_document": json.loads(text)})

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Put the policy in place of the old one."""
        return self._put(ctx, id, after["policy_document"])

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the policy."""
        with self.missing_ok():
            self.client(ctx).call("delete_bucket_policy", Bucket=id)
        self.wait(
            ctx, lambda: self.read(ctx, id) is None or None, what=f"the policy of {id} is deleted but still there"
        )

    def normalise(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Compare policies by what they mean: text or mapping, lists of one, order, account ids."""
        document = inputs.get("policy_document")
        if isinstance(document, Secret):
            return {**inputs, "policy_document": Secret(same_policy(document.reveal()))}
        return {**inputs, "policy_document": same_policy(document)} if document is not None else inputs

    def _put(self, ctx: AwsContext, bucket: str, document: Any) -> Live:
        opened = _plain(document)
        text = opened if isinstance(opened, str) else json.dumps(opened)
        request = {"Bucket": bucket, "Policy": Secret(text) if _has_secret(document) else text}
        self.settled(ctx, lambda: self.client(ctx).call("put_bucket_policy", **request))
        wanted = same_policy(opened)

        def shows() -> bool:
            live = self.read(ctx, bucket)
            return live is not None and same_policy((live.inputs or {})["policy_document"]) == wanted

        self.agreed(ctx, shows)
        return self.read(ctx, bucket) or Live(bucket, ready=False)


_ACCOUNT = re.compile(r"\d{12}")
_SETS = {"Action", "NotAction", "Resource", "NotResource", "AWS", "Service", "Federated", "CanonicalUser"}


def same_policy(document: Any) -> Any:
    """Spell a policy in one form, so that policies which mean the same are equal.

    >>> same_policy('{"Statement": {"Action": ["s3:Get*"]}}') == same_policy({"Statement": [{"Action": "s3:Get*"}]})
    True
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return document  # S3 will say what is wrong with it
    if not isinstance(document, dict):
        return document
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        return document
    return {**document, "Statement": [_spelled(one) for one in statements]}


def _spelled(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _spelled(item, name) for name, item in value.items()}
    if isinstance(value, list):
        items = [_spelled(item, key) for item in value]
        if len(items) == 1:
            return items[0]
        return sorted(items) if key in _SETS and all(isinstance(item, str) for item in items) else items
    if key == "AWS" and isinstance(value, str) and _ACCOUNT.fullmatch(value):
        return f"arn:aws:iam::{value}:root"
    return value


def _outputs(name: str, region: str) -> dict[str, Any]:
    """Derive a bucket's names from its own and its region.

    Source: https://docs.aws.amazon.com/general/latest/gr/s3.html
    """
    partition, suffix = "aws", "amazonaws.com"
    if region.startswith("cn-"):
        partition, suffix = "aws-cn", "amazonaws.com.cn"
    elif region.startswith("us-gov-"):
        partition = "aws-us-gov"
    return {
        "arn": f"arn:{partition}:s3:::{name}",
        "domain_name": f"{name}.s3.{suffix}",
        "dual_stack_domain_name": f"{name}.s3.dualstack.{region}.{suffix}",
        "regional_domain_name": f"{name}.s3.{region}.{suffix}",
        "website_url": f"http://{name}.s3-website{'-' if region in _DASHED else '.'}{region}.{suffix}",
    }


def _plain(value: Any) -> Any:
    """Unwrap secrets at any depth, to compare with what the cloud shows."""
    if isinstance(value, Secret):
        return _plain(value.reveal())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _has_secret(value: Any) -> bool:
    """Whether a secret is in a value, at any depth."""
    if isinstance(value, dict):
        return any(_has_secret(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_has_secret(item) for item in value)
    return isinstance(value, Secret)
