"""Every Python block of the documentation's pages runs, and prints what the page shows.

The blocks of a page run in order and share one namespace. A ``text`` block
right behind a Python block is what that block prints; ``...`` in it stands
for anything. A block that can't run here is left out by sybil's
``<!--- skip: next "reason" -->``.
"""

from __future__ import annotations

import contextlib
import io
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser, SkipParser

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
PRINTED = "_printed"  # in the page's namespace: what the block above printed, None if no program is right above

_run = PythonEvaluator()


def run(example: Example) -> None:
    """Run a program and keep what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        _run(example)
    example.namespace[PRINTED] = out.getvalue()


def compare(example: Example) -> str | None:
    """Compare a text block with what the program right above it printed."""
    printed = example.namespace.pop(PRINTED, None)
    if printed is None:
        return None
    shown = str(example.parsed)
    if OutputChecker().check_output(shown, printed, ELLIPSIS):
        return None
    return f"the page shows\n\n{shown}\nbut the program prints\n\n{printed}"


SYBIL = Sybil(parsers=[CodeBlockParser("python", run), CodeBlockParser("text", compare), SkipParser()])


@pytest.mark.parametrize("page", PAGES)
def test_page_runs(page, request, tmp_path, monkeypatch):
    """What a page says happens, happens."""
    document = SYBIL.parse(DOCS / page)
    document.namespace["__name__"] = f"docs.{page}"
    if "iaclib.aws" in document.text:
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("moto"))
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.chdir(tmp_path)
    for example in document:
        example.evaluate()
