"""The stacks of the examples, which are tested in a simulator, live the same life against an emulated AWS."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import boto3
import pytest

from iaclib.engine.engine import Engine

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def load(monkeypatch):
    """Give a function that imports a module of the examples."""
    monkeypatch.syspath_prepend(EXAMPLES)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(EXAMPLES)):
            del sys.modules[name]


@pytest.fixture
def image(provider, moto):
    """Give a machine image that there is."""
    ec2 = boto3.client("ec2", region_name="eu-west-1", endpoint_url=moto)
    return ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]


@pytest.mark.parametrize(
    ("module", "program"),
    [
        ("quickstart", lambda found, image: found.Shop("test", image=image)),
        ("three_tier", lambda found, image: found.ThreeTier("test", image=image)),
        ("test_work_queue", lambda found, _image: found.Mail("test")),
    ],
)
def test_an_example_lives_its_life(module, program, load, provider, image):
    """Applied, found unchanged also when it is read, and destroyed."""
    stack = program(load(module), image)
    with Engine(state="memory:", providers=[provider]) as engine:
        run = engine.apply(stack)
        assert run.ok
        assert all(isinstance(value, str) and value for value in run.outputs.values())
        assert not engine.plan(stack, refresh=True)
        assert engine.destroy(stack).ok
        assert not engine.snapshot(stack).records
