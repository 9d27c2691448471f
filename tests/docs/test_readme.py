"""What the README promises beyond that its programs run, which ``test_docs`` shows."""

from __future__ import annotations

import re
from pathlib import Path

PROGRAMS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), re.DOTALL)


def test_first_program_is_short():
    """A whole stack and its plan fit in 15 lines."""
    assert len(PROGRAMS[0].splitlines()) <= 15


def test_own_type_lives_its_life():
    """The README's own resource type is created, found unchanged, updated and destroyed."""
    names = {"__name__": "docs.README.md"}  # a type belongs to one module, also when its program runs twice
    exec(compile(PROGRAMS[-1], "README.md", "exec", dont_inherit=True), names)
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
