"""Each row of the table in docs/outputs.md holds."""

from __future__ import annotations

import hashlib
import html
import re
import shlex
import urllib.parse
from pathlib import Path

import pytest
import yaml

from iaclib import declare as iac
from iaclib.declare.collect import collect
from iaclib.model.outputs import resolve

PAGE = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text()
ROWS = re.findall(r"^\| `(.+?)`[^|`]* \| `(.+?)` \|$", PAGE, re.MULTILINE)
#: What the outputs come to: values at which each row shows.
VALUES = {"o": "arn:a-b/<prod> 'x': y/", "a": "a", "b": "z"}


class Source(iac.Resource, type="docs:Source", handler=object):
    out: iac.Output[str] = iac.computed()


class Sink(iac.Resource, type="docs:Sink", handler=object):
    value: iac.Input[object] = iac.field(default=None)


@pytest.mark.parametrize(("wrong", "right"), ROWS, ids=[f"row {number}" for number in range(len(ROWS))])
def test_the_form_with_map_gives_what_the_other_should(wrong, right):
    """The first form is not refused, and gives something else; the second gives what plain Python does with the values."""
    names = {"iac": iac, "hashlib": hashlib, "html": html, "shlex": shlex, "urllib": urllib, "yaml": yaml}
    expected = eval(wrong, {**names, **VALUES})

    def build(stack):
        outputs = {name: Source(name).out for name in VALUES}
        for name, form in {"wrong": wrong, "right": right}.items():
            Sink(name, value=eval(form, {**names, **outputs}))

    desired = collect(type("Docs", (iac.Stack,), {"build": build})("dev"))
    found = {
        name: resolve(desired.resources[name].inputs["value"], lambda address, _: VALUES[address])
        for name in ("wrong", "right")
    }
    assert found["right"] == expected
    assert found["wrong"] != expected
