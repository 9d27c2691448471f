"""The README's programs run, and print what it says."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text()


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[number]


def test_first_program_prints_the_plan_that_follows(moto, tmp_path, monkeypatch, capsys):
    """The first program has at most 15 lines, and its plan is the one shown."""
    program = block("python")
    assert len(program.splitlines()) <= 15
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    names = {"__name__": "readme"}
    exec(compile(program, "README.md", "exec", dont_inherit=True), names)
    assert capsys.readouterr().out.strip() == block("text").strip()
    engine = names["engine"]
    assert engine.apply(names["Shop"]("prod")).outputs["url"] == "s3://shop-assets/index.html"
    engine.close()


def test_own_type_lives_its_life(monkeypatch):
    """The README's own resource type is created, found unchanged, updated and destroyed."""
    names = {"__name__": "readme"}
    exec(compile(block("python", 1), "README.md", "exec", dont_inherit=True), names)
    iac, record = names["iac"], names["Record"]

    def stack(address):
        with iac.Stack("test", project="dns") as made:
            record("www", name="www", address=address)
        return made

    with iac.Engine(state="memory:") as engine:
        assert engine.apply(stack("10.0.0.1")).ok
        assert not engine.plan(stack("10.0.0.1"))
        engine.apply(stack("10.0.0.2"))
        assert names["RecordHandler"].zone == {"www": "10.0.0.2"}
        engine.destroy("dns/test")
        assert names["RecordHandler"].zone == {}
