"""Planning is pure: equal inputs give equal bytes in any process, and nothing is called or written for it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
#: Prints everything of a plan: FOLDER [refresh | new | destroy].
CHILD = """
import sys
from pathlib import Path
from crash_cloud import FILES
from crash_program import Program, REF
from iaclib.engine.engine import Engine

folder, how = sys.argv[1:]
FILES.folder = Path(folder)
numbers = iter(range(100))
state = f"sqlite:///{folder}/{'other' if how == 'new' else 'state'}.db"
with Engine(state=state, parallelism=0, _token=lambda: f"{next(numbers):032x}") as engine:
    if how == "apply":
        engine.apply(Program("dev"))
        sys.exit()
    plan = engine.plan(Program("dev", changed=True), refresh=how == "refresh", destroy=how == "destroy")
print(plan.digest, plan.serial, plan.lineage)
print(plan)
print(repr(plan.changes))
print({name: repr(value) for name, value in plan.outputs.items()})
"""


def child(folder, how, seed):
    """Run the child; give what it prints."""
    path = os.pathsep.join([str(SUPPORT), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-P", "-c", CHILD, str(folder), how]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def content(folder):
    """Hash every file of state and cloud; what SQLite shares between its connections is no state."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm") and path.stat().st_size
    }


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """A stack that is there, and of which a program wants changes of all kinds."""
    folder = tmp_path_factory.mktemp("pure")
    (folder / "cloud").mkdir()
    for name, data in {"theirs": '{"size": 1}', "link-x-b": '{"hard": "x", "label": "b", "size": 1}'}.items():
        (folder / "cloud" / name).write_text(f'{{"address": "", "token": "", "inputs": {data}}}')
    child(folder, "apply", "0")
    return folder


@pytest.mark.parametrize("how", ["plain", "refresh", "destroy", "new"])
def test_equal_inputs_give_equal_plans_in_any_process(applied, how):
    """Whatever the order of sets and hashes is; and neither state nor cloud has another byte afterwards."""
    before = content(applied)
    one, two = child(applied, how, "1"), child(applied, how, "2")
    assert one == two
    assert "Plan:" in one
    assert content(applied) == before
