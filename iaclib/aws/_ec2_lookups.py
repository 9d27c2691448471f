"""Lookups of EC2: what exists already and is found by what is known of it.

Users import them from ``iaclib.aws.ec2``. Knows nothing of boto3 or of handlers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from iaclib import declare as iac

Architecture = Literal["arm64", "arm64_mac", "i386", "x86_64", "x86_64_mac"]


class ImageLookup(iac.Lookup, type="aws:ec2:Image"):
    """The newest available machine image that fits; made by ``lookup_image``."""

    owners: iac.Input[Sequence[iac.Input[str]]]
    name_pattern: iac.Input[str] | None = iac.field(default=None)
    architecture: iac.Input[Architecture] | None = iac.field(default=None)
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    id: iac.Output[str] = iac.computed()
    name: iac.Output[str] = iac.computed()
    owner_id: iac.Output[str] = iac.computed()
    creation_date: iac.Output[str] = iac.computed()
    root_device_name: iac.Output[str] = iac.computed()


def lookup_image(
    logical_name: str,
    *,
    owners: iac.Input[Sequence[iac.Input[str]]],
    name_pattern: iac.Input[str] | None = None,
    architecture: iac.Input[Architecture] | None = None,
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = None,
    opts: iac.Options | None = None,
) -> ImageLookup:
    """Find the newest available machine image that fits.

    Read for each plan: a newer image shows there as the change that it makes.

    Args:
        logical_name: Its name in the stack.
        owners: Who may have published it: account ids, ``"self"``,
            ``"amazon"``. It has to be said, as anybody can publish an image
            under any name.
        name_pattern: The image's name, in which ``*`` and ``?`` stand for other characters.
        architecture: What it runs on.
        tags: Tags that it carries.
        opts: Only ``provider`` counts.
    """
    return ImageLookup(
        logical_name, owners=owners, name_pattern=name_pattern, architecture=architecture, tags=tags, opts=opts
    )
