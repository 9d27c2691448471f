"""A moto server on loopback for the session, emptied before each test."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from iaclib.aws.provider import Provider
from iaclib.provider.context import Context
from postgres_here import PostgresHere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How long an example takes is a benchmark's to say: machines are shared.
settings.register_profile("iaclib", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("iaclib")

_CONTRACT = re.compile(r"/test_(?:local|objects|postgres|object_contract)\.py::Test(\w+)::")
_MOTO = Path(__file__).parent / "support" / "moto_here.py"
_START = 30  # seconds until the server has to answer


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many scenarios were run, each of them one by one and side by side, and what tests tell of themselves."""
    ran = [
        report.nodeid.rpartition("-")[0]
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if report.when == "call" and "test_scenarios.py::test_scenario[" in report.nodeid
    ]
    if ran:
        terminalreporter.write_line(f"{len(set(ran))} scenarios from data files, {len(ran)} runs")
    kept = Counter(
        found[1]
        for report in terminalreporter.stats.get("passed", ())
        if report.when == "call" and (found := _CONTRACT.search(report.nodeid)) is not None
    )
    for name, count in sorted(kept.items()):
        terminalreporter.write_line(f"the contract of a backend, {name}: {count} tests passed")
    added: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, told in report.user_properties if report.when == "call" else ():
                if name == "tells":
                    terminalreporter.write_line(told)
                elif name == "adds" and outcome == "passed":
                    what, count = told
                    added[what] += count
    for what, total in sorted(added.items()):
        terminalreporter.write_line(f"{what}: {total:,}")


def free_port() -> int:
    """Give a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start moto's server and give its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log: Path = tmp_path_factory.mktemp("moto") / "log"
    environment = {
        **os.environ,
        "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
        "MOTO_ENABLE_AMI_VALIDATION": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    command = [sys.executable, str(_MOTO), "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=log.parent)
        try:
            _await(url, server, log)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:  # it waits for connections of which a busy machine left some open
                server.kill()
                server.wait()


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Ask until the server answers."""
    end = time.monotonic() + _START
    while True:
        try:
            urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail(f"moto did not start: {log.read_text()}")
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresHere]:
    """Start a Postgres of our own."""
    here = PostgresHere.make()
    yield here
    here.end()


@pytest.fixture
def moto(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL of an empty moto, and credentials that it takes."""
    request = urllib.request.Request(f"{moto_server}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=30).close()
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    return moto_server


@pytest.fixture
def provider(moto: str) -> Provider:
    """Give a provider at moto, region eu-west-1."""
    return Provider(region="eu-west-1", endpoint_url=moto)


@pytest.fixture
def ctx(provider: Provider) -> Callable[..., Context[Provider]]:
    """Give a maker of steps: ``ctx("net/vpc", token=..., on_delete=...)``.

    Every call draws a token of its own unless one is given; sleeping takes no
    time beyond a few milliseconds.
    """
    drawn = 0

    def make(address: str = "it", **facts: Any) -> Context[Provider]:
        nonlocal drawn
        drawn += 1
        facts.setdefault("token", f"{drawn:032x}")
        facts.setdefault("provider", provider)
        facts.setdefault("deadline", time.monotonic() + 60)
        facts.setdefault("sleep", lambda seconds: time.sleep(min(seconds, 0.01)))
        return Context(address=address, urn=f"test/it:{address}", stack="test/it", **facts)

    return make
