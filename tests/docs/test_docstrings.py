"""The examples in the library's docstrings hold."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import iaclib

HOME = Path(iaclib.__file__).parent
MODULES = sorted(
    ".".join(("iaclib", *path.relative_to(HOME).with_suffix("").parts))
    for path in HOME.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_hold(module):
    """What a docstring shows is what the code gives."""
    outcome = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert outcome.attempted > 0
    assert outcome.failed == 0
