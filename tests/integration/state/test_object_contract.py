"""The contract of a backend, kept by each object store's client against a real server."""

from __future__ import annotations

from hashlib import sha256

import pytest

from contracts import InFull
from iaclib.backends import S3, AzureBlob, Gcs
from iaclib.testing.contracts import BackendContract, Cost
from object_faults import counted


class ObjectContract(BackendContract):
    """What is the same for all three."""

    examples = 1  # each step is several requests; the many sequences are tried in memory, and here under strain
    racers = rounds = 3

    def make(self, tmp_path, clock):
        backend = self.open(sha256(str(tmp_path).encode()).hexdigest()[:16])
        backend._leases.clock, backend._leases.trusts_store = clock, False
        backend._probed = True  # once a service is enough, and not once a test: `test_object_stores` sees to it
        counted(backend)
        return backend

    def cost(self, backend):
        store = counted(backend)
        return Cost(store.writes, store.written)


class TestS3(ObjectContract):
    """S3, as moto speaks it."""

    @pytest.fixture(autouse=True)
    def place(self, s3_place):
        self.open = lambda prefix: S3.from_url(s3_place(prefix))


class TestGcs(ObjectContract):
    """Google Cloud Storage, as fake-gcs-server speaks it."""

    @pytest.fixture(autouse=True)
    def place(self, gs_place):
        self.open = lambda prefix: Gcs.from_url(gs_place(prefix))


class TestAzureBlob(ObjectContract):
    """Azure Blob Storage, as Azurite speaks it."""

    @pytest.fixture(autouse=True)
    def place(self, azblob_place):
        self.open = lambda prefix: AzureBlob.from_url(azblob_place(prefix))


@pytest.mark.stress
class TestS3AtLength(InFull, TestS3):
    """The same, with the suite's own numbers."""


@pytest.mark.stress
class TestGcsAtLength(InFull, TestGcs):
    """The same, with the suite's own numbers."""


@pytest.mark.stress
class TestAzureBlobAtLength(InFull, TestAzureBlob):
    """The same, with the suite's own numbers."""
