"""The contract of a backend, kept by those that need no server."""

from __future__ import annotations

import pytest

from iaclib.backends import Memory, Sqlite
from iaclib.errors import ConfigError
from iaclib.testing.contracts import BackendContract, Cost


class TestMemory(BackendContract):
    """State in memory is one client's own."""

    shared = False

    def make(self, tmp_path, clock):
        return Memory(clock=clock)


class TestSqlite(BackendContract):
    """State in a file."""

    def make(self, tmp_path, clock):
        return Sqlite(tmp_path / "s.db", clock=clock)

    def cost(self, backend):
        return Cost(backend._file._db.total_changes)


class TestSqliteThatAlwaysFolds(TestSqlite):
    """The same, where each append is folded at once."""

    def make(self, tmp_path, clock):
        return Sqlite(tmp_path / "s.db", clock=clock, fold_after=1)


@pytest.mark.stress
class TestMemoryAtLength(TestMemory):
    """The same, with more of everything."""

    racers = rounds = 16
    examples = 200


@pytest.mark.stress
class TestSqliteAtLength(TestSqlite):
    """The same, with more of everything."""

    racers = rounds = 16
    examples = 200


@pytest.mark.parametrize(
    ("make", "url"),
    [(Memory.from_url, "memory:x"), *((Sqlite.from_url, f"sqlite:{rest}") for rest in ["", "//x.db", "///", "///x/"])],
)
def test_wrong_urls_are_refused(make, url):
    """A URL of another form is an error that shows the right one."""
    with pytest.raises(ConfigError, match="expected"):
        make(url)
