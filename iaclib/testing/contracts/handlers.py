"""What every handler keeps, against whatever it works on: an emulator, a fake, a real account."""

from __future__ import annotations

import copy
import itertools
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest

from iaclib.errors import ConflictError, NotFoundError, ProviderError
from iaclib.model.values import plain
from iaclib.provider.context import Context
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class HandlerContract:
    """What every handler does; subclass it and define ``handler`` and ``inputs``.

    Attributes:
        patience: Seconds during which a new or changed object may not show yet.
        step: Seconds that one step may take.
    """

    patience: ClassVar[float] = 0.0
    step: ClassVar[float] = 60.0
    _numbers = itertools.count()

    # ---------------------------------------------------------------------------------------------------- to be told

    def handler(self) -> Any:
        """Give the handler."""
        raise NotImplementedError

    def inputs(self) -> Mapping[str, Any]:
        """Give inputs of a new object, which may be called again for another one; the type's, resolved."""
        raise NotImplementedError

    def changed(self, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Give the inputs of an update in place; None if the type has none."""
        return None

    def refused(self) -> Mapping[str, Any] | None:
        """Give inputs that the other side refuses; None if there are none."""
        return None

    def missing_id(self) -> str:
        """Give an id of the right form that nothing has."""
        return "iaclib-contract-none"

    def provider(self) -> Any:
        """Give what the handler reaches its objects through."""
        return None

    # ------------------------------------------------------------------------------------------------------ the tools

    def context(self, token: str = "", **facts: Any) -> Context[Any]:
        """Make what the engine tells a handler about one step."""
        address = f"contract-{next(self._numbers)}"
        return Context(
            address,
            f"contract/test:{address}",
            "contract/test",
            self.provider(),
            token=token or uuid.uuid4().hex,
            deadline=time.monotonic() + self.step,
            **facts,
        )

    def wait(self, ask: Callable[[], T], wanted: Callable[[T], bool]) -> T:
        """Ask until the answer is as wanted, or patience is over."""
        until = time.monotonic() + self.patience
        while not wanted(found := ask()) and time.monotonic() < until:
            time.sleep(0.2)
        return found

    def ready(self, live: Live) -> Live:
        """Read until the object is ready."""
        until = time.monotonic() + self.step
        while not live.ready and time.monotonic() < until:
            time.sleep(0.2)
            live = self.handler().read(self.context(), live.id) or live
        assert live.ready, f"{live.id} is not ready after {self.step} s"
        return live

    def seen(self, id: str) -> Live | None:
        """Read an object that should be there."""
        found: Live | None = self.wait(lambda: self.handler().read(self.context(), id), lambda live: live is not None)
        return found

    @pytest.fixture
    def made(self) -> Iterator[tuple[Context[Any], Mapping[str, Any], Live]]:
        """Make an object, and delete it after the test."""
        ctx, inputs = self.context(), self.inputs()
        self.absent_before(inputs)
        live = self.ready(self.handler().create(ctx, dict(inputs)))
        yield ctx, inputs, live
        self.handler().delete(self.context(), live.id)

    def absent_before(self, inputs: Mapping[str, Any]) -> None:
        """Check what the engine checks for types that carry no token: that nothing is there yet."""
        identity = getattr(self.handler(), "identity", None)
        if identity is None or getattr(self.handler(), "find", None) is not None:
            return
        where = identity(dict(inputs))
        assert where is None or self.handler().read(self.context(), where) is None

    # --------------------------------------------------------------------------------------------------- the promises

    def test_what_is_created_can_be_read(self, made: Any) -> None:
        """Same id, JSON outputs, and the declared inputs as far as they can be read."""
        _ctx, inputs, live = made
        seen = self.seen(live.id)
        assert seen is not None
        assert seen.id == live.id
        for shown in (live, seen):
            plain(dict(shown.outputs), "outputs")
            plain(dict(shown.inputs or {}), "inputs")
        for name in inputs.keys() & (seen.inputs or {}).keys():
            assert (seen.inputs or {})[name] is not None, f"{name} was given and reads as unset"

    def test_inputs_are_left_as_they_are(self) -> None:
        """The engine's values aren't the handler's to change."""
        inputs = dict(self.inputs())
        before = copy.deepcopy(inputs)
        live = self.handler().create(self.context(), inputs)
        self.handler().delete(self.context(), self.ready(live).id)
        assert inputs == before

    def test_what_is_not_there_reads_as_none(self) -> None:
        """None, no error."""
        assert self.handler().read(self.context(), self.missing_id()) is None

    def test_an_update_shows_when_read(self, made: Any) -> None:
        """Same id; what can be read has the new values."""
        _ctx, inputs, live = made
        after = self.changed(inputs)
        if after is None:
            pytest.skip("nothing of this type changes in place")
        updated = self.ready(self.handler().update(self.context(record=None), live.id, dict(inputs), dict(after)))
        assert updated.id == live.id
        names = [name for name in after if after[name] != inputs.get(name)]

        def shows(seen: Live | None) -> bool:
            shown = (seen.inputs if seen is not None else None) or {}
            return seen is not None and all(shown[name] == after[name] for name in names if name in shown)

        assert shows(self.wait(lambda: self.handler().read(self.context(), live.id), shows))

    def test_updating_what_is_gone_is_not_found(self) -> None:
        """NotFoundError, and nothing is made."""
        inputs = self.inputs()
        after = self.changed(inputs)
        if after is None:
            pytest.skip("nothing of this type changes in place")
        with pytest.raises(NotFoundError):
            self.handler().update(self.context(), self.missing_id(), dict(inputs), dict(after))

    def test_a_delete_can_be_repeated(self) -> None:
        """Already gone is success, and so is never there."""
        live = self.ready(self.handler().create(self.context(), dict(self.inputs())))
        self.handler().delete(self.context(), live.id)
        gone = self.wait(lambda: self.handler().read(self.context(), live.id), lambda seen: seen is None)
        assert gone is None
        self.handler().delete(self.context(), live.id)
        self.handler().delete(self.context(), self.missing_id())

    def test_what_was_made_can_be_found_again(self, made: Any) -> None:
        """By the step's token, or by the identity that the inputs lead to."""
        ctx, inputs, live = made
        find: Any = getattr(self.handler(), "find", None)
        identity: Any = getattr(self.handler(), "identity", None)
        assert find is not None or identity is not None, "a handler has find or identity, or a killed create is lost"
        if find is None:
            assert identity(dict(inputs)) == live.id
            return
        found = self.wait(lambda: find(self.context(ctx.token), dict(inputs)), lambda seen: seen is not None)
        assert found is not None
        assert found.id == live.id
        assert find(self.context(), dict(inputs)) is None, "another step's token finds nothing"

    def test_a_second_create_makes_no_second_object(self, made: Any) -> None:
        """With the same token it gives the first one, or a ConflictError that names it; identities conflict."""
        ctx, inputs, live = made
        again: Live | None = None
        named = None
        try:
            again = self.handler().create(self.context(ctx.token), dict(inputs))
        except ConflictError as error:
            named = error.facts.get("existing_id")
        assert named in (None, live.id)
        if again is not None and again.id != live.id:
            self.handler().delete(self.context(), again.id)
            pytest.fail("the same token made a second object")

    def test_errors_are_translated(self) -> None:
        """What the other side refuses is an error of iaclib, which decides about retries."""
        inputs = self.refused()
        if inputs is None:
            pytest.skip("no inputs are known that would be refused")
        with pytest.raises(ProviderError) as caught:
            self.handler().create(self.context(), dict(inputs))
        assert not caught.value.retryable
