"""Scenarios as data: reading the files, and what may stand in them.

Knows the form of a scenario; what it means is the interpreter's to say.
``tests/scenario/README.md`` describes the form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import yaml

#: What is done to the engine; one in a step.
OPERATIONS = frozenset(
    {"apply", "plan", "destroy", "refresh", "drift", "recover", "taint", "untaint", "forget", "move", "import"}
    | {"resolve", "reopen", "carry_out"}
)
#: What happens before it.
PREPARATIONS = frozenset({"program", "change", "cloud", "faults", "wait"})
#: What has to come of it.
EXPECTATIONS = frozenset(
    {"calls", "order", "never", "reads", "fails", "planned", "counts", "reasons", "steps", "ok", "history", "records"}
    | {"superseded", "intents", "left", "objects", "outputs", "drifted", "on_delete", "again"}
)


@attrs.frozen
class Scenario:
    """One story: a program, and steps that are taken with it.

    Args:
        file: The file's name without suffix.
        name: What it shows.
        rules: Rules of the design that it is about.
        program: What is declared at first.
        steps: What is done, and what has to come of it.
        known_wrong: Why the engine fails it for now; "" where it has to pass.
    """

    file: str
    name: str
    rules: Sequence[int]
    program: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]]
    known_wrong: str = ""

    @property
    def id(self) -> str:
        """Names it among all."""
        return f"{self.file}: {self.name}"


@attrs.frozen
class Hidden:
    """A secret value in a file: ``!secret text``."""

    value: Any


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, which YAML's own loader takes for the last one."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{node.start_mark}: {', '.join(sorted(twice))} is given twice")
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, lambda one, node: _mapping(one, node, True))
_Loader.add_constructor("!secret", lambda one, node: Hidden(one.construct_scalar(node)))


def read_scenarios(folder: Path) -> list[Scenario]:
    """Read all files of a folder, in the order of their names."""
    found = [scenario for path in sorted(folder.glob("*.yaml")) for scenario in _read(path)]
    names = [scenario.id for scenario in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"scenarios with one name: {sorted(twice)}")
    return found


def _read(path: Path) -> Iterator[Scenario]:
    for entry in yaml.load(path.read_text(), _Loader):
        where = f"{path.name}: {entry.get('scenario')}"
        allowed = {"scenario", "rules", "program", "steps", "known_wrong"}
        if not isinstance(entry.get("scenario"), str) or set(entry) - allowed or not entry.get("rules"):
            raise ValueError(f"{where}: expected scenario, rules, program, steps; got {sorted(entry)}")
        for step in entry["steps"]:
            unknown = set(step) - OPERATIONS - PREPARATIONS - EXPECTATIONS
            if unknown or len(OPERATIONS & set(step)) > 1:
                raise ValueError(f"{where}: {sorted(unknown) or sorted(step)} make no step")
        yield Scenario(
            path.stem,
            entry["scenario"],
            tuple(entry["rules"]),
            entry.get("program") or {},
            tuple(entry["steps"]),
            entry.get("known_wrong", ""),
        )


# ------------------------------------------------------------------------------------------------- call sequences

Group = tuple[str, ...]
_TIMES = re.compile(r"(.+?) x(\d+)")


def read_calls(text: str | Sequence[str] | None) -> list[Group]:
    """Read ``C a -> (C b, C c) -> D a x3``: groups of calls, in any order within each."""
    if not text:
        return []
    groups: list[Group] = []
    for part in map(str.strip, str(text).split("->")):
        names = part[1:-1].split(",") if part.startswith("(") else [part]
        group: list[str] = []
        for name in names:
            repeated = _TIMES.fullmatch(name.strip())
            group += [repeated[1]] * int(repeated[2]) if repeated else [name.strip()]
        groups.append(tuple(group))
    return groups


def check_calls(made: Sequence[str], expected: Sequence[Group]) -> None:
    """Check that just these calls were made, group after group."""
    rest = list(made)
    for group in expected:
        now, rest = rest[: len(group)], rest[len(group) :]
        assert sorted(now) == sorted(group), f"expected {expected}, made {list(made)}"
    assert not rest, f"expected {expected}, made {list(made)}"


def check_order(made: Sequence[str], chain: Sequence[Group]) -> None:
    """Check that all calls of a group were made before any of the next."""
    places = []
    for group in chain:
        missing = [name for name in group if name not in made]
        assert not missing, f"{missing} not among {list(made)}"
        places.append(
            (min(made.index(name) for name in group), max(_last(made, name) for name in group)),
        )
    for (_, before), (after, _) in pairwise(places):
        assert before < after, f"expected {chain}, made {list(made)}"


def _last(made: Sequence[str], name: str) -> int:
    return len(made) - 1 - list(reversed(made)).index(name)


# ------------------------------------------------------------------------------------------------------ programs


def changed(program: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Give a program with changes: ``net/a.hard: y`` sets, null removes."""
    new = _copy(program)
    for path, value in changes.items():
        where, _, fields = str(path).partition(".")
        keys: list[str] = []
        for name in where.split("/"):
            keys += [name, "component"]
        keys.pop()
        keys += fields.split(".") if fields else []
        at = new
        for key in keys[:-1]:
            at = at.setdefault(key, {})
        if value is None:
            if keys[-1] not in at:
                raise ValueError(f"{path} is not there, so it can't be taken away")
            del at[keys[-1]]
        else:
            at[keys[-1]] = _copy(value)
    return new


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
