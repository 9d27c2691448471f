"""A process of its own that works on a stack in any backend; the tests start it, many times over.

The state's URL comes by a pipe, as arguments can be seen by all and it may hold a password. Then:

``engine NAME ROUNDS`` makes ROUNDS runs of an engine, each of which ensures one resource more.
``writer TTL STOPS`` takes the lease and appends, without ever renewing, until it is told that it lost it; it prints
the serial of each append that was taken. If STOPS isn't 0, it stops itself after so many.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from datetime import timedelta

from iaclib import declare as iac
from iaclib.engine.engine import Engine
from iaclib.errors import LeaseLostError
from iaclib.model.addresses import StackRef
from iaclib.provider.handler import Live
from iaclib.provider.registry import load_named
from state_samples import LINEAGE, REF, holder, put

RACE = StackRef("shop", "race")


def opened(url: str):
    """Give a backend's client."""
    return load_named("iaclib.backends", url.partition(":")[0])(url)


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


def writer(url: str, ttl: str, stops: str) -> None:
    backend = opened(url)
    lease = backend.acquire(REF, holder("apply", host="elsewhere"), timedelta(seconds=float(ttl)))
    serial = backend.load(REF).serial
    try:
        for n in itertools.count(1):
            serial = backend.append(lease, put(f"old-{serial}"), lineage=LINEAGE, serial=serial)
            sys.stdout.write(f"{serial}\n")
            sys.stdout.flush()
            if n == int(stops):
                os.kill(os.getpid(), signal.SIGSTOP)
    except LeaseLostError:
        sys.stdout.write("lost\n")


if __name__ == "__main__":
    {"engine": engine, "writer": writer}[sys.argv[1]](sys.stdin.readline().strip(), *sys.argv[2:])
