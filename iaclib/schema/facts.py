"""The normalised facts about a resource type, wherever they come from.

Facts are made from a class's fields, or from a pack. The planner, the
engine and the simulated cloud work by them alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from iaclib.schema.cloud import CloudFacts
from iaclib.schema.shapes import Shape


class PropertyFacts(Struct, frozen=True):
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
        refers: What its text, or that of its elements, is or refers to, such as ``AWS::EC2::Subnet.Id``.
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


class TypeFacts(Struct, frozen=True):
    """A resource type.

    Args:
        type: Its name, such as ``aws:ec2:VPC``.
        properties: By Python name, computed ones and ``id`` included.
        unique: Tuples of fields that no two objects share at once.
        version: Of the class, for migrating old records.
        stateful: Whether losing the object loses data.
        delete_first: Whether an old and a new object can't be there at once, whatever their names.
        settle: Seconds during which the cloud may not show a new object yet.
        tags: The field that takes a provider's default tags, if any.
        is_global: Whether objects belong to no region.
        on_delete: The shape of delete parameters; None takes any mapping.
        timeouts: Seconds for "create", "update", "delete", where the type's differ.
        cloud: What a generic handler has to know, for types from a pack.
    """

    type: str
    properties: Mapping[str, PropertyFacts] = field(default_factory=dict)
    unique: tuple[tuple[str, ...], ...] = ()
    version: int = 1
    stateful: bool = False
    delete_first: bool = False
    settle: float = 0.0
    tags: str | None = None
    is_global: bool = False
    on_delete: Shape | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)
    cloud: CloudFacts | None = None
