"""Every Python block of the README and of the documentation's pages runs, and prints what the page shows.

The blocks of a page run in order, in an empty folder, and share one
namespace and environment. A ``text`` block right behind a Python block is
what that block prints; ``...`` in it stands for anything. A ``toml`` block
that begins with ``# name.toml`` is that file, and so is a Python block that
begins with ``# name.py``; where one of these is a test module, pytest runs it
when the page has run. A block that can't run here is
left out by sybil's ``<!--- skip: next "reason" -->``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser, SkipParser

from iaclib.engine.engine import Engine
from pytest_here import run_pytest

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
FILE = re.compile(r"# (\w+\.(?:toml|py))")
PRINTED = "_printed"  # in the page's namespace: what the program right above printed, if there is one

_run = PythonEvaluator()


def run(example: Example) -> None:
    """Run a program and keep what it prints; or write the file that it is."""
    if write(example):
        return
    with contextlib.redirect_stdout(io.StringIO()) as out:
        _run(example)
    example.namespace[PRINTED] = out.getvalue()


def compare(example: Example) -> str | None:
    """Compare a text block with what the program right above it printed."""
    printed = example.namespace.pop(PRINTED, None)
    if printed is None or OutputChecker().check_output(example.parsed, printed, ELLIPSIS):
        return None
    return f"the page shows\n\n{example.parsed}\nbut the program prints\n\n{printed}"


def write(example: Example) -> bool:
    """Write the file that a block shows, if it says which."""
    first = str(example.parsed).partition("\n")[0]
    named = FILE.fullmatch(first)
    if named is not None:
        Path(named[1]).write_text(example.parsed)
    return named is not None


BLOCKS = {"python": run, "text": compare, "toml": lambda example: write(example) and None}
SYBIL = Sybil(parsers=[*(CodeBlockParser(language, meant) for language, meant in BLOCKS.items()), SkipParser()])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs(page, request, tmp_path, monkeypatch):
    """What a page says happens, happens; pages that use AWS do so on an emulated one."""
    document = SYBIL.parse(page)
    document.namespace["__name__"] = f"docs.{page.name}"
    if "iaclib.aws" in document.text:
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("moto"))
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        for example in document:
            example.evaluate()
        if any(tmp_path.glob("test_*.py")):
            code, out = run_pytest(tmp_path, "--snapshot-update")
            assert code == 0, out
    finally:
        for name in [path.stem for path in tmp_path.glob("*.py")]:
            sys.modules.pop(name, None)
        for value in document.namespace.values():
            if isinstance(value, Engine):
                value.close()
