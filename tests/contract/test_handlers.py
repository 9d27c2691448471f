"""The handler contract holds for shipped handlers, and finds what breaks it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from iaclib.aws import table
from iaclib.errors import ConflictError, InvalidRequestError, NotFoundError
from iaclib.provider.handler import Live
from iaclib.testing.contracts import HandlerContract
from pytest_here import run_pytest


class Fake:
    """Objects in memory; each object carries its token."""

    def __init__(self):
        self.objects = {}
        self.numbers = itertools.count()

    def create(self, ctx, inputs):
        if inputs["size"] < 0:
            raise InvalidRequestError("a negative size")
        known = self.find(ctx, inputs)
        if known is not None:
            return known
        id = f"fake-{next(self.numbers)}"
        self.objects[id] = (ctx.token, dict(inputs))
        return self.read(ctx, id)

    def read(self, ctx, id):
        found = self.objects.get(id)
        return None if found is None else Live(id, {"arn": f"arn:{id}"}, dict(found[1]))

    def update(self, ctx, id, before, after):
        if id not in self.objects:
            raise NotFoundError(f"{id} is gone")
        self.objects[id] = (self.objects[id][0], dict(after))
        return self.read(ctx, id)

    def delete(self, ctx, id):
        self.objects.pop(id, None)

    def find(self, ctx, inputs):
        return next((self.read(ctx, id) for id, (token, _) in self.objects.items() if token == ctx.token), None)


class TestFake(HandlerContract):
    @pytest.fixture(autouse=True)
    def _fake(self):
        self._handler = Fake()

    def handler(self):
        return self._handler

    def inputs(self):
        return {"size": 1, "tags": {"a": "b"}}

    def changed(self, inputs):
        return {**inputs, "size": 2}

    def refused(self):
        return {"size": -1}


class Placed(Fake):
    """Objects that carry no token: the inputs lead to the id."""

    find = None

    def identity(self, inputs):
        return f"at-{inputs['size']}"

    def create(self, ctx, inputs):
        id = self.identity(inputs)
        if id in self.objects:
            raise ConflictError(f"{id} exists", existing_id=id)
        self.objects[id] = ("", dict(inputs))
        return self.read(ctx, id)


class TestPlaced(TestFake):
    @pytest.fixture(autouse=True)
    def _fake(self):
        self._handler = Placed()

    def changed(self, inputs):
        return None

    def refused(self):
        return None


class TestVPC(HandlerContract):
    @pytest.fixture(autouse=True)
    def _moto(self, provider):
        self._provider = provider

    def handler(self):
        return table.handler("aws:ec2:VPC")

    def provider(self):
        return self._provider

    def missing_id(self):
        return "vpc-0123456789abcdef0"

    def inputs(self):
        return {"cidr_block": "10.0.0.0/16", "tags": {"Name": "one"}}

    def changed(self, inputs):
        return {**inputs, "tags": {"Name": "two"}, "enable_dns_hostnames": True}

    def refused(self):
        return {"cidr_block": "10.0.0.0/99"}


class TestQueue(TestVPC):
    numbers = itertools.count()

    def handler(self):
        return table.handler("aws:sqs:Queue")

    def missing_id(self):
        return "https://sqs.eu-west-1.amazonaws.com/123456789012/none"

    def inputs(self):
        return {"queue_name": f"queue-{next(self.numbers)}", "visibility_timeout": 30}

    def changed(self, inputs):
        return {**inputs, "visibility_timeout": 40}

    def refused(self):
        return None


BROKEN = {
    "Deletes": ("def delete(self, ctx, id): del self.objects[id]", "test_a_delete_can_be_repeated"),
    "Reads": (
        "def read(self, ctx, id): return super().read(ctx, id) or Live(id)",
        "test_what_is_not_there_reads_as_none",
    ),
    "Lost": ("find = None", "test_what_was_made_can_be_found_again"),
    "Finds": (
        "def find(self, ctx, inputs): return next((self.read(ctx, id) for id in self.objects), None)",
        "test_what_was_made_can_be_found_again",
    ),
    "Updates": (
        "def update(self, ctx, id, before, after): return self.read(ctx, id)",
        "test_an_update_shows_when_read",
    ),
    "Alters": (
        "def create(self, ctx, inputs): inputs['new'] = 1; return super().create(ctx, inputs)",
        "test_inputs_are_left_as_they_are",
    ),
    "Raises": (
        "def create(self, ctx, inputs): 1 / (inputs['size'] + 1); return super().create(ctx, inputs)",
        "test_errors_are_translated",
    ),
}


def test_broken_handlers_are_found(tmp_path):
    """The test that fails says which promise is broken."""
    source = Path(__file__).read_text()
    head = source[: source.index("class TestFake")].replace("from pytest_here import run_pytest\n", "")
    suite = source[source.index("class TestFake") : source.index("class Placed")]
    suites = [
        f"class {name}(Fake):\n    {broken}\n\n{suite.replace('Fake', name)}\n" for name, (broken, _) in BROKEN.items()
    ]
    (tmp_path / "test_broken.py").write_text(f"{head}\n{''.join(suites)}")
    code, out = run_pytest(tmp_path)
    assert code == 1
    for name, (_, finds) in BROKEN.items():
        assert f"Test{name}::{finds}" in out, out
