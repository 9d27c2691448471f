"""The values that tasks turn into, and what a run asks of the planner.

Knows their shapes only; what they mean is ``work``'s to say.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from iaclib.execute.job import Job, Outcome
from iaclib.execute.run import Step
from iaclib.execute.task import Task
from iaclib.model.assets import hash_of
from iaclib.model.values import has_secret, reveal
from iaclib.state.journal import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iaclib.plan.node import Node
    from iaclib.schema.facts import TypeFacts
    from iaclib.state.record import Record


class Begun(Struct, eq=False):
    """A task with a job to be done now; a task may take several, one after the other.

    Args:
        task: The task.
        action: What people call the job: "create", "update", "delete", "adopt" or a hook's name.
        job: What a worker does.
        then: Turns the job's outcome into what follows.
        settled: What has happened already; written whatever comes.
        entries: What has to be durable before the job starts; not written if it doesn't.
        steps: What is to be reported already.
        late: Whether the job belongs to what is done already, so that it runs although the run is stopping.
    """

    task: Task
    action: str
    job: Job
    then: Callable[[Outcome], Begun | Done | Failed]
    settled: Sequence[Entry] = ()
    entries: Sequence[Entry] = ()
    steps: Sequence[Step] = ()
    late: bool = False


class Done(Struct, eq=False):
    """A task that is through."""

    entries: Sequence[Entry] = ()
    step: Step | None = None
    more: Sequence[Step] = ()


class Failed(Struct, eq=False):
    """A task that failed; ``halt`` stops the run whatever else was asked."""

    error: Exception
    entries: Sequence[Entry] = ()
    step: Step | None = None
    halt: bool = False


class Resolver(Protocol):
    """What a run asks of the planner's functions, with the values known by then."""

    def inputs(self, node: Node, *, creating: bool = False) -> Mapping[str, Any]:
        """Give the final inputs of a declaration; UNKNOWN where a value isn't there yet."""
        ...

    def verdict(self, node: Node, record: Record, inputs: Mapping[str, Any]) -> str:
        """Tell what a record needs to reach inputs: "same", "update", "replace" or "unknown"."""
        ...

    def check(self, node: Node, action: str, inputs: Mapping[str, Any], record: Record | None) -> None:
        """Refuse what a policy forbids now that the inputs are known."""
        ...

    def recorded_options(self, node: Node) -> Mapping[str, Any]:
        """Give what state keeps of a declaration's options."""
        ...

    def stays(self, node: Node, *, updated: bool) -> None:
        """Note that an object that might have been replaced is not."""
        ...

    def doomed(self, address: str) -> None:
        """Note that the object at an address is going to be replaced."""
        ...

    def facts(self, type: str) -> TypeFacts | None:
        """Give the facts of a type, if it is known here."""
        ...

    def settle(self, address: str) -> None:
        """Note that the record of an address is final."""
        ...

    def outlives(self, record: Record, uid: str) -> bool:
        """Tell whether an object stays although it is recorded as going with the one of a uid."""
        ...


def inputs_digest(inputs: Mapping[str, Any], token: str, digest: Callable[[Any], str] | None) -> str:
    """Give a keyed digest of inputs, to tell later whether they are equal."""
    values = reveal(dict(inputs))
    if digest is not None and has_secret(dict(inputs)):
        return digest(values)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=hash_of)
    return hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()
