"""The examples' own tests pass, as a project of its own runs them."""

from __future__ import annotations

import shutil

import pytest

from pytest_here import PROJECT, run_pytest

MODULES = sorted(path.name for path in (PROJECT / "examples").glob("test_*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_an_example_is_tested_without_a_cloud(module, tmp_path):
    """In a module under 80 lines, which knows no more than the simulator and public queries."""
    shutil.copytree(PROJECT / "examples", tmp_path, dirs_exist_ok=True)
    code, out = run_pytest(tmp_path, module)
    assert code == 0, out
    assert len((PROJECT / "examples" / module).read_text().splitlines()) < 80
