"""What a generic handler has to know of a type: the vendor's facts, in the vendor's names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

SETTLE: Final = 120.0  # seconds in which AWS may not show a new object yet

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

    @property
    def timeouts(self) -> dict[str, float]:
        """Seconds for "create", "update" and "delete", where the cloud says so."""
        return {
            name: handler.seconds
            for name, handler in self.handlers.items()
            if handler.seconds is not None and name in ("create", "update", "delete")
        }


def cloud_facts(type: str, entry: Mapping[str, Any], docs: str) -> CloudFacts:
    """Read an entry, of a pack or made from a schema.

    Args:
        type: The cloud's name of the type.
        entry: See ``build/cloudformation``.
        docs: The vendor's page.
    """
    tags = entry.get("tg")
    return CloudFacts(
        type=type,
        identifier=tuple(entry.get("id", ())),
        identifiers=tuple(tuple(one) for one in entry.get("ids", ())),
        read_only=tuple(entry.get("ro", ())),
        create_only=tuple(entry.get("co", ())),
        maybe_create_only=tuple(entry.get("cc", ())),
        write_only=tuple(entry.get("wo", ())),
        deprecated=tuple(entry.get("dep", ())),
        transforms=entry.get("tx", {}),
        handlers={
            name: HandlerFacts(
                tuple(one.get("p", ())), one["t"] * 60.0 if "t" in one else None, tuple(one.get("a", ()))
            )
            for name, one in entry.get("h", {}).items()
        },
        tags=tags
        and TagFacts(
            tags["p"],
            None if tags["s"] == "map" else (tags["s"][0], tags["s"][1]),
            bool(tags["c"]),
            bool(tags["u"]),
            tuple(tags.get("a", ())),
        ),
        arn=entry.get("arn"),
        region=entry.get("rg"),
        docs=docs,
    )
