"""Copies of errors that hold no secret of the step that they happened in."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from iaclib.errors import IaclibError, PartialFailure
from iaclib.model.values import MASK, Secret, leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST = 3  # a secret shorter than this would blot out half of every message


def secret_texts(*values: Any) -> list[str]:
    """List the texts that secrets in these values guard, longest first."""
    found: set[str] = set()
    for value in values:
        for leaf in leaves(dict(value) if hasattr(value, "items") else value):
            if isinstance(leaf, Secret):
                found.update(
                    str(part) for part in leaves(leaf.reveal()) if part is not None and not isinstance(part, bool)
                )
    return sorted((text for text in found if len(text) >= _SHORTEST), key=len, reverse=True)


def redact_text(text: str, secrets: Iterable[str]) -> str:
    """Replace secrets in a text by the mask, also as ``repr`` and JSON write them."""
    for secret in secrets:
        text = text.replace(secret, MASK)
        shown = repr(secret)[1:-1]
        if shown != secret:
            text = text.replace(shown, MASK)
    return text


def redacted(error: BaseException, secrets: list[str]) -> Exception:
    """Copy an error without its chain, frames and secrets.

    The copy has the same type where that can be rebuilt, and a note saying
    where in the handler it was raised (files and lines, no values).
    """
    if isinstance(error, PartialFailure):
        error = error.cause if isinstance(error.cause, Exception) else RuntimeError(str(error.cause))
    copy: Exception
    message = redact_text(str(error), secrets)
    if isinstance(error, IaclibError) and type(error).__reduce__ is IaclibError.__reduce__:
        facts = {
            key: redact_text(fact, secrets) if isinstance(fact, str) else fact for key, fact in error.facts.items()
        }
        facts = {key: fact for key, fact in facts.items() if isinstance(fact, str | int | float | bool | None)}
        copy = type(error)(message, **facts)
    else:
        copy = _foreign(error, message, secrets)
    frames = traceback.extract_tb(error.__traceback__)
    if frames and not isinstance(error, IaclibError):
        copy.add_note(
            "raised at " + ", ".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-3:])
        )
    return copy


def _foreign(error: BaseException, message: str, secrets: list[str]) -> Exception:
    cls = type(error)
    if cls.__module__ == "builtins" and issubclass(cls, Exception) and not issubclass(cls, BaseExceptionGroup):
        args = tuple(
            redact_text(arg, secrets) if isinstance(arg, str) else arg
            for arg in error.args
            if isinstance(arg, str | int | float | None)
        )
        try:
            copy = cls(*args)
        except TypeError:
            return RuntimeError(f"{cls.__name__}: {message}")
        return copy if str(copy) == message else RuntimeError(f"{cls.__name__}: {message}")
    return RuntimeError(f"{cls.__module__}.{cls.__qualname__}: {message}")
