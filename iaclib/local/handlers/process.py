"""Running one program: its own process group, a deadline, capped output.

Knows processes only, nothing of resources.
"""

from __future__ import annotations

import os
import selectors
import signal
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from iaclib.errors import InvalidRequestError, OperationTimeoutError, ProviderError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence

    from iaclib.local.handlers.base import LocalContext

_KEPT = 1024 * 1024  # bytes of each stream
_CHUNK = 64 * 1024
_TICK = 0.1  # seconds between two looks at the deadline and at the run
_GRACE = 5.0  # seconds that a program gets to end by itself before it is killed


class Finished(Struct, frozen=True):
    """How a program ended.

    ``code`` is its exit code, or minus the signal that ended it.
    """

    code: int
    stdout: str
    stderr: str


def run(
    ctx: LocalContext, argv: Sequence[str], *, environment: Mapping[str, str], cwd: Path, stdin: str | None
) -> Finished:
    """Run a program to its end.

    It is no member of our process group, so Ctrl-C in a terminal does not
    reach it: a first one lets it finish, a second ends it with all that it
    started.

    Args:
        ctx: The step, for its deadline.
        argv: The program and its arguments.
        environment: The whole of its environment.
        cwd: Where it runs.
        stdin: What it reads; None is nothing.

    Raises:
        InvalidRequestError: It can't be started.
        OperationTimeoutError: The deadline passed; it is ended.
        ProviderError: The run was given up; it is ended.
    """
    import subprocess

    if ctx.aborted:
        raise _given_up(ctx)
    try:
        process = subprocess.Popen(  # noqa: S603 - what runs is the program's to say
            list(argv),
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no text for a program"
        msg = f"{ctx.address}: {argv[0]!r} can't be started: {reason}, expected a program on the PATH and a cwd that exists; correct them"
        raise InvalidRequestError(msg) from None
    with process, _ended_with_us(process), closing(_Streams(process, (stdin or "").encode())) as texts:
        while not texts.done or process.poll() is None:
            if ctx.aborted:
                raise _given_up(ctx)
            if not ctx.remaining:
                msg = f"{ctx.address}: {argv[0]!r} ran until its time was over, expected it to end; raise timeouts, or see why it hangs"
                raise OperationTimeoutError(msg)
            if not texts.done:
                texts.move(min(_TICK, ctx.remaining))
            else:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(min(_TICK, ctx.remaining))
            if process.poll() is not None:
                texts.drain()  # what it left running may keep the pipes open for ever
                break
        return Finished(process.returncode, texts.text("stdout"), texts.text("stderr"))


def _given_up(ctx: LocalContext) -> ProviderError:
    return ProviderError(f"{ctx.address}: the run was stopped, expected it to go on; run again")


@contextmanager
def _ended_with_us(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a program that still runs when the block is left, or when the interpreter ends first."""
    import atexit

    group = _Group(process)
    atexit.register(group.kill)  # an abandoned worker thread never leaves the block
    try:
        yield
    finally:
        group.end()
        atexit.unregister(group.kill)


class _Group:
    """A program and what it started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def end(self) -> None:
        """Ask it to end, and kill it if it doesn't."""
        import subprocess

        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_GRACE)
            self._signal(signal.SIGKILL)  # also what it started, which may not have listened
            self.process.wait()

    def kill(self) -> None:
        """Kill it at once, if it still runs."""
        if self.process.poll() is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class _Streams:
    """The pipes to and from a program."""

    def __init__(self, process: subprocess.Popen[bytes], given: bytes) -> None:
        self.given = memoryview(given)
        self.kept = {"stdout": bytearray(), "stderr": bytearray()}
        self.lost = {"stdout": 0, "stderr": 0}
        self.selector = selectors.DefaultSelector()
        for name in self.kept:
            self._watch(getattr(process, name), selectors.EVENT_READ, name)
        if process.stdin is not None:
            self._watch(process.stdin, selectors.EVENT_WRITE, "stdin")

    def _watch(self, pipe: Any, event: int, name: str) -> None:
        os.set_blocking(pipe.fileno(), False)
        self.selector.register(pipe, event, name)

    def close(self) -> None:
        """Watch the pipes no longer; they are the process's to close."""
        self.selector.close()

    @property
    def done(self) -> bool:
        """Whether all pipes are closed."""
        return not self.selector.get_map()

    def move(self, seconds: float) -> bool:
        """Read and write what can be, waiting a while for it; tell whether there was any."""
        ready = self.selector.select(seconds)
        for key, _ in ready:
            pipe: Any = key.fileobj
            if not (self._write(pipe) if key.data == "stdin" else self._read(pipe, key.data)):
                self.selector.unregister(pipe)
                pipe.close()
        return bool(ready)

    def drain(self) -> None:
        """Read what is there already."""
        while not self.done and self.move(0):
            pass

    def _write(self, pipe: Any) -> bool:
        try:
            self.given = self.given[os.write(pipe.fileno(), self.given[:_CHUNK]) :]
        except BrokenPipeError:  # it reads no more
            return False
        return len(self.given) > 0

    def _read(self, pipe: Any, name: str) -> bool:
        data = os.read(pipe.fileno(), _CHUNK)
        kept = self.kept[name]
        room = _KEPT - len(kept)
        kept += data[:room]
        self.lost[name] += max(0, len(data) - room)
        return bool(data)

    def text(self, name: str) -> str:
        """Give what a stream held, decoded; the end says how much is missing."""
        text = self.kept[name].decode(errors="replace")
        return f"{text}\n… {self.lost[name]} bytes more" if self.lost[name] else text


def wait_for(ctx: LocalContext) -> None:
    """Wait until the program of this step, if an earlier run left one behind, has ended.

    A kill of the engine leaves its programs running. They carry the step's
    token in their environment, so the next run waits for them before it looks
    at what they have done. Where the system doesn't show environments
    (``/proc``), nothing is waited for.

    Raises:
        OperationTimeoutError: One still runs at the deadline.
    """
    marked = f"IACLIB_TOKEN={ctx.token}".encode()
    while ctx.token and (found := _running(marked)):
        if not ctx.remaining or ctx.cancelled:
            msg = f"{ctx.address}: process {found} of the interrupted step still runs, expected it to end; wait for it or end it, then run again"
            raise OperationTimeoutError(msg)
        ctx.sleep(_TICK)


def _running(marked: bytes) -> int | None:
    """Find a program that ``run`` started with a variable in its environment.

    Those lead a session of their own; what they leave in the background, such
    as a server, does not, and is not waited for.
    """
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or gone
            if marked in (folder / "environ").read_bytes().split(b"\0"):
                pid = int(folder.name)
                if os.getsid(pid) == pid:
                    return pid
    return None
