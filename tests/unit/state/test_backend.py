"""Who holds a lease, and whether that process still lives."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from iaclib.state.backend import Backend, Holder, process_start


def test_living_process_is_not_gone():
    """This process, asked about itself, is there."""
    assert not Holder.here("apply", 0.0).is_gone()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="start times are read from /proc")
def test_ended_process_is_gone():
    """A process that ended is gone, on this host and boot."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = structs.replace(Holder.here("apply", 0.0), pid=child.pid, process_start=process_start(child.pid))
    assert not holder.is_gone()
    child.communicate(b"\n")
    assert holder.is_gone()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="start times are read from /proc")
def test_process_number_used_again_is_another_process():
    """The same pid with another start time is somebody else: the holder is gone."""
    assert structs.replace(Holder.here("apply", 0.0), process_start="1").is_gone()


@pytest.mark.parametrize("facts", [{"host": "elsewhere"}, {"boot_id": "another"}, {"boot_id": ""}])
def test_process_elsewhere_is_never_said_to_be_gone(facts):
    """What can't be looked at counts as living until its lease runs out."""
    assert not structs.replace(Holder.here("apply", 0.0), pid=2**22 + 1, **facts).is_gone()


def test_holder_reads_as_a_person_expects():
    """The text names user, host, process and operation."""
    holder = Holder("ann", "build-7", "boot", 42, "1", "apply", 0.0)
    assert str(holder) == "ann@build-7 (pid 42, apply)"


def test_backends_fulfil_the_contract():
    """Both built-in backends have everything that the Backend protocol asks for."""
    from iaclib.backends import Memory, Sqlite

    assert isinstance(Memory(), Backend)
    assert isinstance(Sqlite("x.db"), Backend)
