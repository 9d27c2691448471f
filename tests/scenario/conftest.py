"""A fresh recorded cloud and engine for scenarios written in Python; integrity is checked after each."""

from __future__ import annotations

import pytest

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from recording import Cloud, Now, integrity


class World:
    """One stack on one cloud, programmed by plain functions."""

    def __init__(self, parallelism):
        self.cloud = Now.cloud = Cloud()
        self.engine = Engine(state="memory:", parallelism=parallelism)
        self.ref = "shop/dev"

    def stack(self, program):
        def build(stack):
            program()

        return type("Shop", (iac.Stack,), {"build": build})("dev")

    def plan(self, program, **options):
        return self.engine.plan(self.stack(program), **options)

    def apply(self, program, **options):
        """Apply; give the calls that were made."""
        self.cloud.take()
        try:
            self.run = self.engine.apply(self.stack(program), **options)
        finally:
            self.check()
        return self.cloud.take()

    def fails(self, program, error, match=None, **options):
        """Apply what fails; give the error and the calls that were made all the same."""
        with pytest.raises(error, match=match) as caught:
            self.apply(program, **options)
        return caught.value, self.cloud.take()

    def settled(self, program):
        """Check that there is nothing left to do."""
        plan = self.plan(program)
        assert not plan, str(plan)

    def check(self):
        integrity(self.snapshot, self.cloud)

    @property
    def snapshot(self):
        return self.engine.snapshot(self.ref)

    def record(self, address):
        return self.snapshot.records[address]


@pytest.fixture(params=[0, 8], ids=["one by one", "parallel"])
def world(request):
    world = World(request.param)
    with world.engine:
        yield world
        world.check()
