"""What goes wrong in scenarios: with calls, and behind the engine's back.

Knows the recording cloud and the words for faults; nothing of expectations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs

from iaclib import errors
from iaclib.errors import PartialFailure
from recording import Cloud, Effect


class Killed(BaseException):
    """Leaves a handler as a kill of the process would."""


class Faults:
    """What calls are to meet.

    Args:
        cloud: Whose calls.
        cancel: Asks the engine to stop.
        threads: Whether calls run in threads of their own, which can be left behind.
    """

    def __init__(self, cloud: Cloud, cancel: Callable[[], None], *, threads: bool) -> None:
        self.cloud = cloud
        self.cancel = cancel
        self.threads = threads
        self.let_go = threading.Event()  # lets calls go on that hang

    def set(self, faults: Mapping[str, Any]) -> None:
        """Let calls meet what a step says of them."""
        for call, spec in faults.items():
            for one in spec if isinstance(spec, list) else [spec]:
                what = {"error": one} if isinstance(one, str) else dict(one)
                self.cloud.instead(call, *[self._turn(call, what)] * what.pop("times", 1))

    def _turn(self, call: str, spec: Mapping[str, Any]) -> Callable[[Effect], Any]:
        """Make what happens instead of a call."""
        word = spec.get("error", "")
        match word.split() if word else next(iter(spec)):
            case ["kill", when]:
                return lambda effect: self._kill(effect if when == "after" else None)
            case ["hang", *when]:
                return lambda effect: self._hang(effect if when == ["after"] else None)
            case ["stop"]:
                return self._stop
            case ["lost"]:
                return lambda effect: _raise(errors.ProviderError(f"{call}: connection reset", retryable=True), effect)
            case ["bug", *when]:
                return lambda effect: _raise(ValueError("a bug"), effect if when else None)
            case ["blind"]:
                return lambda _: None
            case "partial":
                return lambda effect: _partly(effect, spec)
            case "not_ready":
                return lambda effect: self._not_ready(effect, spec["not_ready"])
            case "conflict":
                return lambda _: _raise(errors.ConflictError(f"{call}: exists", existing_id=spec["conflict"]))
            case [name]:
                kind = getattr(errors, f"{name}Error")
                facts = {key: value for key, value in spec.items() if key not in {"error", "times", "text"}}
                return lambda _: _raise(kind(spec.get("text", f"{call} is refused"), **facts))
        raise ValueError(f"{spec} is no fault")

    @staticmethod
    def _kill(effect: Effect | None) -> None:
        if effect is not None:
            effect()
        raise Killed

    def _hang(self, effect: Effect | None) -> None:
        if effect is not None:
            effect()
        self.cancel()
        self.cancel()
        if self.threads:
            self.let_go.wait(30)
        raise KeyboardInterrupt

    def _stop(self, effect: Effect) -> Any:
        given = effect()
        self.cancel()
        return given

    def _not_ready(self, effect: Effect, times: int) -> Any:
        live = effect()
        self.cloud.unready[live.id] = times - 1
        return structs.replace(live, ready=False)

    def check(self) -> None:
        """Check that all that was to go wrong did."""
        waiting = {call: len(turns) for call, turns in self.cloud.turns.items() if turns}
        self.cloud.turns.clear()
        assert not waiting, f"faults that nothing met: {waiting}"


def disturb(cloud: Cloud, changes: Mapping[str, Any], before: Any) -> None:
    """Change the cloud behind the engine's back; ``before`` is the state as it is."""
    for what, values in changes.items():
        match what:
            case "drift":
                for address, fields in values.items():
                    held = cloud.objects[before.records[address].id]["inputs"]
                    held.update(fields)
            case "vanish":
                for address in [values] if isinstance(values, str) else values:
                    del cloud.objects[before.records[address].id]
            case "vanish_superseded":
                for record in before.superseded:
                    if record.address == values:
                        del cloud.objects[record.id]
            case "appear":
                for id, inputs in values.items():
                    cloud.put("", "", inputs, id)
            case _:
                raise ValueError(f"{what} can't be done to the cloud")


def _raise(error: Exception, effect: Effect | None = None) -> None:
    if effect is not None:
        effect()
    raise error


def _partly(effect: Effect, spec: Mapping[str, Any]) -> None:
    live = effect()
    if not spec["partial"]:
        raise PartialFailure(structs.replace(live, id=""), "not finished")
    raise PartialFailure(live, "not finished", repairable=spec.get("repairable", False))
