"""A plan made by one process and applied by another does what the plan applied at once would have done."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "support" / "plan_program.py"


def run(folder, command, version, *, kill="", seed="random"):
    environment = {**os.environ, "IACLIB_TEST_KILL": kill, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, PROGRAM, folder, command, str(version)],
        capture_output=True, text=True, env=environment, check=False, timeout=60,
    )  # fmt: skip
    if kill:
        assert done.returncode == -signal.SIGKILL, done.stderr
        return {}
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def files(folder):
    """Give what a refused apply must leave as it is."""
    return (folder / "cloud.json").read_bytes(), (folder / "plan").read_bytes()


@pytest.fixture
def folder(tmp_path):
    """Give a folder in which version 1 was applied."""
    made = tmp_path / "one"
    made.mkdir()
    run(made, "direct", 1)
    return made


def test_another_process_does_the_same(folder, tmp_path):
    """The same calls in the same order, the same records and outputs; shown the same in between."""
    copy = tmp_path / "two"
    shutil.copytree(folder, copy)
    planned = run(folder, "plan", 2, seed="1")
    assert planned["counts"] == {"create": 1, "update": 2, "replace": 4, "delete": 1}
    assert run(folder, "show", 2, seed="2") == planned
    assert run(folder, "apply", 2, seed="3") == run(copy, "direct", 2, seed="4")
    assert run(folder, "apply", 2)["error"] == "StalePlanError"


def test_first_plan_is_applied_elsewhere(tmp_path):
    """The stack comes into being with the lineage and the names that were planned."""
    run(tmp_path, "plan", 1)
    body = json.loads((tmp_path / "plan").read_text())["body"]
    done = run(tmp_path, "apply", 1)
    assert done["lineage"] == body["lineage"]
    names = {node["address"]: node["inputs"]["name"] for node in body["nodes"]}
    assert {address: record[2]["name"] for address, record in done["records"].items()} == names
    assert done["records"]["base"][2]["password"] == "secret 1"
    again = run(tmp_path, "apply", 1)
    assert again["error"] == "StalePlanError"
    assert "the plan was made at serial 0, state is at serial" in again["message"]


def test_function_comes_from_the_program_of_another_process(folder):
    """Alone the plan is refused; another program is, too; the program of then does it."""
    run(folder, "plan", 3, seed="1")
    before = files(folder)
    alone = run(folder, "apply", 3)
    assert alone["error"] == "PlanError"
    assert "functions of its program: __main__.Program.build.<locals>.<lambda> (for export length)" in alone["message"]
    other = run(folder, "apply-with", 2)
    assert other["error"] == "StalePlanError"
    assert "it differs in base, export length, export password, first, new and 1 more" in other["message"]
    assert files(folder) == before
    done = run(folder, "apply-with", 3, seed="2")["outputs"]
    assert done["length"] == len(done["out"]) + 3


@pytest.mark.parametrize("call", ["U base", "C first", "C unique", "D gone"])
def test_killed_apply_uses_the_plan_up(folder, call):
    """What was killed is recovered; the plan is not carried out again."""
    run(folder, "plan", 2)
    run(folder, "apply", 2, kill=call)
    again = run(folder, "apply", 2)
    assert again["error"] == "StalePlanError"
    assert "the plan was made at serial" in again["message"]
    finished = run(folder, "direct", 2)
    assert sorted(finished["objects"]) == sorted(record[1] for record in finished["records"].values())
