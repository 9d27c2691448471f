"""The programs of the documentation's pages run, and print what the pages say."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(python|text|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["assets.md", "config.md", "lookups.md"])
def test_a_page_prints_what_it_says(page, tmp_path, monkeypatch, capsys):
    """Programs run in order, in one folder that files are written to; text shows what the one before it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    names = {"__name__": "page"}
    text = (DOCS / page).read_text("utf-8")
    for found in BLOCK.finditer(text):
        kind, content = found.groups()
        if kind == "toml":
            Path(content.partition("\n")[0].removeprefix("# ")).write_text(content)
        elif kind == "text":
            assert capsys.readouterr().out.strip() == content.strip()
        else:
            above = "\n" * text.count("\n", 0, found.start(2))
            exec(compile(above + content, page, "exec", dont_inherit=True), names)
    if "engine" in names:
        names["engine"].close()
    assert capsys.readouterr().out == ""
