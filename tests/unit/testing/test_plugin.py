"""The pytest plugin, as a project of its own meets it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from pytest_here import PROJECT, run_pytest

PROGRAM = """
import iaclib as iac
from iaclib.aws import ec2

class Net(iac.Stack):
    cidr: str = "10.0.0.0/16"
    def build(self):
        vpc = ec2.VPC("vpc", cidr_block=self.cidr, tags={"Name": "net"})
        ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="10.0.0.0/24")
        self.export(vpc=vpc.id, password=iac.secret("hush-hush"))
"""


@pytest.fixture
def project(tmp_path):
    """Give a function that runs pytest on a test module in a project of its own."""

    def run(test, *args, program=PROGRAM):
        (tmp_path / "program.py").write_text(program)
        (tmp_path / "test_it.py").write_text(f"from program import *\n{test}")
        return run_pytest(tmp_path, *args, "test_it.py")

    return run


def test_a_test_needs_the_fixture_only(project):
    """Each test has a simulator of its own."""
    code, out = project("""
def test_one(sim):
    run = sim.apply(Net("dev"))
    assert [subnet.cidr_block for subnet in run.resources(ec2.Subnet)] == ["10.0.0.0/24"]

def test_two(sim):
    assert not sim.objects
    assert sim.plan(Net("dev")).creates(ec2.VPC) == ["vpc"]
""")
    assert code == 0, out


def test_a_snapshot_is_stored_updated_and_redacted(project, tmp_path):
    """Without a stored one the test fails; another plan is shown as the difference."""
    test = "def test_plan(sim, plan_snapshot):\n    assert sim.plan(Net('dev')) == plan_snapshot\n"
    assert project(test)[0] == 1
    assert project(test, "--snapshot-update")[0] == 0
    stored = (tmp_path / "__snapshots__" / "test_it.ambr").read_text()
    assert "create vpc  aws:ec2:VPC" in stored
    assert '"(secret)"' in stored
    assert "hush-hush" not in stored
    assert project(test)[0] == 0
    code, out = project(test, program=PROGRAM.replace("10.0.0.0/16", "10.9.0.0/16"))
    assert code == 1
    assert "10.9.0.0/16" in out


def test_a_snapshot_holds_what_changes_only(project, tmp_path):
    """Not exports that stay, nor what wasn't there before."""
    test = """
def test_plan(sim, plan_snapshot):
    sim.apply(Net("dev"))
    sim.drift("vpc", tags={"Name": "other"})
    assert sim.plan(Net("dev"), refresh=True) == plan_snapshot
"""
    assert project(test, "--snapshot-update")[0] == 0
    stored = (tmp_path / "__snapshots__" / "test_it.ambr").read_text()
    assert 'tags.Name: "other" -> "net"' in stored
    assert "output" not in stored


def test_a_failure_shows_plan_and_run_as_text(project):
    """The last of the test's simulator, also where only a list was compared."""
    code, out = project("""
def test_fails(sim):
    run = sim.apply(Net("dev"))
    assert run.resources(ec2.Subnet) == []

def test_refused(sim):
    sim.fail("create", "subnet")
    sim.apply(Net("dev"))

def test_differs(sim):
    assert sim.plan(Net("dev")) == sim.plan(Net("dev", cidr="10.1.0.0/16"))
""")
    assert code == 1
    assert "iaclib: the last plan" in out
    assert "+ vpc  aws:ec2:VPC  (create)" in out
    assert "Run: 2 created." in out
    assert "subnet  create  FAILED: subnet: create failed: create is refused" in out
    assert '-    cidr_block: "10.0.0.0/16"' in out
    assert '+    cidr_block: "10.1.0.0/16"' in out


def test_a_mistake_is_shown_where_it_was_made(project):
    """At the program's line, without the library's own frames; where a function of the program raised, all of them."""
    code, out = project("""
class Wrong(iac.Stack):
    def build(self):
        ec2.VPC("vpc", cidr="10.0.0.0/16")  # HERE

class Broken(iac.Stack):
    def build(self):
        vpc = ec2.VPC("vpc", cidr_block="10.0.0.0/16")
        ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block=vpc.id.map(lambda id: id.nothing))

def test_wrong(sim):
    sim.apply(Wrong("dev"))

def test_refused(sim):
    sim.fail("create", "subnet")
    sim.apply(Net("dev"))

def test_unknown(sim):
    assert sim.plan(Net("dev")).change("subnet").after["vpc_id"].startswith("vpc-")

def test_drift(sim):
    sim.apply(Net("dev"))
    sim.drift("vpc", tags={"Name": "other"})
    assert not sim.drift("net/dev")

def test_broken(sim):
    sim.apply(Broken("dev"))
""")
    assert code == 1
    wrong, refused, unknown, drift, broken = out.partition("= FAILURES =")[2].split("_ test_")[1:]
    assert re.search(r"# HERE\n[ ^]*\n?E +iaclib.errors.InvalidPropertyError: vpc: no property 'cidr'", wrong)
    assert "did you mean 'cidr_block'?" in wrong
    assert "E         subnet: create failed: create is refused, as the test asked" in refused
    assert "Exception Group" not in refused
    assert "AttributeError: the value is known after an apply only" in unknown
    assert "assert not <Drift vpc>" in drift
    assert '~ tags.Name = "net" -> "other"' in drift
    assert all("engine.py" not in text for text in (wrong, refused, unknown, drift))
    assert "AttributeError: 'str' object has no attribute 'nothing'" in broken
    assert "lambda id: id.nothing" in broken
    expected = (
        "import pytest\nfrom iaclib.errors import ApplyFailed\n@pytest.mark.xfail(raises=ApplyFailed, strict=True)\n"
    )
    refused = "def test_refused(sim):\n    sim.fail('create', 'subnet')\n    sim.apply(Net('dev'))"
    assert "engine.py" in project(refused, "--full-trace")[1]
    assert "1 xfailed" in project(expected + refused)[1]


def test_a_fault_that_no_call_met_fails_the_test(project):
    """It would test less than it says; one that failed by itself isn't told twice."""
    code, out = project("""
def test_met(sim):
    sim.throttle("create", "vpc", times=5)
    sim.apply(Net("dev"))

def test_mistyped(sim):
    sim.fail("create", "vcp")
    sim.fail("delete", "vpc", must=False)
    sim.apply(Net("dev"))

def test_fails(sim):
    sim.fail("create", "vpc/*")
    assert sim.apply(Net("dev")) is None
""")
    assert code == 1
    assert "sim.fail('create', 'vcp'): no call met it, expected one before the test ends" in out
    assert "'vpc/*'): no call" not in out
    assert "1 failed, 2 passed, 1 error" in out


def test_live_tests_run_when_asked_for_only(project):
    """The marker is known, and off by default."""
    test = "import pytest\n@pytest.mark.iaclib_live\ndef test_live():\n    print('it is live')\n"
    assert "1 skipped" in project(test, "--strict-markers")[1]
    assert "1 passed" in project(test, "--strict-markers", "--iaclib-live")[1]


def test_it_works_side_by_side_and_with_the_event_loop(project):
    """Under xdist, and awaited."""
    code, out = project(
        """
import asyncio
import pytest

@pytest.mark.parametrize("n", range(6))
def test_one(sim, n):
    async def main():
        return await sim.aapply(Net("dev"))
    assert asyncio.run(main()).outputs["vpc"].startswith("vpc-")
""",
        "-n",
        "2",
    )
    assert code == 0, out


def test_it_loads_nothing_until_a_fixture_is_used():
    """Importing the plugin imports no other module of the library than its own packages."""
    code = "import sys, iaclib.testing.plugin; print(sorted(m for m in sys.modules if m.startswith('iaclib')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert done.stdout.strip() == "['iaclib', 'iaclib.testing', 'iaclib.testing.plugin']"
