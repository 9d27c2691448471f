"""Engines, steps and a REST API for the local wing."""

from __future__ import annotations

import time

import pytest

import iaclib as iac
import rest_api
from iaclib.provider.context import Context


@pytest.fixture
def api(monkeypatch):
    """Give a REST API on loopback."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with rest_api.serving() as api:
        yield api


@pytest.fixture
def engine(tmp_path):
    """Give an engine whose state is a file beside, not in, the folder that tests work in."""
    (tmp_path / "state").mkdir(mode=0o700)
    with iac.Engine(state=f"sqlite:///{tmp_path}/state/s.db") as engine:
        yield engine


@pytest.fixture
def work(tmp_path):
    """Give an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def stack():
    """Give a maker of stacks from a function that declares: ``stack(lambda: File(...))``."""

    def make(declare):
        with iac.Stack("test", project="local") as made:
            declare()
        return made

    return make


@pytest.fixture
def ctx():
    """Give a maker of steps: ``ctx(inputs={...}, token=..., record=...)``."""

    def make(**facts):
        facts.setdefault("token", "0" * 32)
        facts.setdefault("deadline", time.monotonic() + 30)
        return Context(address="it", urn="local/test:it", stack="local/test", provider=None, **facts)

    return make


@pytest.fixture
def actions():
    """Give a function that lists what a plan or run does, in order."""

    def list_them(done):
        if hasattr(done, "steps"):
            return [f"{step.action} {step.address}" for step in done.steps]
        return [f"{change.action.value} {change.address}" for change in done.changes if change.action != "same"]

    return list_them
