"""A stack in any backend, for tests that damage what is kept of it."""

from __future__ import annotations

import pytest

from iaclib import declare as iac
from iaclib.backends import S3, AzureBlob, Gcs
from iaclib.model.addresses import StackRef
from recording import Thing

REF = StackRef("p", "s")
OPENERS = {"s3": S3, "gs": Gcs, "azblob": AzureBlob}
DATABASES, STORES = ("sqlite", "postgres"), ("objects", *OPENERS)

#: All of them; what the slow servers' clients share is tried on objects in memory, and on them under strain.
EVERYWHERE = [*DATABASES, "objects", *(pytest.param(kind, marks=pytest.mark.stress) for kind in OPENERS)]


class Some(iac.Stack, project="p"):
    """Three things, one of them gone in the second run, and a secret."""

    third: bool = True

    def build(self):
        a = Thing("a", password="hunter2")
        Thing("b", link=a.id)
        if self.third:
            Thing("c", link=a.id)
        self.export(x="y")
