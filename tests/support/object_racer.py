"""A process of its own that works on a stack in an object store; the tests start it, many times over.

``engine URL NAME ROUNDS`` makes ROUNDS runs of an engine, each of which ensures one resource more.
``writer URL TTL`` takes the lease and appends, without ever renewing, until it is told that it lost it; it prints the
serial of each append that was taken.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from iaclib import declare as iac
from iaclib.backends import S3, AzureBlob, Gcs
from iaclib.engine.engine import Engine
from iaclib.errors import LeaseLostError
from iaclib.model.addresses import StackRef
from iaclib.provider.handler import Live
from state_samples import LINEAGE, REF, holder, put

RACE = StackRef("shop", "race")
OPENERS = {"s3": S3.from_url, "gs": Gcs.from_url, "azblob": AzureBlob.from_url}


class ThingHandler:
    def create(self, ctx, inputs):
        return Live(f"id-of-{ctx.address}", {})

    def read(self, ctx, id):
        return Live(id, {})

    def update(self, ctx, id, before, after):
        return Live(id, {})

    def delete(self, ctx, id):
        pass


class Thing(iac.Resource, type="race:Thing", handler=ThingHandler):
    size: iac.Input[int] = iac.field(default=1)


def engine(url: str, name: str, rounds: str) -> None:
    with Engine(state=url, lease_wait=timedelta(seconds=600)) as one:
        for n in range(int(rounds)):
            with one.session(RACE, prune=False) as session:
                session.ensure(Thing(f"{name}-{n}"))


def writer(url: str, ttl: str) -> None:
    backend = OPENERS[url.partition(":")[0]](url)
    lease = backend.acquire(REF, holder("apply", host="elsewhere"), timedelta(seconds=float(ttl)))
    serial = backend.load(REF).serial
    try:
        while True:
            serial = backend.append(lease, put(f"old-{serial}"), lineage=LINEAGE, serial=serial)
            sys.stdout.write(f"{serial}\n")
            sys.stdout.flush()
    except LeaseLostError:
        sys.stdout.write("lost\n")


if __name__ == "__main__":
    {"engine": engine, "writer": writer}[sys.argv[1]](*sys.argv[2:])
