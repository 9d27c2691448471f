"""What a generic handler has to know of a type: the vendor's facts, in the vendor's names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

_NONE: Mapping[str, Any] = MappingProxyType({})


class HandlerFacts(Struct, frozen=True):
    """What the cloud's own handler of an operation is known to need.

    Args:
        permissions: Actions that the caller must be allowed, such as ``sqs:CreateQueue``.
        seconds: How long it may take, if the cloud says so.
        needs: Properties that "list" has to be given.
    """

    permissions: tuple[str, ...] = ()
    seconds: float | None = None
    needs: tuple[str, ...] = ()


class TagFacts(Struct, frozen=True):
    """How the cloud takes tags; programs always give a mapping.

    Args:
        wire: The cloud's name of the property.
        pair: The keys of an element, such as ("Key", "Value"); None where the cloud takes a mapping too.
        at_create: Whether the create takes them.
        updatable: Whether they can change in place.
        permissions: Actions that tagging needs.
    """

    wire: str
    pair: tuple[str, str] | None = None
    at_create: bool = True
    updatable: bool = True
    permissions: tuple[str, ...] = ()


class CloudFacts(Struct, frozen=True):
    """What a generic handler has to know of a type, in the cloud's own names.

    Paths are names joined by ``/``, with ``*`` for the elements of a list or mapping.

    Args:
        type: The cloud's name of the type, such as ``AWS::SQS::Queue``.
        identifier: Paths of the primary identifier, in its order.
        identifiers: Paths of further ones.
        read_only: Paths that are shown and never given.
        create_only: Paths whose change needs a new object.
        maybe_create_only: The same, depending on values.
        write_only: Paths that are given and never shown.
        deprecated: Paths that should no longer be used.
        transforms: Path -> how the cloud changes what it is given, in its own words.
        handlers: "create", "read", "update", "delete", "list" -> what it needs.
        tags: How it takes tags, if it does.
        arn: How its ARN is made, if that is known.
        region: One that offers the type, where not all do.
        docs: The vendor's page.
    """

    type: str
    identifier: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, ...], ...] = ()
    read_only: tuple[str, ...] = ()
    create_only: tuple[str, ...] = ()
    maybe_create_only: tuple[str, ...] = ()
    write_only: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    transforms: Mapping[str, str] = _NONE
    handlers: Mapping[str, HandlerFacts] = _NONE
    tags: TagFacts | None = None
    arn: str | None = None
    region: str | None = None
    docs: str = ""
