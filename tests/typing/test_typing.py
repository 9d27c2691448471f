"""Both type checkers accept the right programs and reject exactly the marked lines of the wrong ones."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent.parent
PROGRAMS = ["good.py", "bad.py", "services.py", "services_bad.py"]


def marked(name):
    lines = (FOLDER / name).read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# E")}


@pytest.fixture(scope="module")
def mypy_errors():
    paths = [str(FOLDER / name) for name in PROGRAMS]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(PROJECT / "pyproject.toml"), *paths]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"(\w+\.py):(\d+): error: (.*)", done.stdout)
    return [(name, int(line), text) for name, line, text in found if name in PROGRAMS]


@pytest.fixture(scope="module")
def pyright_errors():
    paths = [str(FOLDER / name) for name in PROGRAMS]
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *paths]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1, item["message"])
        for item in found
        if item["severity"] == "error"
    ]


@pytest.mark.parametrize("checker", ["mypy_errors", "pyright_errors"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_checkers_reject_the_marked_lines_and_no_others(request, checker, program):
    errors = [(line, text) for name, line, text in request.getfixturevalue(checker) if name == program]

    assert {line for line, _ in errors} == marked(program), errors
