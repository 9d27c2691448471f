"""Kill -9 in the middle of applies and destroys of every shipped AWS type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import aws_cloud
import iaclib as iac

SUPPORT = Path(__file__).parents[1] / "support"

#: Runs the engine and kills itself at the n-th request: before it is sent, or after its answer came.
CHILD = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import botocore.httpsession
import aws_cloud
import iaclib as iac

state, endpoint, image, operation, point, when = sys.argv[2:]
count = 0
send = botocore.httpsession.URLLib3Session.send

def counted(self, request):
    global count
    count += 1
    here = count == int(point)
    if here and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = send(self, request)
    if here:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

botocore.httpsession.URLLib3Session.send = counted
with iac.Engine(state="sqlite:///" + state, providers=[aws_cloud.provider(endpoint)]) as engine:
    if operation == "apply":
        engine.apply(aws_cloud.Everything("test", image=image))
    else:
        engine.destroy("everything/test")
"""

#: Twenty points, spread so that early, middle and late requests are hit; an apply makes well over 100.
POINTS = [3, 5, 8, 11, 14, 18, 22, 26, 31, 36, 41, 47, 53, 60, 67, 74, 82, 90, 99, 108]


def killed(state, endpoint, image, operation, point):
    """Run the child; tell whether it was killed, or got to its end."""
    when = "before" if point % 2 else "after"
    command = [
        sys.executable,
        "-P",
        "-c",
        CHILD,
        str(SUPPORT),
        str(state),
        endpoint,
        image,
        operation,
        str(point),
        when,
    ]
    child = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert child.returncode in {0, -9}, child.stderr
    return child.returncode == -9


def agrees(engine, endpoint):
    """Compare what state says with what exists."""
    found = {name: len(items) for name, items in aws_cloud.inventory(endpoint).items()}
    snapshot = engine.snapshot("everything/test")
    assert not snapshot.intents
    assert found == aws_cloud.expected(snapshot)


@pytest.fixture(autouse=True)
def _settled():
    with aws_cloud.settling_quickly():
        yield


@pytest.mark.parametrize("point", POINTS)
def test_killed_apply_leaves_no_orphan_and_no_duplicate(moto, tmp_path, point):
    """After a kill at a request of an apply, the next run makes state and cloud agree."""
    image = aws_cloud.image(moto)
    state = tmp_path / "s.db"
    assert killed(state, moto, image, "apply", point)
    with iac.Engine(state=f"sqlite:///{state}", providers=[aws_cloud.provider(moto)]) as engine:
        engine.apply(aws_cloud.Everything("test", image=image))
        agrees(engine, moto)
        again = engine.plan(aws_cloud.Everything("test", image=image))
        assert not again, (str(again), again.rewrites, again.outputs, again.old_outputs)
        engine.destroy("everything/test")
        assert aws_cloud.inventory(moto) == {}


@pytest.mark.parametrize("point", POINTS)
def test_killed_destroy_is_finished_by_the_next(moto, tmp_path, point):
    """After a kill at a request of a destroy, the next one leaves nothing behind."""
    image = aws_cloud.image(moto)
    state = tmp_path / "s.db"
    with iac.Engine(state=f"sqlite:///{state}", providers=[aws_cloud.provider(moto)]) as engine:
        engine.apply(aws_cloud.Everything("test", image=image))
    killed(state, moto, image, "destroy", point)
    with iac.Engine(state=f"sqlite:///{state}", providers=[aws_cloud.provider(moto)]) as engine:
        engine.destroy("everything/test")
        assert aws_cloud.inventory(moto) == {}
        assert not engine.snapshot("everything/test").records
