"""Finding types by words."""

from __future__ import annotations

from typing import NamedTuple

from iaclib.schema.names import module_name, words
from iaclib.schema.pack import pack, type_name

_CLOUDS = ("aws",)


class Match(NamedTuple):
    """A type that was found."""

    type: str  # such as "aws:s3:BucketPolicy"
    name: str  # where its class is, such as "iaclib.aws.s3.BucketPolicy"
    vendor: str  # such as "AWS::S3::BucketPolicy"


def search(text: str) -> tuple[Match, ...]:
    """Find the types whose names have all the words, or beginnings of words, best first.

    A word may also be the service's. Types that no class can be made of are left out.
    """
    asked = [word for part in text.split() for word in words(part.replace("::", "-").replace(":", "-")) if word]
    ranked = []
    for cloud in _CLOUDS:
        found = pack(cloud)
        for vendor in found.archive:
            if vendor in found.lacking:
                continue
            _, service, name = vendor.split("::")
            score = _score(
                asked, words(name), [service.lower(), *words(service), cloud], service.lower() + name.lower()
            )
            if score is not None:
                type = type_name(cloud, vendor)
                place = f"iaclib.{cloud}.{module_name(service.lower())}.{name}"
                ranked.append((score, len(name), type, Match(type, place, vendor)))
    return tuple(match for *_, match in sorted(ranked))


def _score(asked: list[str], own: list[str], service: list[str], whole: str) -> int | None:
    """Give how far a type's names are from what is asked for; None if a word has no place in them."""
    if not asked:
        return None
    score = len(own)
    for word in asked:
        if word in own:
            score -= 1
        elif word in service:
            continue
        elif any(one.startswith(word) for one in (*own, *service)):
            score += 1
        elif word in whole:
            score += 2
        else:
            return None
    return score
