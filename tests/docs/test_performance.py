"""The page on performance shows the results that are kept beside it."""

from __future__ import annotations

from pathlib import Path

from harness import table
from harness.results import load

DOCS = Path(__file__).parents[2] / "docs"


def test_tables_are_those_of_the_results() -> None:
    """Nobody edits a figure by hand; ``nox -s bench`` writes them."""
    page = (DOCS / "performance.md").read_text()
    assert page == table.within(page, table.page(load(DOCS / "performance" / "results.json")))


def test_results_name_no_folder_and_no_machine() -> None:
    """They are public: processor, system and versions, and nothing of whose they are."""
    text = (DOCS / "performance" / "results.json").read_text()
    assert "/home" not in text
    assert "/root" not in text
    assert "/tmp" not in text
