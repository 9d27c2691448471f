"""Real programs through the engine."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import iaclib as iac
from iaclib.errors import (
    ApplyFailed,
    InvalidRequestError,
    OperationTimeoutError,
    PlanError,
    ProviderError,
    UndecidedError,
)
from iaclib.local import Command
from iaclib.local.handlers.command import CommandHandler
from iaclib.local.handlers.process import run, wait_for


def sh(script):
    return ["sh", "-c", script]


@pytest.fixture
def log(work):
    """Give a function that lists, and forgets, the lines that programs left in a file."""
    path = work / "log"
    path.touch()

    def lines():
        found = path.read_text().splitlines()
        path.write_text("")
        return found

    return lines


@pytest.fixture
def declared(work, stack):
    """Give a maker of a stack with one command, each action of which leaves a line in the log."""

    def make(*, opts=None, **given):
        say = sh("echo $IACLIB_ACTION $V >> log; echo did $IACLIB_ACTION")
        given = {"create": say, "delete": say, "cwd": str(work), **given}
        given = {name: value for name, value in given.items() if value is not None}
        return stack(lambda: Command("it", opts=opts, **given))

    return make


def test_a_command_lives_its_whole_life(engine, declared, actions, log):
    """Created once, updated by its update command, replaced by triggers, deleted with its own inputs."""
    update = sh("echo changed $V >> log; echo now $V; echo warned >&2")
    engine.apply(declared(update=update, environment={"V": "1"}))
    assert log() == ["create 1"]
    record = engine.snapshot("local/test").records["it"]
    assert record.outputs == {"stdout": "did create\n", "stderr": "", "exit_code": 0}
    assert not engine.plan(declared(update=update, environment={"V": "1"}), refresh=True)
    assert log() == []

    assert actions(engine.apply(declared(update=update, environment={"V": "2"}))) == ["update it"]
    assert log() == ["changed 2"]
    after = engine.snapshot("local/test").records["it"]
    assert after.id == record.id
    assert (after.outputs["stdout"], after.outputs["stderr"]) == ("now 2\n", "warned\n")

    run = engine.apply(declared(update=update, environment={"V": "2"}, triggers={"build": 7}))
    assert actions(run) == ["delete it", "create it"]  # the same delete command: they can't coexist
    assert log() == ["delete 2", "create 2"]
    engine.destroy("local/test")
    assert log() == ["delete 2"]


def test_without_an_update_command_what_create_was_given_replaces(engine, declared, actions, log):
    """A change of create, environment, stdin or cwd makes it anew; delete alone runs nothing."""
    engine.apply(declared(environment={"V": "1"}))
    plan = engine.plan(declared(environment={"V": "2"}))
    assert actions(plan) == ["replace it"]
    assert [item.path for item in plan.change("it").properties if item.forces_replacement] == [("environment", "V")]
    engine.apply(plan)
    assert log() == ["create 1", "delete 1", "create 2"]  # the same delete command would remove the new thing
    assert actions(engine.plan(declared(environment={"V": "2"}, stdin="x"))) == ["replace it"]
    assert actions(engine.plan(declared(environment={"V": "2"}, create=["true"]))) == ["replace it"]
    other = declared(environment={"V": "3"}, delete=sh("true"))
    assert actions(engine.apply(other)) == ["create it", "delete it"]
    assert log() == ["create 3", "delete 2"]
    assert actions(engine.apply(declared(environment={"V": "3"}, delete=["true"]))) == ["update it"]
    assert log() == []
    assert engine.snapshot("local/test").records["it"].outputs["stdout"] == "did create\n"
    engine.destroy("local/test")
    assert log() == []


def test_commands_may_share_how_they_are_deleted(engine, work, stack, actions):
    """Those of another folder have nothing to do with each other; in one folder the order is the user's to say."""
    for name in "abc":
        (work / name).mkdir()

    def build(*names, **options):
        def declare():
            for name in names:
                folder = str(work / name.rstrip("2"))
                opts = iac.Options(**options) if name.endswith("2") else None
                Command(name, create=["touch", "made"], delete=["rm", "made"], cwd=folder, opts=opts)

        return stack(declare)

    engine.apply(build("a", "b"))
    assert set(actions(engine.apply(build("b", "c")))) == {"create c", "delete a"}
    with pytest.raises(PlanError, match="delete_before_replace=True"):
        engine.plan(build("b2", "c"))
    assert actions(engine.apply(build("b2", "c", delete_before_replace=True))) == ["delete b", "create b2"]
    assert (work / "b" / "made").exists()
    engine.destroy("local/test")


def test_an_unknown_input_may_replace(engine, work, stack, actions, log):
    """What only an apply can tell is planned as "may replace", and nothing is run if it turns out equal."""

    def build(first):
        def declare():
            one = Command("one", create=sh(f"echo {first}; echo same >&2"), update=sh("echo same >&2"))
            Command("two", create=sh("echo made >> log"), cwd=str(work), environment={"V": one.stderr})

        return stack(declare)

    engine.apply(build("a"))
    assert log() == ["made"]
    plan = engine.plan(build("b"))
    assert actions(plan) == ["update one", "replace two"]
    assert plan.change("two").maybe
    assert actions(engine.apply(plan)) == ["update one"]
    assert log() == []


def test_a_read_command_shows_drift_and_what_is_there(engine, work, declared, actions, log):
    """Exit code 1 means gone; what it prints is an output; anything else is an error, never gone."""
    given = {
        "create": sh("echo '{\"n\": 1}' > made"),
        "read": sh("test ! -e broken || exit 7; test -e made && cat made"),
    }
    given |= {"delete": ["rm", "made"]}
    engine.apply(declared(**given))
    assert engine.snapshot("local/test").records["it"].outputs["observed"] == {"n": 1}
    (work / "made").write_text("text")
    assert not engine.drift("local/test")
    engine.refresh("local/test")
    assert engine.snapshot("local/test").records["it"].outputs["observed"] == "text"
    assert not engine.plan(declared(**given))

    (work / "broken").touch()
    with pytest.raises(ApplyFailed) as failed:
        engine.refresh("local/test")
    assert "exit code 7, expected 0 where it exists or 1" in str(failed.value.exceptions[0])
    assert "it" in engine.snapshot("local/test").records
    (work / "broken").unlink()

    (work / "made").unlink()
    assert actions(engine.apply(engine.plan(declared(**given), refresh=True))) == ["create it"]
    assert (work / "made").exists()
    engine.destroy("local/test")
    assert not (work / "made").exists()


def test_what_read_sees_before_the_create_is_a_conflict(engine, work, declared):
    """What is there already was made by somebody else, and is left alone."""
    (work / "made").write_text("theirs")
    given = {"create": sh("echo mine > made"), "read": ["test", "-e", "made"]}
    with pytest.raises(ApplyFailed, match="apply failed") as failed:
        engine.apply(declared(**given))
    assert "exists already" in str(failed.value.exceptions[0])
    assert (work / "made").read_text() == "theirs"


def test_a_failed_create_is_looked_for(engine, work, declared):
    """With a read command a create that failed half way is recorded and made anew by the next run."""
    given = {"create": sh("touch made; test -e fixed"), "read": ["test", "-e", "made"], "delete": ["rm", "made"]}
    with pytest.raises(ApplyFailed):
        engine.apply(declared(**given))
    assert engine.snapshot("local/test").records["it"].status == "failed"
    (work / "fixed").touch()
    engine.apply(declared(**given))
    assert engine.snapshot("local/test").records["it"].status == "ok"


def test_create_and_read_have_to_agree(engine, declared):
    """A create that succeeds although read sees nothing is an error."""
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared(create=["true"], read=["false"]))
    assert "correct one of the two" in str(failed.value.exceptions[0])


def test_a_failure_says_what_the_program_says(engine, declared):
    """The exit code and the end of what was printed; nothing is recorded."""
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared(create=sh("echo no such thing >&2; exit 3")))
    text = str(failed.value.exceptions[0])
    assert "exit code 3" in text
    assert "no such thing" in text
    assert not engine.snapshot("local/test").records


@pytest.mark.parametrize(
    ("argv", "why"),
    [(["no-such-program"], "No such file"), ([], "empty"), (["echo", "a\0b"], "no text for a program")],
)
def test_a_program_that_can_not_be_started_is_named(engine, declared, argv, why):
    """The program, not a traceback; surely nothing was made."""
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared(create=argv))
    assert isinstance(failed.value.exceptions[0].cause, InvalidRequestError)
    assert why in str(failed.value.exceptions[0])


def test_no_shell_looks_at_the_arguments(engine, stack):
    """Arguments arrive as they are."""
    argv = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "$HOME; *", "a b", ""]
    engine.apply(stack(lambda: Command("it", create=argv)))
    assert engine.snapshot("local/test").records["it"].outputs["stdout"] == "['$HOME; *', 'a b', '']\n"


def test_programs_get_the_step_and_not_our_secrets(engine, stack, monkeypatch):
    """Token, address, action and id are in the environment; the engine's own variables are not."""
    monkeypatch.setenv("IACLIB_PASSPHRASE", "ours")
    monkeypatch.setenv("THEIRS", "theirs")
    engine.apply(stack(lambda: Command("it", create=["env"], environment={"MINE": "mine"})))
    record = engine.snapshot("local/test").records["it"]
    found = dict(line.partition("=")[::2] for line in record.outputs["stdout"].splitlines())
    assert found["MINE"] == "mine"
    assert found["THEIRS"] == "theirs"
    own = {name: value for name, value in found.items() if name.startswith("IACLIB_")}
    assert own == {
        "IACLIB_TOKEN": record.uid,
        "IACLIB_ADDRESS": "it",
        "IACLIB_ACTION": "create",
        "IACLIB_ID": record.id,
    }


def test_a_secret_reaches_the_program_and_nobody_else(engine, stack, work, tmp_path):
    """What shows a secret that was given is secret itself; errors are masked; arguments are refused."""

    def declared(script, argument="x"):
        return stack(
            lambda: Command(
                "it",
                create=["sh", "-c", script, argument],
                environment={"PASSWORD": iac.secret("hunter22")},
                stdin=iac.secret("swordfish"),
            )
        )

    engine.apply(declared("cat; echo $PASSWORD >&2"))
    outputs = engine.snapshot("local/test").records["it"].outputs
    assert outputs["stdout"].reveal() == "swordfish"
    assert outputs["stderr"].reveal() == "hunter22\n"
    stored = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert b"swordfish" not in stored
    assert b"hunter22" not in stored
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared("echo it is $PASSWORD; exit 1"))
    assert "hunter22" not in str(failed.value) + repr(failed.value.exceptions)
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared("true", argument=iac.secret("hunter22")))
    assert "pass it in environment or stdin" in str(failed.value.exceptions[0])


def test_output_is_capped_and_decoded(ctx):
    """At most 1 MiB of each stream is kept, bytes that are no text are replaced, and it doesn't block."""
    script = "import sys, os; os.write(1, b'\\xff' + b'x' * 3_000_000); os.write(2, b'(secret)')"
    live = CommandHandler().create(ctx(), {"create": [sys.executable, "-c", script], "environment": {}})
    assert live.outputs["stdout"].startswith("\ufffdxxx")
    assert live.outputs["stdout"].endswith("bytes more")
    assert len(live.outputs["stdout"]) < 1_100_000
    assert live.outputs["stderr"] == "(masked)"


def test_large_input_and_output_at_once_do_not_block(ctx):
    """Both directions move together."""
    done = run(ctx(), ["cat"], environment=os.environ, cwd=Path(), stdin="y" * 900_000)
    assert done.stdout == "y" * 900_000
    assert run(ctx(), ["true"], environment=os.environ, cwd=Path(), stdin="y" * 900_000).code == 0


def test_a_program_in_the_background_keeps_nobody_waiting(ctx):
    """A step ends with its program, whatever that leaves running with the same pipes."""
    began = time.monotonic()
    done = run(ctx(), sh("sleep 60 & echo $!"), environment=os.environ, cwd=Path(), stdin=None)
    os.kill(int(done.stdout), signal.SIGKILL)
    assert time.monotonic() - began < 20


def ends(pid, within=10):
    """Tell whether a process ends in time."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], within)[0])
    finally:
        os.close(process)


def test_a_program_out_of_time_is_ended_with_all_it_started(ctx, work):
    """The whole process group goes at the deadline."""
    step = ctx(deadline=time.monotonic() + 0.5)
    script = f"sleep 60 & echo $! > {work}/pid; wait"
    with pytest.raises(OperationTimeoutError, match="until its time was over"):
        run(step, sh(script), environment=os.environ, cwd=Path(), stdin=None)
    assert ends(int((work / "pid").read_text()))


def test_a_program_is_ended_when_the_run_is_given_up(ctx, work):
    """A first request to stop lets it run; the second ends it."""
    pipe = work / "started"
    os.mkfifo(pipe)
    aborted = threading.Event()
    step = ctx(cancelled=lambda: True, aborted=aborted.is_set)
    threading.Thread(target=lambda: (pipe.read_text(), aborted.set())).start()
    script = f"sleep 60 & echo $! > {work}/pid; echo > {pipe}; wait"
    with pytest.raises(ProviderError, match="the run was stopped"):
        run(step, sh(script), environment=os.environ, cwd=Path(), stdin=None)
    assert ends(int((work / "pid").read_text()))
    with pytest.raises(ProviderError, match="the run was stopped"):
        run(step, ["true"], environment=os.environ, cwd=Path(), stdin=None)


def test_the_program_of_a_killed_run_is_waited_for(ctx):
    """Its token tells it; what it left in the background doesn't count."""
    environment = {**os.environ, "IACLIB_TOKEN": "f" * 32}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(["cat"], **pipes, env=environment, start_new_session=True) as left:
        left.stdin.write(b"up\n")
        left.stdin.flush()
        left.stdout.readline()  # a program that has only just begun shows no environment yet
        with pytest.raises(OperationTimeoutError, match=f"process {left.pid} of the interrupted step still runs"):
            wait_for(ctx(token="f" * 32, deadline=0))
        wait_for(ctx(token="e" * 32, deadline=0))
        wait_for(ctx(token="", deadline=0))
        waited = []
        step = ctx(token="f" * 32, sleep=lambda seconds: (waited.append(seconds), left.communicate(timeout=10)))
        wait_for(step)
        assert waited
    with subprocess.Popen(sh("cat & wait"), stdin=subprocess.PIPE, env=environment) as background:
        wait_for(ctx(token="f" * 32, deadline=0))
        background.communicate(timeout=10)


#: Applies a command that says that it runs, and then runs for ever.
CHILD = """
import sys
import iaclib as iac
from iaclib.local import Command

state, pipe, parallelism = sys.argv[1:]
with iac.Stack("test", project="local") as stack:
    Command("it", create=["sh", "-c", f"sleep 60 & echo $! > {pipe}; wait"], read=["false"])
with iac.Engine(state=state, parallelism=int(parallelism)) as engine:
    engine.apply(stack)
"""


@pytest.mark.parametrize("parallelism", ["0", "4"])
def test_a_second_ctrl_c_ends_the_program(tmp_path, work, stack, parallelism):
    """The first lets it run on; the second ends it at once, and the next run decides what became of it."""
    pipe, state = work / "pipe", f"sqlite:///{tmp_path}/s.db"
    os.mkfifo(pipe)
    command = [sys.executable, "-P", "-c", CHILD, state, str(pipe), parallelism]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        started = int(pipe.read_text())
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does, to all in the foreground
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        assert not ends(started, within=0)
        os.killpg(child.pid, signal.SIGINT)
        errors = child.communicate(timeout=30)[1]
    assert "ApplyCancelled" in errors or "KeyboardInterrupt" in errors
    assert ends(started)
    with iac.Engine(state=state) as engine:
        assert [intent.action for intent in engine.snapshot("local/test").intents.values()] == ["create"]
        engine.recover("local/test")
        assert not engine.snapshot("local/test").intents


def test_a_killed_create_without_read_is_for_the_user_to_decide(tmp_path, work, stack):
    """Nothing can tell what the program did, so the next run asks instead of running it again."""
    pipe, state = work / "pipe", f"sqlite:///{tmp_path}/s.db"
    os.mkfifo(pipe)
    script = CHILD.replace(', read=["false"]', "")
    command = [sys.executable, "-P", "-c", script, state, str(pipe), "4"]
    with subprocess.Popen(command) as child:
        started = int(pipe.read_text())
        child.kill()
    os.kill(started, signal.SIGKILL)
    with iac.Engine(state=state) as engine, pytest.raises(UndecidedError, match="it: a create was interrupted"):
        engine.apply(stack(lambda: Command("it", create=["true"])))


def test_an_output_is_secret_by_option(engine, declared, tmp_path):
    """What a program makes up itself can be declared secret."""
    opts = iac.Options(secret_outputs=["stdout"])
    engine.apply(declared(create=sh("echo hunter22"), opts=opts))
    assert engine.snapshot("local/test").records["it"].outputs["stdout"] == iac.Secret("hunter22\n")
    assert b"hunter22\n" not in b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())


def test_timeouts_count_for_commands(engine, declared, work):
    """The option ends the program, and the step says so; read tells what is left."""
    given = {"create": sh("touch made; sleep 60"), "read": ["test", "-e", "made"], "delete": ["rm", "made"]}
    with pytest.raises(ApplyFailed) as failed:
        engine.apply(declared(**given, opts=iac.Options(timeouts=iac.Timeouts(create=0.5))))
    assert "ran until its time was over" in str(failed.value.exceptions[0])
    engine.recover("local/test")
    assert engine.snapshot("local/test").records["it"].inputs["read"] == ["test", "-e", "made"]
    engine.destroy("local/test")
    assert not (work / "made").exists()
