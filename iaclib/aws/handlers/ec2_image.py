"""Lookup of machine images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext, AwsHandler

if TYPE_CHECKING:
    from collections.abc import Mapping


class ImageHandler(AwsHandler):
    """Machine images, which are looked up only.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
    """

    service = "ec2"

    def lookup(self, ctx: AwsContext, query: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Give the newest available image that fits, or None."""
        wanted = {
            "name": query.get("name_pattern"),
            "architecture": query.get("architecture"),
            **{f"tag:{key}": value for key, value in (query.get("tags") or {}).items()},
        }
        filters = [{"Name": name, "Values": [value]} for name, value in wanted.items() if value is not None]
        found = self.client(ctx).items(
            "describe_images",
            "Images",
            Owners=list(query["owners"]),
            Filters=[*filters, {"Name": "state", "Values": ["available"]}],
        )
        newest = max(found, key=lambda image: (image.get("CreationDate", ""), image["ImageId"]), default=None)
        if newest is None:
            return None
        return {
            "id": newest["ImageId"],
            "name": newest.get("Name"),
            "owner_id": newest.get("OwnerId"),
            "creation_date": newest.get("CreationDate"),
            "root_device_name": newest.get("RootDeviceName"),
            "architecture": newest.get("Architecture"),
            "tags": tags.raw(newest.get("Tags")),
        }
