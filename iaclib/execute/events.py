"""What a run tells those who listen, as it happens."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal[
    "run_started",
    "planned",
    "step_started",
    "log",
    "retry",
    "step_finished",
    "step_skipped",
    "recovered",
    "run_finished",
]


class Event(Struct, frozen=True):
    """One thing that happened in a run. Never holds a secret.

    A run begins with "run_started" and ends with "run_finished". "planned"
    tells how many steps there are to do; in a session, for each thing ensured. A step begins with "step_started",
    may give "log" and "retry", and ends with "step_finished" once its outcome
    is durable; "step_skipped" stands for one that was not tried. "recovered"
    tells what became of a step of an interrupted run.

    Args:
        kind: What happened.
        stack: ``project/stack``.
        run: The run's id, as in the stack's history; "" for reads outside of a run.
        step: The step's id, "" for events of the run and for steps that make no call.
        sequence: Counts the run's events, from 1.
        time: In seconds since the epoch.
        address: Of which resource, or "" for the run itself.
        action: "create", "update", "delete" and so on, or the operation of the run.
        message: For people: a log line, an error, why a step was skipped.
        ok: Whether what is finished succeeded.
        seconds: For finished steps and runs: how long it took.
        id: The physical id, where it is known.
        replacing: Whether the step is half of a replacement.
        attempt: For "retry": which try comes next; the first was 1.
        total: For "planned": how many steps the run has; some may turn out not to be needed.
    """

    kind: Kind
    stack: str
    run: str = ""
    step: str = ""
    sequence: int = 0
    time: float = 0.0
    address: str = ""
    action: str = ""
    message: str = ""
    ok: bool = True
    seconds: float | None = None
    id: str | None = None
    replacing: bool = False
    attempt: int = 0
    total: int = 0
