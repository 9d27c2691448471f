"""What the AWS handlers share: clients, waiting, finding by token, tags."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from iaclib.aws import tags
from iaclib.aws.provider import Provider
from iaclib.errors import ConflictError, NotFoundError, OperationTimeoutError, PartialFailure, ProviderError
from iaclib.provider.context import Context
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from iaclib.aws.client import Client

T = TypeVar("T")

AwsContext: TypeAlias = Context[Provider]

_FILTER_VALUES = 200  # EC2 takes no more values in one filter


def wanted(name: str, before: Mapping[str, Any], after: Mapping[str, Any], default: Any) -> Any:
    """Tell what a field shall be: as declared, the default if it was dropped, or None (leave alone)."""
    if after.get(name) is not None:
        return after[name]
    return default if before.get(name) is not None else None


class AwsHandler:
    """The base of all handlers: which service they call, and how."""

    service: ClassVar[str]

    def client(self, ctx: AwsContext) -> Client:
        """Give the client of this handler's service."""
        return ctx.provider.client(self.service)

    @staticmethod
    def wait(ctx: AwsContext, probe: Callable[[], T | None], *, what: str, every: float = 5.0) -> T:
        """Ask until there is an answer, or the deadline has come.

        Args:
            ctx: The step.
            probe: Gives None as long as waiting is needed.
            what: What is waited for, for the error: "the queue is still there".
            every: Seconds between two questions, reached by doubling from 1/4 s.

        Raises:
            OperationTimeoutError: The step's time is up.
        """
        pause = min(0.25, every)
        while (answer := probe()) is None:
            if ctx.remaining <= 0:
                msg = (
                    f"{ctx.address}: {what}, expected an end before the timeout; "
                    "raise Options(timeouts=...) or look at the object in AWS"
                )
                raise OperationTimeoutError(msg)
            ctx.sleep(pause)
            pause = min(pause * 2, every)
        return answer

    @staticmethod
    def settled(ctx: AwsContext, call: Callable[[], T], *, tries: int = 4) -> T:
        """Call, and again for some seconds while AWS does not see what the call refers to.

        What was created a moment ago is not known to all of AWS at once. The
        time is short, because it also delays the error for what never was.

        Args:
            ctx: The step.
            call: The call; must be safe to repeat.
            tries: How often; the pauses between are 1, 2, 3, … seconds.
        """
        for attempt in range(1, tries):
            try:
                return call()
            except NotFoundError:
                if ctx.remaining <= 0:
                    raise
                ctx.sleep(attempt)
        return call()

    @staticmethod
    def agreed(ctx: AwsContext, probe: Callable[[], bool], *, tries: int = 8) -> None:
        """Give AWS some seconds to show what was just written, then go on.

        What ``read`` shows after a write becomes the baseline of drift, so it
        should not be the state from before. An emulator that never shows it is
        no reason to fail.

        Args:
            ctx: The step.
            probe: Whether the write shows.
            tries: How often to ask; the pauses double from 1/4 s up to 4 s.
        """
        pause = 0.25
        for _ in range(tries):
            if probe() or ctx.remaining <= 0:
                return
            ctx.sleep(pause)
            pause = min(pause * 2, 4.0)

    @staticmethod
    def missing_ok() -> suppress:
        """Take "not found" for success, as deletes do."""
        return suppress(NotFoundError)

    @staticmethod
    @contextmanager
    def finishing(ctx: AwsContext, id: str, outputs: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Guard the calls that complete an object which exists already.

        The id is noted durably first. A failure inside becomes a
        ``PartialFailure`` that an update can repair; its ``retryable`` is the
        cause's, as the create may as well be repeated with the same token.
        """
        ctx.checkpoint(id=id)
        try:
            yield
        except PartialFailure:
            raise
        except ProviderError as error:
            failure = PartialFailure(Live(id, outputs or {}), error, repairable=True)
            failure.__dict__["retryable"] = error.retryable
            raise failure from None

    @staticmethod
    def require_own(ctx: AwsContext, raw_tags: Mapping[str, str] | None, id: str, what: str) -> None:
        """Refuse an object that was there before and that this step did not make.

        Args:
            ctx: The step.
            raw_tags: All tags of the object.
            id: Its id.
            what: Its kind and name for the error, such as ``queue 'jobs'``.

        Raises:
            ConflictError: With ``existing_id``.
        """
        if not tags.is_own(ctx, raw_tags):
            msg = (
                f"{ctx.address}: {what} exists already, expected to create it; "
                f"choose another name, or take it over with Options(import_id={id!r}) or Options(adopt=True)"
            )
            raise ConflictError(msg, existing_id=id)


class Ec2Handler(AwsHandler):
    """The base of EC2 types that are described by filters and carry tags.

    Subclasses set the class variables and ``show``. Filters are used instead
    of ids because one missing id fails the whole call.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html
    """

    service = "ec2"
    describe: ClassVar[str]
    """The operation that describes many, such as ``describe_vpcs``."""
    result: ClassVar[str]
    """Where its answer has the objects, such as ``Vpcs`` (a JMESPath)."""
    id_key: ClassVar[str]
    """The object's key that holds the id, such as ``VpcId``."""
    id_filter: ClassVar[str]
    """The filter by id, such as ``vpc-id``."""
    kind: ClassVar[str]
    """The resource type of a tag specification, such as ``vpc``."""

    def show(self, ctx: AwsContext, found: Mapping[str, Any]) -> Live | None:
        """Turn a description into what the engine sees; None if it is as good as gone."""
        raise NotImplementedError

    def show_many(self, ctx: AwsContext, found: Sequence[Mapping[str, Any]]) -> list[Live | None]:
        """Show several descriptions; overridden where that saves calls."""
        return [self.show(ctx, one) for one in found]

    def described(self, ctx: AwsContext, filters: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
        """Describe all objects that match filters (name -> values)."""
        wire = [{"Name": name, "Values": list(values)} for name, values in filters.items()]
        return self.client(ctx).items(self.describe, self.result, Filters=wire)

    def one(self, ctx: AwsContext, id: str) -> dict[str, Any] | None:
        """Describe one object, or give None."""
        return next((found for found in self.described(ctx, {self.id_filter: [id]}) if found[self.id_key] == id), None)

    def require(self, ctx: AwsContext, id: str) -> dict[str, Any]:
        """Describe one object that has to be there.

        Raises:
            NotFoundError: It is not.
        """
        found = self.one(ctx, id)
        if found is None:
            msg = f"{ctx.address}: {id} is not there, expected to change it; refresh the stack"
            raise NotFoundError(msg)
        return found

    def read(self, ctx: AwsContext, id: str) -> Live | None:
        """Show the object, or None if it is not there."""
        found = self.one(ctx, id)
        return None if found is None else self.show(ctx, found)

    def read_many(self, ctx: AwsContext, ids: Sequence[str]) -> dict[str, Live | None]:
        """Show many objects with few calls; None for each that is not there."""
        shown: dict[str, Live | None] = dict.fromkeys(ids)
        for start in range(0, len(ids), _FILTER_VALUES):
            found = list(self.described(ctx, {self.id_filter: ids[start : start + _FILTER_VALUES]}))
            keys = [one[self.id_key] for one in found]
            shown.update(
                (key, live) for key, live in zip(keys, self.show_many(ctx, found), strict=True) if key in shown
            )
        return shown

    def find(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> Live | None:
        """Find what this step's create call made, by its token."""
        found = self.find_by_token(ctx)
        return None if found is None else self.show(ctx, found)

    def find_by_token(self, ctx: AwsContext) -> dict[str, Any] | None:
        """Describe the live object that carries this step's token."""
        if not ctx.token:
            return None
        matches = self.described(ctx, {f"tag:{tags.TOKEN}": [ctx.token]})
        return next((found for found in matches if self.is_live(found)), None)

    def is_live(self, found: Mapping[str, Any]) -> bool:
        """Whether a description is of something that is not on its way out."""
        return bool(found)

    def created(self, ctx: AwsContext, make: Callable[[], str]) -> str:
        """Give the id of what this step makes, making it only once.

        Most EC2 create calls know no client token. One that may be repeated,
        since an answer was lost, looks for the token's tag first.

        Args:
            ctx: The step.
            make: Makes the object and gives its id.
        """
        found = self.find_by_token(ctx) if ctx.repeated else None
        return str(found[self.id_key]) if found is not None else make()

    def fresh(self, ctx: AwsContext, id: str) -> Live:
        """Show what was just made, or say that it does not show yet."""
        return self.read(ctx, id) or Live(id, ready=False)

    def gone(self, ctx: AwsContext, id: str) -> None:
        """Wait until a deleted object no longer shows."""
        self.wait(ctx, lambda: True if self.read(ctx, id) is None else None, what=f"{id} is deleted but still there")

    def tag_specifications(self, ctx: AwsContext, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Give the user's tags and our own in the shape that create calls take."""
        return [{"ResourceType": self.kind, "Tags": tags.to_list(tags.with_own(ctx, inputs.get("tags")))}]

    def update_tags(
        self, ctx: AwsContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any], found: Mapping[str, Any]
    ) -> None:
        """Bring an object's tags from ``before["tags"]`` to ``after["tags"]``.

        Args:
            ctx: The step.
            id: The object.
            before: Inputs as they were.
            after: Inputs as they shall be.
            found: The object's description, with ``Tags``.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html
        """
        put, drop = tags.changes(before.get("tags"), after.get("tags"), tags.raw(found.get("Tags")))
        if put:
            self.client(ctx).call("create_tags", Resources=[id], Tags=tags.to_list(put))
        if drop:
            self.client(ctx).call("delete_tags", Resources=[id], Tags=[{"Key": key} for key in drop])
        if put or drop:
            self.agreed(ctx, lambda: self._tags_show(ctx, id, put, drop))

    def _tags_show(self, ctx: AwsContext, id: str, put: Mapping[str, str], drop: Sequence[str]) -> bool:
        live = tags.raw((self.one(ctx, id) or {}).get("Tags"))
        return all(live.get(key) == value for key, value in put.items()) and not live.keys() & set(drop)
