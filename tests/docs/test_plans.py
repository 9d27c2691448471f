"""The programs in docs/plans.md run in their order, and print what the page says."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "plans.md").read_text()


def test_the_pages_programs_do_what_it_says(moto, tmp_path, monkeypatch, capsys):
    """One namespace, one folder; what is printed stands below each program."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    names = {"__name__": "plans_page"}
    for language, content in re.findall(r"^```(python|text)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        if language == "python":
            exec(compile(content, "plans.md", "exec", dont_inherit=True), names)
        else:
            assert capsys.readouterr().out == content
    assert capsys.readouterr().out == ""
