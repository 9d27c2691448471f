"""Every type of AWS that can be created, read and deleted is a class."""

import importlib.util
import keyword
import marshal
from pathlib import Path

import pytest

import iaclib.aws
from iaclib.aws import table
from iaclib.declare.generated import service_module, service_modules
from iaclib.declare.resource import Resource
from iaclib.schema.archive import Archive
from iaclib.schema.pack import pack

AWS = pack("aws")
MODULES = service_modules("iaclib.aws")


def test_there_are_as_many_as_promised(record_property):
    count = sum(len(AWS.names(service)) for service in AWS.services)
    record_property("tells", f"types of AWS served: {count:,} of {len(MODULES)} services")

    assert count > 1_700
    assert count == len(AWS.archive) - len(AWS.lacking)


def test_the_wing_is_small(record_property):
    """As it is installed, with stubs, bytecode and the pack."""
    wing = Path(iaclib.aws.__path__[0])
    packed = sum(path.stat().st_size for path in Path(AWS.archive.path).parent.glob("aws.*"))
    stubs = [path.stat().st_size for path in wing.glob("*.pyi")]
    sources = [path.read_bytes() for path in wing.rglob("*.py")]
    bytecode = sum(len(marshal.dumps(compile(source, "it.py", "exec"))) for source in sources)
    whole = packed + sum(stubs) + sum(map(len, sources)) + bytecode
    record_property(
        "tells",
        f"the wing of AWS: {whole / 1e6:.2f} MB with {packed / 1e6:.2f} MB of pack and {sum(stubs) / 1e6:.2f} MB of stubs",
    )

    assert len(stubs) == len(MODULES), (
        "stubs are written when the package is built: python -m iaclib.schema.build.stubs"
    )
    assert packed < 2_000_000
    assert whole < 15_000_000


@pytest.mark.parametrize("module", MODULES)
def test_every_type_of_a_service_is_a_class(module):
    service = service_module("iaclib.aws", module)
    for name in AWS.names(module.removesuffix("_")):
        made = getattr(service, name)
        facts = made._iac_class.type

        assert issubclass(made, Resource)
        assert made.__doc__
        assert facts.type == f"aws:{module.removesuffix('_')}:{name}"
        assert all(field.isidentifier() and not keyword.iskeyword(field) for field in facts.properties), name
        assert all(field in facts.properties for names in facts.unique for field in names), name


def test_no_module_of_the_wing_is_a_service_too():
    """The wing's own modules would hide a service of their name."""
    own = {"client", "errors", "handlers", "keyring", "provider", "table", "tags", "untyped"}

    assert own.isdisjoint(MODULES)
    assert all(importlib.util.find_spec(f"iaclib.aws.{name}") for name in own)


@pytest.mark.parametrize("type", sorted(table.HANDLERS))
def test_what_was_written_by_hand_has_the_names_of_what_would_be_made(type):
    """So a program doesn't change when a class written by hand goes."""
    _, service, name = type.split(":")
    by_hand = getattr(service_module("iaclib.aws", service), name)._iac_class.type
    made = AWS.facts(service, name)

    assert set(by_hand.properties) <= set(made.properties)
    assert by_hand.tags in {made.tags, None}


def test_shapes_of_every_property_can_be_looked_into():
    """Nothing is left that refers to what isn't there; the deepest are looked into but once."""
    for type in Archive(AWS.archive.path):
        _, service, name = type.split("::")
        for one in AWS.facts(service.lower(), name).properties.values():
            pending, seen = [one.shape], set()
            while pending:
                shape = pending.pop()
                if id(shape) in seen:
                    continue
                seen.add(id(shape))
                assert shape.words()
                pending += [*shape.options, *(shape.properties or {}).values(), *filter(None, [shape.items])]
