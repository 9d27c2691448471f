"""How much is known of AWS, how large it is, and how quickly its classes are there."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7
IMPORT = """
import time, iaclib
iaclib.Stack, iaclib.Resource
began = time.perf_counter()
from iaclib.aws import ec2
print(time.perf_counter() - began)
"""
FIRST = """
import time, iaclib
iaclib.Stack, iaclib.Resource
from iaclib.aws import {module}
began = time.perf_counter()
{module}.{name}
print(time.perf_counter() - began)
"""
SEARCH = """
import time, iaclib
iaclib.Stack, iaclib.Resource
began = time.perf_counter()
from iaclib.schema import search
assert search("queue")
print(time.perf_counter() - began)
"""
ALL = """
import gc, time
from iaclib.declare.generated import service_module, service_modules
from iaclib.schema.pack import pack
known = pack("aws")
gc.disable()  # a collection of what all of them leave is nobody's first use
for module in service_modules("iaclib.aws"):
    service = service_module("iaclib.aws", module)
    for name in known.names(module.removesuffix("_")):
        began = time.perf_counter()
        getattr(service, name)
        print(time.perf_counter() - began, f"{module}.{name}")
"""


def printed(code: str) -> str:
    """Run code in a fresh interpreter and give what it prints."""
    return subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True).stdout


def milliseconds(code: str) -> str:
    """Give the median and the best of some runs."""
    times = [float(printed(code)) * 1000 for _ in range(RUNS)]
    return f"{statistics.median(times):8.1f} ms (best {min(times):.1f})"


def main() -> None:
    """Print every row."""
    spec = importlib.util.find_spec("iaclib")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    home = Path(next(iter(spec.submodule_search_locations)))
    pack = sum(path.stat().st_size for path in (home / "schema" / "packs").glob("aws.*"))
    stubs = sum(path.stat().st_size for path in (home / "aws").glob("*.pyi"))
    wing = sum(path.stat().st_size for path in (home / "aws").rglob("*.py*")) + pack
    made = [line.split() for line in printed(ALL).splitlines()]
    times = sorted((float(seconds) * 1000, name) for seconds, name in made)
    print(f"{'types of AWS that are classes':38} {len(made):8,}")
    print(f"{'pack, with what a search reads':38} {pack / 1e6:8.2f} MB")
    print(f"{'stubs':38} {stubs / 1e6:8.2f} MB")
    print(f"{'whole wing, with bytecode and pack':38} {wing / 1e6:8.2f} MB")
    print(f"{'import iaclib.aws.ec2 after iaclib':38} {milliseconds(IMPORT)}")
    print(f"{'first class, which opens the pack':38} {milliseconds(FIRST.format(module='ec2', name='NatGateway'))}")
    print(f"{'QuickSight Analysis, first':38} {milliseconds(FIRST.format(module='quicksight', name='Analysis'))}")
    print(f"{'search for a type, first':38} {milliseconds(SEARCH)}")
    print(f"{'any other class, median':38} {statistics.median(one for one, _ in times):8.2f} ms")
    print(f"{'any other class, worst':38} {times[-1][0]:8.2f} ms ({times[-1][1]})")
    program = Path(__file__).parent.parent / "tests" / "typing" / "services.py"
    checker = shutil.which("pyright")
    if checker is not None:
        began = time.perf_counter()
        subprocess.run([checker, "--pythonpath", sys.executable, str(program)], check=True, capture_output=True)
        print(f"{'pyright on a program of 36 services':38} {time.perf_counter() - began:8.1f} s")


if __name__ == "__main__":
    main()
