"""Objects of every type live whole lives by the real SDK, against a stand-in that holds them to their schemas.

That says that the plumbing is right: names, patches, waiting, recovery. What AWS does is another matter.
"""

from __future__ import annotations

from collections import Counter

import pytest

from any_life import killed_life, whole_life
from any_type import all_types, facts_of
from cloud_control import Server
from iaclib.aws.provider import Provider
from iaclib.aws.table import HANDLERS

GENERIC = [type for type in all_types() if type not in HANDLERS]


def kind(type):
    """Tell what is special about a type."""
    cloud = facts_of(type).cloud
    return (
        len(cloud.identifier) > 1,
        any("/" in path for path in cloud.identifier),
        any("/" in path for path in cloud.write_only),
        bool(cloud.write_only),
        any("/" in path for path in cloud.create_only),
        bool(cloud.transforms),
        "update" in cloud.handlers,
        cloud.tags is not None and cloud.tags.at_create,
        cloud.tags is not None and cloud.tags.pair is None,
    )


def of_all_kinds():
    """Give a few types, so that no combination of what is special goes without one."""
    found = {}
    for type in GENERIC:
        found.setdefault(kind(type), type)
    return sorted(found.values())


@pytest.fixture(scope="module")
def server():
    """Give the stand-in."""
    with Server() as made:
        yield made


def lived(types, server, monkeypatch):
    """Let types live; give what went wrong by name, and what could not be tried."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    provider = Provider(region="eu-west-1", endpoint_url=server.url)
    failed, told = {}, Counter()
    for type in types:
        for life in (whole_life, killed_life):
            server.cloud.forget()
            try:
                told[life(type, server.cloud, provider)] += 1
            except Exception as error:  # noqa: BLE001 - every type is named
                failed[type] = f"{life.__name__}: {type_name(error)}: {error}"
    return failed, told


def type_name(error):
    """Name the class of an error."""
    return error.__class__.__name__


def tell(types, failed, told, record_property):
    """Say how many types lived."""
    record_property(
        "tells",
        f"Cloud Control: {len(types) - len(failed)} of {len(types)} types created, kept, changed, drifted, deleted and "
        f"killed ({told['no change in place']} of them had nothing to change)",
    )


def test_types_of_all_kinds_live(server, monkeypatch, record_property):
    types = of_all_kinds()
    failed, told = lived(types, server, monkeypatch)
    tell(types, failed, told, record_property)

    assert not failed


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_every_type_lives(server, monkeypatch, record_property):
    failed, told = lived(GENERIC, server, monkeypatch)
    tell(GENERIC, failed, told, record_property)

    assert not failed
