"""The program in docs/policies.md runs, and prints what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iaclib.errors import PolicyViolationError

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()


def test_the_pages_programs_do_what_it_says(capsys):
    """Both blocks of Python run in one namespace; the apply is refused."""
    first, second = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    names = {"__name__": "policies_page"}
    exec(compile(first, "policies.md", "exec", dont_inherit=True), names)
    assert capsys.readouterr().out == shown
    exec(compile(second, "policies.md", "exec", dont_inherit=True), names)
    with names["engine"] as engine, pytest.raises(PolicyViolationError, match="reports: a database is open"):
        engine.apply(names["Shop"]("prod"))
