"""The programs of docs/local.md live their lives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import iaclib as iac
import rest_api

PAGE = (Path(__file__).parents[2] / "docs" / "local.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OUTPUTS = [
    {},
    {"bucket": r"assets-[0-9a-f]{8}", "password": r"(?=.*\d.*\d)[A-Za-z0-9]{20}"},
    {"version": "7\n"},
    {"etag": "1"},
]


@pytest.mark.parametrize("number", range(len(OUTPUTS)))
def test_a_program_is_applied_kept_and_destroyed(number, tmp_path, monkeypatch):
    """Each one works as shown, is found unchanged, and leaves nothing behind."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with rest_api.serving() as api, iac.Engine(state=f"sqlite:///{tmp_path}/s.db") as engine:
        names = {"__name__": "page"}
        program = BLOCKS[number].replace("https://api.example.com", api.url).replace("…", "x")
        exec(compile(BLOCKS[0].split("\n\n")[0] + "\n" + program, "local.md", "exec", dont_inherit=True), names)
        run = engine.apply(names["stack"])
        for name, pattern in OUTPUTS[number].items():
            value = run.outputs[name]
            assert re.fullmatch(pattern, str(value.reveal() if isinstance(value, iac.Secret) else value))
        assert not engine.plan(names["stack"], refresh=True)
        engine.destroy(f"{names['stack'].project}/dev")
        assert not api.store
        assert not list((tmp_path / "work").iterdir())


def test_every_program_is_tried():
    """No block is left out."""
    assert len(BLOCKS) == len(OUTPUTS)
