"""Finds programs that look into the text of a token, or that say something else each time they run.

A program runs twice, with tokens of other text and length in its f-strings;
what it declares must be the same. What slices, sorts or hashes a token shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

from iaclib.declare.collect import collect
from iaclib.declare.sources import Query
from iaclib.errors import DeclarationError
from iaclib.model.evaluate import leaf_nodes, refs
from iaclib.model.expressions import Expr
from iaclib.plan.program import write_declared
from iaclib.plan.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iaclib.declare.desired import Declared, Desired
    from iaclib.declare.stack import Stack

_SALT = "the second time"


def fields_read(desired: Desired) -> Iterator[tuple[str, str]]:
    """Tell which properties a program reads of which types."""
    said = [declared.inputs for declared in desired.resources.values() if declared.expressions]
    for value in (*said, desired.outputs):
        for address, field in refs(value):
            if (declared := desired.resources.get(address)) is not None:
                yield declared.type, field
    if desired.sources:
        types = {source.address: source.type for source in desired.sources if isinstance(source, Query)}
        for node in leaf_nodes([said, desired.outputs]):
            if node.address in types:
                yield types[node.address], node.field


def collect_twice(stack: Stack, *, always: bool = False) -> Desired:
    """Collect a program, and again with other tokens if it wrote any output as text.

    The stack of a ``with`` block has run already, and is taken as it is.

    Args:
        stack: The program.
        always: Whether to collect again also without tokens, to find what depends on chance.

    Raises:
        DeclarationError: The two differ; it says where.
    """
    first = collect(stack)
    if stack.__dict__["_iac_block"] or not (first.tokens or always):
        return first
    second = collect(stack, salt=_SALT)
    for address in (*first.resources, *second.resources):
        if address not in first.resources or address not in second.resources:
            _differs(str(first.ref), f"the resource {address}", "")
        _compare(first.resources[address], second.resources[address])
    for name in (*first.outputs, *second.outputs):
        if name not in first.outputs or name not in second.outputs:
            _differs(str(first.ref), f"the export {name}", "")
        path = _path(first.outputs[name], second.outputs[name])
        if path is not None:
            _differs(str(first.ref), f"the export {name}{path}", "")
    return first


def _compare(one: Declared, two: Declared) -> None:
    if one.type != two.type:
        _differs(one.address, "its type", f", in {one.location}")
    if one.inputs != two.inputs:  # expressions of two collects are never the same objects
        for name in (*one.inputs, *two.inputs):
            path = _path(one.inputs.get(name), two.inputs.get(name))
            if path is not None:
                _differs(one.address, f"{name}{path}", f", in {one.location}")
    if one.linked or two.linked or one.options != two.options:
        mine, other = _written(one), _written(two)
        for key in mine.keys() | other.keys():
            if mine.get(key) != other.get(key):
                _differs(
                    one.address, f"the option {key}" if key != "options" else "its options", f", in {one.location}"
                )


def _path(one: Any, two: Any) -> str | None:
    """Find where two values differ: "" for all of it, None for nowhere."""
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        for key in one:
            path = _path(one[key], two[key])
            if path is not None:
                return f".{key}{path}"
        return None
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for at, (mine, other) in enumerate(zip(one, two, strict=True)):
            path = _path(mine, other)
            if path is not None:
                return f"[{at}]{path}"
        return None
    if isinstance(one, Expr) and isinstance(two, Expr):
        return None if type(one) is type(two) and _value(one) == _value(two) else ""
    return None if one == two else ""


def _writer() -> Writer:
    seen: dict[str, Any] = {}

    def refer(parts: Any) -> Any:
        return seen.setdefault(repr(parts), parts)

    return Writer(lambda _subject, secret: repr(secret.reveal()), refer, places=False)


def _value(value: Any) -> Any:
    return _writer().value(value)


def _written(declared: Declared) -> dict[str, Any]:
    found = write_declared(declared, _writer())
    return {key: value for key, value in found.items() if key != "inputs"}


def _differs(where: str, what: str, location: str) -> Never:
    msg = (
        f"{where}: {what} differs when the program runs again with other tokens in its f-strings, expected the same: it "
        "depends on a token's characters (slicing, len, sorting, hashing) or on chance; do it to the value, by "
        f"output.map(...){location}"
    )
    raise DeclarationError(msg)
