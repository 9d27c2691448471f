"""What a run tells those who listen, as it happens."""

from __future__ import annotations

from typing import Literal

import attrs

Kind = Literal[
    "run_started", "step_started", "step_finished", "step_skipped", "retry", "log", "recovered", "run_finished"
]


@attrs.frozen
class Event:
    """One thing that happened in a run. Never holds a secret.

    Args:
        kind: What happened.
        stack: ``project/stack``.
        address: Of which resource, or "" for the run itself.
        action: "create", "update", "delete" and so on, or the operation of the run.
        message: For people: a log line, an error, why a step was skipped.
        seconds: For finished steps and runs: how long it took.
    """

    kind: Kind
    stack: str
    address: str = ""
    action: str = ""
    message: str = ""
    seconds: float | None = None
