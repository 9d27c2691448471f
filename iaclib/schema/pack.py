"""What a pack says of a type, as facts.

Everything that follows from iaclib's own rules is decided here: Python names,
``id``, tags as a mapping, what is stable, which names are made up. Nested
shapes are made when something looks into them. Knows no classes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, Literal

from iaclib.schema.archive import Archive
from iaclib.schema.cloud import SETTLE, CloudFacts, cloud_facts
from iaclib.schema.facts import PropertyFacts, TypeFacts
from iaclib.schema.names import field_name, key_name
from iaclib.schema.shapes import Shape

_FOLDER: Final = os.path.join(os.path.dirname(__file__), "packs")  # noqa: PTH118, PTH120 - pathlib costs as much as all the rest of this import
_DOCS: Final = (
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-{service}-{name}.html"
)
#: How names end whose text nobody should see.
HIDDEN: Final = (
    "Password", "Passphrase", "SecretString", "AuthToken", "PrivateKey", "SecretAccessKey", "ClientSecret",
)  # fmt: skip
#: Within a value it is the name alone that tells: which of these a read shows is rarely said.
NESTED_HIDDEN: Final = (
    *HIDDEN, "Secret", "Token", "ApiKey", "ApiKeyValue", "AccessKey", "SecretKey", "PreSharedKey",
)  # fmt: skip
_TEXTS: Final = Shape("map", items=Shape("str"))
_FIXED: Final = {
    "any": Shape("any", nullable=True),
    "bool": Shape("bool"),
    "doc": Shape("union", options=(Shape("map"), Shape("str"))),
    "float": Shape("float"),
    "int": Shape("int"),
    "map": Shape("map"),
    "str": Shape("str"),
}


class Pack:
    """The types of one cloud; threads may share it.

    Args:
        cloud: Its name, such as "aws".
        archive: The file.
    """

    def __init__(self, cloud: str, archive: Archive) -> None:
        self.cloud = cloud
        self.archive = archive
        self.lacking: Mapping[str, list[str]] = archive.about["lacking"]
        self._services: dict[str, dict[str, str]] = {}
        for type in archive:
            _, service, name = type.split("::")
            self._services.setdefault(service.lower(), {})[name] = type

    @property
    def services(self) -> tuple[str, ...]:
        """All services, in order."""
        return tuple(sorted(self._services))

    def names(self, service: str) -> tuple[str, ...]:
        """Give the names of a service's types that can be classes."""
        return tuple(name for name, type in self._services.get(service, {}).items() if type not in self.lacking)

    def located(self, type: str) -> tuple[str, str] | None:
        """Take iaclib's name of a type apart, service and name, if it can be a class."""
        cloud, _, rest = type.partition(":")
        service, _, name = rest.partition(":")
        return (service, name) if cloud == self.cloud and name in self.names(service) else None

    def vendor_type(self, service: str, name: str) -> str | None:
        """Give the cloud's name of a type, such as ``AWS::SQS::Queue``, or None if there is none."""
        return self._services.get(service, {}).get(name)

    def facts(self, service: str, name: str) -> TypeFacts:
        """Give what is known of a type.

        Raises:
            KeyError: The pack has no such type.
            PackError: The file is damaged.
        """
        return self._reading(service, name).facts()

    def takes_tag(self, service: str, name: str, key: str, value: str) -> bool:
        """Tell whether a type's own shape of tags has room for a tag: some refuse colons.

        Raises:
            KeyError: The pack has no such type.
            PackError: The file is damaged.
        """
        return self._reading(service, name).takes_tag(key, value)

    def _reading(self, service: str, name: str) -> _Reading:
        type = self._services[service][name]
        return _Reading(f"{self.cloud}:{service}:{name}", type, self.archive.entry(type))


_lock = threading.Lock()


def pack(cloud: str) -> Pack:
    """Give the pack of a cloud; opened once.

    Raises:
        PackError: It can't be read.
    """
    with _lock:
        return _open(cloud)


@cache
def _open(cloud: str) -> Pack:
    return Pack(cloud, Archive(pack_path(cloud)))


def pack_path(cloud: str, kind: str = "pack") -> str:
    """Give the file of a cloud's pack, or of the "names" in it, by which types are searched."""
    return f"{_FOLDER}/{cloud}.{kind}"


def type_name(cloud: str, vendor: str) -> str:
    """Give iaclib's name of a type.

    >>> type_name("aws", "AWS::SQS::Queue")
    'aws:sqs:Queue'
    """
    _, service, name = vendor.split("::")
    return f"{cloud}:{service.lower()}:{name}"


def docs_of(type: str) -> str:
    """Give the vendor's page of a type of AWS."""
    _, service, name = type.split(":")
    return _DOCS.format(service=service, name=name.lower())


class Keys(Mapping[str, Shape]):
    """The keys of a nested object; their shapes are made when one is asked for.

    Args:
        name: What the vendor calls the object, or "".
        wire: Python name -> the vendor's.
        make: Gives the shape of one, by the vendor's name.
    """

    __slots__ = ("_found", "_make", "name", "wire")

    def __init__(self, name: str, wire: dict[str, str], make: Callable[[str], Shape]) -> None:
        self.name = name
        self.wire = wire
        self._make = make
        self._found: dict[str, Shape] = {}

    def __getitem__(self, key: str) -> Shape:
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._make(self.wire[key])  # made twice by two threads: either will do
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.wire)

    def __len__(self) -> int:
        return len(self.wire)

    def __contains__(self, key: object) -> bool:
        return key in self.wire


def _replaces(wire: str, cloud: CloudFacts) -> bool | Literal["maybe"]:
    if wire in cloud.create_only or "update" not in cloud.handlers:  # nothing of it can change in place
        return True
    return "maybe" if wire in cloud.maybe_create_only else False


def _is_text(node: Any) -> bool:
    """Whether a node is text that may be anything."""
    return node == "str" or (isinstance(node, dict) and node["k"] == "str" and "e" not in node)


class _Reading:
    """One entry on its way to facts."""

    def __init__(self, name: str, type: str, entry: Mapping[str, Any]) -> None:
        self.name = name
        self.type = type
        self.entry = entry
        self.definitions: Mapping[str, Any] = entry.get("d", {})
        self.known: dict[str, Shape] = {}

    def facts(self) -> TypeFacts:
        entry = self.entry
        cloud = self._cloud()
        identifier = cloud.identifier
        fixed = frozenset(cloud.read_only)
        properties: dict[str, PropertyFacts] = {
            "id": PropertyFacts("id", _FIXED["str"], computed=True, stable=True),
        }
        wires: dict[str, str] = {}
        for wire in entry["p"]:
            if wire == "Id" and wire in fixed and identifier == ("Id",):
                continue  # that is `id`
            name = field_name(wire)
            properties[name] = self._property(name, wire, cloud, wire in fixed)
            wires[wire] = name
        named = [wires[wire] for wire in identifier if wire in wires and wire not in fixed]
        return TypeFacts(
            type=self.name,
            properties=properties,
            unique=(tuple(named),) if named and len(named) == len(identifier) else (),
            stateful=bool(entry.get("st")),
            delete_first=entry.get("rs") == "delete",
            settle=SETTLE,
            tags=wires.get(cloud.tags.wire) if cloud.tags is not None and cloud.tags.wire not in fixed else None,
            is_global=bool(entry.get("gl")),
            timeouts=cloud.timeouts,
            cloud=cloud,
        )

    def takes_tag(self, key: str, value: str) -> bool:
        """Tell whether a tag fits what the cloud says of tags."""
        tags = self.entry.get("tg")
        if tags is None or tags["p"] not in self.entry["p"]:
            return False
        shape = self.shape(self.entry["p"][tags["p"]])
        if tags["s"] == "map":
            return shape.fault({key: value}) is None
        return shape.fault([{key_name(tags["s"][0]): key, key_name(tags["s"][1]): value}]) is None

    def _property(self, name: str, wire: str, cloud: CloudFacts, computed: bool) -> PropertyFacts:
        entry, node = self.entry, self.entry["p"][wire]
        at = self._followed(node)
        text = self._followed(at["i"]) if isinstance(at, dict) and at["k"] == "list" and "i" in at else at
        refers = tuple(text.get("f", ())) if isinstance(text, dict) else ()
        plain = _is_text(at)
        tags = cloud.tags is not None and cloud.tags.wire == wire and not computed
        if computed:
            stable = (
                wire in cloud.identifier
                or (plain and (wire.endswith(("Arn", "ARN")) or any("::" in one for one in refers)))
            )  # fmt: skip
            return PropertyFacts(name, self.shape(node), computed=True, stable=stable, wire=wire, refers=refers)
        required = wire in entry.get("q", ())
        write_only = wire in cloud.write_only
        return PropertyFacts(
            name,
            _TEXTS if tags else self.shape(node),
            required=required,
            replaces=_replaces(wire, cloud),
            generated=cloud.identifier == (wire,) and not required and plain and entry.get("nm") != 0,
            secret=wire in entry.get("sec", ()) or (write_only and plain and wire.endswith(HIDDEN)),
            write_only=write_only,
            unordered=not tags and isinstance(at, dict) and bool(at.get("u")),
            wire=wire,
            refers=refers,
        )

    def _followed(self, node: Any) -> Any:
        while isinstance(node, str) and node.startswith("#"):
            node = self.definitions.get(node[1:], "any")
        return node

    def shape(self, node: Any, name: str = "") -> Shape:
        """Give the shape of a node, as deep as its first objects; ``name`` is the definition's."""
        if isinstance(node, str):
            fixed = _FIXED.get(node)
            if fixed is not None:
                return fixed
            found = self.known.get(node)
            if found is None:
                found = self.known[node] = self.shape(self.definitions[node[1:]], node[1:])
            return found
        kind = node["k"]
        if kind == "object":
            shown = node.get("ro", ())  # and never given
            wire = {key_name(key): key for key in node["p"] if key not in shown}
            return Shape(
                kind,
                properties=Keys(name, wire, lambda key: self._part(key, node["p"][key])),
                required=frozenset(key_name(key) for key in node.get("q", ())),
                wire=wire,
                nullable="n" in node,
            )
        enum, length, span = node.get("e"), node.get("l"), node.get("r")
        return Shape(
            kind,
            enum=tuple(enum) if enum is not None else None,
            folded="c" in node,
            pattern=node.get("x"),
            length=tuple(length) if length is not None else None,
            range=tuple(span) if span is not None else None,
            items=self.shape(node["i"]) if "i" in node else None,
            options=tuple(self.shape(option) for option in node.get("o", ())),
            unordered="u" in node,
            refers=tuple(node.get("f", ())),
            nullable="n" in node,
            secret="hidden" in node,
        )

    def _part(self, key: str, node: Any) -> Shape:
        """Give the shape of an object's key; of what nobody should see, by its name or by what is said of it, one that says so."""
        at = self._followed(node)
        if key not in self.entry.get("sec", ()) and not (key.endswith(NESTED_HIDDEN) and _is_text(at)):
            return self.shape(node)
        return self.shape({**({"k": at} if isinstance(at, str) else at), "hidden": True})

    def _cloud(self) -> CloudFacts:
        return cloud_facts(self.type, self.entry, docs_of(self.name))
