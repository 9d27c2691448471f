"""Random values: drawn from the system, kept in state, nowhere else.

A value that was drawn but not recorded was seen by nobody, so after a kill it
counts as absent and another is drawn. It is never made of the token, which
state holds in clear.
"""

from __future__ import annotations

import base64
import secrets
import string
from typing import TYPE_CHECKING, Any

from iaclib.errors import InvalidRequestError
from iaclib.local.handlers.base import LocalContext, LocalHandler, taken_over
from iaclib.model.values import Secret
from iaclib.provider.handler import Live

if TYPE_CHECKING:
    from collections.abc import Mapping

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"


class _DrawnHandler(LocalHandler):
    """What holds for all values that live in state alone."""

    def find(self, _ctx: LocalContext, _inputs: Mapping[str, Any]) -> None:
        """Find nothing: only state ever holds the value."""

    def read(self, ctx: LocalContext, id: str) -> Live | None:
        """Confirm what is recorded."""
        if ctx.record is None:
            msg = f"{ctx.address}: a random value lives in state alone, expected none to import; declare it, and a new one is drawn"
            raise InvalidRequestError(msg)
        return Live(id, dict(ctx.record.outputs))

    def update(self, ctx: LocalContext, id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Live:
        """Keep the value: whatever changes it draws a new one instead."""
        return Live(id, dict(ctx.record.outputs))

    def delete(self, ctx: LocalContext, id: str) -> None:
        """The record was all there was."""


class RandomIdHandler(_DrawnHandler):
    """Random bytes, written in several ways."""

    def create(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Live:
        return _id_of(ctx, secrets.token_bytes(inputs["byte_length"]))

    def read(self, ctx: LocalContext, id: str) -> Live | None:
        """Its id tells all of it, so an import can make it again."""
        try:
            return _id_of(ctx, bytes.fromhex(id))
        except ValueError:
            msg = f"{ctx.address}: the id {id!r} is no hexadecimal number of whole bytes, expected one such as 8f3a; correct it"
            raise InvalidRequestError(msg) from None


def _id_of(ctx: LocalContext, drawn: bytes) -> Live:
    text = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
    outputs = {"hex": drawn.hex(), "b64_url": text, "dec": str(int.from_bytes(drawn, "big"))}
    return Live(drawn.hex(), outputs, taken_over(ctx, byte_length=len(drawn)))


class RandomPasswordHandler(_DrawnHandler):
    """Passwords; the id tells nothing of them."""

    def create(self, ctx: LocalContext, inputs: Mapping[str, Any]) -> Live:
        return Live(f"password-{secrets.token_hex(8)}", {"result": Secret(_password(ctx.address, inputs))})


def _password(address: str, inputs: Mapping[str, Any]) -> str:
    kinds = {
        "lower": string.ascii_lowercase,
        "upper": string.ascii_uppercase,
        "digits": string.digits,
        "special": inputs.get("override_special") or _SPECIAL,
    }
    least = {kind: int(inputs[kind]) for kind in kinds if inputs[kind]}
    length = int(inputs["length"])
    if not least or sum(least.values()) > length:
        what = f"{sum(least.values())} characters at least" if least else "no kind of character"
        msg = (
            f"{address}: lower, upper, digits and special ask for {what}, "
            f"expected 1 to {length}, the length; raise length or change them"
        )
        raise InvalidRequestError(msg)
    drawn = [secrets.choice(kinds[kind]) for kind, count in least.items() for _ in range(count)]
    every = "".join(dict.fromkeys("".join(kinds[kind] for kind in least)))  # each once, so that none is likelier
    drawn += [secrets.choice(every) for _ in range(length - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)
