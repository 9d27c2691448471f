"""The programs of scenarios: from what stands in a file to what users write.

Knows the form of programs, and how references and options are written there;
nothing of engines.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from iaclib import declare as iac
from iaclib.declare.component import Component
from recording import KINDS, Account, Cloud
from scenario_file import Hidden

_WHOLE = re.compile(r"\$\{?([\w/-]+)\.(\w+)\}?(?:\|(\w+))?")
_WITHIN = re.compile(r"\$\{([\w/-]+)\.(\w+)\}")
_MAPS: dict[str, Callable[[Any], Any]] = {"constant": lambda _: "constant", "length": len, "letter": lambda one: one[0]}


class Program:
    """Declares programs.

    Args:
        cloud: Where hooks are noted.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.accounts: dict[tuple[tuple[str, str], ...], Account] = {}  # one object for each, as in a program

    def stack(self, program: Mapping[str, Any]) -> iac.Stack:
        """Make the stack that a program describes."""

        def build(stack: iac.Stack) -> None:
            made: dict[str, Any] = {}
            self._declare({name: spec for name, spec in program.items() if name != "exports"}, "", made)
            for name, value in (program.get("exports") or {}).items():
                stack.export(**{name: _value(value, made)})

        return type("Shop", (iac.Stack,), {"build": build})("dev")

    def _declare(self, entries: Mapping[str, Any], prefix: str, made: dict[str, Any]) -> None:
        for name in _in_order(entries, prefix):
            spec = dict(entries[name] or {})
            if "raises" in spec:
                raise RuntimeError(spec["raises"])
            address = f"{prefix}{name}"
            opts = self._options(spec.pop("opts", None), made)
            if "component" in spec:
                made[address] = self._component(name, spec["component"] or {}, address, made, opts)
                continue
            kind = KINDS[spec.pop("type", "Thing")]
            times = 2 if spec.pop("twice", False) else 1
            fields = {field: _value(value, made) for field, value in spec.items()}
            for _ in range(times):
                made[address] = kind(name, **fields) if opts is None else kind(name, opts=opts, **fields)

    def _component(self, name: str, inside: Mapping[str, Any], address: str, made: dict[str, Any], opts: Any) -> Any:
        def build(_: Component) -> None:
            self._declare(inside, f"{address}/", made)

        group = type("Group", (Component,), {"build": build})
        return group(name) if opts is None else group(name, opts=opts)

    def _options(self, given: Mapping[str, Any] | None, made: Mapping[str, Any]) -> iac.Options | None:
        if given is None:
            return None
        options = dict(given)
        for name in ("depends_on", "replace_with"):
            if name in options:
                options[name] = tuple(made[address] for address in options[name])
        if "deleted_with" in options:
            options["deleted_with"] = made[options["deleted_with"]]
        if "replacement_trigger" in options:
            options["replacement_trigger"] = _value(options["replacement_trigger"], made)
        if "provider" in options:
            options["provider"] = self._account(options["provider"])
        if "timeouts" in options:
            options["timeouts"] = iac.Timeouts(**options["timeouts"])
        if "hooks" in options:
            options["hooks"] = (iac.Hooks(**{name: self._hook(name, what) for name, what in options["hooks"].items()}),)
        return iac.Options(**options)

    def _account(self, given: Mapping[str, str]) -> Account:
        return self.accounts.setdefault(tuple(sorted(given.items())), Account(**given))

    def _hook(self, name: str, what: str) -> Callable[[Any], None]:
        cloud = self.cloud

        def hook(event: Any) -> None:
            cloud.do(f"H {name} {event.address}", lambda: None)
            if what == "fails":
                raise RuntimeError(f"{name} said no")

        return hook


def _value(value: Any, made: Mapping[str, Any]) -> Any:
    """Turn what stands in a file into what a program would write."""
    if isinstance(value, Hidden):
        return iac.secret(_value(value.value, made))
    if isinstance(value, Mapping):
        return {key: _value(item, made) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, made) for item in value]
    if not isinstance(value, str):
        return value
    whole = _WHOLE.fullmatch(value)
    if whole is not None:
        output = getattr(made[whole[1]], whole[2])
        return output.map(_MAPS[whole[3]]) if whole[3] else output
    return _WITHIN.sub(lambda found: str(getattr(made[found[1]], found[2])), value)


def _in_order(entries: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Give names so that what is referred to comes first, else in the order in which they stand there."""
    done: set[str] = set()
    for name in entries:
        stack = deque([name])
        while stack:
            top = stack[-1]
            missing = [need for need in _needs(entries[top], entries, prefix) if need not in done and need != top]
            if missing and missing[0] not in stack:
                stack.append(missing[0])
                continue
            stack.pop()
            if top not in done:
                done.add(top)
                yield top


def _needs(spec: Any, entries: Mapping[str, Any], prefix: str) -> list[str]:
    return [
        name
        for address in _mentioned(spec)
        if address.startswith(prefix) and (name := address.removeprefix(prefix).partition("/")[0]) in entries
    ]


def _mentioned(value: Any) -> Iterator[str]:
    if isinstance(value, Hidden):
        yield from _mentioned(value.value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key in {"depends_on", "replace_with"}:
                yield from item
            elif key == "deleted_with":
                yield item
            else:
                yield from _mentioned(item)
    elif isinstance(value, list):
        for item in value:
            yield from _mentioned(item)
    elif isinstance(value, str):
        for found in _WHOLE.finditer(value):
            yield found[1]
