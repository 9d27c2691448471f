"""The base of types that are found by their name and tell their maker by a tag.

A create may be repeated: by a retry, after a kill, by another engine. So what
it meets under its name is taken up if it carries this step's token and refused
otherwise, and the calls that complete an object are made again by ``find``.
The id is no news (the name gives it), so nothing is noted on the way: recovery
then asks ``find``, which knows the inputs and finishes a half-made object,
where a plain read of a noted id would adopt it as it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from iaclib.aws import tags
from iaclib.aws.handlers.base import AwsContext, AwsHandler
from iaclib.errors import ConflictError, NotFoundError, PartialFailure, ProviderError
from iaclib.model.values import reveal
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


class NamedHandler(AwsHandler):
    """Create, find and show objects that have a name. Subclasses say how."""

    kind: ClassVar[str]
    """What the object is called in messages, such as ``queue``."""
    look_first: ClassVar[bool] = False
    """Whether the create call silently returns what has the name already."""

    def locate(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
        """Give the id and all tags of what has the inputs' name, or None."""
        raise NotImplementedError

    def make(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str:
        """Call the create operation, with our own tags, and give the id.

        Raises:
            ConflictError: The name is taken.
        """
        raise NotImplementedError

    def complete(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Collection[str]:
        """Make the calls that the create operation leaves to do; safe to repeat.

        Returns:
            The fields that were written.
        """
        del ctx, id, inputs
        return ()

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the object, or None if it is not there."""
        raise NotImplementedError

    def create(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live:
        """Create the object, or take up what this step's token made before."""
        id = self._taken_up(ctx, inputs) if self.look_first else None
        if id is None:
            try:
                id = self.make(ctx, inputs)
            except ConflictError:
                id = self._taken_up(ctx, inputs)
                if id is None:
                    raise
        return self._completed(ctx, id, inputs)

    def find(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live | None:
        """Find what this step's create call made, and finish it if that was cut short."""
        found = self.locate(ctx, inputs)
        if found is None or not tags.is_own(ctx, found[1]):
            return None
        return self._completed(ctx, found[0], inputs)

    def existing(self, ctx: AwsContext, id: str) -> tuple[Live, Mapping[str, Any]]:
        """Show what is to be updated, and its inputs as the cloud has them."""
        live = self.read(ctx, id)
        if live is None:
            msg = (
                f"{ctx.address}: {self.kind} {id!r} does not exist, expected to update it; refresh to take note of that"
            )
            raise NotFoundError(msg)
        return live, live.inputs or {}

    def moved(self, ctx: AwsContext, id: str, old: Mapping[str, Any], fields: Collection[str]) -> Live:
        """Show the object once the written fields no longer read as before."""
        return self._shown(
            ctx, id, lambda live: all((live.inputs or {}).get(field) != old.get(field) for field in fields)
        )

    def _taken_up(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> str | None:
        found = self.locate(ctx, inputs)
        if found is None:
            return None
        id, raw = found
        self.require_own(ctx, raw, id, f"{self.kind} {id!r}")
        return id

    def _completed(self, ctx: AwsContext, id: str, inputs: Mapping[str, Any]) -> Live:
        try:
            fields = self.complete(ctx, id, inputs)
        except ProviderError as error:
            failure = PartialFailure(Live(id), error, repairable=True)
            failure.__dict__["retryable"] = error.retryable  # the create may be repeated with this token
            raise failure from None
        wanted = {field: inputs[field] for field in fields}
        return self._shown(ctx, id, lambda live: all(_has(live, field, value) for field, value in wanted.items()))

    def _shown(self, ctx: AwsContext, id: str, ok: Callable[[Live], bool]) -> Live:
        """Read until it shows what was written, for some seconds at most."""
        last: Live | None = None

        def probe() -> bool:
            nonlocal last
            last = self.read(ctx, id)
            return last is not None and ok(last)

        self.agreed(ctx, probe)
        return last or Live(id, ready=False)


def _has(live: Live, field: str, wanted: Any) -> bool:
    """Whether a field that was empty shows; what AWS makes of the value is its affair."""
    shown = (live.inputs or {}).get(field)
    if isinstance(shown, list) and isinstance(wanted, list):
        return len(shown) >= len(wanted)
    return shown is not None or not wanted


def declared(ctx: AwsContext, field: str) -> Any:
    """Give what the resource itself declared of a field, as state has it; None if nothing."""
    recorded = getattr(ctx.record, "inputs", None) or {}
    return reveal(recorded.get(field))


def differs(field: str, before: Mapping[str, Any], after: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether an update has to write a field.

    A declared field is compared with what is there, so that an update repairs
    what an earlier one left undone. A field that is no longer declared is
    written (to its default) only if it was declared and still shows something.
    The order of lists means nothing in the fields that are updated here.
    """
    wanted, there = reveal(after.get(field)), now.get(field)
    if wanted is None:
        return before.get(field) is not None and there is not None
    if isinstance(wanted, list) and isinstance(there, list):
        return sorted(map(_text, wanted)) != sorted(map(_text, there))
    return bool(wanted != there)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def partition(region: str) -> str:
    """Give the partition, which ARNs begin with, of a region.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    """
    special = {
        "cn-": "aws-cn",
        "us-gov-": "aws-us-gov",
        "us-iso-": "aws-iso",
        "us-isob-": "aws-iso-b",
        "eu-isoe-": "aws-iso-e",
        "us-isof-": "aws-iso-f",
        "eusc-": "aws-eusc",
    }
    return next((name for prefix, name in special.items() if region.startswith(prefix)), "aws")
