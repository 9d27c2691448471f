"""The handler of every type that has none of its own: through Cloud Control, by what the pack knows.

Knows the life of an object and how the facts shape it. Requests, patches and
paths have modules of their own.

Source: https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/what-is-cloudcontrolapi.html
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsHandler
from iaclib.aws.handlers.cloud_patch import patch
from iaclib.aws.handlers.cloud_paths import values, without
from iaclib.aws.handlers.cloud_requests import Requests
from iaclib.aws.table import CLOUD_CONTROL
from iaclib.errors import ConflictError, NotFoundError, PartialFailure, ProviderError, UndecidedError
from iaclib.model.values import Secret, has_secret, reveal
from iaclib.provider.handler import Live
from iaclib.schema.wire import from_vendor, to_vendor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from iaclib.aws.handlers.base import AwsContext
    from iaclib.provider.context import Checkpoint
    from iaclib.schema.cloud import CloudFacts
    from iaclib.schema.facts import TypeFacts

_JOIN = "|"  # between the parts of a composite identifier
#: Transforms that can be told without evaluating them: the case of the very same value.
_CASE = re.compile(r"\$(lowercase|uppercase)\(([\w.]+)\)")


class CloudControlHandler(AwsHandler):
    """One type.

    Args:
        facts: From the pack.
        markable: Whether its tags may have keys such as ours.
    """

    service = CLOUD_CONTROL

    def __init__(self, facts: TypeFacts, *, markable: bool = True) -> None:
        assert facts.cloud is not None  # noqa: S101 - of a pack
        self.facts = facts
        self.cloud: CloudFacts = facts.cloud
        self.markable = markable
        nested = [path for path in self.cloud.create_only if "/" in path]
        wires = {one.wire: name for name, one in facts.properties.items() if one.wire is not None}
        self._nested = {path: wires[top] for path in nested if (top := path.split("/")[0]) in wires}
        self._folds = dict(self._foldable())

    # ------------------------------------------------------------------------------------------------ operations

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the object by one request, which a repeated call joins."""
        requests = self._requests(ctx)
        try:
            event = requests.run(
                "create_resource",
                spent=lambda event: self._replaced(ctx, event),
                DesiredState=self._desired(ctx, inputs),
            )
        except ConflictError as error:
            return self._conflict(ctx, inputs, error)
        except ProviderError as error:
            left = self._left(ctx, error)
            if left is None:
                raise
            raise PartialFailure(left, error) from None
        id = str(event["Identifier"])
        return self._finished(ctx, id, inputs) or Live(id, ready=False)

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the object, or None if it is not there."""
        shown = self._shown(ctx, id)
        return None if shown is None else self._live(id, shown)

    def update(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Change the object by a patch of exactly what differs."""
        self._change(ctx, id, before, after)
        return self.read(ctx, id) or Live(id, ready=False)

    def delete(self, ctx: AwsContext, id: str) -> None:
        """Delete the object; already gone is success."""
        with self.missing_ok():
            self._requests(ctx).run("delete_resource", Identifier=id)

    def resume(self, ctx: AwsContext, checkpoint: Checkpoint) -> Live | None:
        """Go on with a create that was interrupted, by its request or by the token that it was made with."""
        inputs = reveal(dict(ctx.inputs))
        if checkpoint.id is not None:
            return self._finished(ctx, checkpoint.id, inputs)
        requests, noted = self._requests(ctx), checkpoint.data or {}
        try:
            event = requests.resumed(noted, DesiredState=self._desired(ctx, inputs))
        except ProviderError as error:
            if "identifier" not in error.facts:  # it could not be asked
                raise
            return self._left(ctx, error)
        if event is not None:
            return None if self._replaced(ctx, event) else self._finished(ctx, str(event["Identifier"]), inputs)
        return self._among_all(ctx, inputs) if requests.forgotten(noted) else self._among_creates(ctx, inputs)

    def find(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live | None:
        """Find what this step's create made; before its call it was noted that there may be something.

        Raises:
            UndecidedError: There were creates of the type, and nothing tells which is this step's.
        """
        noted = ctx.noted.data or {}
        if "request" in noted:
            return self.resume(ctx, ctx.noted)
        return self._among_creates(ctx, inputs) if noted else None

    def list(self, ctx: AwsContext) -> Iterator[Live]:
        """Show all objects, where the cloud can list them without being told more."""
        for id in self._ids(ctx):
            live = self.read(ctx, id)
            if live is not None:
                yield live

    # ---------------------------------------------------------------------------------------- what planning asks

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """Give the id to which inputs lead, for objects that carry no mark; None if AWS makes it up."""
        return None if self._marked else self._named(inputs)

    def replaces(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> Collection[str]:
        """Name the fields in which something changes that only a create takes."""
        if not self._nested:
            return ()
        old, new = to_vendor(self.facts, before), to_vendor(self.facts, after)
        return {name for path, name in self._nested.items() if values(old, path) != values(new, path)}

    def normalise(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Spell text as the cloud does, where it is known to change nothing but its case."""
        if not self._folds:
            return inputs
        return {
            name: getattr(value, self._folds[name])() if name in self._folds and isinstance(value, str) else value
            for name, value in inputs.items()
        }

    # --------------------------------------------------------------------------------------------------- helpers

    @property
    def _marked(self) -> bool:
        """Whether objects carry our own tags, and show them."""
        known = self.cloud.tags
        return (
            self.markable
            and known is not None
            and self.facts.tags is not None
            and known.at_create
            and known.wire not in self.cloud.write_only
        )

    @property
    def _listable(self) -> bool:
        """Whether the cloud lists all objects without being told more."""
        handler = self.cloud.handlers.get("list")
        return handler is not None and not handler.needs

    def _ids(self, ctx: AwsContext) -> Iterator[str]:
        if self._listable:
            found = self.client(ctx).items("list_resources", "ResourceDescriptions", TypeName=self.cloud.type)
            yield from (str(one["Identifier"]) for one in found)

    def _among_creates(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live | None:
        """Look among the creates that AWS still knows of."""
        requests, identity = self._requests(ctx), self.identity(inputs)
        unsure: list[str] = []
        for seen in requests.listed(("CREATE",), ("PENDING", "IN_PROGRESS", "SUCCESS")):
            event = seen
            if event.get("OperationStatus") != "SUCCESS":
                try:
                    event = requests.ended(seen)
                except ProviderError as error:
                    if "identifier" not in error.facts:
                        raise
                    continue
            id = str(event.get("Identifier", ""))
            if identity is not None and id != identity:
                continue
            shown = self._shown(ctx, id)
            if shown is None:
                continue
            if self._marked:
                if tags.is_own(ctx, self._tags(shown)):
                    return self._live(id, shown)
            elif identity is not None:
                return self._finished(ctx, id, inputs)
            else:
                unsure.append(id)
        if unsure:
            raise self._undecided(ctx, f"whether it made one of {', '.join(unsure)}")
        return None

    def _among_all(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live | None:
        """Look among all objects for what a create made so long ago that AWS knows nothing of its request."""
        identity = self.identity(inputs)
        if identity is not None:
            return self._finished(ctx, identity, inputs)
        if not self._marked or not self._listable:
            raise self._undecided(ctx, "whether it made one, since AWS has forgotten the request")
        for id in self._ids(ctx):
            shown = self._shown(ctx, id)
            if shown is not None and tags.is_own(ctx, self._tags(shown)):
                return self._live(id, shown)
        return None

    def _undecided(self, ctx: AwsContext, what: str) -> UndecidedError:
        why = "can't be listed" if self._marked else "carry no mark of who made them"
        msg = (
            f"{ctx.address}: a create was interrupted, and objects of {self.cloud.type} {why}, expected to learn {what}; "
            f"look at them in AWS, then say engine.resolve({ctx.stack!r}, {ctx.address!r}, adopt='its id'), "
            "or absent=True if it made none"
        )
        return UndecidedError(msg, address=ctx.address)

    def _requests(self, ctx: AwsContext) -> Requests:
        return Requests(ctx, self.cloud.type, secret=has_secret(ctx.inputs))

    def _desired(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str | Secret[str]:
        """Spell what a create asks for; the same for each repetition."""
        wanted = to_vendor(self.facts, inputs)
        name, known = self.facts.tags, self.cloud.tags
        if name is not None and known is not None:
            given = inputs.get(name)
            wanted.pop(known.wire, None)
            if known.at_create and (self.markable or given):
                wanted |= to_vendor(self.facts, {name: tags.with_own(ctx, given) if self.markable else given})
        return _text(ctx, wanted)

    def _replaced(self, ctx: AwsContext, event: Mapping[str, Any]) -> bool:
        """Whether what an earlier create made is gone by now, or is another's of the same id: then it is no answer."""
        at = event.get("EventTime")
        if at is None or (datetime.now(UTC) - at).total_seconds() <= self.facts.settle:  # it may not show yet
            return False
        shown = self._shown(ctx, str(event["Identifier"]))
        return shown is None or (self._marked and not tags.is_own(ctx, self._tags(shown)))

    def _shown(self, ctx: AwsContext, id: str) -> dict[str, Any] | None:
        try:
            answer = self._requests(ctx).call("get_resource", Identifier=id)
        except NotFoundError:
            return None
        shown: dict[str, Any] = json.loads(answer["ResourceDescription"]["Properties"])
        return shown

    def _live(self, id: str, shown: Mapping[str, Any]) -> Live:
        """Turn what the cloud shows into Python's names."""
        known = from_vendor(self.facts, shown)
        outputs = {name: value for name, value in known.items() if self.facts.properties[name].computed}
        given = from_vendor(self.facts, without(dict(shown), [p for p in self.cloud.read_only if "/" in p]))
        if self.facts.tags is not None:
            given[self.facts.tags] = tags.users(given.get(self.facts.tags))
        inputs = {
            name: given.get(name)
            for name, one in self.facts.properties.items()
            if one.wire is not None and not one.computed and not one.write_only
        }
        return Live(id, outputs, inputs)

    def _finished(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Live | None:
        """Give an object the tags that its create did not take; None if it is not there."""
        live, name, known = self.read(ctx, id), self.facts.tags, self.cloud.tags
        if live is None or name is None or known is None or known.at_create or not inputs.get(name):
            return live
        with self.finishing(ctx, id, live.outputs):
            self._change(ctx, id, {**inputs, name: None}, inputs)
        return self.read(ctx, id)

    def _change(self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        shown = self._shown(ctx, id)
        if shown is None:
            msg = f"{ctx.address}: {id} is not there, expected to change it; refresh the stack"
            raise NotFoundError(msg)
        sides = [_set(self.facts, before), _set(self.facts, after)]
        if self.cloud.tags is not None and self.facts.tags is not None:
            for side in sides:
                side.pop(self.cloud.tags.wire, None)
        baseline = _set(self.facts, getattr(ctx.record, "baseline", None) or {})
        tagging = self._tagging(before, after, shown)
        operations = patch(self.cloud, sides[0], sides[1], shown, baseline, tagging)
        if operations:
            requests = self._requests(ctx)
            requests.run("update_resource", Identifier=id, PatchDocument=_text(ctx, operations))

    def _tagging(
        self, before: Mapping[str, Any], after: Mapping[str, Any], shown: Mapping[str, Any]
    ) -> Sequence[dict[str, Any]]:
        """Give the operation that brings tags to what is declared; ours and other people's stay."""
        name, known = self.facts.tags, self.cloud.tags
        if name is None or known is None:
            return []
        there = self._tags(shown) if known.wire in shown else None
        put, drop = tags.changes(before.get(name), after.get(name), there)
        if not put and not drop:
            return []
        kept = {
            key: value
            for key, value in (there if there is not None else before.get(name) or {}).items()
            if key not in drop and not key.startswith("aws:")
        }
        if not {**kept, **put} and known.wire in shown:
            return [{"op": "remove", "path": f"/{known.wire}"}]
        value = to_vendor(self.facts, {name: {**kept, **put}})[known.wire]
        return [{"op": "replace" if known.wire in shown else "add", "path": f"/{known.wire}", "value": value}]

    def _tags(self, shown: Mapping[str, Any]) -> dict[str, str]:
        """Give all tags that the cloud shows, ours too."""
        found = from_vendor(self.facts, shown).get(self.facts.tags or "")
        return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}

    def _conflict(self, ctx: AwsContext, inputs: Mapping[str, Any], error: ConflictError) -> Live:
        """Tell a step's own object, which an earlier try made, from somebody else's."""
        id = error.existing_id or self._named(inputs)
        shown = self._shown(ctx, id) if id else None
        if id and shown is not None and self._marked and tags.is_own(ctx, self._tags(shown)):
            return self._live(id, shown)
        raise ConflictError(str(error), **{**error.facts, "existing_id": id}) from None

    def _named(self, inputs: Mapping[str, Any]) -> str | None:
        """Give the id to which inputs lead, or None."""
        sent, parts = to_vendor(self.facts, inputs), []
        for path in self.cloud.identifier:
            found = values(sent, path)
            if len(found) != 1 or not isinstance(found[0], str) or not found[0]:
                return None
            parts.append(found[0])
        return _JOIN.join(parts)

    def _left(self, ctx: AwsContext, error: ProviderError) -> Live | None:
        """Look whether a create that failed left something: its own, not another's of the same name."""
        id = error.facts.get("identifier")
        if not id or error.facts.get("code") in ("AlreadyExists", "NotFound"):
            return None
        shown = self._shown(ctx, str(id))
        if shown is None:
            return None
        own = tags.is_own(ctx, self._tags(shown)) if self._marked else error.facts.get("code") == "NotStabilized"
        return self._live(str(id), shown) if own else None

    def _foldable(self) -> Iterator[tuple[str, str]]:
        for name, one in self.facts.properties.items():
            found = _CASE.fullmatch(self.cloud.transforms.get(one.wire or "", ""))
            if found is not None and found[2] == one.wire:
                yield name, "lower" if found[1] == "lowercase" else "upper"


def _text(ctx: AwsContext, value: Any) -> str | Secret[str]:
    """Spell properties for the wire; where one is secret, errors of the call must not repeat them."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return Secret(text) if has_secret(ctx.inputs) else text


def _set(facts: TypeFacts, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is set, in the cloud's names; secrets opened."""
    return to_vendor(facts, {name: reveal(value) for name, value in inputs.items() if value is not None})
