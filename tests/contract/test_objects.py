"""The contract of a backend, kept over a store of objects in memory: what all object stores share."""

from __future__ import annotations

import pytest

from iaclib.backends.objects import Objects
from iaclib.testing.contracts import BackendContract, Cost
from object_faults import Bucket, MemoryObjects


class TestObjects(BackendContract):
    """State in objects."""

    fold_after = 64

    @pytest.fixture(autouse=True)
    def forget(self):
        self.places = {}

    def make(self, tmp_path, clock):
        bucket = self.places.setdefault(tmp_path, Bucket())
        return Objects(MemoryObjects(bucket), clock=clock, fold_after=self.fold_after)

    def cost(self, backend):
        bucket = backend._store._store.bucket
        return Cost(bucket.writes, bucket.bytes)


class TestObjectsThatAlwaysFold(TestObjects):
    """The same, where each lease that is given back folds."""

    fold_after = 1

    def cost(self, backend):
        return None  # a fold writes whole chunks: what it costs is bounded by their size, not by what changed


@pytest.mark.stress
class TestObjectsAtLength(TestObjects):
    """The same, with more of everything."""

    racers = rounds = 16
    examples = 200
