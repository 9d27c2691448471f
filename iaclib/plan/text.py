"""A plan as plain text, the way people of this trade expect it.

Knows changes and how to show values; secrets are masked, and control
characters never reach a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

from iaclib.model.addresses import StackRef
from iaclib.model.assets import Asset
from iaclib.model.values import MASK, UNKNOWN, Secret
from iaclib.plan.changes import Action, Change, Property, Violation
from iaclib.plan.compare import is_list, same, unknown_in

#: Longer text is cut in print; the plan as data has all of it.
MAX_SHOWN = 160
_LISTED = 8
_KNOWN_LATER = "(known after apply)"
_INDENT = "      "


class Printable(Protocol):
    """What of a plan is printed."""

    @property
    def changes(self) -> Sequence[Change]:
        """All changes."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """Changes by action."""
        ...

    @property
    def ref(self) -> StackRef:
        """The stack."""
        ...

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Exports, as they will be."""
        ...

    @property
    def old_outputs(self) -> Mapping[str, Any]:
        """Exports, as they are."""
        ...

    @property
    def violations(self) -> Sequence[Violation]:
        """What policies have against it."""
        ...

    @property
    def rewrites(self) -> Sequence[str]:
        """Addresses of which only the record changes."""
        ...


def render(plan: Printable) -> str:
    """Show a plan: what was read, each change with its properties, exports, counts, and what policies say."""
    blocks = [_change(change) for change in plan.changes if change.action not in {Action.SAME, Action.READ}]
    rewrites = plan.rewrites
    if rewrites:
        blocks.append(_rewrites(rewrites))
    exports = _exports(plan.old_outputs, plan.outputs)
    if exports:
        blocks.append("\n".join(["Outputs:", *exports]))
    policies = _violations(plan.violations)
    if not blocks:
        return "\n\n".join([f"{plan.ref}: Nothing to do.", *policies])
    blocks = [*(_change(change) for change in plan.changes if change.action is Action.READ), *blocks]
    return _join([f"{plan.ref}:", *blocks, _summary(plan), *policies])


def _join(blocks: Sequence[str]) -> str:
    """Part blocks by empty lines, but let one-line deletes stand together."""
    text = blocks[0]
    for above, block in pairwise(blocks):
        close = all("\n" not in one and one.startswith("  - ") for one in (above, block))
        text += ("\n" if close else "\n\n") + block
    return text


def _summary(plan: Printable) -> str:
    counts = plan.counts
    if not counts:
        return "Nothing to do in the cloud; only state will be written."
    words = [f"{counts.get(name, 0)} to {name}" for name in ("create", "update", "replace", "delete")]
    words += [
        f"{count} to {name}" for name, count in counts.items() if name not in {"create", "update", "replace", "delete"}
    ]
    maybe = sum(1 for change in plan.changes if change.maybe)
    tail = f" ({maybe} of them may turn out not to be needed)" if maybe else ""
    return f"Plan: {', '.join(words)}.{tail}"


def _change(change: Change) -> str:
    symbol = "-/+" if change.action is Action.REPLACE and change.delete_first else change.action.symbol
    lines = [f"{symbol:>3} {change.address}  {change.type}  ({_words(change)})"]
    if change.action is not Action.DELETE and change.action is not Action.FORGET:
        if change.reason:
            lines.append(f"{_INDENT}# {change.reason}")
        lines += [f"{_INDENT}{line}" for line in show_properties(change)]
    return "\n".join(lines)


def _words(change: Change) -> str:
    if change.action is Action.REPLACE:
        order = "delete, then create" if change.delete_first else "create, then delete"
        return f"{'may ' if change.maybe else ''}replace: {order}"
    if change.action in {Action.DELETE, Action.FORGET} and change.reason:
        return f"{change.action.value}: {change.reason}"
    if change.action is Action.IMPORT:
        return "import, then update" if change.properties else "import"
    return f"may {change.action.value}" if change.maybe else change.action.value


def show_properties(change: Change) -> list[str]:
    """Show the leaves that change, one a line."""
    items = [(_path(one.path), one) for one in change.properties]
    width = min(max((len(path) for path, _ in items), default=0), 32)
    return [
        _property(path.ljust(width), one, creating=change.action in {Action.CREATE, Action.READ}) for path, one in items
    ]


def _property(path: str, one: Property, *, creating: bool) -> str:
    after = show(one.after) if one.known else _KNOWN_LATER
    forces = "  # forces replacement" if one.forces_replacement else ""
    if creating:
        return f"{path} = {after}"
    if one.before is None:
        return f"+ {path} = {after}{forces}"
    if one.after is None:
        return f"- {path} = {show(one.before)}{forces}"
    return f"~ {path} = {show(one.before)} -> {after}{forces}"


def _violations(violations: Sequence[Violation]) -> list[str]:
    if not violations:
        return []
    lines = ["Policies:"]
    for one in violations:
        sign = "!" if one.level == "mandatory" else "*"
        where = f"{one.address}: " if one.address else ""
        lines.append(f"  {sign} {one.level}  {where}{printable(one.message)}  ({printable(one.policy)})")
    if any(one.level == "mandatory" for one in violations):
        lines.append("This plan can't be applied: what is mandatory is violated.")
    return ["\n".join(lines)]


def _rewrites(addresses: Sequence[str]) -> str:
    shown = ", ".join(addresses[:_LISTED]) + (
        f" and {len(addresses) - _LISTED} more" if len(addresses) > _LISTED else ""
    )
    return f"  = {shown}  (only what state holds of it changes)"


def changed_exports(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name the exports that are new, that change or may, and that are gone."""
    return [
        *(
            name
            for name, value in new.items()
            if name not in old or unknown_in(value) or not same(old[name], value) or _secrecy(old[name], value)
        ),
        *(name for name in old if name not in new),
    ]


def _exports(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    lines = []
    width = max((len(name) for name in (*old, *new)), default=0)
    for name in changed_exports(old, new):
        text = printable(name).ljust(width)
        if name not in old:
            lines.append(f"  + {text} = {show(new[name])}")
        elif name not in new:
            lines.append(f"  - {text} = {show(old[name])}")
        else:
            lines.append(f"  ~ {text} = {show(old[name])} -> {show(new[name])}")
    return lines


def _secrecy(old: Any, new: Any) -> bool:
    return isinstance(old, Secret) is not isinstance(new, Secret)


def show(value: Any) -> str:
    """Show a value on one line: as JSON, secrets masked, unknowns named, cut if long."""
    text = printable(_text(value))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"


def _text(value: Any) -> str:
    if value is UNKNOWN:
        return _KNOWN_LATER
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Asset):
        return repr(value)
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_text(item)}" for key, item in value.items())
            + "}"
        )
    if is_list(value):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def printable(text: str) -> str:
    """Escape what is not printable: a value must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _path(path: Sequence[str | int]) -> str:
    """Write a path as ``tags.Name`` or ``rules[0].port``; odd keys are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "").replace("-", "").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return printable(text)
