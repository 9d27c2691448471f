"""The lives that an object of any type leads in Cloud Control's stand-in; what goes wrong is an AssertionError."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import iaclib as iac
from any_type import One, changed_inputs, facts_of, inputs_of, rich_inputs
from cloud_control import Cloud
from iaclib.aws.handlers.cloud_paths import covered, without
from iaclib.provider.context import Checkpoint, Context
from iaclib.schema.wire import to_vendor
from registry_rules import RefusedError, rules_of
from virtual import VirtualClock

if TYPE_CHECKING:
    from iaclib.aws.provider import Provider


class Killed(BaseException):
    """The process ends here."""


def fits(type: str, inputs: dict[str, Any]) -> bool:
    """Whether the schema itself takes inputs."""
    facts = facts_of(type)
    try:
        rules_of(facts.cloud.type).check(to_vendor(facts, inputs))
    except RefusedError:
        return False
    return True


def whole_life(type: str, cloud: Cloud, provider: Provider) -> str:
    """Create, keep, change, meet drift, correct it, delete: by the engine; give what could not be tried."""
    facts = facts_of(type)
    first = rich_inputs(type, lambda inputs: fits(type, inputs))
    second = changed_inputs(type, first, lambda inputs: fits(type, inputs))
    with iac.Engine(state="memory:", providers=[provider], _clock=VirtualClock()) as engine:

        def kept(inputs: dict[str, Any], when: str) -> None:
            assert not engine.plan(One("prod", type=type, inputs=inputs)), f"a change after {when}"
            assert not engine.plan(One("prod", type=type, inputs=inputs), refresh=True), f"drift after {when}"
            (((_, _), model),) = cloud.objects.items()
            sent = to_vendor(facts, {k: v for k, v in inputs.items() if k != facts.tags})
            # A create keeps these; where only the pack knows that nothing else takes them, the schemas don't.
            fixed = [one for one in facts.cloud.write_only if covered(tuple(one.split("/")), facts.cloud.create_only)]
            sent, model = without(sent, fixed), without(model, fixed)
            wrong = [key for key, value in sent.items() if model.get(key) != value]
            assert not wrong, f"the cloud lacks {wrong} after {when}"

        engine.apply(One("prod", type=type, inputs=first))
        kept(first, "create")
        if facts.tags is not None and facts.tags not in first:
            replaced = facts.properties[facts.tags].replaces is True
            for team in ("shop", "web"):
                tagged = first | {facts.tags: {"team": team}}
                steps = sorted(str(s.action) for s in engine.apply(One("prod", type=type, inputs=tagged)).steps)
                assert steps == (["create", "delete"] if replaced else ["update"]), steps
                kept(tagged, "tagging")
            engine.apply(One("prod", type=type, inputs=first))
            kept(first, "untagging")
        if second is not None:
            steps = [str(s.action) for s in engine.apply(One("prod", type=type, inputs=second)).steps]
            assert steps == ["update"], steps
            kept(second, "update")
            (model,) = cloud.objects.values()
            name = next(key for key in second if second[key] != first[key])
            visible = [without(to_vendor(facts, one), facts.cloud.write_only) for one in (first, second)]
            if visible[0] != visible[1]:
                wire = facts.properties[name].wire
                model[wire] = to_vendor(facts, first)[wire]
                assert engine.plan(One("prod", type=type, inputs=second), refresh=True), "drift is not seen"
                engine.apply(One("prod", type=type, inputs=second), refresh=True)
                kept(second, "drift")
        engine.destroy("one/prod")
        assert not cloud.objects, "something is left"
    return "" if second is not None else "no change in place"


class Fragile:
    """A client whose process is killed before or after one of its calls."""

    def __init__(self, inner: Any, at: int, after: bool) -> None:
        self.inner, self.left, self.after = inner, at, after

    def call(self, operation: str, /, **params: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        answer = self.inner.call(operation, **params)
        if self.left == 0:
            raise Killed
        return answer

    def items(self, *args: Any, **params: Any) -> Any:
        return self.inner.items(*args, **params)


def killed_life(type: str, cloud: Cloud, provider: Provider) -> str:
    """Kill a create before and after every call, and decide it as the engine does: there is exactly one object."""
    handler, inputs = provider.handler(type), inputs_of(type)
    for at in range(1, 20):
        for after in (False, True):
            cloud.forget()
            noted: list[tuple[str | None, Any]] = []
            client = Fragile(provider.client("cloudcontrol"), at, after)
            ctx = step(provider, inputs, noted)
            fragile = step(SimpleNamespace(client=lambda _service, client=client: client), inputs, noted)
            try:
                live = handler.create(fragile, inputs)
            except Killed:
                live = decided(handler, ctx, inputs, noted)
                if live is None:
                    live = handler.create(ctx, inputs)  # its token is kept
            else:
                return ""
            assert [id for _, id in cloud.objects] == [live.id], f"killed at {at} {after}: {list(cloud.objects)}"
    raise AssertionError("it never ends")


def decided(handler: Any, ctx: Any, inputs: dict[str, Any], noted: list[tuple[str | None, Any]]) -> Any:
    """Decide an interrupted create."""
    if noted:
        id, data = noted[-1]
        return handler.resume(ctx, Checkpoint(id, json.loads(json.dumps(data))))
    return handler.find(ctx, inputs)


def step(provider: Any, inputs: dict[str, Any], noted: list[tuple[str | None, Any]]) -> Context[Any]:
    """Give the step of a create."""
    return Context(
        "it", "one/prod:it", "one/prod", provider, token="0123456789abcdef" * 2, inputs=inputs,
        sleep=lambda _seconds: None, checkpoint=lambda known, data: noted.append((known, data)),
        noted=Checkpoint(*noted[-1]) if noted else Checkpoint(),
    )  # fmt: skip
