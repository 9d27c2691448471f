"""Python's cycle collector is as it was once many values have been made."""

from __future__ import annotations

import gc
import weakref

import pytest

from iaclib.model.bulk import collector_paused, collector_relaxed


@pytest.fixture(autouse=True)
def _usual():
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.enable()


class Cycle:
    """Something that only the collector ends."""

    def __init__(self):
        self.me = self


def test_a_pause_ends_and_loses_nothing():
    """The collector runs again, within an outer pause not yet, and what was made meanwhile is found by it."""
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            pass
        assert not gc.isenabled()
        made = weakref.ref(Cycle())
    assert gc.isenabled()
    assert made() is not None
    gc.collect()
    assert made() is None


def test_the_last_to_end_sets_back_what_was():
    """Runs side by side relax it together, in whatever order they end; the user's own choice comes back."""
    gc.set_threshold(900, 11, 12)
    first, second = collector_relaxed(), collector_relaxed()
    first.__enter__()
    second.__enter__()
    assert gc.get_threshold()[0] > 10_000
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] > 10_000
    second.__exit__(None, None, None)
    assert gc.get_threshold() == (900, 11, 12)


@pytest.mark.parametrize("chosen", [0, 200_000])
def test_a_collector_that_looks_less_often_already_is_left_alone(chosen):
    """Switched off by its threshold, or set higher than ours."""
    gc.set_threshold(chosen, 10, 10)
    with collector_relaxed():
        assert gc.get_threshold()[0] == chosen
    assert gc.get_threshold()[0] == chosen
