"""The values that iaclib makes, as a person meets them in an editor or a shell."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from msgspec import Struct

import iaclib


def test_each_value_s_signature_can_be_read():
    """``help`` and editors make it from the annotations, whose names have to be there when it is asked for."""
    for found in pkgutil.walk_packages(iaclib.__path__, "iaclib."):
        importlib.import_module(found.name)
    structs = _below(Struct)
    assert len(structs) > 60
    for struct in structs:
        assert list(inspect.signature(struct).parameters) == list(struct.__struct_fields__)


def _below(base: type[Struct]) -> list[type[Struct]]:
    own = [cls for cls in base.__subclasses__() if cls.__module__.startswith("iaclib.")]
    return [*own, *(cls for each in own for cls in _below(each))]
