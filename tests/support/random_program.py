"""Programs as values: what the property tests declare, and what it must come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from faulty_cloud import KINDS
from iaclib import declare as iac
from iaclib.model.values import reveal

NAMES = ("a", "b", "c", "d", "e")
#: What is made of another resource, by name.
USES: Mapping[str, Callable[[Any], Any]] = {
    "id": lambda it: it.id,
    "out": lambda it: it.out,
    "fixed": lambda it: it.fixed,
    "text": lambda it: f"to {it.id}!",
    "constant": lambda it: it.out.map(lambda _: "constant"),
    "upper": lambda it: it.fixed.map(str.upper),
}
#: The same, over plain values.
VALUES: Mapping[str, Callable[[Any, Any], Any]] = {
    "id": lambda known, out: known,
    "out": lambda known, out: out,
    "fixed": lambda known, out: f"fixed-{known}",
    "text": lambda known, out: f"to {known}!",
    "constant": lambda known, out: "constant",
    "upper": lambda known, out: f"FIXED-{known.upper()}",
}


@attrs.frozen
class Use:
    """A value made of another resource."""

    of: str
    how: str


@attrs.frozen
class Spec:
    """One resource of a program."""

    kind: str = "thing"
    size: int = 1
    hard: str | Use | None = None
    link: str | Use | None = None
    extra: str | Use | None = None  # goes into data, members and password of a thing
    label: str = "one"
    depends: frozenset[str] = frozenset()
    protect: bool = False
    delete_first: bool | None = None
    ignore: bool = False  # ignore changes of ``link``
    exported: bool = False
    retain: bool = False
    beside: str | None = None  # deleted_with
    follow: frozenset[str] = frozenset()  # replace_with
    trigger: str | Use | None = None
    replace_on: str = ""  # a path of replace_on_changes
    former: frozenset[str] = frozenset()  # aliases
    import_id: str | None = None
    adopt: bool = False
    hooked: bool = False

    @property
    def uses(self) -> set[str]:
        """What it needs directly."""
        values = (self.hard, self.link, self.extra, self.trigger)
        found = {value.of for value in values if isinstance(value, Use)} | self.depends | self.follow
        return found | {self.beside} if self.beside else found

    def renamed(self, old: str, new: str) -> Spec:
        """Give it as it is after another was renamed."""

        def value(given: str | Use | None) -> str | Use | None:
            return attrs.evolve(given, of=new) if isinstance(given, Use) and given.of == old else given

        def names(given: frozenset[str]) -> frozenset[str]:
            return frozenset(new if name == old else name for name in given)

        return attrs.evolve(
            self,
            hard=value(self.hard),
            link=value(self.link),
            extra=value(self.extra),
            trigger=value(self.trigger),
            depends=names(self.depends),
            follow=names(self.follow),
            beside=new if self.beside == old else self.beside,
        )


def effective(order: tuple[str, ...], specs: Mapping[str, Spec]) -> dict[str, Spec]:
    """Give what can be declared, in order: backward references only, no label twice."""
    found: dict[str, Spec] = {}
    labels: set[tuple[str, str]] = set()
    for name in order:
        spec = specs.get(name)
        if spec is None:
            continue

        def seen(value: str | Use | None) -> str | Use | None:
            return None if isinstance(value, Use) and value.of not in found else value

        label = spec.label
        if (spec.kind, label) in labels:
            label = f"{label} of {name}"
        labels.add((spec.kind, label))
        found[name] = attrs.evolve(
            spec,
            hard=seen(spec.hard),
            link=seen(spec.link),
            extra=seen(spec.extra) if spec.kind == "thing" else None,
            trigger=seen(spec.trigger),
            depends=spec.depends & found.keys(),
            follow=spec.follow & found.keys(),
            beside=spec.beside if spec.beside in found else None,
            label=label,
        )
    claimed: set[str] = set()
    for name, spec in found.items():
        former = spec.former - found.keys() - claimed
        claimed |= former
        found[name] = attrs.evolve(spec, former=former)
    return found


def moves(program: Mapping[str, Spec], recorded: Mapping[str, Any]) -> dict[str, str]:
    """Say which recorded objects a program has at another address: old -> new."""
    found: dict[str, str] = {}
    for name, spec in program.items():
        old = sorted(former for former in spec.former if former in recorded)
        if old and name not in recorded:
            found[old[0]] = name
    return found


def stack_of(program: Mapping[str, Spec], hook: Callable[[Any], None] | None = None) -> iac.Stack:
    """Make the stack that declares a program; ``hook`` runs around creates and updates where one is asked for."""
    around = (iac.Hooks(before_create=hook, after_create=hook, before_update=hook, after_update=hook),)

    def build(stack: Any) -> None:
        made: dict[str, Any] = {}

        def value(given: str | Use | None) -> Any:
            return USES[given.how](made[given.of]) if isinstance(given, Use) else given

        for name, spec in program.items():
            options = iac.Options(
                depends_on=[made[other] for other in sorted(spec.depends)],
                protect=spec.protect,
                delete_before_replace=spec.delete_first,
                ignore_changes=("link",) if spec.ignore else (),
                retain_on_delete=spec.retain,
                deleted_with=made[spec.beside] if spec.beside else None,
                replace_with=[made[other] for other in sorted(spec.follow)],
                replacement_trigger=value(spec.trigger),
                replace_on_changes=(spec.replace_on,) if spec.replace_on else (),
                aliases=sorted(spec.former),
                import_id=spec.import_id,
                adopt=spec.adopt or None,
                hooks=around if spec.hooked and hook is not None else (),
            )
            fields: dict[str, Any] = {"size": spec.size, "hard": value(spec.hard), "link": value(spec.link)}
            if spec.kind == "thing" and spec.extra is not None:
                extra = value(spec.extra)
                fields |= {"data": {"key": extra, "other": "x"}, "members": ["x", extra], "password": extra}
            if spec.kind in ("named", "link"):
                fields["label"] = spec.label
            made[name] = KINDS[spec.kind](name, opts=options, **fields)
        stack.export(**{f"of_{name}": made[name].out for name, spec in program.items() if spec.exported})

    return type("Machine", (iac.Stack,), {"build": build})("dev")  # type: ignore[no-any-return]


def wanted_inputs(spec: Spec, records: Mapping[str, Any]) -> dict[str, Any]:
    """Say which inputs an object must have, given the records of what it uses."""

    def value(given: str | Use | None) -> Any:
        return value_of(given, records)

    fields: dict[str, Any] = {"size": spec.size, "hard": value(spec.hard), "link": value(spec.link)}
    if spec.kind == "thing" and spec.extra is not None:
        extra = value(spec.extra)
        fields |= {"data": {"key": extra, "other": "x"}, "members": ["x", extra], "password": extra}
    if spec.kind in ("named", "link"):
        fields["label"] = spec.label
    return {name: item for name, item in fields.items() if item is not None}


def value_of(given: str | Use | None, records: Mapping[str, Any]) -> Any:
    """Say what a value of a program comes to, given the records of what it uses."""
    if not isinstance(given, Use):
        return given
    record = records[given.of]
    return VALUES[given.how](record.id, record.outputs["out"])


def plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Give inputs with secrets revealed."""
    return reveal(dict(inputs))  # type: ignore[no-any-return]
