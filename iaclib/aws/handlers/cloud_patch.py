"""The JSON patch that brings an object from what the cloud shows to what is declared.

The cloud applies it to what it reads itself. So what is not shown has to be
sent again, or it is lost; what only a create takes must not be sent at all;
what is not declared stays as it is.

Source: https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-operations-update.html
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from iaclib.aws.handlers.cloud_paths import EVERY, covered, pointer, without
from iaclib.schema.cloud import CloudFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Steps = tuple[str, ...]
_ABSENT = object()


def patch(
    cloud: CloudFacts,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    shown: Mapping[str, Any],
    baseline: Mapping[str, Any],
    besides: Iterable[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Make the operations; none if nothing has to be done. All arguments are in the cloud's names.

    Args:
        cloud: What the cloud's handler is known to need.
        before: What was declared.
        after: What is declared now.
        shown: What the cloud shows now.
        baseline: What it showed after the last write.
        besides: Operations on properties that are not among these, such as tags.
    """
    # What is neither shown nor changeable would look like a change of it.
    fixed = [path for path in cloud.create_only if path in cloud.write_only]
    before, after = without(dict(before), fixed), without(dict(after), fixed)
    work = _Patch(cloud, deepcopy(dict(shown)), list(besides))
    for name in dict.fromkeys((*after, *before)):
        work.change(
            (name,),
            before.get(name, _ABSENT),
            after.get(name, _ABSENT),
            shown.get(name, _ABSENT),
            baseline.get(name, _ABSENT),
        )
    if work.operations or work.dropped or work.hidden_change:
        work.send_hidden(after)
    if work.dropped and not work.operations:
        work.touch(after)
    return work.operations


class _Patch(Struct):
    """Operations as they gather.

    Args:
        cloud: What the cloud's handler is known to need.
        document: What the cloud shows, with the operations made.
        operations: Made so far.
        dropped: Whether something that the cloud never shows is no longer declared.
        hidden_change: Whether something that the cloud never shows has changed.
    """

    cloud: CloudFacts
    document: dict[str, Any]
    operations: list[dict[str, Any]] = field(default_factory=list)
    dropped: bool = False
    hidden_change: bool = False

    def change(self, at: Steps, before: Any, after: Any, shown: Any, baseline: Any) -> None:
        """Bring one place to what is declared."""
        if covered(at, self.cloud.create_only) or covered(at, self.cloud.read_only):
            return
        if covered(at, self.cloud.write_only):
            self.hidden_change = self.hidden_change or (after is not _ABSENT and before != after)
            self.dropped = self.dropped or (after is _ABSENT and before is not _ABSENT)
            return
        if after is _ABSENT:
            if before is not _ABSENT and shown is not _ABSENT:
                self.make("remove", at)
        elif shown is _ABSENT:
            if before != after or baseline is not _ABSENT:
                self.make("add", at, after)
        elif isinstance(after, dict) and isinstance(shown, dict):
            was = before if isinstance(before, dict) else {}
            last = baseline if isinstance(baseline, dict) else {}
            for key in dict.fromkeys((*after, *was)):
                self.change(
                    (*at, key),
                    was.get(key, _ABSENT),
                    after.get(key, _ABSENT),
                    shown.get(key, _ABSENT),
                    last.get(key, _ABSENT),
                )
        elif not self.kept(before, after, shown, baseline):
            self.make("replace", at, after)

    @staticmethod
    def kept(before: Any, after: Any, shown: Any, baseline: Any) -> bool:
        """Whether a list or plain value is as it should be, in the cloud's own way to show it."""
        seen = _shaped(shown, after)
        return bool(seen == after or (before == after and baseline is not _ABSENT and seen == _shaped(baseline, after)))

    def make(self, operation: str, at: Steps, value: Any = _ABSENT) -> None:
        """Note an operation, and make it on the document."""
        made = {"op": operation, "path": pointer(at)}
        *above, last = at
        node: Any = self.document
        for step in above:
            node = node[step]
        if value is _ABSENT:
            del node[last]
        else:
            made["value"] = value
            node[last] = deepcopy(value)
        self.operations.append(made)

    def send_hidden(self, after: Mapping[str, Any]) -> None:
        """Send again what the cloud never shows."""
        for path in self.cloud.write_only:
            self._send((), path.split("/"), self.document, after)

    def _send(self, at: Steps, parts: list[str], node: Any, wanted: Any) -> None:
        first, rest = parts[0], parts[1:]
        if not isinstance(wanted, dict) or not isinstance(node, dict):
            return
        for key in list(wanted) if first == EVERY else [first]:
            place = (*at, key)
            if key not in wanted or covered(place, self.cloud.create_only):
                continue
            value = wanted[key]
            if rest and isinstance(value, dict) and isinstance(node.get(key), dict):
                self._send(place, rest, node[key], value)
            elif isinstance(value, list) and rest:
                # Which shown element a hidden value belongs to can't be told by position: the list as a whole.
                if node.get(key) != value and _holds(value, rest):
                    self.make("add", place, value)
            elif node.get(key, _ABSENT) != value and (not rest or _holds(value, rest)):
                self.make("add", place, value)

    def touch(self, after: Mapping[str, Any]) -> None:
        """Write something as it is: what is not sent again goes with any update."""
        for name, value in after.items():
            if name in self.document and not covered((name,), (*self.cloud.create_only, *self.cloud.read_only)):
                self.make("replace", (name,), value)
                return


def _holds(value: Any, parts: list[str]) -> bool:
    """Whether there is something at a path."""
    if not parts:
        return True
    if isinstance(value, list):
        return any(_holds(item, parts[1:] if parts[0] == EVERY else parts) for item in value)
    if isinstance(value, dict):
        keys = value if parts[0] == EVERY else [parts[0]]
        return any(key in value and _holds(value[key], parts[1:]) for key in keys)
    return False


def _shaped(value: Any, like: Any) -> Any:
    """Reduce what is shown to what was declared: other keys are the cloud's own."""
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: _shaped(value[key], item) for key, item in like.items() if value.get(key) is not None}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [_shaped(item, mine) for item, mine in zip(value, like, strict=True)]
    return value
