"""Finding types by words: of their names, their services', and their properties'."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from iaclib.schema.archive import Archive
from iaclib.schema.names import field_name, module_name, words
from iaclib.schema.pack import Pack, docs_of, pack, pack_path, type_name

_CLOUDS: Final = ("aws",)
_EXACT, _BEGINS, _WITHIN, _PROPERTY = -1, 1, 2, 10  # what a word adds to the distance
_SHOWN: Final = 20


class Match(NamedTuple):
    """A type that was found."""

    type: str  # such as "aws:s3:BucketPolicy"
    name: str  # where its class is, such as "iaclib.aws.s3.BucketPolicy"
    vendor: str  # such as "AWS::S3::BucketPolicy"
    docs: str  # the vendor's page
    properties: tuple[str, ...] = ()  # those that were found by a word, as fields of the class

    def __repr__(self) -> str:
        having = f" ({', '.join(self.properties[:3])})" if self.properties else ""
        return f"{self.name}{having}  {self.docs}"


class Matches(tuple[Match, ...]):
    """What was found, best first; prints as lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        lines = [repr(match) for match in self[:_SHOWN]] or ["nothing"]
        more = len(self) - _SHOWN
        return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)


def search(text: str) -> Matches:
    """Find the types in whose names all the words, or beginnings of words, are; best first.

    A word may also be the service's, or of a property's name; types that have
    it in their own name come before, and of equals those that others use most.
    Types that no class can be made of are left out.
    """
    asked = [word for part in text.split() for word in words(part.replace("::", "-").replace(":", "-")) if word]
    ranked = []
    for cloud in _CLOUDS if asked else ():
        found = pack(cloud)
        having = {word: _having(cloud, word) for word in asked}
        known = _names(cloud)
        used = dict(zip(known["types"], known["used"], strict=True))
        for vendor in found.archive:
            if vendor not in found.lacking and (ranking := _match(found, vendor, asked, having)) is not None:
                distance, match = ranking
                ranked.append((distance, -used.get(vendor, 0), len(match.type), match))
    return Matches(match for *_, match in sorted(ranked))


def _match(
    found: Pack, vendor: str, asked: list[str], having: Mapping[str, Mapping[str, list[str]]]
) -> tuple[int, Match] | None:
    """Give how far a type is from what is asked for, and the type; None if a word has no place in it."""
    _, service, name = vendor.split("::")
    own, around = words(name), (service.lower(), *words(service), found.cloud)
    whole = service.lower() + name.lower()
    distance, properties = len(own), []
    for word in asked:
        if word in own:
            distance += _EXACT
        elif word in around:
            continue
        elif any(one.startswith(word) for one in (*own, *around)):
            distance += _BEGINS
        elif word in whole:
            distance += _WITHIN
        elif vendor in having[word]:
            distance += _PROPERTY
            properties += [field for one in having[word][vendor] if (field := field_name(one)) not in properties]
        else:
            return None
    type = type_name(found.cloud, vendor)
    place = f"iaclib.{found.cloud}.{module_name(service.lower())}.{name}"
    return distance, Match(type, place, vendor, docs_of(type), tuple(properties))


@cache
def _names(cloud: str) -> dict[str, Any]:
    """Give what a pack's names are, as ``build/pack`` wrote them."""
    return Archive(pack_path(cloud, "names")).entry("properties")


def _having(cloud: str, word: str) -> dict[str, list[str]]:
    """Give the types that have a property in whose name a word begins with this one, with those properties."""
    known = _names(cloud)
    types: list[str] = known["types"]
    found: dict[str, list[str]] = {}
    for name, places in known["properties"].items():
        if word in name.lower() and any(one.startswith(word) for one in words(name)):
            for place in places:
                found.setdefault(types[place], []).append(name)
    return found
