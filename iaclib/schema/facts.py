"""The normalised facts about a resource type, wherever they come from.

Facts are made from a class's fields, or from a pack. The planner, the
engine and the simulated cloud work by them alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from iaclib.schema.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen(slots=False)
class PropertyFacts:
    """One property of a type.

    Args:
        name: Its Python name.
        shape: Which values it takes.
        required: Whether it has to be given.
        replaces: Whether a change replaces the object; "maybe" if it depends.
        generated: Whether the engine makes a name where none is given.
        secret: Whether its value is sealed and masked.
        write_only: Whether the cloud never shows it.
        unordered: Whether the order of the list means nothing.
        computed: Whether the cloud gives it, and the program can't.
        stable: Whether an update leaves it as it is.
        wire: The cloud's own name, where it isn't the usual spelling.
        refers: What its text is or refers to, such as ``AWS::EC2::Subnet.Id``.
    """

    name: str
    shape: Shape
    required: bool = False
    replaces: bool | Literal["maybe"] = False
    generated: bool = False
    secret: bool = False
    write_only: bool = False
    unordered: bool = False
    computed: bool = False
    stable: bool = False
    wire: str | None = None
    refers: tuple[str, ...] = ()


@attrs.frozen(slots=False)
class HandlerFacts:
    """What the cloud's own handler of an operation is known to need.

    Args:
        permissions: Actions that the caller must be allowed, such as ``sqs:CreateQueue``.
        seconds: How long it may take, if the cloud says so.
        needs: Properties that "list" has to be given.
    """

    permissions: tuple[str, ...] = ()
    seconds: float | None = None
    needs: tuple[str, ...] = ()


@attrs.frozen(slots=False)
class TagFacts:
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


@attrs.frozen(slots=False)
class CloudFacts:
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
        delete_first: Whether the vendor replaces by deleting first.
        arn: How its ARN is made, if that is known.
        region: One that offers the type, where not all do.
    """

    type: str
    identifier: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, ...], ...] = ()
    read_only: tuple[str, ...] = ()
    create_only: tuple[str, ...] = ()
    maybe_create_only: tuple[str, ...] = ()
    write_only: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    transforms: Mapping[str, str] = attrs.field(factory=dict)
    handlers: Mapping[str, HandlerFacts] = attrs.field(factory=dict)
    tags: TagFacts | None = None
    delete_first: bool = False
    arn: str | None = None
    region: str | None = None


@attrs.frozen(slots=False)
class TypeFacts:
    """A resource type.

    Args:
        type: Its name, such as ``aws:ec2:VPC``.
        properties: By Python name, computed ones and ``id`` included.
        unique: Tuples of fields that no two objects share at once.
        version: Of the class, for migrating old records.
        stateful: Whether losing the object loses data.
        settle: Seconds during which the cloud may not show a new object yet.
        tags: The field that takes a provider's default tags, if any.
        is_global: Whether objects belong to no region.
        on_delete: The shape of delete parameters; None takes any mapping.
        timeouts: Seconds for "create", "update", "delete", where the type's differ.
        cloud: What a generic handler has to know, for types from a pack.
    """

    type: str
    properties: Mapping[str, PropertyFacts] = attrs.field(factory=dict)
    unique: tuple[tuple[str, ...], ...] = ()
    version: int = 1
    stateful: bool = False
    settle: float = 0.0
    tags: str | None = None
    is_global: bool = False
    on_delete: Shape | None = None
    timeouts: Mapping[str, float] = attrs.field(factory=dict)
    cloud: CloudFacts | None = None
