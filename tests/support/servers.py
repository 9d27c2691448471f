"""Servers that tests start on loopback, and what happens where one can't start."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_START = 60  # seconds until a server has to answer


def not_run(server: str, reason: str) -> NoReturn:
    """Say that a server's tests can't run here: a skip that names it, and with ``CI=true`` a failure."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{server} could not be started: {reason}")
    pytest.skip(f"not run, as {server} could not be started: {reason}")


def free_port() -> int:
    """Give a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(name: str, command: Sequence[str], url: str, folder: Path, env: Mapping[str, str] = {}) -> Iterator[str]:
    """Run a server while the block runs.

    Args:
        name: What it is called.
        command: Starts it.
        url: Answers (with whatever status) once it is up.
        folder: Where it may write, and where its output goes.
        env: Set besides the test's own environment.
    """
    log = folder / "log"
    try:
        with log.open("wb") as output:
            server = subprocess.Popen(
                command, env={**os.environ, **env}, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder
            )
    except OSError as error:
        not_run(name, str(error))
    try:
        end = time.monotonic() + _START
        while not _answers(url):
            if server.poll() is not None or time.monotonic() > end:
                not_run(name, log.read_text(errors="replace")[-2000:] or "it said nothing")
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
    return True


def azurite() -> list[str]:
    """Give the command that runs Azurite, installing it into the cache folder when it is not there yet."""
    import shutil

    if found := shutil.which("azurite-blob"):
        return [found]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iaclib-tests" / f"azurite-{_AZURITE}"
    program = cache / "node_modules" / ".bin" / "azurite-blob"
    if program.exists():
        return [str(program)]
    npm = shutil.which("npm")
    if npm is None:
        not_run("Azurite", "neither `azurite-blob` nor `npm` is installed")
    cache.parent.mkdir(parents=True, exist_ok=True)
    import fcntl

    with (cache.parent / "azurite.lock").open("w") as lock:  # test processes side by side install it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            command = [npm, "install", "--prefix", str(cache), "--no-audit", "--no-fund", f"azurite@{_AZURITE}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode or not program.exists():
                not_run("Azurite", f"npm could not install it: {done.stderr[-1000:]}")
    return [str(program)]


_AZURITE = "3.35.0"
